"""How a repair ends: the totals agree, or a person is told what was left and why."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from tillbridge.alarms import Alarms
from tillbridge.ledger import parts, repairs, targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger
from tillbridge.reconcile.lines import line_of
from tillbridge.reconcile.plan import NEVER, Leave
from tillbridge.reconcile.rounds import Round
from tillbridge.stops import STOP_REMEDIES

_log = get_logger("tillbridge.reconcile")


def take_as_base(commit: Connection, case: Round) -> None:
    """What differs is named: from here on the reading is what later ones are compared with."""
    key, now = case.policy.connecteam_id, case.reading.taken
    assert not parts.open_parts(commit, key)
    targets.set_base(commit, key, case.reading.id, now)
    targets.clear_stop(commit, key, "its difference is being repaired", now)


class Ender:
    """One per process that posts.

    Args:
        ledger: keeps the end.
        alarms: for what is left.
        stop_ended: told of each location at which posting may go on.
    """

    def __init__(self, ledger: Ledger, alarms: Alarms, stop_ended: Callable[[int], None]) -> None:
        self._ledger = ledger
        self._alarms = alarms
        self._stop_ended = stop_ended

    def end(self, case: Round, left: Sequence[Leave]) -> None:
        """Nothing more can be done: the totals agree, or a person is told what was left."""
        key, now = case.policy.connecteam_id, case.reading.taken
        state = repairs.LEFT if left else repairs.DONE
        with self._ledger.commit() as commit:
            repairs.note_round(
                commit, case.row, [line_of(step, case.days, case.policy) for step in left]
            )
            repairs.end(commit, case.row, state, now.wall_ms)
            # An old ledger cannot tell what is others' and what it has forgotten: were that noted
            # as theirs, the next repair would find nothing left to explain, and send it again.
            if not case.policy.exclusive and case.target.stop != "old_ledger":
                rests = {step.day: case.days[step.day].rest for step in left if step.amount}
                if rests:
                    targets.note_foreign_amounts(commit, key, rests)
                    targets.note_foreign(commit, key, list(rests))
            if not left and case.target.stop is not None and self._accepts(case):
                take_as_base(commit, case)
        self._stop_again(case, left, now)
        _log.info(
            "repair_ended", location=case.policy.name, state=state, rounds=case.row.rounds,
            days_left=len(left),
        )  # fmt: skip

    def resume(self, case: Round) -> None:
        """Posting may go on there."""
        key = case.policy.connecteam_id
        self._alarms.resolve(f"posting_stopped:{key}")
        self._stop_ended(key)

    def _accepts(self, case: Round) -> bool:
        """Whether a stop is over now that every day agrees."""
        if case.target.stop in NEVER:
            return False
        return bool(case.target.stop == "unexplained" or case.row.by_person)

    def _stop_again(self, case: Round, left: Sequence[Leave], now: Moment) -> None:
        key, name = case.policy.connecteam_id, case.policy.name
        if not left:
            self._alarms.resolve(f"repair_left:{key}")
            if case.target.stop is not None and self._accepts(case):
                self.resume(case)
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
