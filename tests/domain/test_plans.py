"""When a backfill will be done on each of Connecteam's plans."""

from datetime import UTC, datetime, timedelta

import pytest

from tillbridge.connecteam.plans import PLANS, Plan, finish, plan_of
from tillbridge.connecteam.quota import Shares, Window

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
SHARES = Shares(quota=0.8, backfill=0.5, minute_limit=100, day_limit=10_000)
SMALL, EXPERT, ENTERPRISE = PLANS


def done(requests, plan, used=0):
    return finish(requests, plan, SHARES, used_today=used, resets_at=MIDNIGHT, now=NOW)


@pytest.mark.parametrize(
    ("requests", "plan", "used", "today", "days", "at"),
    [
        (0, EXPERT, 0, 0, 0, NOW),
        (79, EXPERT, 0, 79, 0, NOW),  # one minute's share, at once; one is left to live sales
        (80, EXPERT, 0, 80, 0, NOW + timedelta(minutes=1)),
        (1000, EXPERT, 0, 1000, 0, NOW + timedelta(minutes=12)),
        (1000, ENTERPRISE, 0, 1000, 0, NOW + timedelta(minutes=6)),
        (4001, EXPERT, 0, 4000, 1, MIDNIGHT),
        (1000, EXPERT, 3900, 100, 1, MIDNIGHT + timedelta(minutes=11)),
        (1000, EXPERT, 9999, 0, 1, MIDNIGHT + timedelta(minutes=12)),
        (40, SMALL, 0, 40, 0, NOW + timedelta(minutes=9)),
        (100, SMALL, 10, 30, 2, MIDNIGHT + timedelta(days=1, minutes=7)),
        (1000, SMALL, 40, 0, 25, MIDNIGHT + timedelta(days=24, minutes=9)),
    ],
)
def test_a_backfill_takes_its_share_of_each_day_and_each_minute(
    requests, plan, used, today, days, at
):
    found = done(requests, plan, used)
    assert (found.today, found.days, found.at) == (today, days, at)


def test_more_requests_are_never_done_sooner():
    for plan in PLANS:
        ends = [done(requests, plan, 3).at for requests in range(0, 9000, 7)]
        assert ends == sorted(ends)


@pytest.mark.parametrize(
    ("minute", "day", "plan"),
    [
        (100, 10_000, EXPERT),
        (5, 100, SMALL),
        (200, 20_000, ENTERPRISE),
        (50, 5000, Plan("your own", 50, 5000)),
        (None, 100, None),
        (100, None, None),
    ],
)
def test_a_plan_is_known_by_the_limits_that_headers_told(minute, day, plan):
    windows = [Window("minute", minute, None, 0, 0), Window("day", day, None, 0, 0)]
    assert plan_of(windows) == plan
