"""Writing locations into a configuration file: everything else in it stays as it is.

The new content is checked as a whole before it takes the old one's place, and the file is replaced
in one step with the same owner and mode: a crash leaves the old file or the new one.
"""

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tillbridge.config import parse
from tillbridge.config.render import toml_value
from tillbridge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class NewLocation:
    """A [[locations]] table to be."""

    name: str
    lightspeed_id: int
    connecteam_id: int
    timezone: str
    currency: str
    exclusive: bool
    start: date

    def values(self) -> dict[str, object]:
        """The keys in the order in which the sample has them."""
        return {name: getattr(self, name) for name in self.__slots__}


def as_toml(locations: Sequence[NewLocation]) -> str:
    """The tables as text, ready to paste."""
    return "\n".join(_table(location) for location in locations)


def with_locations(text: str, locations: Sequence[NewLocation]) -> str:
    """A configuration's text with these tables at its end, where TOML allows them whatever stands
    before; every other character, and so every comment, stays where it is.
    """
    joint = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{joint}{as_toml(locations)}"


def _table(location: NewLocation) -> str:
    pairs = [f"{name} = {toml_value(value)}" for name, value in location.values().items()]
    return "\n".join(["[[locations]]", *pairs, ""])


def add_locations(path: Path, locations: Sequence[NewLocation]) -> None:
    """Write them into the file.

    Raises:
        ConfigError: the file cannot be read or written, or would be wrong with them.
    """
    path = path.resolve()
    try:
        before = path.read_bytes().decode("utf-8-sig")
        mode = path.stat().st_mode & 0o7777
        text = with_locations(before, locations)
        parse(tomllib.loads(text), source=str(path), mode=mode)
        replace_file(path, text)
    except tomllib.TOMLDecodeError:
        raise ConfigError(
            f"The configuration {path} cannot be added to: it is as it was.",
            "Write each location as a table of its own that begins with [[locations]].",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The configuration {path} cannot be written ({error.strerror}); it is as it was.",
            "Run the command as the file's owner, or leave --write out and paste the tables.",
        ) from error


def replace_file(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file whole or not at all; owner and mode stay.

    Args:
        path: the file.
        text: its new content.
        mode: for a file that is not there yet.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if path.exists():
            former = path.stat()
            mode = former.st_mode & 0o7777
            if os.geteuid() == 0:
                os.fchown(file.fileno(), former.st_uid, former.st_gid)
        os.fchmod(file.fileno(), mode)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
