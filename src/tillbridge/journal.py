"""Writing to systemd's journal with fields of our own, so that `journalctl -p` and
`journalctl TILLBRIDGE_EVENT=alarm` find what they should.

The native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram per entry, a line for each
field. It is a page of code, and the library that speaks it has to be compiled on each machine.
Nothing is sent anywhere else, and a line that the journal does not take goes to standard error.
"""

import json
import logging
import os
import re
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SOCKET = Path("/run/systemd/journal/socket")
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_MOST_CHARS = 16_000
"""Of one field: a datagram holds some 200 kB."""


def is_journal(environ: Mapping[str, str], descriptor: int = 2) -> bool:
    """Whether systemd has connected standard error to the journal (JOURNAL_STREAM says to which
    device and inode; a shell that a service starts may have sent it elsewhere since).
    """
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each line, which its formatter has made JSON, as an entry.

    Args:
        path: the journal's socket.
    """

    def __init__(self, path: Path = SOCKET) -> None:
        super().__init__()
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        event = json.loads(text)
        try:
            self._socket.sendto(encode(event), self._path)
        except OSError:
            # With the prefix, systemd knows the level of a line on standard error too.
            sys.stderr.write(f"<{_priority(event)}>{text}\n")

    def close(self) -> None:
        self._socket.close()
        super().close()


def encode(event: Mapping[str, Any]) -> bytes:
    """An event with its values as the datagram of an entry."""
    return b"".join(_field(name, value) for name, value in _fields(event))


def _fields(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "MESSAGE", _message(event)
    yield "PRIORITY", str(_priority(event))
    yield "SYSLOG_IDENTIFIER", "tillbridge"
    for key, value in event.items():
        if key in {"level", "timestamp"} or value is None:
            continue
        # Letters, digits and underscores, not one of those at the beginning: else it is dropped.
        name = re.sub(r"[^A-Z0-9_]", "_", key.upper())
        yield f"TILLBRIDGE_{name}", _text(value)


def _message(event: Mapping[str, Any]) -> str:
    """What a person reads in the journal: the event, then its values."""
    left_out = {"event", "level", "timestamp", "exception"}
    values = " ".join(
        f"{key}={_text(value)}" for key, value in event.items()
        if key not in left_out and value is not None
    )  # fmt: skip
    trace = f"\n{event['exception']}" if event.get("exception") else ""
    return f"{event.get('event', '')} {values}".strip() + trace


def _priority(event: Mapping[str, Any]) -> int:
    return _PRIORITIES.get(str(event.get("level")), 6)


def _text(value: Any) -> str:  # noqa: ANN401  # any JSON
    return (value if isinstance(value, str) else json.dumps(value))[:_MOST_CHARS]


def _field(name: str, value: str) -> bytes:
    content = value.encode("utf-8", "replace")
    if b"\n" not in content:
        return name.encode("ascii") + b"=" + content + b"\n"
    # Of several lines: name, length as 64 bits little endian, content.
    return name.encode("ascii") + b"\n" + struct.pack("<Q", len(content)) + content + b"\n"
