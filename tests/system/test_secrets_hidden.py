"""No secret is in anything that any command says, logs or keeps, even where a vendor repeats it."""

import base64
import io
import json
import sqlite3
import sys
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from docs.test_commands import LEAVES
from system.echoing import Echo, echoing
from system.inside import inside
from system.installation import TRACE, Done, Installation, until
from tillbridge.__main__ import main
from tillbridge.cli import places
from tillbridge.lightspeed.tokens import TokenFile, TokenState, token_path

MARK = "PLANTED"
# Awkward on purpose: quotes, spaces, and all that addresses, JSON and HTML write differently.
CLIENT_SECRET = f'{MARK}1 "s"&<x>/=+%41'
API_KEY = f"{MARK}2\\'k'#?=/+ y"
REFRESH = f"{MARK}3-refresh/+=.token"
ACCESS = f"{MARK}4-access/+=.token"
IMPORTED = f"{MARK}5-imported/+= token"
ALARM = f"json://127.0.0.1:9/{MARK}6"
CLIENT_ID = "devp-v2-echo"
IN_BASE64 = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()[20:44]
NEEDLES = (MARK, IN_BASE64, base64.b64encode(MARK.encode()).decode()[:8])

# What a command needs to come as far as it can; the others take nothing.
ARGUMENTS = {
    "backfill": ["--from", "2026-11-01"],
    "settle": ["1", "--landed", "--reason", "x"],
    "quarantine drop": ["x", "--reason", "x"],
    "explain": ["2026-11-18"],
    "locations create": ["A name"],
    "pause": ["A"],
    "resume": ["A"],
    "backup": ["{folder}/backup.db"],
    "restore": ["{folder}/backup.db"],
    "support-bundle": ["{folder}/help.zip"],
    "purge": ["--from", "2026-11-01", "--to", "2026-11-02"],
    "install-service": ["--dry-run", "--root", "{folder}"],
}
ENDLESS = {"run", "sandbox", "demo"}
"""`run` has a test of its own; the other two make their own installation with secrets of its own."""


@pytest.fixture
def echo() -> Iterator[Echo]:
    with echoing() as served:
        yield served


@pytest.fixture
def home(tmp_path: Path, echo: Echo) -> Installation:
    text = f"""\
config_version = 1
name = "Echo"
[lightspeed]
api_url = "{echo.url}"
authorize_url = "{echo.url}/auth"
token_url = "{echo.url}/token"
client_id = "{CLIENT_ID}"
client_secret = {json.dumps(CLIENT_SECRET)}
redirect_uri = "https://localhost:8443/callback"
[connecteam]
base_url = "{echo.url}"
api_key = {json.dumps(API_KEY)}
[ledger]
path = "{tmp_path}/state/ledger.db"
[alarms]
to = ["{ALARM}"]
[sync]
poll_every = "1s"
[[locations]]
name = "A"
lightspeed_id = 1
connecteam_id = 2
timezone = "Europe/Berlin"
currency = "EUR"
exclusive = true
start = 2026-11-01
"""
    made = Installation(tmp_path, text, IMPORTED, {"TILLBRIDGE_LOG_LEVEL": "debug"})
    made.write()
    sign_in(made)
    return made


def sign_in(home: Installation) -> None:
    now = datetime.now(UTC)
    state = TokenState(
        refresh_token=REFRESH, access_token=ACCESS, issued_at=now, issued_boot_s=0.0,
        boot_id="x", obtained_at=now, person="ann",
    )  # fmt: skip
    TokenFile(token_path(home.ledger)).write(state)


def assert_nothing_in(text: str, where: str) -> None:
    for needle in NEEDLES:
        place = text.find(needle)
        assert place < 0, f"{where}: ...{text[max(0, place - 200) : place + 100]}..."


def assert_nothing_kept(home: Installation) -> None:
    if home.ledger.exists():
        with sqlite3.connect(home.ledger) as ledger:
            assert_nothing_in("\n".join(ledger.iterdump()), "the ledger")
        ledger.close()
    bundle = home.folder / "help.zip"
    if bundle.exists():
        with zipfile.ZipFile(bundle) as archive:
            for name in archive.namelist():
                assert_nothing_in(archive.read(name).decode("utf-8", "replace"), f"bundle {name}")


ANSWERS = [(400, "json"), (403, "page"), (401, "text"), (422, "json"), (200, "json")]


@pytest.mark.parametrize(("status", "shape"), ANSWERS[:2])
def test_no_command_says_a_secret_whatever_a_vendor_answers(
    home: Installation, echo: Echo, status: int, shape: str
):
    echo.status, echo.shape = status, shape
    for name in sorted(set(LEAVES) - ENDLESS):
        sign_in(home)
        words = [word.format(folder=home.folder) for word in ARGUMENTS.get(name, [])]
        done = inside(home, *name.split(), *words, answers=["https://localhost:8443/callback?x"])
        assert "unexpected" not in done.err
        assert_nothing_in(done.out + done.err, f"{name} ({status})")
        if (home.folder / "backup.db").exists():
            (home.folder / "backup.db").unlink()
    done = inside(home, "authorize", "--import-refresh-token", "-", answers=[IMPORTED])
    assert_nothing_in(done.out + done.err, "import")
    assert inside(home, "authorize", "--import-refresh-token", IMPORTED).code == 2
    assert_nothing_kept(home)
    # The vendor has really repeated them.
    assert all(secret in echo.seen for secret in (API_KEY, ACCESS, CLIENT_SECRET, IMPORTED))


@pytest.mark.parametrize(("status", "shape"), ANSWERS[2:])
def test_no_answer_of_any_shape_brings_a_secret_out(
    home: Installation, echo: Echo, status: int, shape: str
):
    echo.status, echo.shape = status, shape
    for words in (["check"], ["locations", "list"], ["locations", "create", "B"], ["authorize"]):
        sign_in(home)
        done = inside(home, *words, answers=["Client not found"])
        assert_nothing_in(done.out + done.err, f"{words} ({status})")
    assert_nothing_kept(home)


def test_an_older_client_whose_token_travels_in_the_address(home: Installation, echo: Echo):
    home.change("[lightspeed]", '[lightspeed]\nauth = "v1"')
    echo.status = 401
    for words in (["check"], ["locations", "list"], ["once"]):
        done = inside(home, *words)
        assert done.code in (69, 77)
        assert_nothing_in(done.out + done.err, " ".join(words))
    assert REFRESH in echo.seen


def test_the_service_logs_no_secret_at_debug_level(home: Installation, echo: Echo):
    with home.service() as service:
        until(lambda: echo.seen.count(ACCESS) > 4, 30)
        service.end()
    assert '"level": "debug"' in service.log
    assert_nothing_in(service.log, "the log")
    assert_nothing_kept(home)


def test_a_connecteam_app_hides_its_secret_and_its_token(home: Installation, echo: Echo):
    key = json.dumps(API_KEY)
    home.change(f"api_key = {key}", f'client_id = "app"\nclient_secret = {key}')
    for echo.status, echo.shape in ANSWERS:
        done = inside(home, "check", "--json")
        assert_nothing_in(done.out + done.err, "check")
    assert API_KEY in echo.seen


def broken(home: Installation) -> Done:
    """A command that fails as no command should; its traceback is shown."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["tillbridge", "--config", str(home.config), "locations", "list"]

    def fail(*_args: object, **_more: object) -> int:
        raise RuntimeError(f"bug with {API_KEY!r} and {CLIENT_SECRET} in {REFRESH}")

    with (
        patch.object(sys, "argv", argv),
        patch.object(places, "connecteam_client", fail),
        patch.dict("os.environ", home.env),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert isinstance(end.value.code, int)
    return Done(end.value.code, out.getvalue(), err.getvalue())


def test_a_traceback_shows_no_secret(home: Installation):
    done = broken(home)
    assert done.code == 1
    assert TRACE in done.err
    assert "bug with" in done.err
    assert_nothing_in(done.out + done.err, "the traceback")


def test_this_test_would_notice_a_secret():
    with pytest.raises(AssertionError, match="somewhere"):
        assert_nothing_in(f"x {API_KEY}", "somewhere")
