"""What the ledger knows of a backfill that is to come."""

import pytest
from sqlalchemy import insert, update

from ledger.tools import CITY, NOON_MS, NOON_S, Shop, record
from tillbridge.ledger import outlook
from tillbridge.ledger.schema import backfill, sale
from tillbridge.states import Lane

DAY_MS = 86_400_000


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path / "ledger.db")
    yield made
    made.ledger.close()


@pytest.mark.parametrize(
    ("rows", "unread"),
    [
        ([], [(0, 100)]),
        ([(0, 100, 40, False)], [(40, 100)]),
        ([(0, 100, 0, True)], []),
        ([(0, 50, 50, True), (50, 100, 70, False)], [(70, 100)]),
        ([(20, 40, 20, True), (60, 80, 65, False)], [(0, 20), (40, 60), (65, 100)]),
        ([(-50, 300, 300, True)], []),
        ([(-50, 10, 10, True), (90, 200, 95, False)], [(10, 90), (95, 100)]),
        ([(0, 100, 30, False), (0, 60, 60, True)], [(60, 100)]),  # two that overlap
    ],
)
def test_what_no_backfill_has_read_is_left(shop, rows, unread):
    with shop.ledger.commit() as commit:
        for start, end, cursor, done in rows:
            commit.execute(insert(backfill).values(
                location_id=shop.id(), start_ms=start, end_ms=end, cursor_ms=cursor, done=done,
            ))  # fmt: skip
        assert outlook.unread_ms(commit, shop.id(), 0, 100) == unread
        assert outlook.unread_ms(commit, shop.id(CITY), 0, 100) == [(0, 100)]


def test_sales_that_are_there_already_are_not_counted_again(shop):
    shop.take(*(record(f"old{n}", created_at=NOON_S + n) for n in range(10)))
    shop.take(*(record(f"his{n}", created_at=NOON_S + n) for n in range(3)), lane=Lane.BACKFILL)
    shop.take(record("there", connecteam_id=456, currency="JPY"), place=CITY)
    with shop.ledger.view() as view:
        spans = [(NOON_MS + 5000, NOON_MS + 9000)]
        found = outlook.known(view, shop.id(), NOON_MS, NOON_MS + 9000, spans)
        assert found == (9 + 3, 4)
        assert outlook.waiting_history(view, shop.id()) == 3
        assert outlook.waiting_history(view, shop.id(CITY)) == 0


def test_a_day_of_trade_is_known_from_the_newest_ones(shop):
    with shop.ledger.view() as view:
        assert outlook.sales_per_day(view, shop.id()) is None
    shop.take(*(record(f"n{n}", created_at=NOON_S - (n % 4) * 86_400) for n in range(40)))
    shop.take(*(record(f"o{n}", created_at=NOON_S - 90 * 86_400) for n in range(50)))
    with shop.ledger.view() as view:
        assert outlook.sales_per_day(view, shop.id()) == 10.0


def test_what_was_posted_does_not_wait(shop):
    shop.take(*(record(f"h{n}") for n in range(3)), lane=Lane.BACKFILL)
    with shop.ledger.commit() as commit:
        commit.execute(update(sale).where(sale.c.reference == "h0").values(state="posted"))
        assert outlook.waiting_history(commit, shop.id()) == 2
