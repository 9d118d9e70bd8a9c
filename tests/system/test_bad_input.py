"""Everything that can be wrong from outside: one plain sentence, the right code, nothing lost."""

import json
import os
import re
import resource
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from system.conftest import Made
from system.installation import COMMAND, Done, arrived, assert_exactly_once, run
from tillbridge.sandbox.amounts import Row

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


def sentences(done: Done) -> list[str]:
    return [line for line in done.words.splitlines() if line.strip()]


# -- configuration --------------------------------------------------------------------------------


def test_every_mistake_of_a_configuration_is_said_with_its_place_and_remedy(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text("""
        config_version = 1
        name = "Wrong"
        nonsense = true
        [lightspeed]
        client_id = "x"
        client_secret = { env = "NOT_SET_ANYWHERE" }
        timeout = "soon"
        [connecteam]
        api_key = "planted-secret-value"
        quota_share = 7
        [[locations]]
        name = "A"
        lightspeed_id = "many"
        connecteam_id = 1
        timezone = "Europe/Nowhere"
        currency = "POUNDS"
        start = 2026-11-01
        """)
    file.chmod(0o600)
    for command in ("run", "once", "status", "config show"):
        done = run("--config", str(file), *command.split())
        assert done.code == 78, done.err
        for place in (
            "nonsense", "lightspeed.timeout", "connecteam.quota_share", "locations[0].lightspeed_id",
            "locations[0].timezone", "locations[0].currency", "locations[0].exclusive",
        ):  # fmt: skip
            assert place in done.err, place
        assert "planted-secret-value" not in done.err + done.out


@pytest.mark.parametrize("text", [None, "config_version = ", "\xff"], ids=["none", "half", "bytes"])
def test_a_file_that_is_no_configuration_is_said_so(tmp_path: Path, text: str | None):
    file = tmp_path / "config.toml"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    done = run("--config", str(file), "once")
    assert done.code == 78
    assert str(file) in done.err


def test_a_moved_location_with_history_is_refused_with_an_explanation(make: Callable[..., Made]):
    sandbox, home = make()
    assert home.call("once").code == 0
    home.change("connecteam_id = 123", "connecteam_id = 124")
    for command in ("run", "once"):
        done = home.call(command)
        assert done.code == 78
        assert "was 123 and is now 124" in done.err
        assert "Put 123 back" in done.err
    assert_exactly_once(sandbox)


# -- credentials ----------------------------------------------------------------------------------


def test_refused_credentials_end_with_77_and_say_whose(make: Callable[..., Made]):
    sandbox, home = make(signed_in=False)
    none = home.call("once")
    assert none.code == 77
    assert "Run `tillbridge authorize`" in none.words
    assert home.call("authorize", "--status").code == 77

    used = home.call("authorize", "--import-refresh-token", "-", text="used-or-made-up-token")
    assert used.code == 77
    assert "Lightspeed" in used.words
    assert "used-or-made-up-token" not in used.err
    empty = home.call("authorize", "--import-refresh-token", "-")
    assert empty.code == 2

    home.sign_in()
    key = sandbox.api_key
    home.change(key, "a-wrong-api-key")
    wrong = home.call("once")
    assert wrong.code == 77
    assert "Connecteam refused the credentials" in wrong.words
    assert "a-wrong-api-key" not in wrong.err
    assert sandbox.counters().get("connecteam.rows_posted", 0) == 0
    home.change("a-wrong-api-key", key)
    assert home.call("once").code == 0
    assert_exactly_once(sandbox)


def test_a_refused_renewal_ends_with_77(make: Callable[..., Made]):
    sandbox, home = make(access_ttl_s=1)
    tokens = home.ledger.parent / "lightspeed-token.json"
    used = json.loads(tokens.read_text(encoding="utf-8"))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": used}
    answer = httpx.post(
        sandbox.token_url, data=form, auth=(sandbox.client_id, sandbox.client_secret)
    )
    assert answer.status_code == 200  # somebody else has used the token up
    time.sleep(1.1)
    done = home.call("once")
    assert done.code == 77, done.err
    assert used not in done.err
    assert "authorize" in done.words
    assert sandbox.counters().get("connecteam.post", 0) == 0


def test_a_service_with_a_wrong_key_alarms_once_and_keeps_reading(make: Callable[..., Made]):
    sandbox, home = make()
    home.change(sandbox.api_key, "a-wrong-api-key")
    with home.service() as service:
        service.until(lambda: '"connecteam_credentials"' in service.log)
        reads = sandbox.counters()["lightspeed.sales"]
        service.until(lambda: sandbox.counters()["lightspeed.sales"] > reads + 1)
        assert service.log.count('"event": "alarm"') == 1
        assert service.end()[0] == 0
    assert "a-wrong-api-key" not in service.log


# -- vendors that are away ------------------------------------------------------------------------


def test_an_unreachable_vendor_is_one_sentence_and_69(make: Callable[..., Made]):
    sandbox, home = make()
    home.change(f'api_url = "{sandbox.lightspeed_url}"', f'api_url = "{NOBODY}"')
    away = home.call("once")
    assert away.code == 69
    assert len([line for line in sentences(away) if "127.0.0.1:9" in line]) == 1
    assert "refused" in away.words
    home.change(f'api_url = "{NOBODY}"', f'api_url = "{sandbox.lightspeed_url}"')

    home.change(sandbox.connecteam_url, NOBODY)
    away = home.call("once")
    assert away.code == 69
    assert len([line for line in sentences(away) if "Connecteam" in line]) == 1
    assert "waiting to be posted" in away.words
    assert home.call("locations", "list").code == 69
    home.change(NOBODY, sandbox.connecteam_url)

    assert home.call("once").code == 0
    assert_exactly_once(sandbox)


def test_a_used_up_quota_is_said_and_the_rest_goes_out_later(make: Callable[..., Made]):
    sandbox, home = make(plan="small", sales_per_day=700)
    done = home.call("once")
    assert done.code == 69
    assert "quota" in done.words
    assert sandbox.counters().get("connecteam.throttled", 0) == 0
    assert 0 < sandbox.counters()["connecteam.rows_posted"] < 700


def test_an_exclusive_location_that_is_not_empty_is_left_alone(make: Callable[..., Made]):
    sandbox, home = make()
    place = sandbox.locations[0]
    for row in list(sandbox.expected_rows(place.lightspeed_id))[:3]:
        sandbox.write_at_connecteam(row)  # what Connecteam's own integration would have done
    done = home.call("once")
    assert done.code == 3
    assert "Connecteam already holds sales" in done.words
    assert "integration" in done.words
    assert sandbox.counters().get("connecteam.post", 0) == 0
    status = home.call("status", "--json")
    assert status.code == 3
    assert status.json["healthy"] is False
    assert status.json["locations"][0]["waiting"] > 0
    assert isinstance(sandbox.connecteam_rows(place.connecteam_id)[0], Row)


# -- the ledger's file ----------------------------------------------------------------------------


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    database.close()


@pytest.mark.parametrize("kind", ["foreign", "text", "folder", "read-only"])
def test_a_file_that_cannot_be_a_ledger_is_refused_and_left_as_it_was(
    make: Callable[..., Made], kind: str
):
    sandbox, home = make(signed_in=False)
    home.ledger.parent.mkdir(mode=0o700)
    if kind == "folder":
        home.ledger.mkdir()
    elif kind == "text":
        home.ledger.write_text("Dear diary, today I sold nothing.\n" * 200)
    else:
        foreign_database(home.ledger)
    if kind == "read-only":
        if os.geteuid() == 0:
            pytest.skip("root may write anything")
        home.ledger.unlink()
        assert home.call("status").code in {0, 2}
        home.ledger.touch()
        home.ledger.chmod(stat.S_IRUSR)
    before = home.ledger.read_bytes() if home.ledger.is_file() else b""
    for command in ("once", "run"):
        done = home.call(command)
        assert done.code == 78, done.err
        assert str(home.ledger) in done.err
    if home.ledger.is_file():
        assert home.ledger.read_bytes() == before
    assert sandbox.counters().get("lightspeed.sales", 0) == 0


def test_a_full_disk_is_one_sentence_and_69_and_nothing_is_lost(make: Callable[..., Made]):
    sandbox, home = make(sales_per_day=900)
    assert home.call("status").code in {0, 2}
    limit = 400 * 1024  # bytes that a file may have: the ledger fits at first, the day does not

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the kernel then answers EFBIG
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = subprocess.run(
        [*COMMAND, "--config", str(home.config), "once"], capture_output=True, check=False,
        timeout=60, preexec_fn=full,
    )  # fmt: skip
    said = ended.stderr.decode()
    assert ended.returncode == 69, said
    assert "disk" in said
    assert "Traceback" not in said
    assert home.call("once").code == 0
    assert_exactly_once(sandbox)


@pytest.fixture
def tiny_disk(tmp_path: Path):
    """A file system of one megabyte; only root can make one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(mount)],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_service_goes_on_by_itself_when_the_disk_has_room_again(
    make: Callable[..., Made], tiny_disk: Path
):
    sandbox, home = make(sales_per_day=900, signed_in=False)
    home.change(str(home.ledger), str(tiny_disk / "ledger.db"))
    home.sign_in()
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * (400 * 1024))
    with home.service() as service:
        service.until(lambda: "The disk refused" in service.log)
        subprocess.run(["mount", "-o", "remount,size=64m", str(tiny_disk)], check=True)
        service.until(lambda: arrived(sandbox), 60)
        assert service.end()[0] == 0
    assert_exactly_once(sandbox)


# -- secrets --------------------------------------------------------------------------------------


def test_no_secret_is_in_any_output_or_log(make: Callable[..., Made]):
    sandbox, home = make(access_ttl_s=2, signed_in=False)
    home.env["TILLBRIDGE_LOG_LEVEL"] = "debug"
    first = home.call("authorize", "--import-refresh-token", "-", text=home.refresh_token)
    spoken = first.out + first.err
    for words in (("once",), ("status", "--json"), ("config", "show"), ("locations", "list"),
                  ("authorize", "--status")):  # fmt: skip
        done = home.call(*words)
        spoken += done.out + done.err
    sandbox.end_access_tokens()
    with home.service() as service:
        service.until(lambda: "service_started" in service.log)
        sandbox.close_sale(0)
        service.until(lambda: arrived(sandbox))
    spoken += service.log
    tokens = (home.ledger.parent / "lightspeed-token.json").read_text(encoding="utf-8")
    planted = {sandbox.api_key, sandbox.client_secret, home.refresh_token}
    planted |= set(re.findall(r'"(?:access|refresh)_token": ?"([^"]+)"', tokens))
    assert len(planted) >= 5
    for secret in planted:
        assert secret not in spoken
    ledger = home.ledger.read_bytes()
    for secret in planted:
        assert secret.encode() not in ledger


def test_files_are_private(make: Callable[..., Made]):
    _, home = make()
    assert home.call("once").code == 0
    assert stat.S_IMODE(home.ledger.parent.stat().st_mode) == 0o700
    for file in home.ledger.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
