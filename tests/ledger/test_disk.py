"""A full or failing disk: one sentence, nothing half-written, and on it goes when there is space."""

import resource
import signal
from contextlib import contextmanager

import pytest
from sqlalchemy import insert

from ledger.tools import NOON_S, Shop, StillClock, record
from tillbridge.errors import TryLater
from tillbridge.ledger import parts
from tillbridge.ledger.schema import meta
from tillbridge.ledger.store import DiskTrouble, Ledger
from tillbridge.states import SaleState


def full(shop):
    """From now on the ledger cannot grow by a single page (SQLITE_FULL)."""
    with shop.ledger.view() as view:
        view.exec_driver_sql("PRAGMA max_page_count = 1")  # never below what is used


def space_again(shop):
    with shop.ledger.view() as view:
        view.exec_driver_sql("PRAGMA max_page_count = 1073741823")


@contextmanager
def largest_file(size):
    """No file of this process grows beyond this: the write fails as on a failing disk (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


MANY = [record(f"R{n}", 100, created_at=NOON_S + n) for n in range(2000)]


def told(caught, shop):
    assert isinstance(caught.value, TryLater)
    assert caught.value.exit_code == 69
    assert str(shop.path) in caught.value.message
    assert "Make space" in caught.value.remedy


def test_a_page_that_does_not_fit_is_not_taken_in_at_all(shop):
    shop.take(record("before"))
    full(shop)
    with pytest.raises(DiskTrouble) as caught:
        shop.take(*MANY)
    told(caught, shop)
    assert [row.reference for row in shop.rows()] == ["before"]
    shop.check()
    space_again(shop)
    assert shop.take(*MANY).new == 2000


def test_nothing_is_sent_if_the_intent_cannot_be_written(shop):
    """`begin` raises, so its caller has no part to send; every row still waits."""
    shop.take(*MANY)
    batches = shop.planned()
    full(shop)
    begun = 0

    def begin_all():
        nonlocal begun
        for batch in batches:  # a few may still fit into pages that are not full
            with shop.ledger.commit() as commit:
                parts.begin(commit, batch, shop.clock.moment(), alone=frozenset())
                commit.execute(insert(meta).values(key=f"k{begun}", value="x" * 8000))
            begun += 1

    with pytest.raises(DiskTrouble):
        begin_all()
    shop.check()
    sending = [row for row in shop.rows() if row.state == "sending"]
    assert len(sending) == 100 * begun
    space_again(shop)
    with shop.ledger.commit() as commit:
        parts.begin(commit, batches[begun], shop.clock.moment(), alone=frozenset())


def test_an_answer_that_cannot_be_recorded_stays_a_doubt_and_is_recorded_later(shop):
    shop.take(*MANY[:100])
    batch, started = shop.begin()
    with largest_file(shop.path.with_name("ledger.db-wal").stat().st_size):
        with pytest.raises(DiskTrouble) as caught:
            shop.accept(batch, started)
        told(caught, shop)
    assert {row.state for row in shop.rows()} == {"sending"}
    shop.reopen()
    shop.accept(batch, started)
    assert {row.state for row in shop.rows()} == {"posted"}


def test_a_write_error_in_the_middle_of_a_commit_undoes_all_of_it(shop):
    shop.take(record("before"))
    size = shop.path.with_name("ledger.db-wal").stat().st_size
    for extra in (1, 4096, 40_000, 90_000):
        with largest_file(size + extra), pytest.raises(DiskTrouble):
            shop.take(*MANY)
        assert [row.reference for row in shop.rows()] == ["before"], extra
        shop.check()
    assert shop.take(*MANY).new == 2000
    shop.reopen()
    assert len(shop.rows()) == 2001


def test_a_ledger_that_cannot_even_be_made_is_told_and_made_later(path):
    with largest_file(8192), pytest.raises(DiskTrouble) as caught:
        Ledger(path, StillClock())
    assert str(path) in caught.value.message
    shop = Shop(path)
    shop.take(record())
    shop.check()
    shop.ledger.close()


def test_reading_goes_on_while_the_disk_is_full(shop):
    shop.take(*MANY[:10])
    full(shop)
    with pytest.raises(DiskTrouble):
        shop.take(*MANY)
    assert len(shop.planned()[0].rows) == 10
    with shop.ledger.view() as view:
        assert parts.open_parts(view) == []
    assert {SaleState(row.state) for row in shop.rows()} == {SaleState.WAITING}
