"""Log lines under systemd: entries of the journal with a level and fields, on a real socket."""

import json
import logging
import os
import socket
import struct

import pytest

from tillbridge import log
from tillbridge.journal import JournalHandler, encode, is_journal


def fields(datagram):
    """The fields of an entry, read as the journal reads them."""
    found, rest = {}, datagram
    while rest:
        line, _, after = rest.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
            rest = after
        else:
            name, (size,) = line, struct.unpack("<Q", after[:8])
            value, rest = after[8 : 8 + size], after[9 + size :]
        found[name.decode()] = value.decode()
    return found


@pytest.fixture
def journald(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        yield server


@pytest.fixture
def logging_as_before():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = before[0], before[1]


def test_a_line_becomes_an_entry_with_its_level_and_its_values():
    entry = fields(encode({"event": "alarm", "level": "critical", "cause": "held:7", "n": 3,
                           "timestamp": "t", "nothing": None}))  # fmt: skip
    assert entry == {
        "MESSAGE": "alarm cause=held:7 n=3",
        "PRIORITY": "2",
        "SYSLOG_IDENTIFIER": "tillbridge",
        "TILLBRIDGE_EVENT": "alarm",
        "TILLBRIDGE_CAUSE": "held:7",
        "TILLBRIDGE_N": "3",
    }


def test_a_value_of_several_lines_cannot_pass_for_fields_of_its_own():
    entry = fields(encode({"event": "e", "reason": "one\nPRIORITY=0", "exception": "Trace\nback"}))
    assert entry["PRIORITY"] == "6"
    assert entry["TILLBRIDGE_REASON"] == "one\nPRIORITY=0"
    assert entry["MESSAGE"].endswith("\nTrace\nback")


def test_under_systemd_lines_go_to_the_journal_and_show_no_secret(
    journald, tmp_path, monkeypatch, logging_as_before
):
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    monkeypatch.setattr(log, "JournalHandler", lambda: JournalHandler(tmp_path / "socket"))
    monkeypatch.delenv("TILLBRIDGE_LOG_LEVEL", raising=False)
    log.keep_secret("very-hidden-key")
    log.configure_logging()
    log.get_logger("x").warning("reading_failed", reason="bad very-hidden-key", location="Harbour")
    entry = fields(journald.recv(65536))
    assert entry["PRIORITY"] == "4"
    assert entry["TILLBRIDGE_REASON"] == "bad [hidden]"
    assert "very-hidden-key" not in "".join(entry.values())


def test_a_line_that_the_journal_does_not_take_is_not_lost(tmp_path, capsys):
    handler = JournalHandler(tmp_path / "nobody-listens")
    handler.setFormatter(logging.Formatter("%(message)s"))
    line = json.dumps({"event": "pass_failed", "level": "error"})
    handler.emit(logging.LogRecord("x", logging.ERROR, "", 0, line, None, None))
    handler.close()
    assert capsys.readouterr().err == f"<3>{line}\n"


def test_only_a_standard_error_that_leads_to_the_journal_counts():
    status = os.fstat(2)
    assert is_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
    assert not is_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
    assert not is_journal({})
    assert not is_journal({"JOURNAL_STREAM": "1:1"}, descriptor=9999)
