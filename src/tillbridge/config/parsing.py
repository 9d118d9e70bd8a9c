"""Reading one value of the configuration, and showing it again.

Each function takes what TOML gave and returns the value, or says in one sentence what is wrong
and in another what to write. Nothing here looks at two values at once (see `checks`), or reads a
clock or a file.
"""

import json
import re
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic_core import PydanticCustomError

from tillbridge import secrets
from tillbridge.money import UnknownCurrency, minor_digits
from tillbridge.sale import SaleType

_UNIT_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhd])")
_LONGEST_S = 3650 * 86_400
_DURATION_REMEDY = 'Write a number and a unit, such as "90s", "5m", "6h" or "3d".'
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::00)?")
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)  # zones and sums are safe in between
_NOT_ZONES = {"localtime", "posixrules", "Factory"}  # files beside the zones, not places
_MAX_SHOWN = 40


def wrong(message: str, remedy: str) -> PydanticCustomError:
    """A validation error whose texts reach the person as they are."""
    return PydanticCustomError("tillbridge", "{message}", {"message": message, "remedy": remedy})


def toml_string(text: str) -> str:
    """The text as a TOML basic string; JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def shown(value: object) -> str:
    """A value as it may stand in a message: short, and quoted as in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_string(value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "...")
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a number of that size"
    if isinstance(value, int | float | date | time):
        return str(value)
    return "a list" if isinstance(value, list | tuple) else "a table"


def parse_duration(value: object) -> float:
    """Seconds of a duration such as "90s", "5m", "6h", "3d" or "0.5s"; at most ten years."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise wrong(f"{shown(value)} is not a duration.", _DURATION_REMEDY)
    seconds = Decimal(match[1]) * _UNIT_S[match[2]]
    if seconds > _LONGEST_S:
        raise wrong(f"{shown(value)} is longer than ten years.", "Write a shorter duration.")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """The duration in the largest unit that gives a whole number; the inverse of parsing."""
    exact = Decimal(repr(seconds))
    for unit, length_s in _UNIT_S.items():
        if exact and exact % length_s == 0:
            return f"{exact // length_s:f}{unit}"
    text = f"{exact:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "s"


def parse_auto(value: object) -> float | Literal["auto"]:
    if value == "auto":
        return "auto"
    try:
        return parse_duration(value)
    except PydanticCustomError:
        message = f'{shown(value)} is neither "auto" nor a duration.'
        raise wrong(message, 'Write "auto", or a duration such as "90s" or "1h".') from None


def format_auto(value: float | Literal["auto"]) -> str:
    return value if isinstance(value, str) else format_duration(value)


def positive(seconds: float) -> float:
    if seconds <= 0:
        raise wrong("This duration cannot be zero.", 'Write a longer one, such as "30s".')
    return seconds


def parse_time(value: object) -> time:
    if isinstance(value, time) and value == time(value.hour, value.minute):
        return value
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        message = f"{shown(value)} is not a time of day."
        raise wrong(message, 'Write hours and minutes of the 24-hour clock, such as "05:00".')
    return time(int(match[1]), int(match[2]))


def parse_date(value: object) -> date:
    day = value
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value)
        except ValueError:
            day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        message = f"{shown(value)} is not a date."
        raise wrong(message, "Write year, month and day, such as 2026-11-01.")
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise wrong(f"{day} is out of range.", f"Write a date from {_FIRST_DAY} to {_LAST_DAY}.")
    return day


def parse_zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    name = value if isinstance(value, str) else ""
    try:
        if name and name not in _NOT_ZONES and not name.startswith(("posix/", "right/")):
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # not found, a folder, a path outside
        pass
    names = {zone.casefold(): zone for zone in available_timezones() - _NOT_ZONES}
    near = get_close_matches(name.replace(" ", "_").casefold(), names, n=1, cutoff=0.7)
    hint = f" Did you mean {toml_string(names[near[0]])}?" if near else ""
    remedy = f'Write an IANA name of a place, such as "Europe/London".{hint}'
    raise wrong(f"{shown(value)} is not a time zone.", remedy)


def parse_currency(value: object) -> str:
    try:
        minor_digits(value if isinstance(value, str) else "")
    except UnknownCurrency:
        upper = value.strip().upper() if isinstance(value, str) else ""
        remedy = "Write the three capital letters of ISO 4217, such as"
        try:
            minor_digits(upper)
        except UnknownCurrency:
            upper = "GBP"
        message = f"{shown(value)} is not a currency with a minor unit."
        raise wrong(message, f"{remedy} {toml_string(upper)}.") from None
    return str(value)


def parse_text(value: object, *, longest: int = 100) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not isinstance(value, str):
        raise wrong("This is not a text.", "Put it in quotation marks.")
    if not text:
        raise wrong("This is empty.", "Write at least one character.")
    if len(text) > longest or not text.isprintable():
        remedy = f"Write at most {longest} characters, on one line."
        raise wrong("This is too long, or not on one line.", remedy)
    return text


def _split_address(value: object) -> SplitResult | None:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        return None
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    usable = parts.scheme in {"http", "https"} and parts.hostname and " " not in value
    return parts if usable else None


def parse_address(value: object) -> str:
    # The messages never repeat an address: it may carry a password.
    parts = _split_address(value)
    if parts is None or "#" in str(value):
        raise wrong("This is not an address.", 'Write it in full: "https://host/path".')
    if "@" in parts.netloc:
        raise wrong("An address carries no user and no password.", "Leave out the part before @.")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        remedy = "Write https://; plain http is for this machine only (localhost, 127.0.0.1)."
        raise wrong("This address is not encrypted, and secrets would go over it.", remedy)
    return str(value)


def is_loopback(host: str) -> bool:
    """True if a host name or address stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def parse_path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        remedy = 'Write the path from the root on, such as "/var/lib/tillbridge/ledger.db".'
        raise wrong(f"{shown(value)} is not a whole path.", remedy)
    return Path(value)


def parse_id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        remedy = "Write the number that the vendor shows for it, without quotation marks."
        raise wrong(f"{shown(value)} is not an id.", remedy)
    return value


def parse_sale_type(value: object) -> str:
    name = value if isinstance(value, str) else ""
    if name in set(SaleType):
        return name
    near = get_close_matches(name.upper(), list(SaleType), n=1, cutoff=0.7)
    if near:
        raise wrong(f"{shown(value)} is not a type of sale.", f"Did you mean {near[0]}?")
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,39}", name):
        types = ", ".join(SaleType)
        raise wrong(f"{shown(value)} is not a type of sale.", f"The types are {types}.")
    return name  # Lightspeed may bring new ones; leaving those out must be possible


def parse_secret(value: object) -> secrets.SecretRef:
    try:
        return secrets.parse_reference(value)
    except secrets.UnusableSecret as error:
        raise wrong(error.message, error.remedy) from None


def show_secret(ref: secrets.SecretRef) -> str | dict[str, str]:
    if isinstance(ref, secrets.EnvSecret):
        return {"env": ref.env}
    if isinstance(ref, secrets.FileSecret):
        return {"file": str(ref.file)}
    if isinstance(ref, secrets.CredentialSecret):
        return {"credential": ref.credential}
    return "[hidden]"
