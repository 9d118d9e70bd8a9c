"""`config example`, `config show` and `config schema`."""

from tillbridge.cli.options import Common, print_json
from tillbridge.config import effective, example_toml, json_schema


def example() -> None:
    print(example_toml(), end="")


def show(common: Common) -> None:
    config = common.load(as_owner=False)
    print(effective(config, ledger_path=common.ledger_path(config)), end="")


def schema() -> None:
    print_json(json_schema())
