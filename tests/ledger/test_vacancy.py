"""What of an exclusive location's totals tillbridge cannot have put there."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ledger.tools import NOON_S, record
from tillbridge.ledger import parts, targets, verdicts
from tillbridge.ledger.parts import Moment
from tillbridge.policy import TargetPolicy
from tillbridge.vacancy import days_not_ours, days_unexplained

WORLD = ZoneInfo("UTC")
TOKYO = ZoneInfo("Asia/Tokyo")
LONDON = ZoneInfo("Europe/London")
TODAY = date(2026, 11, 1)
DAY = timedelta(days=1)
DAY_S = 86_400
EVENING_S = NOON_S + 8 * 3600  # the next day, in Tokyo


def not_ours(shop, totals, *stamps, zones=(WORLD,)):
    with shop.ledger.view() as view:
        return days_not_ours(view, 123, zones, stamps, totals, set())


def at(text):
    """Epoch seconds of a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def unexplained(shop, totals):
    with shop.ledger.view() as view:
        return days_unexplained(view, 123, totals)


def post(shop, *records):
    shop.take(*records)
    batch, started = shop.begin()
    shop.accept(batch, started)


def hold(shop, *records):
    shop.take(*records)
    _, started = shop.begin()
    now: Moment = shop.clock.moment()
    with shop.ledger.commit() as commit:
        verdicts.open_doubt(commit, parts.get(commit, started.part_ids[0]), now, "lost")
        verdicts.hold(commit, parts.get(commit, started.part_ids[0]), now, "unclear")


def test_a_day_without_sales_belongs_to_nobody(shop):
    assert not_ours(shop, {TODAY: 0}, NOON_S) == []


def test_sales_that_nobody_of_us_sent_belong_to_others(shop):
    assert not_ours(shop, {TODAY: 500}, NOON_S) == [TODAY]
    assert not_ours(shop, {TODAY: -1}, NOON_S) == [TODAY]


def test_only_days_of_waiting_sales_matter(shop):
    assert not_ours(shop, {TODAY - 7 * DAY: 500}, NOON_S) == []


def test_a_day_on_which_something_was_tried_may_be_ours(shop):
    post(shop, record())
    assert not_ours(shop, {TODAY: 833}, NOON_S) == []


@pytest.mark.parametrize(
    ("sent", "day", "ours"),
    [
        ("2026-11-01 11:59:59", TODAY - DAY, True),  # 12 hours behind UTC it is still yesterday
        ("2026-11-01 12:00:00", TODAY - DAY, False),
        ("2026-11-01 10:00:00", TODAY + DAY, True),  # 14 hours ahead it is tomorrow already
        ("2026-11-01 09:59:59", TODAY + DAY, False),
    ],
)
def test_what_we_sent_explains_its_day_in_any_zone_and_no_other(shop, sent, day, ours):
    """Nobody knows in which zone Connecteam's day is; but a backfill of the day before the first
    one may find what another integration put there.
    """
    post(shop, record(created_at=at(sent)))
    stamp = at(f"{day} 12:00:00")
    assert not_ours(shop, {day: 833}, stamp) == ([] if ours else [day])


def test_what_was_tried_is_remembered_and_nothing_else(shop):
    post(shop, record())
    tried = set()
    with shop.ledger.view() as view:
        totals = {TODAY: 833, TODAY - 30 * DAY: 9}
        found = days_not_ours(view, 123, [WORLD], [NOON_S, NOON_S - 30 * DAY_S], totals, tried)
    assert (found, tried) == ([TODAY - 30 * DAY], {TODAY})


def test_what_we_sent_today_does_not_explain_last_month(shop):
    """Rule 14: a backfill into days that hold sales already would show them twice."""
    post(shop, record())
    assert not_ours(shop, {TODAY: 833, TODAY - 30 * DAY: 9}, NOON_S, NOON_S - 30 * DAY_S) == [
        TODAY - 30 * DAY
    ]


def test_the_day_may_be_one_of_utc_or_of_the_location(shop):
    totals = {TODAY: 5, TODAY + DAY: 6}
    assert not_ours(shop, totals, EVENING_S, zones=(TOKYO, WORLD)) == [TODAY, TODAY + DAY]
    assert not_ours(shop, totals, EVENING_S) == [TODAY]


@pytest.mark.parametrize("order", [(TOKYO, LONDON), (LONDON, TOKYO)])
def test_the_day_may_be_that_of_any_location_that_feeds_this_one(shop, order):
    """Seed 5006 of a simulation, the evening before Europe's clock change: only the zone of the
    last location was known, and the sale went to a day on which others had theirs.
    """
    sunday = date(2026, 3, 29)
    policy = TargetPolicy(123, "Both", "GBP", order[0], True, True, (order[1],))
    found = not_ours(shop, {sunday: 500}, at("2026-03-28 20:29:19"), zones=policy.day_zones)
    assert found == [sunday]


@pytest.mark.parametrize(
    ("stamp", "day"),
    [
        ("2026-03-29 00:00:00", date(2026, 3, 29)),  # of 23 hours
        ("2026-03-29 22:59:59", date(2026, 3, 29)),
        ("2026-03-29 23:00:00", date(2026, 3, 30)),
        ("2026-10-24 22:59:59", date(2026, 10, 24)),
        ("2026-10-24 23:00:00", date(2026, 10, 25)),  # of 25 hours
        ("2026-10-25 23:59:59", date(2026, 10, 25)),
        ("2026-10-26 00:00:00", date(2026, 10, 26)),
    ],
)
def test_a_day_of_23_or_25_hours_has_its_own_sales(shop, stamp, day):
    totals = {day + n * DAY: 500 for n in (-1, 0, 1)}
    assert not_ours(shop, totals, at(stamp), zones=(LONDON,)) == [day]


def test_once_the_zone_is_known_only_its_day_counts(shop):
    with shop.ledger.commit() as commit:
        targets.set_values(commit, 123, day_zone="Asia/Tokyo")
    assert not_ours(shop, {TODAY: 5, TODAY + DAY: 6}, EVENING_S, zones=(TOKYO, WORLD)) == [
        TODAY + DAY
    ]


def test_our_own_sales_are_not_foreign_when_the_base_was_lost(shop):
    """Seed 232 of an earlier simulation: a sale amended later could not be replaced any more."""
    post(shop, record(), record("R2", 167))
    assert unexplained(shop, {TODAY: 1000}) == []
    assert unexplained(shop, {TODAY: 0, TODAY + DAY: 1000}) == []  # counted in another zone


def test_one_cent_more_makes_the_whole_run_of_days_foreign(shop):
    post(shop, record())
    totals = {TODAY: 833, TODAY + DAY: 1, TODAY + 2 * DAY: 0, TODAY - 20 * DAY: 7}
    assert unexplained(shop, totals) == [TODAY - 20 * DAY, TODAY, TODAY + DAY]


@pytest.mark.parametrize("there", [0, 500])
def test_what_is_held_may_be_there_or_not(shop, there):
    post(shop, record())
    hold(shop, record("R2", 500))
    assert unexplained(shop, {TODAY: 833 + there}) == []


def test_a_strangers_amount_does_not_pass_for_some_rows_of_what_is_held(shop):
    post(shop, record())
    hold(shop, record("R2", 500), record("R3", 300))
    assert unexplained(shop, {TODAY: 833 + 500}) == [TODAY]
