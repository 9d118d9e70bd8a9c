"""What an installation needs to know from its configuration: names of credentials, the ledger.

Read without checking the rest: a service is installed before its configuration is complete.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tillbridge.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Needs:
    """What the unit must provide.

    Attributes:
        credentials: the names of systemd credentials in the configuration, in its order.
        for_alarms: those of them in [alarms], for the unit that only alarms.
        ledger_folder: where the ledger is, if the configuration says so.
    """

    credentials: tuple[str, ...] = ()
    for_alarms: tuple[str, ...] = ()
    ledger_folder: str | None = None


def needs_of(text: str, source: Path) -> Needs:
    """Read a configuration, complete or not.

    Raises:
        ConfigError: it is no TOML.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source} cannot be read.", problems=[Problem("", f"It is no TOML: {error}.")]
        ) from None
    ledger = data.get("ledger", {})
    path = ledger.get("path") if isinstance(ledger, dict) else None
    return Needs(
        tuple(dict.fromkeys(_names(data))),
        tuple(dict.fromkeys(_names(data.get("alarms", {})))),
        str(Path(path).parent) if isinstance(path, str) and path.startswith("/") else None,
    )


def _names(value: Any) -> Iterator[str]:  # noqa: ANN401  # any value of a TOML file
    if isinstance(value, dict):
        name = value.get("credential")
        if isinstance(name, str) and len(value) == 1:
            yield name
        else:
            for below in value.values():
                yield from _names(below)
    elif isinstance(value, list):
        for below in value:
            yield from _names(below)
