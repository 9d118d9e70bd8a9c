"""What of an exclusive location's totals tillbridge cannot have put there."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from ledger.tools import NOON_S, record
from tillbridge.ledger import parts, targets, verdicts
from tillbridge.ledger.parts import Moment
from tillbridge.vacancy import days_not_ours, days_unexplained

UTC = ZoneInfo("UTC")
TOKYO = ZoneInfo("Asia/Tokyo")
TODAY = date(2026, 11, 1)
DAY = timedelta(days=1)
DAY_S = 86_400
EVENING_S = NOON_S + 8 * 3600  # the next day, in Tokyo


def not_ours(shop, totals, *stamps, zone=UTC):
    with shop.ledger.view() as view:
        return days_not_ours(view, 123, zone, stamps, totals, set())


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
    # The day before may be, too: nobody knows in which zone Connecteam's day is.
    assert not_ours(shop, {TODAY - DAY: 833}, NOON_S - DAY_S) == []


def test_what_was_tried_is_remembered_and_nothing_else(shop):
    post(shop, record())
    tried = set()
    with shop.ledger.view() as view:
        totals = {TODAY: 833, TODAY - 30 * DAY: 9}
        found = days_not_ours(view, 123, UTC, [NOON_S, NOON_S - 30 * DAY_S], totals, tried)
    assert (found, tried) == ([TODAY - 30 * DAY], {TODAY})


def test_what_we_sent_today_does_not_explain_last_month(shop):
    """Rule 14: a backfill into days that hold sales already would show them twice."""
    post(shop, record())
    assert not_ours(shop, {TODAY: 833, TODAY - 30 * DAY: 9}, NOON_S, NOON_S - 30 * DAY_S) == [
        TODAY - 30 * DAY
    ]


def test_the_day_may_be_one_of_utc_or_of_the_location(shop):
    totals = {TODAY: 5, TODAY + DAY: 6}
    assert not_ours(shop, totals, EVENING_S, zone=TOKYO) == [TODAY, TODAY + DAY]
    assert not_ours(shop, totals, EVENING_S) == [TODAY]


def test_once_the_zone_is_known_only_its_day_counts(shop):
    with shop.ledger.commit() as commit:
        targets.set_values(commit, 123, day_zone="Asia/Tokyo")
    assert not_ours(shop, {TODAY: 5, TODAY + DAY: 6}, EVENING_S, zone=TOKYO) == [TODAY + DAY]


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
