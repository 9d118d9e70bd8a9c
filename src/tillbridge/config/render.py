"""Writing TOML: the commented sample, and the effective values with their secrets hidden.

Both walk the models' own layout. No secret's value can appear: the types show references, or
`[hidden]` for a secret that stands in the file itself.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tillbridge.config.layout import (
    Table,
    choices,
    default_value,
    is_shown,
    sample_value,
    tables,
)
from tillbridge.config.model import Config
from tillbridge.config.parsing import toml_string

_WIDTH = 96
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_OPENING = """\
The configuration of tillbridge. Copy it to /etc/tillbridge/config.toml and change it.
Keys that begin with a # are optional and show their default or an example.
Unknown keys are errors. Durations are written as "90s", "5m", "6h", "3d" or "0.5s".
`tillbridge once` does one pass and says what is wrong, if anything.
This sample is generated from the program; `tillbridge config example` prints it."""


def toml_value(value: object) -> str:
    """A value in TOML's notation, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}"
        return text if "." in text else f"{text}.0"
    if isinstance(value, int | date):
        return str(value)
    if isinstance(value, str | Path):
        return toml_string(str(value))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_pair(key, item) for key, item in value.items()) + " }"
    if isinstance(value, Sequence):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    raise TypeError(f"TOML has no notation for {type(value).__name__}")


def example_toml() -> str:
    """The commented sample: every key, its explanation, optional ones commented out."""
    lines = [*_comment(_OPENING)]
    for table in tables():
        lines += ["", *_example_table(table)] if table.path else _example_table(table)
    return "\n".join(lines) + "\n"


def effective(config: Config, *, ledger_path: Path | None = None) -> str:
    """All values in force as TOML, secrets hidden: defaults, derived addresses, and each
    location's own words.

    Args:
        config: a checked configuration.
        ledger_path: what is in force where the file names no path.
    """
    data = _in_force(config, ledger_path)
    lines: list[str] = []
    for table in tables():
        found = _at(data, table.path)
        for values in found if table.many else [found]:
            names = list(values) if table.entries else list(table.keys)
            pairs = [_pair(name, values[name]) for name in names if values.get(name) is not None]
            if pairs:
                lines += ["", table.header, *pairs] if table.path else pairs
    return "\n".join(lines) + "\n"


def _in_force(config: Config, ledger_path: Path | None) -> dict[str, Any]:
    data = config.model_dump(mode="python")
    addresses = config.lightspeed.addresses
    data["lightspeed"] |= {
        "api_url": addresses.api_url,
        "authorize_url": addresses.authorize_url,
        "token_url": addresses.token_url,
    }
    data["connecteam"]["base_url"] = config.connecteam.address
    data["ledger"]["path"] = data["ledger"]["path"] or ledger_path
    for location, values in zip(config.locations, data["locations"], strict=True):
        values["when_unclear"] = config.when_unclear(location)
        values["service_charge"] = config.service_charge(location)
    return data


def _at(data: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401  # tables or lists of them
    for name in path:
        data = data[name]
    return data


def _example_table(table: Table) -> Iterator[str]:
    if table.path:
        yield from _comment(table.description)
        yield table.header
    if table.entries is not None:
        examples: dict[str, str] = (table.entries.examples or [{}])[0]
        yield from (f"# {_pair(name, value)}" for name, value in examples.items())
        return
    for index, (name, field) in enumerate(table.keys.items()):
        if index or not table.path:
            yield ""
        yield from _comment(" ".join([field.description or "", *_facts(table, name)]))
        line = _pair(name, sample_value(table, name))
        yield line if is_shown(field) else f"# {line}"


def _facts(table: Table, name: str) -> Iterator[str]:
    field = table.keys[name]
    default = default_value(table, name)
    words = choices(field)
    if len(words) > 1:
        yield f"One of {', '.join(toml_string(word) for word in words)}."
    if field.is_required():
        yield "Required."
    elif default is not None and (field.examples or is_shown(field)):
        yield f"Default: {toml_value(default)}."


def _comment(text: str) -> Iterator[str]:
    for paragraph in text.splitlines():
        yield from (
            f"# {line}"
            for line in textwrap.wrap(
                paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False
            )
        )


def _pair(key: str, value: object) -> str:
    return f"{key if _BARE_KEY.fullmatch(key) else toml_string(key)} = {toml_value(value)}"
