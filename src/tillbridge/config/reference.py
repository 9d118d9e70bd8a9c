"""The reference of the configuration, for the docs and for editors.

Generated from the models, so that it cannot drift from what the program accepts.
"""

from collections.abc import Iterator
from typing import Any

from tillbridge.config.layout import Table, default_value, kind_of, model_at, sample_value, tables
from tillbridge.config.model import Config
from tillbridge.config.render import toml_value

_OPENING = """\
# Configuration

Generated from the program by `python -m tillbridge.config.write_docs`; do not edit it by hand.
[config.example.toml](../config.example.toml) is a commented sample, `tillbridge config show` prints
the values in force, and `tillbridge config schema` a JSON schema for editors.

## Which file

The first of these:

1. `--config PATH`
2. `--instance NAME`: `/etc/tillbridge/NAME.toml`, with a state directory of its own
3. the environment variable `TILLBRIDGE_CONFIG`
4. `/etc/tillbridge/config.toml`

The state directory is systemd's `$STATE_DIRECTORY` if that is set, else `/var/lib/tillbridge`, or
`/var/lib/tillbridge/NAME` with `--instance NAME`.

A mistake is never skipped: unknown keys are errors, all problems are told at once, each with its
place and what to write instead, and the program exits with 78. A combination that is unwise (a wait
shorter than a timeout) is a warning.

## What a person writes

- **A duration** is a number and a unit: `"90s"`, `"5m"`, `"6h"`, `"3d"`, also `"0.5s"`.
- **A time of day** is `"05:00"`, on the clock of the location.
- **A date** is `2026-11-01`, without quotation marks, a day of the location.
- **A time zone** is an IANA name, `"Europe/London"`.
- **A currency** is a code of ISO 4217 that has a minor unit, `"GBP"`.
- **An address** begins with `https://`; `http://` is for this machine only.
- **A rescan** is `{ every = "1h", back = "12h" }` or `{ at = "05:30", back = "3d" }`.
- **A secret** is one of four:

| form | where the secret is |
|---|---|
| `"text"` | in this file, which then nobody else may read (mode 0600), or it is refused |
| `{ env = "NAME" }` | in an environment variable |
| `{ file = "/PATH" }` | in a file, whose last line break does not count |
| `{ credential = "NAME" }` | in systemd's `$CREDENTIALS_DIRECTORY`, else in its credential store: \
`/etc/credstore`, `/run/credstore`, or encrypted in `/etc/credstore.encrypted`, \
`/run/credstore.encrypted` |

A secret is one line of plain characters, at most 64 KiB. No message and no log line shows it."""


def reference_markdown() -> str:
    """The page docs/configuration.md."""
    lines = [_OPENING]
    for table in tables():
        lines += ["", *_table(table)]
    return "\n".join(lines) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON schema of the file, for editors that check TOML while one types."""
    schema = Config.model_json_schema()
    for table in tables():
        if table.entries is not None:
            continue
        place = schema["$defs"][model_at(table.path).__name__] if table.path else schema
        for name, key in place["properties"].items():
            # Defaults as a person writes them ("30s"), not as the program holds them (30.0).
            default = default_value(table, name) if name in table.keys else None
            key.pop("default", None)
            if default is not None:
                key["default"] = list(default) if isinstance(default, tuple) else default
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _table(table: Table) -> Iterator[str]:
    yield f"## `{table.header}`" if table.path else "## At the top of the file"
    if table.description:
        yield ""
        yield table.description
    if table.entries is not None:
        (name, value), *_ = (table.entries.examples or [{}])[0].items()
        key = name if name.isidentifier() else toml_value(name)
        yield ""
        yield f'Each key is `"send"` or `"skip"`. Example: `{key} = {toml_value(value)}`.'
    for name in table.keys:
        yield ""
        yield f"### `{name}`"
        yield ""
        yield _facts(table, name)
        yield ""
        yield table.keys[name].description or ""


def _facts(table: Table, name: str) -> str:
    field = table.keys[name]
    default = default_value(table, name)
    kind = kind_of(field)
    facts = f"{kind[:1].upper()}{kind[1:]}. "
    if field.is_required():
        return f"{facts}Required. Example: `{toml_value(sample_value(table, name))}`."
    if default is not None:
        return f"{facts}Default: `{toml_value(default)}`."
    return f"{facts}Optional. Example: `{toml_value(sample_value(table, name))}`."
