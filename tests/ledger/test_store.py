"""The file itself: private, durable, ours, and plain words for whatever is wrong with it."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import insert, select

from ledger.tools import NOON_MS, Shop, StillClock, raw, record
from tillbridge.errors import TryLater
from tillbridge.ledger.copying import copy_out, inspect, put_in_place
from tillbridge.ledger.schema import meta
from tillbridge.ledger.store import APPLICATION_ID, HEAD, Ledger, LedgerUnusable

# Opens a ledger in a process of its own and does what the test asks; argv[1] is its path.
CHILD = """
import os, sys, time
from pathlib import Path
from sqlalchemy import delete, insert, select
from tillbridge.clock import SystemClock
from tillbridge.ledger.schema import meta
from tillbridge.ledger.store import Ledger
ledger = Ledger(Path(sys.argv[1]), SystemClock())
"""


def child(path, code, **options):
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def write_meta(ledger, key, value="1"):
    with ledger.commit() as commit:
        commit.execute(insert(meta).values(key=key, value=value))


def keys(ledger):
    with ledger.view() as view:
        return set(view.execute(select(meta.c.key)).scalars())


@contextmanager
def opened(path):
    ledger = Ledger(path, StillClock())
    try:
        yield ledger
    finally:
        ledger.close()


def test_nobody_else_can_read_a_ledger_whatever_the_umask(path):
    before = os.umask(0)
    try:
        shop = Shop(path)
        shop.take(record())
        files = {file.name: mode(file) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    shop.ledger.close()
    assert mode(path.parent) == 0o700
    assert {name.removeprefix("ledger.db") for name in files} == {"", "-wal", "-shm"}
    assert set(files.values()) == {0o600}


def test_commits_are_durable_and_references_are_checked(shop):
    with shop.ledger.view() as view:
        pragmas = {
            name: view.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "application_id")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "application_id": APPLICATION_ID,
    }
    with pytest.raises(Exception, match="FOREIGN KEY"), shop.ledger.commit() as commit:
        commit.exec_driver_sql("INSERT INTO tally VALUES (999, 'waiting', 0)")


def test_a_commit_that_raises_leaves_nothing_behind(shop):
    def half_a_step():
        with shop.ledger.commit() as commit:
            commit.execute(insert(meta).values(key="half", value="1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_a_step()
    assert "half" not in keys(shop.ledger)
    write_meta(shop.ledger, "whole")
    assert "whole" in keys(shop.ledger)


def test_a_view_sees_one_moment_while_another_process_writes(shop):
    with opened(shop.path) as other, shop.ledger.view() as view:
        before = set(view.execute(select(meta.c.key)).scalars())
        write_meta(other, "meanwhile")
        assert set(view.execute(select(meta.c.key)).scalars()) == before
    assert "meanwhile" in keys(shop.ledger)


def test_two_processes_that_write_at_once_wait_for_each_other(shop):
    adding = """
for _ in range(40):
    with ledger.commit() as commit:
        row = commit.execute(select(meta.c.value).where(meta.c.key == "n")).scalar_one()
        time.sleep(0.002)
        commit.execute(delete(meta).where(meta.c.key == "n"))
        commit.execute(insert(meta).values(key="n", value=str(int(row) + 1)))
"""
    write_meta(shop.ledger, "n", "0")
    children = [child(shop.path, adding) for _ in range(3)]
    for each in children:
        each.communicate(timeout=60)
    assert [each.returncode for each in children] == [0, 0, 0]
    with shop.ledger.view() as view:
        assert view.execute(select(meta.c.value).where(meta.c.key == "n")).scalar_one() == "120"


def test_processes_that_open_a_new_ledger_at_once_make_it_once(path):
    children = [child(path, "print(ledger.path.name)") for _ in range(4)]
    told = [each.communicate(timeout=60)[0] for each in children]
    assert told == ["ledger.db\n"] * 4
    with opened(path) as ledger:
        assert keys(ledger) == set()


def test_a_process_killed_inside_a_commit_leaves_nothing_and_no_lock(shop):
    busy = child(
        shop.path,
        """
with ledger.commit() as commit:
    commit.execute(insert(meta).values(key="torn", value="1"))
    print("inside", flush=True)
    time.sleep(60)
""",
    )
    assert busy.stdout.readline() == "inside\n"
    busy.kill()
    busy.communicate()
    write_meta(shop.ledger, "after")
    assert keys(shop.ledger) == {"after"}


def test_a_process_killed_right_after_a_commit_has_kept_it(shop):
    done = child(
        shop.path,
        """
with ledger.commit() as commit:
    commit.execute(insert(meta).values(key="kept", value="1"))
print("committed", flush=True)
time.sleep(60)
""",
    )
    assert done.stdout.readline() == "committed\n"
    done.kill()
    done.communicate()
    assert keys(shop.ledger) == {"kept"}


def test_a_lock_that_is_held_too_long_is_told_and_nothing_is_lost(shop):
    with shop.ledger.view() as view:
        view.exec_driver_sql("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(shop.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TryLater, match="being used by another process"):
            write_meta(shop.ledger, "refused")
    write_meta(shop.ledger, "later")
    assert keys(shop.ledger) == {"later"}


def test_threads_of_one_process_take_turns(shop):
    threads = [threading.Thread(target=write_meta, args=(shop.ledger, f"k{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(shop.ledger)) == 8


# -- files that are no ledger -------------------------------------------------------------------


def refused(path, match):
    """Opening is refused in a sentence with a remedy, and the file is left as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(LedgerUnusable, match=match) as caught:
        Ledger(path, StillClock())
    assert (path.read_bytes() if path.is_file() else None) == before
    assert str(path) in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 78


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    raw(path, "CREATE TABLE guests (name TEXT)")
    refused(path, "database of another program")


def test_a_text_file_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Soup of the day: leek.\n" * 100)
    refused(path, "not a ledger, or it is damaged")


def test_a_folder_is_no_ledger(tmp_path):
    refused(tmp_path, "is a folder")


def test_a_file_where_the_folder_should_be_is_told(tmp_path):
    (tmp_path / "state").write_text("x")
    refused(tmp_path / "state" / "ledger.db", "is not a folder")


def test_a_ledger_of_a_newer_version_is_left_alone(path):
    Shop(path).ledger.close()
    raw(path, "UPDATE alembic_version SET version_num = '0999'")
    raw(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    refused(path, r"newer tillbridge \(schema 0999; this one\s+knows " + HEAD)


@pytest.mark.parametrize("size", [100, 5000, 20_000])
def test_a_ledger_that_was_cut_off_is_told(path, size):
    Shop(path).ledger.close()
    with path.open("rb+") as file:
        file.truncate(size)
    with pytest.raises(LedgerUnusable, match="damaged") as caught:
        Shop(path)
    assert "restore a backup" in caught.value.remedy


def test_a_ledger_damaged_in_the_middle_is_told_when_it_is_met(path):
    shop = Shop(path)
    shop.take(*(record(f"R{n}") for n in range(500)))
    shop.ledger.close()
    with path.open("rb+") as file:
        file.seek(4096 * 3)
        file.write(b"\x5a" * 4096 * 20)
    with pytest.raises(LedgerUnusable, match="damaged"):
        Shop(path).rows()


def test_an_empty_file_becomes_a_ledger(path):
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    with opened(path) as ledger:
        assert keys(ledger) == set()


@contextmanager
def as_a_stranger(path, bits):
    """This process has no more rights than these on the ledger's files, even if it is root's."""
    files = [*path.parent.iterdir()]
    for file in files:
        file.chmod(bits)
    root = os.geteuid() == 0
    if root:
        path.parent.chmod(0o755 if bits & 0o444 else 0o700)
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.parent.chmod(0o700)
        for file in files:
            file.chmod(0o600)


@pytest.fixture
def open_way(tmp_path):
    """Another user may pass through the folders above (pytest makes them private); it stays so,
    because tests that run at the same time share them.
    """
    for folder in [tmp_path, *tmp_path.parents[:3]]:
        if folder.stat().st_uid == os.getuid():
            folder.chmod(mode(folder) | 0o111)


@pytest.mark.parametrize("bits", [0o444, 0o000])
def test_a_ledger_that_may_not_be_written_is_told(path, bits, open_way):
    Shop(path).ledger.close()
    with as_a_stranger(path, bits), pytest.raises(LedgerUnusable) as caught:
        Ledger(path, StillClock())
    assert str(path) in caught.value.message
    assert "owner" in caught.value.remedy or "user" in caught.value.remedy
    Shop(path).ledger.close()


def test_a_folder_in_which_no_ledger_can_be_made_is_told(tmp_path, open_way):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    path = closed / "ledger.db"
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(LedgerUnusable, match="may not write there") as caught:
            Ledger(path, StillClock())
    finally:
        if root:
            os.seteuid(0)
    assert str(closed) in caught.value.remedy


def test_an_error_that_has_no_sentence_stays_what_it_is(shop):
    with pytest.raises(Exception, match="no such table"), shop.ledger.commit() as commit:
        commit.exec_driver_sql("SELECT * FROM soup")


def test_no_error_names_a_guest_or_an_amount(shop):
    write_meta(shop.ledger, "guest", "Mrs Smith")
    with pytest.raises(Exception, match="UNIQUE") as caught:
        write_meta(shop.ledger, "guest", "Mrs Smith")
    assert "Mrs Smith" not in str(caught.value)


def test_opening_twice_in_one_process_is_two_views_of_one_file(shop):
    with opened(shop.path) as other:
        shop.take(record())
        with other.view() as view:
            stamp = view.exec_driver_sql("SELECT seen_ms FROM sale").scalar_one()
    assert stamp == NOON_MS


def test_two_copies_put_in_place_within_a_second_keep_both_ledgers(shop, tmp_path):
    """Both are put aside under the same second; neither may be lost, or stop the other."""
    shop.take(record())
    copy_out(shop.path, tmp_path / "copy.db")
    shop.ledger.close()
    aside = [put_in_place(tmp_path / "copy.db", shop.path, "20261101-120000") for _ in range(3)]
    shop.reopen()
    assert len(set(aside)) == 3
    assert [inspect(file, file).sales for file in aside if file] == [1, 1, 1]
