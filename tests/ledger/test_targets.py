"""Connecteam locations: what their totals must show, and why nothing is posted, if nothing is."""

from datetime import date

import pytest
from sqlalchemy import func, select, update

from ledger.tools import NOON_S, record
from tillbridge.doubt import Patience
from tillbridge.ledger import parts, targets, verdicts
from tillbridge.ledger.schema import event, part
from tillbridge.readings import quiet_of
from tillbridge.states import PartState, SaleState

DAY_S = 86_400
MARCH = {date(2026, 3, 28): 100, date(2026, 3, 29): 0, date(2026, 3, 30): -7}


def get(shop, key=123):
    with shop.ledger.view() as view:
        return targets.get(view, key)


def act(shop, deed, *args):
    with shop.ledger.commit() as commit:
        return deed(commit, 123, *args)


def test_two_lightspeed_locations_feed_one_row(shop):
    with shop.ledger.view() as view:
        assert [row.connecteam_id for row in targets.every(view)] == [123, 456]
    with shop.ledger.commit() as commit:
        targets.register(commit, 123)
    with shop.ledger.view() as view:
        assert len(targets.every(view)) == 2


def test_the_span_holds_one_day_more_on_each_side_and_only_grows(shop):
    assert targets.span_of(get(shop)) is None
    act(shop, targets.touch, NOON_S, NOON_S)
    assert targets.span_of(get(shop)) == (date(2026, 10, 31), date(2026, 11, 2))
    act(shop, targets.touch, NOON_S - 3 * DAY_S, NOON_S - 2 * DAY_S)
    assert targets.span_of(get(shop)) == (date(2026, 10, 28), date(2026, 11, 2))
    act(shop, targets.touch, NOON_S, NOON_S + 60 * DAY_S)
    assert targets.span_of(get(shop)) == (date(2026, 10, 28), date(2027, 1, 1))


def test_acknowledged_writes_add_up_and_begin_to_mature_anew(shop):
    with shop.ledger.commit() as commit:
        targets.set_values(commit, 123, verdict="not_landed", verdict_boot_s=5.0)
    act(shop, targets.acknowledge, 700, shop.clock.moment())
    shop.clock.sleep(60)
    act(shop, targets.acknowledge, -200, shop.clock.moment())
    row = get(shop)
    assert (row.acknowledged, row.acked_boot_s, row.boot_id) == (500, 1060.0, "boot-1")
    assert (row.verdict, row.verdict_boot_s) == (None, None)
    assert get(shop, 456).acknowledged == 0


def base(shop, totals):
    """The reading of these totals, as it comes back as the base."""
    key = act(shop, targets.add_reading, totals, shop.clock.moment())
    act(shop, targets.set_base, key, shop.clock.moment())
    with shop.ledger.view() as view:
        found = targets.base_of(view, targets.get(view, 123))
    assert found is not None
    return found


def test_a_reading_gives_back_every_day_that_was_read(shop):
    row, totals = base(shop, MARCH)
    assert totals == MARCH
    assert (row.boot_s, row.boot_id, row.taken_ms) == (1000.0, "boot-1", NOON_S * 1000)


def test_a_reading_without_any_data_is_a_reading_of_zeros(shop):
    nothing = dict.fromkeys(MARCH, 0)
    assert base(shop, nothing)[1] == nothing


def test_readings_of_the_same_days_are_told_apart(shop):
    assert base(shop, MARCH)[1] == MARCH
    other = {day: total + 1 for day, total in MARCH.items()}
    assert base(shop, other)[1] == other


def test_a_new_base_begins_the_comparison_anew(shop):
    with shop.ledger.view() as view:
        assert targets.base_of(view, targets.get(view, 123)) is None
    act(shop, targets.touch, NOON_S, NOON_S)
    act(shop, targets.acknowledge, 700, shop.clock.moment())
    key = act(shop, targets.add_reading, MARCH, shop.clock.moment())
    act(shop, targets.set_base, key, shop.clock.moment())
    row = get(shop)
    assert (row.acknowledged, targets.span_of(row), row.base_id) == (0, None, key)
    with shop.ledger.view() as view:
        found = targets.base_of(view, row)
    assert found is not None
    assert found[1] == MARCH
    assert shop.events()[-1] == "base_taken"


def test_a_stop_is_new_once_and_keeps_its_name_until_it_is_cleared(shop):
    now = shop.clock.moment()
    assert act(shop, targets.stop, "old_ledger", "the ledger is old", now)
    assert not act(shop, targets.stop, "old_ledger", "the ledger is still old", now)
    assert (get(shop).stop, get(shop).stop_reason) == ("old_ledger", "the ledger is old")
    assert act(shop, targets.stop, "foreign", "somebody else writes there", now)
    act(shop, targets.clear_stop, "a reading agrees", now)
    act(shop, targets.clear_stop, "again, to no effect", now)
    assert get(shop).stop is None
    names = [name for name in shop.events() if name.startswith("posting_")]
    assert names == ["posting_stopped", "posting_stopped", "posting_resumed"]


def test_what_was_attempted_is_found_by_its_seconds(shop):
    shop.take(record("R1", created_at=NOON_S), record("R2", created_at=NOON_S + 10))
    shop.doubt()
    with shop.ledger.view() as view:
        for first, end, expected in [
            (NOON_S - 5, NOON_S, False),  # the end does not belong to it
            (NOON_S - 5, NOON_S + 1, True),
            (NOON_S + 3, NOON_S + 4, True),  # inside the part's span
            (NOON_S + 10, NOON_S + 11, True),
            (NOON_S + 11, NOON_S + 99, False),
        ]:
            assert targets.was_attempted(view, 123, first, end) is expected, (first, end)
        assert not targets.was_attempted(view, 456, NOON_S, NOON_S + 1)


def test_the_sum_of_an_attempt_that_was_given_up_is_remembered(shop):
    shop.take(record("R1", 833), record("R2", 100))
    part_id = shop.doubt()
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.WAITING, PartState.ABANDONED)
    with shop.ledger.view() as view:
        assert parts.get(view, part_id).total == 933
        assert targets.abandoned(view, targets.get(view, 123)) == [(part_id, 933)]
        assert targets.abandoned(view, targets.get(view, 456)) == []


@pytest.mark.parametrize("amount", [2**62, -(2**62)])
def test_sums_are_exact_however_large(shop, amount):
    act(shop, targets.acknowledge, amount, shop.clock.moment())
    act(shop, targets.acknowledge, 1, shop.clock.moment())
    assert get(shop).acknowledged == amount + 1


def test_every_change_of_a_target_has_its_event(shop):
    now = shop.clock.moment()
    act(shop, targets.stop, "foreign", "why", now)
    with shop.ledger.view() as view:
        row = view.execute(select(event).order_by(event.c.id.desc())).first()
        assert view.execute(select(func.count()).select_from(event)).scalar_one() > 0
    assert row is not None
    assert (row.connecteam_id, row.detail) == (123, {"stop": "foreign", "reason": "why"})


@pytest.mark.parametrize(("after_s", "left_s"), [(20, 600.0), (500, 160.0), (700, 0.0)])
def test_readings_mature_from_when_rows_that_totals_have_shown_may_have_come(shop, after_s, left_s):
    """One reading showed them; the next may come from a copy of the totals that is still behind."""
    shop.take(record("R1", 114))
    part_id = shop.doubt()
    with shop.ledger.commit() as commit:
        commit.execute(update(part).values(ended_boot_s=shop.clock.boot_s()))
    shop.clock.sleep(after_s)
    now = shop.clock.moment()
    with shop.ledger.commit() as commit:
        verdicts.landed(commit, parts.get(commit, part_id), now, wait_s=60.0, by="totals")
    row = get(shop)
    assert row.acknowledged == 114
    assert quiet_of(row, now).mature_in(Patience(60.0, 600.0)) == left_s
