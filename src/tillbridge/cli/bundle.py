"""`support-bundle`: what somebody needs to help, in one archive, and nothing that is a secret.

Secrets never come here: the configuration shows references only, and every text passes the log's
redaction. Amounts are left out unless asked for; what a detail or a sentence holds is left out
unless it is known to be no amount.
"""

import json
import os
import platform
import re
import sqlite3
import sys
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tillbridge import __version__
from tillbridge.cli.options import Common, say
from tillbridge.clock import SystemClock
from tillbridge.config import effective
from tillbridge.errors import TillbridgeError, TryLater, UsageError
from tillbridge.ledger import alarmed, quotas
from tillbridge.ledger import status as ledger_status
from tillbridge.ledger.schema import event
from tillbridge.ledger.store import HEAD, Ledger
from tillbridge.log import redact

RECENT_EVENTS = 500
_PLAIN = frozenset({"rows", "reading", "before", "now", "by", "reason", "purpose", "state", "first",
                    "last", "person_reason", "sales", "count", "seconds", "zone"})  # fmt: skip
"""The details of events that are no amounts; any other is left out."""
_DECIMAL = re.compile(r"-?\d+[.,]\d+")
_README = """\
Made by `tillbridge support-bundle` {version} at {now}.

Secrets are hidden. {amounts}
The log is not in here. On a machine with systemd, add it with:

    journalctl -u tillbridge --since "3 days ago" -o short-iso > tillbridge.log
"""


def support_bundle(common: Common, file: Path, *, amounts: bool) -> int:
    """Write the archive; exit 0 also where parts of it could not be had: it says so inside."""
    config = common.load(as_owner=False)
    path = common.ledger_path(config)
    hidden = "Amounts are included." if amounts else "Amounts are left out."
    now = datetime.now(UTC).isoformat(timespec="seconds")
    parts: dict[str, str] = {
        "README.txt": _README.format(version=__version__, now=now, amounts=hidden),
        "versions.json": _json(_versions()),
        "config.toml": effective(config, ledger_path=path),
        "files.txt": _files(path.parent),
    }
    try:
        parts |= {name: _json(data) for name, data in _from_ledger(path, amounts=amounts).items()}
    except TillbridgeError as error:
        parts["ledger.txt"] = str(error)
    _write(file, parts)
    say(f"Written to {file}. Look through it before you send it; secrets are hidden. {hidden}")
    return 0


def _from_ledger(path: Path, *, amounts: bool) -> dict[str, object]:
    if not path.exists():
        raise UsageError(f"There is no ledger at {path} yet.")
    ledger = Ledger(path, SystemClock())
    try:
        with ledger.view() as view:
            recent = view.execute(select(event).order_by(event.c.id.desc()).limit(RECENT_EVENTS))
            events = [dict(row) for row in recent.mappings()]
            found: dict[str, object] = {
                "status.json": {
                    "locations": ledger_status.of_locations(view),
                    "quota": quotas.load(view),
                },
                "doubts.json": ledger_status.doubts(view),
                "alarms.json": [
                    {
                        "cause": entry.alarm.cause,
                        "level": entry.alarm.level,
                        "sentence": entry.alarm.sentence,
                        "raised": entry.raised.isoformat(),
                        "told_count": entry.told_count,
                    }
                    for entry in alarmed.load(view).values()
                ],
                "events.json": [row | {"at": ledger_status.iso(row["at_ms"])} for row in events],
            }
    finally:
        ledger.close()
    return found if amounts else {name: _without_amounts(data) for name, data in found.items()}


def _without_amounts(data: Any) -> Any:  # noqa: ANN401  # any JSON
    """The same without amounts: totals, unknown details, and decimals in sentences."""
    if isinstance(data, str):
        return data if _is_moment(data) else _DECIMAL.sub("[amount]", data)
    if isinstance(data, list):
        return [_without_amounts(item) for item in data]
    if isinstance(data, Mapping):
        return {
            key: _hide_details(item) if key == "detail" else _without_amounts(item)
            for key, item in data.items()
            if key not in {"total", "sale_ids"}
        }
    return data


def _hide_details(detail: Any) -> Any:  # noqa: ANN401  # any JSON
    if not isinstance(detail, Mapping):
        return detail
    return {
        key: _without_amounts(item) if key in _PLAIN else "[left out]"
        for key, item in detail.items()
    }


def _is_moment(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", text) is not None


def _versions() -> dict[str, object]:
    required = [need for need in metadata.requires("tillbridge") or [] if "extra ==" not in need]
    needed = {re.split(r"[^\w-]", need, maxsplit=1)[0] for need in required}
    return {
        "tillbridge": __version__,
        "ledger_schema": HEAD,
        "python": sys.version,
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
        "packages": {name: metadata.version(name) for name in sorted(needed)},
    }


def _files(folder: Path) -> str:
    """Names, sizes and rights of what is in the state directory."""
    lines = []
    try:
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            status = entry.stat(follow_symlinks=False)
            changed = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="seconds")
            lines.append(
                f"{status.st_mode & 0o7777:04o} {status.st_uid}:{status.st_gid} "
                f"{status.st_size:>12} {changed} {entry.name}"
            )
        usage = os.statvfs(folder)
        lines.append(f"{usage.f_bavail * usage.f_frsize // 2**20} MB are free on that disk.")
    except OSError as error:
        lines.append(f"{folder} cannot be read ({error.strerror}).")
    return "\n".join(lines) + "\n"


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)


def _write(file: Path, parts: Mapping[str, str]) -> None:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(f"tillbridge-support/{name}", redact(text))
    try:
        # Nobody else may read it, and an older one is not overwritten.
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        descriptor = os.open(file, flags, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content.getvalue())
    except FileExistsError:
        raise UsageError(
            f"{file} exists already.", "Name a file that does not exist yet."
        ) from None
    except OSError as error:
        raise TryLater(
            f"{file} cannot be written ({error.strerror}).", "Name another place for it."
        ) from None
