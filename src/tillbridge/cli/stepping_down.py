"""Root becomes the ledger's owner: what a command makes, the service must be able to read.

`sudo tillbridge check` is meant to work, because only root may look into systemd's credential
stores. So the secrets that the configuration names are read first, and then the rights are given
up for good. What cannot be read stays a reference, and is complained about by whoever needs it.
"""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tillbridge.cli.options import say
from tillbridge.config import Config
from tillbridge.errors import ConfigError
from tillbridge.secrets import CredentialSecret, EnvSecret, FileSecret, LiteralSecret, resolve


def step_down(config: Config, ledger: Path, environ: Mapping[str, str]) -> Config:
    """Go on as the owner of the ledger, or of its folder while there is none.

    Does nothing for anybody but root, or where root is the owner. Before there is a folder, there
    is nobody to become.

    Returns:
        The configuration, with the secrets in it that only root could read.
    """
    if os.geteuid() != 0:
        return config
    owner = _owner(ledger)
    if owner is None or owner.st_uid == 0:
        return config
    closed = _closed_to(owner.st_uid, owner.st_gid)
    if closed is not None:
        say(
            f"Note: going on as root, because {closed}, where this program is, is closed to the "
            "ledger's owner. Install it in a folder that others may read, such as /opt/tillbridge."
        )
        return config
    ready = with_secrets(config, environ)
    _become(owner.st_uid, owner.st_gid)
    return ready


def with_secrets(config: Config, environ: Mapping[str, str]) -> Config:
    """The configuration with every secret that can be read in the place of its reference."""
    filled = _filled(config, environ)
    assert isinstance(filled, Config)
    return filled


def _filled(value: Any, environ: Mapping[str, str]) -> Any:  # noqa: ANN401  # a value of any key
    if isinstance(value, EnvSecret | FileSecret | CredentialSecret):
        try:
            return LiteralSecret(resolve(value, environ))
        except ConfigError:
            return value
    if isinstance(value, BaseModel):
        names = type(value).model_fields
        fields = {name: _filled(getattr(value, name), environ) for name in names}
        return value.model_copy(update=fields)
    if isinstance(value, tuple):
        return tuple(_filled(item, environ) for item in value)
    return value


def _closed_to(uid: int, gid: int) -> Path | None:
    """A folder of this program that a user may not enter: half of it is loaded only when needed."""
    for file in (os.__file__, __file__):
        for folder in Path(file).resolve().parents:
            status = folder.stat()
            bit = 0o100 if status.st_uid == uid else 0o010 if status.st_gid == gid else 0o001
            if not status.st_mode & bit:
                return folder
    return None


def _owner(ledger: Path) -> os.stat_result | None:
    for path in (ledger, ledger.parent):
        try:
            return path.stat()
        except OSError:
            continue
    return None


def _become(uid: int, gid: int) -> None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        os.setgroups([gid])
    else:
        os.initgroups(entry.pw_name, gid)
        os.environ["HOME"] = entry.pw_dir
    os.setgid(gid)
    os.setuid(uid)
    os.umask(0o077)
