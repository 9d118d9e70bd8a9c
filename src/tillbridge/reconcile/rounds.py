"""What one round of a repair knows: the totals, day by day beside the ledger, and what is allowed.

Reads only, but for one thing: in an old copy of the ledger, doubts are let go, because the ledger
that settled them is lost.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tillbridge.account import Account
from tillbridge.ledger import comparing, repairs, targets
from tillbridge.ledger.repairs import RepairRow
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import TargetRow
from tillbridge.policy import TargetPolicy
from tillbridge.readings import Reading, Readings, Span
from tillbridge.reconcile import sides
from tillbridge.reconcile.plan import Permit, rest_of
from tillbridge.reconcile.remainder import CalendarDay
from tillbridge.reconcile.totals import TotalsReader
from tillbridge.reconcile.zones import is_doubtful, stamp_days

MOST_DELETES = 400
"""Single deletes in one round: a busy day of one restaurant."""

LEAVES = 25
"""Requests of the day that a repair leaves for live sales."""

BACK = timedelta(days=400)
AHEAD = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Round:
    """What a round knows.

    Attributes:
        row: the repair.
        target: the location.
        policy: likewise.
        reading: its totals.
        days: those to be put right, in Connecteam's zone.
        permit: what is allowed.
    """

    row: RepairRow
    target: TargetRow
    policy: TargetPolicy
    reading: Reading
    days: Mapping[date, CalendarDay]
    permit: Permit


class Looker:
    """One per process that posts.

    Args:
        ledger: one side.
        account: tells the time and the quota.
        readings: tells the day.
        totals: knows the zone of Connecteam's days.
        policies: by Connecteam id.
        locations: the ledger's ids of the Lightspeed locations that feed each.
        last_request_ms: when the last request was sent from this machine, epoch milliseconds;
            None if nothing remembers it.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        readings: Readings,
        totals: TotalsReader,
        policies: Mapping[int, TargetPolicy],
        locations: Mapping[int, Sequence[int]],
        last_request_ms: Callable[[], int | None],
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._readings = readings
        self._totals = totals
        self._policies = policies
        self._locations = locations
        self._last_request_ms = last_request_ms

    def span(self, row: RepairRow) -> Span:
        """The days to be read: all of the base, because the reading becomes the next one."""
        today = self._readings.today()
        first, last = date.fromisoformat(row.first_day), date.fromisoformat(row.last_day)
        with self._ledger.view() as view:
            target = targets.get(view, row.connecteam_id)
            assert target is not None
            base = targets.base_of(view, target)
        days = [first - timedelta(days=3), last + timedelta(days=3), today - BACK, today + AHEAD]
        if base is not None:
            days += [min(base[1]), max(base[1])]
        return min(days), max(days)

    def look(self, row: RepairRow, reading: Reading) -> Round | None:
        key = row.connecteam_id
        policy = self._policies[key]
        first, last = date.fromisoformat(row.first_day), date.fromisoformat(row.last_day)
        with self._ledger.commit() as commit:
            target = targets.get(commit, key)
            assert target is not None
            if target.stop == "old_ledger" and row.by_person:
                repairs.forget_doubts(commit, key, self._account.moment())
            if comparing.has_doubt(commit, key):
                return None
            base = targets.base_of(commit, target)
        days: dict[date, CalendarDay] = {}
        zone: ZoneInfo | None = None
        for span in _spans((first, last), reading, base[1] if base is not None else None):
            zone, found = self._calendar(policy, span, reading, zone)
            days |= found
        permit = self.permit(row.by_person, row.tried or {}, target, policy)
        return Round(row, target, policy, reading, days, permit)

    def _calendar(
        self, policy: TargetPolicy, span: Span, reading: Reading, zone: ZoneInfo | None
    ) -> tuple[ZoneInfo, dict[date, CalendarDay]]:
        """The days of a span; in the zone that is given, or that fits best."""
        first, last = span
        with self._ledger.view() as view:
            side = sides.look(view, policy, self._locations[policy.connecteam_id], first, last)
        posted = [
            (row.created_at, sides.there_of(row, side))
            for row in side.rows
            if row.created_at is not None
        ]
        inside = {day: total for day, total in reading.totals.items() if first <= day <= last}
        others = [zone for other in self._policies.values() for zone in other.day_zones]
        zone = zone or self._totals.zone(policy, others, posted, inside)[0]
        return zone, sides.calendar_days(side, inside, stamp_days(zone))

    def permit(
        self,
        by_person: bool,  # noqa: FBT001  # passed on as it is
        tried: Mapping[str, Sequence[Any]],
        target: TargetRow,
        policy: TargetPolicy,
    ) -> Permit:
        """What is allowed at a location; `tried` is the ledger's."""
        most = min(MOST_DELETES, self._account.left_today() - LEAVES)
        return Permit(
            exclusive=policy.exclusive,
            may_replace=policy.may_replace,
            by_person=by_person,
            stop=target.stop,
            tried_sales=frozenset(tried.get("sales", ())),
            tried_copies=frozenset(tried.get("copies", ())),
            tried_parts=frozenset(tried.get("parts", ())),
            tried_days=frozenset(date.fromisoformat(day) for day in tried.get("days", ())),
            most_deletes=max(0, most),
            last_request_ms=self._last_request_ms(),
        )


def zone_is_doubtful(case: Round) -> bool:
    """Whether Connecteam seems to count its days in a zone that nobody knows yet."""
    if case.target.day_zone is not None:
        return False
    exclusive = case.policy.exclusive
    rests = ((len(day.posted), rest_of(day, exclusive=exclusive)) for day in case.days.values())
    return is_doubtful(rests)


def _spans(asked: Span, reading: Reading, base: Mapping[date, int] | None) -> list[Span]:
    """The days asked for, and every other day whose total is not what it was at the base: a base
    may be taken anew only where all of it has been looked at.
    """
    first, last = asked
    moved = [
        day
        for day, total in reading.totals.items()
        if base is not None and base.get(day, total) != total and not first <= day <= last
    ]
    return [asked, *((day, day) for day in moved)]
