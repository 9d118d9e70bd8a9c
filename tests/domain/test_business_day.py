"""The business day that `explain` tells is as long as the clocks of the place make it."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import pytest

from tillbridge.cli.explain_day import business_day
from tillbridge.config import Location


@dataclass
class Place:
    timezone: ZoneInfo
    day_starts_at: time = time(5)


@pytest.mark.parametrize(
    ("zone", "day", "starts", "opens", "hours"),
    [
        ("Europe/London", date(2026, 11, 19), time(5), "2026-11-19T05:00+00:00", 24),
        ("Europe/London", date(2026, 10, 24), time(5), "2026-10-24T04:00+00:00", 25),
        ("Europe/London", date(2026, 10, 25), time(5), "2026-10-25T05:00+00:00", 24),
        ("Europe/London", date(2026, 3, 28), time(5), "2026-03-28T05:00+00:00", 23),
        ("Europe/London", date(2026, 10, 25), time(0), "2026-10-24T23:00+00:00", 25),
        ("Australia/Lord_Howe", date(2026, 4, 4), time(5), "2026-04-03T18:00+00:00", 24.5),
    ],
)
def test_a_day_has_the_hours_of_its_clocks(zone, day, starts, opens, hours):
    place = cast(Location, Place(ZoneInfo(zone), starts))
    first, after = business_day(place, day)
    assert first == datetime.fromisoformat(opens)
    assert after - first == timedelta(hours=hours)
