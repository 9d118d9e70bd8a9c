"""In which zone Connecteam's day is: what the totals of accepted sales show, and what they do not."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ledger.tools import NOON, record
from tillbridge.account import Account
from tillbridge.connecteam.client import Totals
from tillbridge.connecteam.quota import Shares
from tillbridge.days import local_date
from tillbridge.learning import Learner
from tillbridge.ledger import targets
from tillbridge.policy import TargetPolicy
from tillbridge.readings import Readings

TODAY = NOON.date()
DAY = timedelta(days=1)
LONDON, PARIS, TOKYO = map(ZoneInfo, ("Europe/London", "Europe/Paris", "Asia/Tokyo"))


class Connecteam:
    """Counts the days of these sales in a zone; (moment, minor units)."""

    def __init__(self, zone):
        self.zone = zone
        self.rows = []

    def totals(self, _currencies, first, last):
        found = {first + n * DAY: 0 for n in range((last - first).days + 1)}
        for moment, amount in self.rows:
            found[local_date(moment, self.zone)] += amount
        return Totals({123: found}, {})


def learned(shop, real, zones, moments):
    """What is known of the zone after sales of these moments were accepted and are shown."""
    connecteam = Connecteam(real)
    shares = Shares(quota=1.0, backfill=0.5, minute_limit=100, day_limit=1000)
    account = Account(shop.ledger, connecteam, shop.clock, shares)
    readings = Readings(shop.ledger, account, {123: "GBP"})
    base = readings.take({123: (TODAY - 9 * DAY, TODAY + 9 * DAY)})[123]
    with shop.ledger.commit() as commit:
        targets.set_base(commit, 123, base.id, base.taken)
    shop.take(
        *(
            record(f"R{n}", 100 + n, created_at=int(moment.timestamp()))
            for n, moment in enumerate(moments)
        )
    )
    connecteam.rows = [(moment, 100 + n) for n, moment in enumerate(moments)]
    shop.post_all()
    with shop.ledger.commit() as commit:
        stamps = [int(moment.timestamp()) for moment in moments]
        targets.touch(commit, 123, min(stamps), max(stamps))
        total = sum(amount for _, amount in connecteam.rows)
        targets.acknowledge(commit, 123, total, shop.clock.moment())
    shop.clock.boot += 5
    policy = TargetPolicy(123, "Both", "GBP", zones[0], True, True, tuple(zones[1:]))
    Learner(shop.ledger, account, readings, {123: policy}).step()
    with shop.ledger.view() as view:
        row = targets.get(view, 123)
    assert row.lag_count == 1
    return row.day_zone


def moment(hour, day=TODAY):
    return datetime(day.year, day.month, day.day, hour, 30, tzinfo=UTC)


@pytest.mark.parametrize("zones", [[LONDON, TOKYO], [TOKYO, LONDON]])
def test_the_zone_may_be_that_of_any_location_that_feeds_the_place(shop, zones):
    assert learned(shop, TOKYO, zones, [moment(10), moment(18)]) == "Asia/Tokyo"


@pytest.mark.parametrize("zones", [[PARIS, TOKYO], [TOKYO, PARIS]])
def test_what_two_locations_have_in_common_shows_neither_zone(shop, zones):
    """At half past eleven in the evening of UTC it is tomorrow in both."""
    assert learned(shop, TOKYO, zones, [moment(10), moment(23)]) is None


def test_a_zone_of_no_location_is_not_learned(shop):
    kiritimati = ZoneInfo("Pacific/Kiritimati")
    assert learned(shop, kiritimati, [LONDON, TOKYO], [moment(11), moment(18)]) is None


def test_the_long_day_of_the_clock_change_tells_utc_from_the_location(shop):
    """25 October 2026 has 25 hours in London, and its first one is UTC's day before."""
    sunday = date(2026, 10, 25)
    at = [moment(23, sunday - DAY), moment(23, sunday)]
    assert learned(shop, LONDON, [LONDON], at) == "Europe/London"
    assert local_date(at[0], LONDON) == local_date(at[1], LONDON) == sunday
