"""Pause, backup, restore and the support bundle, as commands upon a real ledger.

Commands that speak to no vendor run in this process, the way `python -m tillbridge` runs them:
starting one for each would take most of the time. `once` and the service are processes.
"""

import contextlib
import io
import json
import stat
import sys
import zipfile
from collections.abc import Callable

import pytest

from ledger.tools import raw
from system.conftest import Made
from system.installation import Done, Installation, arrived, assert_exactly_once
from tillbridge.__main__ import main


def call(home: Installation, *words: str) -> Done:
    """A command, to its end."""
    before, sys.argv = sys.argv, ["tillbridge", "--config", str(home.config), *words]
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
            pytest.raises(SystemExit) as ended,
        ):
            main()
    finally:
        sys.argv = before
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def status(home: Installation) -> list[dict]:
    return call(home, "status", "--json").json["locations"]


def posted(home: Installation) -> int:
    return sum(place["posted"] for place in status(home))


# -- backup and restore --------------------------------------------------------------------------


def test_an_old_backup_put_back_doubles_nothing_and_the_newest_ledger_goes_on(make, tmp_path):
    sandbox, home = make(sales_per_day=30)
    copy = tmp_path / "copy.db"
    assert home.call("once").code == 0
    before = posted(home)
    assert call(home, "backup", str(copy)).code == 0
    for _ in range(5):
        sandbox.close_sale(0)
    assert home.call("once").code == 0
    assert arrived(sandbox)
    done = call(home, "restore", str(copy))
    assert done.code == 3, "sales were posted since"
    assert "does not know that they are in Connecteam" in done.words
    assert posted(home) == before
    done = home.call("once")
    assert done.code == 3
    assert_exactly_once(sandbox)
    place = status(home)[0]
    assert (place["stop"], place["waiting"]) == ("old_ledger", 5)
    # The ledger that was there is kept. Put back, it goes on: Connecteam's totals are what it says.
    (aside,) = home.ledger.parent.glob("ledger.db.replaced-????????-??????")
    done = call(home, "restore", str(aside))
    assert (done.code, "knows the newest request" in done.words) == (3, True)
    sandbox.close_sale(0)
    assert home.call("once").code == 0
    assert_exactly_once(sandbox)


def test_a_backup_to_which_nothing_was_added_since_goes_straight_on(make, tmp_path):
    sandbox, home = make(sales_per_day=30)
    copy = tmp_path / "copy.db"
    assert home.call("once").code == 0
    assert call(home, "backup", str(copy)).code == 0
    home.ledger.write_bytes(b"damaged by a disk")
    for suffix in ("-wal", "-shm"):
        home.ledger.with_name(f"ledger.db{suffix}").unlink(missing_ok=True)
    assert call(home, "status").code == 78
    done = call(home, "restore", str(copy))
    assert (done.code, "Nothing was posted since" in done.words) == (0, True)
    sandbox.close_sale(0)
    assert home.call("once").code == 0
    assert_exactly_once(sandbox)


def test_a_backup_beside_the_service_is_whole_private_and_without_sign_in_and_mark(make, tmp_path):
    sandbox, home = make(sales_per_day=200)
    with home.service() as service:
        service.until(lambda: '"service_started"' in service.log)
        for number in range(3):
            done = call(home, "backup", str(tmp_path / f"copy-{number}.db"))
            assert done.code == 0, done.err
        service.until(lambda: arrived(sandbox))
        done = call(home, "restore", str(tmp_path / "copy-0.db"))
        assert (done.code, "Stop it first" in done.words) == (75, True)
        service.end()
    for number in range(3):
        copy = tmp_path / f"copy-{number}.db"
        assert raw(copy, "PRAGMA integrity_check") == [("ok",)]
        assert raw(copy, "PRAGMA journal_mode") == [("delete",)]
        assert raw(copy, "SELECT sum(count) FROM tally") == raw(copy, "SELECT count(*) FROM sale")
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.glob("copy*")) == [
        "copy-0.db", "copy-1.db", "copy-2.db",
    ]  # fmt: skip


def test_what_is_no_backup_is_refused_and_the_ledger_stays(make, tmp_path):
    _, home = make(sales_per_day=10)
    assert home.call("once").code == 0
    before = raw(home.ledger, "SELECT count(*) FROM sale")
    file = tmp_path / "file.db"
    for content, code, words in (
        (None, 2, "There is no file"),
        (b"", 78, "is no ledger of tillbridge"),
        (b"not a database at all, but long enough to look at", 78, "cannot be read as a ledger"),
    ):
        if content is not None:
            file.write_bytes(content)
        done = call(home, "restore", str(file))
        assert (done.code, words in done.words) == (code, True), done.err
    later = tmp_path / "later.db"
    assert call(home, "backup", str(later)).code == 0
    raw(later, "UPDATE alembic_version SET version_num = '9999'")
    done = call(home, "restore", str(later))
    assert (done.code, "was made by a newer tillbridge" in done.words) == (78, True)
    assert raw(home.ledger, "SELECT count(*) FROM sale") == before
    assert list(home.ledger.parent.glob("*replaced*")) == []
    assert list(home.ledger.parent.glob("*restoring*")) == []
    assert call(home, "backup", str(home.config)).code == 2, "an existing file is not overwritten"


# -- pause and resume ----------------------------------------------------------------------------


def test_a_running_service_notices_a_pause_and_a_restart_keeps_it(make: Callable[..., Made]):
    sandbox, home = make(locations=2, sales_per_day=20)
    with home.service() as service:
        service.until(lambda: arrived(sandbox))
        name = status(home)[0]["name"]
        known = status(home)[0]["seen"]
        done = call(home, "pause", name.upper())
        assert (done.code, "is paused" in done.words) == (0, True)
        assert "paused already" in call(home, "pause", name).words
        sandbox.close_sale(0)
        sandbox.close_sale(1)
        second = sandbox.locations[1].connecteam_id
        wanted = sandbox.lightspeed_truth()[sandbox.locations[1].lightspeed_id].sales
        service.until(lambda: sandbox.connecteam_truth()[second].sales == wanted)
        service.end()
    before = status(home)[0]["seen"]
    assert before == known
    assert home.call("once").code == 0
    assert not arrived(sandbox)
    place = status(home)[0]
    assert (place["paused"], place["seen"]) == (True, before), "nothing is read, either"
    day = sandbox.first_day.isoformat()
    home.call("backfill", "--from", day, "--location", name)
    place = status(home)[0]
    assert (place["waiting"], place["posted"]) == (1, before), "history is read, and waits"
    assert call(home, "resume", name).code == 0
    assert home.call("once").code == 0
    assert_exactly_once(sandbox)
    done = call(home, "pause", "Nowhere")
    assert (done.code, name in done.words) == (2, True)


# -- the support bundle --------------------------------------------------------------------------


def parts_of(file) -> dict[str, str]:
    with zipfile.ZipFile(file) as archive:
        return {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}


def test_a_support_bundle_has_what_helps_and_neither_secrets_nor_amounts(make, tmp_path):
    sandbox, home = make(sales_per_day=30)
    home.change("[ledger]", '[alarms]\nto = ["json://127.0.0.1:9/hush-hush-path"]\n\n[ledger]')
    assert home.call("once").code == 0
    file, full = tmp_path / "help.zip", tmp_path / "full.zip"
    assert call(home, "support-bundle", str(file)).code == 0
    assert call(home, "support-bundle", str(full), "--amounts").code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert call(home, "support-bundle", str(file)).code == 2, "an existing file is not overwritten"
    parts, everything = parts_of(file), parts_of(full)
    assert set(parts) == {
        "README.txt", "versions.json", "config.toml", "files.txt", "status.json", "doubts.json",
        "alarms.json", "events.json",
    }  # fmt: skip
    text = "".join(parts.values())
    token = json.loads((home.ledger.parent / "lightspeed-token.json").read_text())
    secrets = [value for key, value in token.items() if "token" in key and isinstance(value, str)]
    assert secrets
    for secret in [*secrets, sandbox.api_key, sandbox.client_secret, "hush-hush-path"]:
        assert secret not in text + "".join(everything.values())
    total = raw(home.ledger, "SELECT total FROM part")[0][0]
    assert str(total) not in text
    assert str(total) in "".join(everything.values())
    assert json.loads(parts["versions.json"])["packages"]["sqlalchemy"]
    assert json.loads(parts["status.json"])["locations"][0]["posted"] > 0
    assert "ledger.db" in parts["files.txt"]


def test_a_support_bundle_is_made_even_of_a_broken_ledger(make, tmp_path):
    _, home = make(signed_in=False)
    home.ledger.parent.mkdir(exist_ok=True)
    home.ledger.write_bytes(b"this is not a ledger, but it is long enough to be looked at")
    assert call(home, "support-bundle", str(tmp_path / "help.zip")).code == 0
    assert "is not a ledger" in parts_of(tmp_path / "help.zip")["ledger.txt"]
