"""How far each location has been read, who it feeds, and what must not be changed about it."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from ledger.tools import CITY, HARBOUR, NOON_MS, STATION, StillClock, record
from tillbridge.errors import ConfigError
from tillbridge.ledger import counts, generation, locations, quotas, status
from tillbridge.ledger.schema import sale
from tillbridge.ledger.store import Ledger
from tillbridge.states import SaleState


def get(shop, place=HARBOUR):
    with shop.ledger.view() as view:
        return locations.get(view, shop.id(place))


def register(shop, *places):
    with shop.ledger.commit() as commit:
        return locations.register(commit, places, NOON_MS)


def cursor_to(shop, to_ms, now_ms):
    with shop.ledger.commit() as commit:
        locations.move_cursor(commit, shop.id(), to_ms, now_ms)
    return get(shop).cursor_ms


def test_registering_again_changes_nothing(shop):
    assert register(shop, HARBOUR, STATION, CITY) == shop.ids
    assert shop.events() == ["location_added"] * 3


def test_a_new_name_and_currency_are_taken_over(shop):
    shop.take(record())
    register(shop, replace(HARBOUR, name="Harbour Road", currency="EUR"))
    assert (get(shop).name, get(shop).currency) == ("Harbour Road", "EUR")


def test_a_location_without_history_may_feed_another_connecteam_location(shop):
    register(shop, replace(HARBOUR, connecteam_id=789))
    assert get(shop).connecteam_id == 789
    shop.take(record(connecteam_id=789))


def test_a_location_with_history_may_not_and_every_such_one_is_named(shop):
    shop.take(record("R1"))
    shop.take(record("R2"), place=STATION)
    # Of both, something may be at Connecteam; a sale that merely waits can go anywhere.
    with shop.ledger.commit() as commit:
        sources = commit.execute(select(sale.c.location_id)).scalars().all()
        commit.execute(update(sale).values(state="posted"))
        counts.move(commit, counts.shift(sources, SaleState.WAITING, SaleState.POSTED))
    moved = [replace(HARBOUR, name="Quay", connecteam_id=789), replace(STATION, connecteam_id=7)]
    with pytest.raises(ConfigError) as caught:
        register(shop, *moved)
    texts = [str(problem) for problem in caught.value.problems]
    assert len(texts) == 2
    assert "Quay" in texts[0]
    assert "was 123 and is now 789" in texts[0]
    assert "tillbridge rules --apply" in texts[0]
    assert (get(shop).name, get(shop).connecteam_id) == (HARBOUR.name, 123)


def test_a_location_of_which_nothing_was_sent_may_be_given_its_right_id(shop):
    shop.take(record("R1"))
    register(shop, replace(HARBOUR, connecteam_id=789))
    assert get(shop).connecteam_id == 789
    with shop.ledger.view() as view:
        assert view.execute(select(sale.c.connecteam_id)).scalars().all() == [789]


@pytest.mark.parametrize("size", [2**53 + 1, 2**63 - 1])
def test_ids_of_64_bits_are_kept_exactly(shop, size):
    big = locations.Identity("Big", size, size - 1, "GBP")
    key = register(shop, big)[size]
    with shop.ledger.view() as view:
        row = locations.by_lightspeed_id(view, size)
    assert row is not None
    assert (row.id, row.lightspeed_id, row.connecteam_id) == (key, size, size - 1)


def test_the_cursor_moves_on_and_never_back(shop):
    assert get(shop).cursor_ms is None
    assert cursor_to(shop, 1000, now_ms=2000) == 1000
    assert cursor_to(shop, 1500, now_ms=2000) == 1500
    assert cursor_to(shop, 1200, now_ms=2000) == 1500


def test_a_cursor_that_a_wrong_clock_put_into_the_future_comes_back(shop):
    assert cursor_to(shop, 9000, now_ms=9000) == 9000
    assert cursor_to(shop, 1900, now_ms=2000) == 1900


def test_an_error_is_kept_until_a_window_is_read_to_its_end(shop):
    with shop.ledger.commit() as commit:
        locations.note_error(commit, shop.id(), "Lightspeed answered 500.", NOON_MS)
    assert (get(shop).last_error, get(shop).last_error_ms) == ("Lightspeed answered 500.", NOON_MS)
    cursor_to(shop, 1000, now_ms=2000)
    assert (get(shop).last_error, get(shop).last_error_ms) == (None, None)
    assert get(shop).last_read_ms == 2000


def test_when_a_location_began_is_kept(shop):
    with shop.ledger.commit() as commit:
        locations.set_earliest(commit, shop.id(), 77)
    assert get(shop).earliest_ms == 77


def test_each_kind_of_re_reading_remembers_when_it_was_done(shop):
    with shop.ledger.commit() as commit:
        locations.note_rescan(commit, shop.id(), "every 3600s back 43200s", 1)
        locations.note_rescan(commit, shop.id(), "at 05:30 back 3d", 2)
        locations.note_rescan(commit, shop.id(), "every 3600s back 43200s", 3)
    with shop.ledger.view() as view:
        assert locations.rescans_done(view, shop.id()) == {
            "every 3600s back 43200s": 3,
            "at 05:30 back 3d": 2,
        }
        assert locations.rescans_done(view, shop.id(CITY)) == {}


def begin_backfill(shop, start_ms=100, end_ms=900):
    with shop.ledger.commit() as commit:
        return locations.begin_backfill(commit, shop.id(), start_ms, end_ms)


def test_an_interrupted_backfill_goes_on_and_a_finished_one_begins_anew_if_asked(shop):
    row = begin_backfill(shop)
    assert (row.cursor_ms, bool(row.done)) == (100, False)
    with shop.ledger.commit() as commit:
        locations.move_backfill(commit, row.id, 400, done=False)
    shop.reopen()
    assert begin_backfill(shop).cursor_ms == 400
    assert begin_backfill(shop, end_ms=901).cursor_ms == 100
    with shop.ledger.commit() as commit:
        locations.move_backfill(commit, row.id, 900, done=True)
    known = begin_backfill(shop)
    assert (known.cursor_ms, bool(known.done)) == (900, True)
    with shop.ledger.commit() as commit:
        again = locations.begin_again(commit, known)
    assert (again.id, again.cursor_ms, bool(again.done)) == (row.id, 100, False)


def test_the_quota_is_shared_through_the_ledger(shop):
    minute = {
        "window": "minute",
        "limit": 60,
        "remaining": 12,
        "reset_ms": NOON_MS + 60_000,
        "spent": 48,
        "seen_ms": NOON_MS,
    }
    minute |= {"told_s": None, "others": 0, "pause_ms": 0, "refused": 0, "recent": None}
    day = minute | {"window": "day", "limit": None, "remaining": None, "seen_ms": None}
    with shop.ledger.commit() as commit:
        quotas.save(commit, [minute, day])
        quotas.save(commit, [minute | {"remaining": 11}])
    other = Ledger(shop.path, StillClock())
    with other.view() as view:
        assert quotas.load(view) == [day, minute | {"remaining": 11}]
    other.close()


def test_the_generation_begins_at_none_and_is_replaced(shop):
    with shop.ledger.view() as view:
        assert generation.read(view) == 0
    for value in (1, 2, 40):
        with shop.ledger.commit() as commit:
            generation.write(commit, value)
    shop.reopen()
    with shop.ledger.view() as view:
        assert generation.read(view) == 40


def test_a_status_adds_up(shop):
    shop.take(record("R1"), record("R2", None), record("R3", state="skipped", reason="left out"))
    cursor_to(shop, NOON_MS - 5, now_ms=NOON_MS)
    with shop.ledger.view() as view:
        first, *_ = status.of_locations(view)
    states = ("posted", "waiting", "sending", "in_doubt", "held", "quarantined", "skipped",
              "dropped", "removed")  # fmt: skip
    assert first["seen"] == sum(first[state] for state in states) == 3
    assert (first["waiting"], first["quarantined"], first["skipped"]) == (1, 1, 1)
    assert first["cursor"] == "2026-11-01T11:59:59.995Z"
    assert first["last_read_at"] == "2026-11-01T12:00:00.000Z"
