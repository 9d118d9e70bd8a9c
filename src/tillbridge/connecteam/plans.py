"""Connecteam's plans, and when a number of requests will have gone out on each. Pure.

An estimate for people: what goes out is decided by `quota`, request by request.
"""

from datetime import datetime, timedelta
from math import ceil

from msgspec import Struct

from tillbridge.connecteam.quota import Purpose, Shares, Window


class Plan(Struct, frozen=True):
    """What an account may send (Connecteam's help centre): requests per minute and per day."""

    name: str
    minute_limit: int
    day_limit: int


PLANS = (
    Plan("small business", 5, 100),
    Plan("Expert", 100, 10_000),
    Plan("Enterprise", 200, 20_000),
)


class Finish(Struct, frozen=True):
    """When history will be over there.

    Attributes:
        plan: under whose limits.
        per_day: requests that history may use on a day.
        today: of the requests asked about, those that can still go today.
        at: when the last one goes, if nothing else is in the way.
        days: further days that it takes; 0 if it ends with today's quota.
    """

    plan: Plan
    per_day: int
    today: int
    at: datetime
    days: int


def plan_of(windows: list[Window]) -> Plan | None:
    """The account's plan, as far as headers have told its limits."""
    limits = {window.name: window.limit for window in windows}
    minute, day = limits.get("minute"), limits.get("day")
    if minute is None or day is None:
        return None
    for plan in PLANS:
        if (plan.minute_limit, plan.day_limit) == (minute, day):
            return plan
    return Plan("your own", minute, day)


def finish(
    requests: int,
    plan: Plan,
    shares: Shares,
    *,
    used_today: int,
    resets_at: datetime,
    now: datetime,
) -> Finish:
    """When so many requests of a backfill will have gone out.

    Args:
        requests: how many there are.
        plan: the limits.
        shares: how much of them may be used.
        used_today: requests that this program has sent in the day's window.
        resets_at: when that window ends.
        now: aware.
    """
    minute = Window("minute", plan.minute_limit, None, 0, 0)
    day = Window("day", plan.day_limit, None, 0, 0)
    per_minute = shares.allowed(minute, Purpose.BACKFILL)
    per_day = shares.allowed(day, Purpose.BACKFILL)
    today = min(requests, max(0, per_day - used_today))
    rest = requests - today
    if rest == 0:
        return Finish(plan, per_day, today, now + _minutes(today, per_minute), 0)
    days = ceil(rest / per_day)
    last_day = resets_at + timedelta(days=days - 1)
    return Finish(
        plan, per_day, today, last_day + _minutes(rest - (days - 1) * per_day, per_minute), days
    )


def _minutes(requests: int, per_minute: int) -> timedelta:
    """A minute's share goes out at once, so the first minute takes no time to speak of."""
    return timedelta(minutes=max(0, ceil(requests / per_minute) - 1))
