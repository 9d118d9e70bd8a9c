"""One process posts: the kernel keeps the lock, and frees it when its holder dies."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from ledger.tools import Shop
from tillbridge.errors import LockHeld
from tillbridge.ledger import generation
from tillbridge.lock import PostingLock
from tillbridge.watermark import Mark, Watermark

HOLDER = """
import sys, time
from pathlib import Path
from tillbridge.lock import PostingLock
lock = PostingLock(Path(sys.argv[1]))
print("held" if lock.try_acquire() else "refused", flush=True)
if lock.is_held:
    sys.stdin.readline()
    lock.release()
    print("released", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def ledger_path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def hold(ledger_path):
    """Starts a process that tries to take the lock, and says what came of it."""
    begun = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(ledger_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def test_the_first_has_it_and_the_second_does_not(hold, ledger_path):
    holder, answer = hold()
    assert answer == "held"
    assert hold()[1] == "refused"
    lock = PostingLock(ledger_path)
    assert not lock.try_acquire()
    assert not lock.is_held
    with pytest.raises(LockHeld) as caught:
        lock.acquire()
    assert f"process {holder.pid}" in caught.value.message
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_holder_that_is_killed_leaves_it_free_at_once(hold, ledger_path, how):
    holder, _ = hold()
    lock = PostingLock(ledger_path)
    assert not lock.try_acquire()
    holder.send_signal(how)
    holder.wait()
    assert lock.try_acquire()
    lock.release()


def test_a_holder_that_is_stopped_keeps_it(hold, ledger_path):
    """A lease would have run out; its holder would wake up and post beside the next one."""
    holder, _ = hold()
    holder.send_signal(signal.SIGSTOP)
    time.sleep(0.2)
    lock = PostingLock(ledger_path)
    assert not lock.try_acquire()
    holder.send_signal(signal.SIGCONT)
    assert not lock.try_acquire()


def test_a_lock_that_is_given_back_is_free_while_its_process_lives(hold, ledger_path):
    holder, _ = hold()
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "released\n"
    lock = PostingLock(ledger_path)
    lock.acquire()
    assert hold()[1] == "refused"
    lock.release()
    lock.release()
    assert not lock.is_held
    assert hold()[1] == "held"


def test_taking_it_twice_in_one_process_is_taking_it_once(ledger_path):
    lock = PostingLock(ledger_path)
    lock.acquire()
    lock.acquire()
    assert lock.is_held
    assert not PostingLock(ledger_path).try_acquire()
    lock.release()
    assert PostingLock(ledger_path).try_acquire()


def test_a_child_process_does_not_inherit_it(ledger_path):
    lock = PostingLock(ledger_path)
    lock.acquire()
    sleeper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lock.release()
    assert PostingLock(ledger_path).try_acquire()
    sleeper.communicate(b"\n")


def test_nobody_else_can_read_the_lock_or_the_mark(ledger_path):
    before = os.umask(0)
    lock = PostingLock(ledger_path)
    try:
        lock.acquire()
        Watermark(ledger_path).write(Mark(1, 2, 3), durable=True)
    finally:
        os.umask(before)
    lock.release()
    assert {stat.S_IMODE(file.stat().st_mode) for file in ledger_path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("durable", [True, False])
def test_the_mark_is_replaced_whole(ledger_path, durable):
    assert Watermark(ledger_path).read() == Mark(0, 0, 0)
    for mark in (Mark(9, 10, 1_800_000_000_000), Mark(10, 1, 5), Mark(11, 999_999, 7)):
        Watermark(ledger_path).write(mark, durable=durable)
        assert Watermark(ledger_path).read() == mark
    assert [file.name for file in ledger_path.parent.iterdir()] == ["ledger.db.generation"]


@pytest.mark.parametrize("content", [b"", b"soup", b"\xff\xfe", b"1.5"])
def test_an_unreadable_mark_is_an_unknown_one(ledger_path, content):
    ledger_path.with_name("ledger.db.generation").write_bytes(content)
    assert Watermark(ledger_path).read() == Mark()


def test_a_ledger_put_back_from_a_backup_is_behind_the_mark(path):
    shop = Shop(path)
    mark = Watermark(path)
    with shop.ledger.commit() as commit:
        generation.write(commit, 3)
    mark.write(Mark(3), durable=True)
    shop.ledger.close()
    backup = path.read_bytes()
    shop.reopen()
    with shop.ledger.commit() as commit:
        generation.write(commit, 4)
    mark.write(Mark(4), durable=True)
    shop.ledger.close()
    path.write_bytes(backup)
    shop.reopen()
    with shop.ledger.view() as view:
        assert (generation.read(view), mark.read().generation) == (3, 4)
    shop.ledger.close()
