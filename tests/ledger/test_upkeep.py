"""What the ledger forgets, what it never forgets, and that its files stay as small as promised."""

from sqlalchemy import func, insert, select

from ledger.tools import NOON, NOON_MS, STATION, raw, record
from tillbridge.housekeeping import EVERY_S, MOST_COMMITS, Housekeeper
from tillbridge.ledger import attention, locations, sales, targets
from tillbridge.ledger.schema import event, part, reading, sale
from tillbridge.ledger.store import DiskTrouble
from tillbridge.ledger.upkeep import CHUNK, Retention
from tillbridge.states import Lane, PartState, SaleState

DAY_S = 86_400.0
KEEP = Retention(events_s=400 * DAY_S, readings_s=90 * DAY_S, payloads_s=180 * DAY_S)


def keeper(shop):
    return Housekeeper(shop.ledger, KEEP, shop.clock)


def days_pass(shop, days):
    shop.clock.sleep(days * DAY_S)


def counted(shop, table):
    with shop.ledger.view() as view:
        return view.execute(select(func.count()).select_from(table)).scalar_one()


def add_events(shop, count, at_ms=NOON_MS, text="x" * 400):
    with shop.ledger.commit() as commit:
        row = {"at_ms": at_ms, "name": "filler", "detail": {"text": text}}
        commit.execute(insert(event), [row] * count)


def test_old_events_go_and_newer_ones_stay(shop):
    add_events(shop, 30)
    days_pass(shop, 300)
    add_events(shop, 5, NOON_MS + round(300 * DAY_S * 1000))
    days_pass(shop, 99)
    assert keeper(shop).step() == 0
    days_pass(shop, 2)
    assert keeper(shop).step() > 30 - 1
    assert counted(shop, event) == 5


def test_an_event_with_a_stamp_of_a_wrong_clock_is_in_nobodys_way(shop):
    add_events(shop, 3, NOON_MS * 2)
    add_events(shop, 4)
    days_pass(shop, 401)
    keeper(shop).step()
    assert counted(shop, event) == 3


def test_what_happened_to_an_undecided_request_is_kept_until_it_is_decided(shop):
    shop.take(record("R1"))
    part_id = shop.doubt()
    days_pass(shop, 500)
    keeper(shop).step()
    assert "part_sending" in shop.events()
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.POSTED, PartState.POSTED)
    days_pass(shop, 500)
    keeper(shop).step()
    assert shop.events() == []


def test_sales_and_requests_are_kept_for_ever(shop):
    shop.take(*(record(f"R{number}") for number in range(5)))
    shop.post_all()
    days_pass(shop, 4000)
    keeper(shop).step()
    assert counted(shop, sale) == 5
    assert counted(shop, part) == 1
    shop.check()
    assert shop.take(record("R1")).new == 0


def test_old_readings_go_but_never_the_one_that_is_compared_with(shop):
    with shop.ledger.commit() as commit:
        ids = [
            targets.add_reading(commit, 123, {NOON.date(): 5}, shop.clock.moment())
            for _ in range(3)
        ]
        targets.set_base(commit, 123, ids[1], shop.clock.moment())
    days_pass(shop, 91)
    keeper(shop).step()
    with shop.ledger.view() as view:
        assert list(view.execute(select(reading.c.id)).scalars()) == [ids[1]]


def test_the_payload_of_a_sale_set_aside_goes_and_reading_it_again_brings_it_back(shop):
    shop.take(record("R1", None), record("R2", None))
    with shop.ledger.commit() as commit:
        attention.drop(commit, ["R2"], "no", NOON_MS)
    days_pass(shop, 179)
    keeper(shop).step()
    assert shop.row("R1").kept is not None
    days_pass(shop, 2)
    keeper(shop).step()
    assert (shop.row("R1").kept, shop.row("R2").kept) == (None, None)
    assert shop.row("R1").state == SaleState.QUARANTINED
    with shop.ledger.commit() as commit:
        assert attention.retry(commit, ["R1"], {}, NOON_MS).still == 1
    shop.take(record("R1", None))
    assert shop.row("R1").kept is not None, "a sale that is read again is mapped anew"
    shop.take(record("R2", None))
    assert shop.row("R2").state == SaleState.DROPPED, "what a person gave up stays given up"
    shop.check()


def test_it_works_once_a_day_and_a_large_task_is_done_in_pieces(shop):
    add_events(shop, CHUNK * (MOST_COMMITS + 3), text="")
    days_pass(shop, 401)
    one = keeper(shop)
    assert one.step() == CHUNK * MOST_COMMITS
    assert one.step() > 0, "with the next pass it goes on"
    assert one.step() == 0
    add_events(shop, 1)
    assert one.step() == 0
    shop.clock.sleep(EVERY_S)
    assert one.step() == 1


def test_the_space_is_given_back_and_the_log_is_emptied(shop):
    add_events(shop, 20_000)
    wal = shop.path.with_name("ledger.db-wal")
    big = shop.path.stat().st_size + wal.stat().st_size
    assert big > 10_000_000
    days_pass(shop, 401)
    one = keeper(shop)
    for _ in range(10):  # some pages each day
        one.step()
        shop.clock.sleep(EVERY_S)
    assert wal.stat().st_size == 0
    assert shop.path.stat().st_size < big / 10
    assert raw(shop.path, "PRAGMA integrity_check") == [("ok",)]


def test_the_log_is_cut_after_a_huge_commit_let_it_grow(shop):
    wal = shop.path.with_name("ledger.db-wal")
    add_events(shop, 60_000)
    assert wal.stat().st_size > 20_000_000
    for _ in range(3):  # the next commits find the log copied, and begin it anew
        add_events(shop, 3000)
    assert wal.stat().st_size <= 17 * 1024 * 1024


def test_a_busy_ledger_is_tidied_the_next_day_instead(shop, monkeypatch):
    add_events(shop, 10)
    days_pass(shop, 401)
    one = keeper(shop)

    def fails(_pages):
        raise DiskTrouble("no space", "make space")

    monkeypatch.setattr(shop.ledger, "compact", fails)
    assert one.step() == 0
    assert one.step() == 0
    monkeypatch.undo()
    add_events(shop, 2)
    shop.clock.sleep(EVERY_S)
    assert one.step() == 2


def test_a_paused_location_leaves_its_neighbour_at_the_same_place_alone(shop):
    shop.take(*(record(f"R{number}") for number in range(5)))
    shop.take(record("S1", created_at=record().created_at + 60), place=STATION)
    with shop.ledger.commit() as commit:
        assert locations.set_paused(commit, shop.id(), NOON_MS, paused=True)
        assert not locations.set_paused(commit, shop.id(), NOON_MS, paused=True)
    with shop.ledger.view() as view:
        rows = sales.waiting(view, 123, Lane.LIVE, 2, without=[shop.id()])
    assert [row.source_id for row in rows] == [shop.id(STATION)]
    assert "location_paused" in shop.events()
