"""Making Connecteam right again, in rounds: read, plan, act, and read again until totals agree.

`plan` decides; here its steps become deletes and waiting sales in the ledger, which go out
through `correct`, `replace` and `delivery` under all their rules. A round begins only with mature
totals and nothing undecided at the location. Its reading becomes the new base, because what
differs has now been named: from there on every write is followed as usual. The repair itself is a
row of the ledger, so that it goes on after a crash, and beside a service the service carries it
out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.ledger import comparing, events, parts, removals, repairs, targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.repairs import RepairRow
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import TargetRow
from tillbridge.log import get_logger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.readings import Reading, Readings, Span, quiet_of
from tillbridge.reconcile import sides
from tillbridge.reconcile.deeds import Deeds
from tillbridge.reconcile.plan import (
    Adopt,
    DropCopies,
    Leave,
    Permit,
    PutBack,
    ReplaceDay,
    Step,
    TakeOut,
    plan,
    rest_of,
)
from tillbridge.reconcile.remainder import CalendarDay
from tillbridge.reconcile.totals import TotalsReader
from tillbridge.reconcile.zones import is_doubtful, stamp_days
from tillbridge.stops import STOP_REMEDIES, UNTIL_RESTART

_log = get_logger("tillbridge.reconcile")

MOST_ROUNDS = 8
MOST_DELETES = 400
"""Single deletes in one round: a busy day of one restaurant."""

_READING_LEAVES = 25
"""Requests of the day that a repair leaves for live sales."""

_AGAIN_S = 60.0

_WRONG_ZONE = (
    "most days differ, as if Connecteam counted its days in a zone that tillbridge does not know; "
    "it learns that zone from the next sales"
)
BACK = timedelta(days=400)
AHEAD = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class _Round:
    """What a round knows."""

    row: RepairRow
    target: TargetRow
    policy: TargetPolicy
    reading: Reading
    days: Mapping[date, CalendarDay]
    permit: Permit


class Repairer:
    """One per process that posts.

    Args:
        ledger: keeps repairs.
        account: the gate to Connecteam.
        readings: takes the totals.
        totals: knows the zone of Connecteam's days.
        policies: by Connecteam id.
        locations: the ledger's ids of the Lightspeed locations that feed each.
        doubts: T and L.
        deeds: carries steps out.
        alarms: for what is left.
        stop_ended: told of each location at which posting may go on.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        readings: Readings,
        totals: TotalsReader,
        policies: Mapping[int, TargetPolicy],
        locations: Mapping[int, Sequence[int]],
        doubts: DoubtPolicy,
        deeds: Deeds,
        alarms: Alarms,
        stop_ended: Callable[[int], None],
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._readings = readings
        self._totals = totals
        self._policies = policies
        self._locations = locations
        self._doubts = doubts
        self._deeds = deeds
        self._alarms = alarms
        self._stop_ended = stop_ended
        self._look_at_boot_s: dict[int, float] = {}

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> float | None:
        """Take every repair as far as it can go now.

        Returns:
            Seconds until one of them can go on; None if none is under way.
        """
        with self._ledger.view() as view:
            rows = [r for r in repairs.every_working(view) if r.connecteam_id in self._policies]
        waits: dict[int, float] = {}
        spans: dict[int, Span] = {}
        for row in rows:
            wait_s = self._not_before(row)
            if wait_s > 0:
                waits[row.connecteam_id] = wait_s
            else:
                spans[row.connecteam_id] = self._span(row)
        taken = self._readings.take(spans)
        for row in rows:
            key = row.connecteam_id
            if key in spans and not should_stop():
                waits[key] = self._go_on(row, taken[key], should_stop) if key in taken else _AGAIN_S
                self._look_at_boot_s[key] = self._account.moment().boot_s + waits[key]
        with self._ledger.view() as view:
            left = {row.connecteam_id for row in repairs.every_working(view)}
        return min((waits.get(key, 0.0) for key in left & set(self._policies)), default=None)

    def preview(self, key: int, days: Mapping[date, CalendarDay]) -> list[dict[str, Any]]:
        """What a repair asked for by a person would begin with; nothing is changed.

        Args:
            key: Connecteam's id of the location.
            days: as compared.
        """
        policy = self._policies[key]
        with self._ledger.view() as view:
            target = targets.get(view, key)
        assert target is not None
        permit = self._permit(True, {}, target, policy)
        return [line_of(step, days, policy) for step in plan(days, permit)]

    # -- when -----------------------------------------------------------------------------------

    def _not_before(self, row: RepairRow) -> float:
        """Seconds until a round may begin."""
        now = self._account.moment()
        key = row.connecteam_id
        with self._ledger.view() as view:
            target = targets.get(view, key)
            busy = removals.blocking(view, key)
            doubtful = comparing.has_doubt(view, key)
        assert target is not None
        if busy or (doubtful and target.stop != "old_ledger"):
            return _AGAIN_S
        patience = self._doubts.patience(target.lag_worst_s, target.lag_count)
        mature_s = quiet_of(target, now).mature_in(patience)
        later_s = self._look_at_boot_s.get(key, 0.0) - now.boot_s
        if self._account.left_today() < _READING_LEAVES:
            return 3600.0
        return max(mature_s, later_s, 0.0)

    def _span(self, row: RepairRow) -> Span:
        """All days of the base: the reading becomes the next one."""
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

    # -- a round --------------------------------------------------------------------------------

    def _go_on(self, row: RepairRow, reading: Reading, should_stop: Callable[[], bool]) -> float:
        """One round; seconds until the next, if there is to be one."""
        case = self._look(row, reading)
        if case is None:
            return _AGAIN_S
        if case.target.stop in UNTIL_RESTART or case.target.totals_differ:
            return self._end(case, [Leave(min(case.days), 0, "posting is stopped there")])
        if self._zone_is_doubtful(case):
            return self._end(case, [Leave(min(case.days), 0, _WRONG_ZONE)])
        steps = plan(case.days, case.permit)
        left = [step for step in steps if isinstance(step, Leave)]
        doing = [step for step in steps if not isinstance(step, Leave)]
        if case.target.stop == "old_ledger" and left:
            # Of what is not clear nothing may be sent; the rest can be taken over all the same.
            doing = [step for step in doing if isinstance(step, Adopt)]
        if row.rounds >= MOST_ROUNDS:
            again = [Leave(step.day, 0, "it differs again after each repair") for step in doing]
            return self._end(case, left + again)
        if not doing:
            return self._end(case, left)
        with self._ledger.commit() as commit:
            repairs.note_round(
                commit, row, [line_of(step, case.days, case.policy) for step in doing]
            )
            if case.target.stop == "old_ledger" and left:
                for step in doing:
                    self._deeds.move(commit, step)
                return 0.0
            self._begin(commit, case)
        return self._act(case, doing, should_stop)

    def _look(self, row: RepairRow, reading: Reading) -> _Round | None:
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
        permit = self._permit(row.by_person, row.tried or {}, target, policy)
        return _Round(row, target, policy, reading, days, permit)

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
        others = [other.zone for other in self._policies.values()]
        zone = zone or self._totals.zone(policy, others, posted, inside)[0]
        return zone, sides.calendar_days(side, inside, stamp_days(zone))

    def _permit(
        self,
        by_person: bool,  # noqa: FBT001  # private, and passed on as it is
        tried: Mapping[str, Sequence[Any]],
        target: TargetRow,
        policy: TargetPolicy,
    ) -> Permit:
        most = min(MOST_DELETES, self._account.left_today() - _READING_LEAVES)
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
        )

    def _zone_is_doubtful(self, case: _Round) -> bool:
        if case.target.day_zone is not None:
            return False
        rests = (
            (len(day.posted), rest_of(day, exclusive=case.policy.exclusive))
            for day in case.days.values()
        )
        return is_doubtful(rests)

    def _begin(self, commit: Connection, case: _Round) -> None:
        """What differs is named: from here on the reading is what later ones are compared with."""
        key, now = case.policy.connecteam_id, case.reading.taken
        assert not parts.open_parts(commit, key)
        targets.set_base(commit, key, case.reading.id, now)
        targets.clear_stop(commit, key, "its difference is being repaired", now)

    def _act(self, case: _Round, steps: Sequence[Step], should_stop: Callable[[], bool]) -> float:
        self._resume(case)
        for step in steps:
            if should_stop():
                return 0.0
            if not self._deeds.do(case.row.id, case.policy.connecteam_id, step, should_stop):
                return _AGAIN_S
        return 0.001

    # -- the end --------------------------------------------------------------------------------

    def _end(self, case: _Round, left: Sequence[Leave]) -> float:
        """Nothing more can be done: the totals agree, or a person is told what was left."""
        key, now = case.policy.connecteam_id, case.reading.taken
        state = repairs.LEFT if left else repairs.DONE
        with self._ledger.commit() as commit:
            repairs.note_round(
                commit, case.row, [line_of(step, case.days, case.policy) for step in left]
            )
            repairs.end(commit, case.row, state, now.wall_ms)
            if not case.policy.exclusive:
                rests = {step.day: case.days[step.day].rest for step in left if step.amount}
                if rests:
                    targets.note_foreign_amounts(commit, key, rests)
                    targets.note_foreign(commit, key, list(rests))
            if not left and case.target.stop is not None and self._accepts(case):
                self._begin(commit, case)
        self._stop_again(case, left, now)
        _log.info(
            "repair_ended", location=case.policy.name, state=state, rounds=case.row.rounds,
            days_left=len(left),
        )  # fmt: skip
        return 0.0

    def _resume(self, case: _Round) -> None:
        key = case.policy.connecteam_id
        self._alarms.resolve(f"posting_stopped:{key}")
        self._stop_ended(key)

    def _accepts(self, case: _Round) -> bool:
        """Whether a stop is over now that every day agrees."""
        return bool(case.target.stop == "unexplained" or case.row.by_person)

    def _stop_again(self, case: _Round, left: Sequence[Leave], now: Moment) -> None:
        key, name = case.policy.connecteam_id, case.policy.name
        if not left:
            self._alarms.resolve(f"repair_left:{key}")
            if case.target.stop is not None and self._accepts(case):
                self._resume(case)
            return
        days = ", ".join(step.day.isoformat() for step in left[:5])
        why = left[0].reason
        if case.policy.exclusive and case.target.stop is None and case.row.rounds > 0:
            reason = f"the totals of {days} differ from what tillbridge posted: {why}"
            wrong = {step.day: case.days[step.day].rest for step in left if step.day in case.days}
            with self._ledger.commit() as commit:
                targets.owe(commit, key, wrong)
                targets.stop(commit, key, "unexplained", reason, now)
            self._alarms.raise_(
                f"posting_stopped:{key}", f"Nothing is posted to {name}: {reason}.",
                STOP_REMEDIES["unexplained"],
            )  # fmt: skip
        self._alarms.raise_(
            f"repair_left:{key}",
            f"Connecteam's figures of {name} on {days} could not be put right: {why}.",
            "See `tillbridge reconcile` for the amounts; correct those days in Connecteam.",
        )
        with self._ledger.commit() as commit:
            events.note(commit, now.wall_ms, "repair_was_left", connecteam_id=key, days=days)


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


def line_of(step: Step, days: Mapping[date, CalendarDay], policy: TargetPolicy) -> dict[str, Any]:
    """What a step does, for the ledger and for documents; see docs/reconcile.md for the fields."""
    day = days.get(step.day)
    rest = 0 if day is None else rest_of(day, exclusive=policy.exclusive)
    line: dict[str, Any] = {
        "day": step.day.isoformat(), "action": action_of(step), "difference": rest,
    }  # fmt: skip
    if isinstance(step, Leave):
        line["reason"] = step.reason
    elif isinstance(step, Adopt):
        line["sales"] = len(step.sale_ids) + len(step.amended)
    elif not isinstance(step, ReplaceDay):
        line["sales"] = len(step.sale_ids)
    return line


def action_of(step: Step) -> str:
    """The name of a step's kind in documents."""
    return _ACTIONS[type(step)]


_ACTIONS: Mapping[type[Step], str] = {
    Adopt: "adopt",
    TakeOut: "take_out_and_put_back",
    PutBack: "put_back",
    DropCopies: "drop_copies",
    ReplaceDay: "replace_window",
    Leave: "leave",
}
