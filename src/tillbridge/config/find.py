"""Where the configuration is, and where the program keeps what it must remember.

Pure but for the environment that it is given: nothing here looks at the disk.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from tillbridge.config.model import Config
from tillbridge.errors import UsageError

CONFIG_DIRECTORY = Path("/etc/tillbridge")
STATE_DIRECTORY = Path("/var/lib/tillbridge")
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def find_config(explicit: Path | None, instance: str | None, environ: Mapping[str, str]) -> Path:
    """The configuration file: `--config`, else that of `--instance`, else the variable
    TILLBRIDGE_CONFIG, else /etc/tillbridge/config.toml. It need not exist.

    Raises:
        UsageError: the instance's name cannot be part of a file name.
    """
    if explicit is not None:
        return explicit
    if instance is not None:
        return CONFIG_DIRECTORY / f"{_checked(instance)}.toml"
    named = environ.get("TILLBRIDGE_CONFIG")
    return Path(named) if named else CONFIG_DIRECTORY / "config.toml"


def state_directory(instance: str | None, environ: Mapping[str, str]) -> Path:
    """Where ledger, tokens and locks are kept: what systemd gives, else /var/lib/tillbridge,
    with a folder of its own for each instance.

    Raises:
        UsageError: the instance's name cannot be part of a file name.
    """
    given = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    return STATE_DIRECTORY if instance is None else STATE_DIRECTORY / _checked(instance)


def ledger_path(config: Config, instance: str | None, environ: Mapping[str, str]) -> Path:
    """The ledger in force: the configuration's, else ledger.db in the state directory."""
    return config.ledger.path or state_directory(instance, environ) / "ledger.db"


def _checked(instance: str) -> str:
    if not _INSTANCE.fullmatch(instance):
        raise UsageError(
            "The name of an instance has letters, digits, dots, dashes and underscores.",
            "Write --instance NAME with the name of a file in /etc/tillbridge, without .toml.",
        )
    if instance == "config":
        # Two ledgers for one configuration would post every sale twice.
        raise UsageError(
            "An instance cannot be named config: /etc/tillbridge/config.toml is the main one.",
            "Leave --instance out, or give the instance a file with another name.",
        )
    return instance
