"""Reading a configuration file: everything that is wrong with it, told at once.

This is the only door to a `Config`: it checks single keys by the models and combinations by
`checks`. It reads one file, and no secret that the file merely names.
"""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from tillbridge.config.alarming import Alarms
from tillbridge.config.checks import Values, contradictions, unwise
from tillbridge.config.layout import section_of
from tillbridge.config.model import Config
from tillbridge.config.problems import explain
from tillbridge.config.sections import Section
from tillbridge.errors import ConfigError, Problem
from tillbridge.log import redact
from tillbridge.secrets import LiteralSecret

_MAX_BYTES = 1024 * 1024
_PLACE = re.compile(r" \(at (?:(line \d+, column \d+)|end of document)\)$")


_STAND_IN = {
    "name": "-", "lightspeed_id": 1, "connecteam_id": 1, "timezone": "UTC", "currency": "EUR",
    "exclusive": False, "start": date(2000, 1, 1),
}  # fmt: skip
"""Takes the place of the first location while there is none; it never leaves this module."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used, and what is unwise about it."""

    config: Config
    warnings: tuple[Problem, ...]


def load(path: Path, *, need_locations: bool = True) -> Loaded:
    """Read and check a configuration file.

    Args:
        path: the file.
        need_locations: false to accept a file that has no [[locations]] yet.

    Raises:
        ConfigError: with every problem of the file at once.
    """
    try:
        content, mode = _read(path)
        data = _parse_toml(content)
    except _UnusableFile as reason:
        raise _refusal(str(path), [reason.problem]) from None
    if need_locations or "locations" in data:
        return parse(data, source=str(path), mode=mode)
    loaded = parse(data | {"locations": [_STAND_IN]}, source=str(path), mode=mode)
    return Loaded(loaded.config.model_copy(update={"locations": ()}), loaded.warnings)


def load_alarms(path: Path) -> tuple[str, Alarms]:
    """The installation's name and whom to tell, even where the rest of the file is wrong: that
    the file is wrong may be just what people must be told.

    Raises:
        ConfigError: the file cannot be read, or its table [alarms] is wrong.
    """
    try:
        data = _parse_toml(_read(path)[0])
    except _UnusableFile as reason:
        raise _refusal(str(path), [reason.problem]) from None
    named = data.get("name")
    name = named if isinstance(named, str) and named.isprintable() and named else "tillbridge"
    try:
        return name[:100], Alarms.model_validate(data.get("alarms", {}))
    except ValidationError as error:
        details = error.errors(include_url=False)
    problems = [explain({**detail, "loc": ("alarms", *detail["loc"])}) for detail in details]
    raise _refusal(str(path), problems)


def parse(data: Mapping[str, Any], *, source: str = "(in memory)", mode: int = 0o600) -> Loaded:
    """Check a configuration that is already a mapping.

    Args:
        data: what TOML gave.
        source: the file's name, for messages.
        mode: the file's permission bits; secrets in a file that others may read are refused.

    Raises:
        ConfigError: with every problem at once.
    """
    config, problems = _validate(data)
    if config is None and any(problem.path == "config_version" for problem in problems):
        version = data.get("config_version")
        if isinstance(version, int) and version > 1:
            # The keys of a later version are not mistakes.
            raise _refusal(source, [p for p in problems if p.path == "config_version"])
    values = _readable(Config, data)
    problems += contradictions(values)
    problems += _exposed_secrets(values, source, mode)
    if config is None or problems:
        raise _refusal(source, problems)
    return Loaded(config, _clean(unwise(values)))


class _UnusableFile(Exception):  # a jump inside this module, not an error of it
    def __init__(self, message: str, remedy: str, path: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(path, message, remedy)


def _clean(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    # A secret that was also written in a wrong place is hidden there too.
    return tuple(Problem(redact(p.path), redact(p.message), redact(p.remedy)) for p in problems)


def _refusal(source: str, problems: list[Problem]) -> ConfigError:
    clean = _clean(problems)
    count = "one problem" if len(clean) == 1 else f"{len(clean)} problems"
    return ConfigError(
        f"The configuration {source} has {count}.",
        "Correct it and try again.",
        problems=clean,
    )


def _read(path: Path) -> tuple[bytes, int]:
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for ever for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise _UnusableFile("This is not a file.", "Name the configuration file itself.")
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise _UnusableFile(
            "The file does not exist.",
            f"Write it (`tillbridge config example` prints a sample to put into {path}), "
            "or name another with --config.",
        ) from None
    except IsADirectoryError:
        raise _UnusableFile(
            "This is a folder, not a file.", "Name the configuration file in it."
        ) from None
    except PermissionError:
        raise _UnusableFile(
            "You may not read the file.",
            "Run the command as the user that tillbridge runs as, or as root.",
        ) from None
    except OSError as error:
        raise _UnusableFile(
            f"The file cannot be read ({error.strerror}).", "Check the disk."
        ) from None
    if len(content) > _MAX_BYTES:
        raise _UnusableFile("The file is larger than 1 MiB.", "Check that it is the configuration.")
    return content, stat.S_IMODE(mode)


def _parse_toml(content: bytes) -> dict[str, Any]:
    try:
        # Some editors put a byte order mark at the beginning.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _UnusableFile(
            "The file is not UTF-8 text.", "Save it as UTF-8.", f"line {line}"
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.search(str(error))
        place = (found[1] or "end of the file") if found else ""
        reason = _PLACE.sub("", str(error))
        raise _UnusableFile(
            f"This is not TOML: {reason[:1].lower()}{reason[1:]}.",
            "Texts stand in quotation marks, and each key stands on a line of its own, once.",
            place,
        ) from None
    except (ValueError, RecursionError):
        # Python's own limits: thousands of digits, or of brackets inside each other.
        raise _UnusableFile(
            "The file has a number or a nesting beyond all measure.", "Remove it."
        ) from None


def _validate(data: Mapping[str, Any]) -> tuple[Config | None, list[Problem]]:
    try:
        return Config.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    # pydantic counts only the entries that are right, and would call one wrong location none.
    return None, [
        explain(detail)
        for detail in details
        if not (detail["type"] == "too_short" and detail["input"])
    ]


def _readable(model: type[Section], data: Mapping[str, Any]) -> Values:
    """The values of all keys that can be read, for the checks that compare them."""
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner, is_many = section_of(field)
        given = data.get(name)
        if inner is None:
            values |= _one(name, field, data)
        elif is_many:
            tables = given if isinstance(given, list) else []
            values[name] = [_readable(inner, t if isinstance(t, dict) else {}) for t in tables]
        elif isinstance(given, dict) or (given is None and not field.is_required()):
            values[name] = _readable(inner, given or {})
    return values


def _one(name: str, field: FieldInfo, data: Mapping[str, Any]) -> dict[str, Any]:
    if name not in data:
        return {} if field.is_required() else {name: field.get_default(call_default_factory=True)}
    # The field's type with its own validators; type forms cannot be written in types.
    form: Any = field.annotation
    if field.metadata:
        form = cast("Any", Annotated)[(form, *field.metadata)]
    adapter: TypeAdapter[Any] = TypeAdapter(form)
    try:
        return {name: adapter.validate_python(data[name])}
    except ValidationError:
        return {}


def _exposed_secrets(values: Values, source: str, mode: int) -> Iterator[Problem]:
    if not mode & 0o077:
        return
    for table in ("lightspeed", "connecteam", "alarms"):
        for key, value in values.get(table, {}).items():
            several = value if isinstance(value, tuple) else (value,)
            if any(isinstance(one, LiteralSecret) for one in several):
                yield Problem(
                    f"{table}.{key}",
                    "The secret stands in this file, and other users of this machine "
                    f"may read the file (mode {mode:04o}).",
                    f"Run: chmod 600 {source} (the file must belong to the user that tillbridge "
                    "runs as), or keep the secret as a credential of systemd.",
                )
