"""Which day, which second: calendar days, business days, clocks that change."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillbridge.days import (
    epoch_ms,
    epoch_s,
    evening_stamp,
    from_epoch_ms,
    local_date,
    start_of_day,
    utc_date,
)

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LONDON = ZoneInfo("Europe/London")
FIVE = time(5)


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("1970-01-01T00:00:00+00:00", 0),
        ("1970-01-01T00:00:00.999999+00:00", 0),
        ("1969-12-31T23:59:59.999999+00:00", -1),
        ("2026-11-01T12:00:00.999999+00:00", 1_793_534_400),
        ("2026-11-01T12:00:00.999+00:00", 1_793_534_400),
        ("2026-11-01T07:30:00.5-04:30", 1_793_534_400),
        ("2026-11-01T23:00:00+11:00", 1_793_534_400),
    ],
)
def test_seconds_are_rounded_down_whatever_the_offset(stamp, seconds):
    assert epoch_s(datetime.fromisoformat(stamp)) == seconds


@unhurried
@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(-23 * 60, 23 * 60),
)
def test_no_float_touches_a_stamp(naive, offset_min):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=offset_min)))
    whole = moment.replace(microsecond=0)
    assert datetime.fromtimestamp(0, UTC) + timedelta(seconds=epoch_s(moment)) == whole
    assert epoch_ms(moment) == epoch_s(moment) * 1000 + moment.microsecond // 1000
    assert epoch_ms(from_epoch_ms(epoch_ms(moment))) == epoch_ms(moment)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/London", 23),
        (date(2026, 10, 25), "Europe/London", 25),
        (date(2026, 11, 1), "America/New_York", 25),
        (date(2026, 10, 4), "Australia/Lord_Howe", 23.5),
        (date(2026, 11, 2), "Asia/Kolkata", 24),
        (date(2011, 12, 29), "Pacific/Apia", 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(day, zone, hours):
    following = start_of_day(day + timedelta(days=1), ZoneInfo(zone))
    assert following - start_of_day(day, ZoneInfo(zone)) == timedelta(hours=hours)


def test_the_day_of_a_moment_is_that_of_the_place():
    moment = datetime(2026, 11, 2, 3, 30, tzinfo=UTC)
    assert local_date(moment, ZoneInfo("America/New_York")) == date(2026, 11, 1)
    assert local_date(moment, ZoneInfo("Pacific/Kiritimati")) == date(2026, 11, 2)
    assert utc_date(epoch_s(moment)) == date(2026, 11, 2)


@pytest.mark.parametrize(
    ("zone", "closed", "stamped"),
    [
        # an ordinary night: the sale of 01:30 belongs to the evening before
        ("Europe/London", "2026-07-11T01:30:00+01:00", "2026-07-10T23:59:59+01:00"),
        ("Europe/London", "2026-07-11T00:00:00+01:00", "2026-07-10T23:59:59+01:00"),
        ("Europe/London", "2026-07-11T04:59:59.999+01:00", "2026-07-10T23:59:59+01:00"),
        ("Europe/London", "2026-07-11T05:00:00+01:00", "2026-07-11T05:00:00+01:00"),
        ("Europe/London", "2026-07-10T23:59:59+01:00", "2026-07-10T23:59:59+01:00"),
        # clocks go forward at 01:00: a day of 23 hours begins, the evening is still in winter time
        ("Europe/London", "2026-03-29T02:30:00+01:00", "2026-03-28T23:59:59+00:00"),
        ("Europe/London", "2026-03-29T05:00:00+01:00", "2026-03-29T05:00:00+01:00"),
        # clocks go back at 02:00: 01:30 comes twice, and both belong to the evening in summer time
        ("Europe/London", "2026-10-25T01:30:00+01:00", "2026-10-24T23:59:59+01:00"),
        ("Europe/London", "2026-10-25T01:30:00+00:00", "2026-10-24T23:59:59+01:00"),
        ("Europe/London", "2026-10-25T05:00:00+00:00", "2026-10-25T05:00:00+00:00"),
        # the evening after the change
        ("Europe/London", "2026-10-26T00:10:00+00:00", "2026-10-25T23:59:59+00:00"),
        # midnight does not exist: clocks go from 00:00 to 01:00
        ("Asia/Beirut", "2022-03-27T01:30:00+03:00", "2022-03-26T23:59:59+02:00"),
        # midnight comes twice: the first one ends the evening
        ("America/Havana", "2026-11-01T00:30:00-05:00", "2026-10-31T23:59:59-04:00"),
        # the stamp came with another offset than the place's
        ("America/New_York", "2026-07-11T05:30:00+00:00", "2026-07-11T03:59:59+00:00"),
    ],
)
def test_a_sale_after_midnight_is_stamped_with_the_last_second_of_the_evening(
    zone, closed, stamped
):
    found = evening_stamp(datetime.fromisoformat(closed), ZoneInfo(zone), FIVE)
    assert found == datetime.fromisoformat(stamped)


def test_a_business_day_that_starts_at_midnight_moves_nothing():
    moment = datetime(2026, 7, 11, tzinfo=LONDON)
    assert evening_stamp(moment, LONDON, time(0)) == moment


@unhurried
@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Europe/London", "America/Havana", "Asia/Beirut", "Asia/Tokyo"]),
)
def test_a_stamp_moves_back_to_the_date_before_or_not_at_all(naive, name):
    moment, zone = naive.replace(tzinfo=UTC), ZoneInfo(name)
    stamped = evening_stamp(moment, zone, FIVE)
    if stamped != moment:
        assert moment.astimezone(zone).time() < FIVE
        assert local_date(stamped, zone) == local_date(moment, zone) - timedelta(days=1)
        assert stamped < moment
