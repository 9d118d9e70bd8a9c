"""Making Connecteam right again, in rounds: read, plan, act, and read again until totals agree.

`plan` decides; here its steps become deletes and waiting sales in the ledger, which go out
through `correct`, `replace` and `delivery` under all their rules. A round begins only with mature
totals and nothing undecided at the location. Its reading becomes the new base, because what
differs has now been named: from there on every write is followed as usual. The repair itself is a
row of the ledger, so that it goes on after a crash, and beside a service the service carries it
out.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from tillbridge.account import Account
from tillbridge.ledger import comparing, removals, repairs, targets
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.repairs import RepairRow
from tillbridge.ledger.store import Ledger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.readings import Reading, Readings, Span, quiet_of
from tillbridge.reconcile.deeds import Deeds, NotAllowed
from tillbridge.reconcile.ending import Ender, take_as_base
from tillbridge.reconcile.lines import line_of
from tillbridge.reconcile.plan import Adopt, Leave, ReplaceDay, Step, plan
from tillbridge.reconcile.remainder import CalendarDay
from tillbridge.reconcile.rounds import LEAVES, Looker, Round, zone_is_doubtful
from tillbridge.replace import NOT_TODAY, WILL_PASS

MOST_ROUNDS = 8
_AGAIN_S = 60.0
_BUSY_S = 10.0
_HOUR_S = 3600.0

_NO_PROOF = "totals there do not show what was posted, so that they prove nothing"
_WRONG_ZONE = (
    "most days differ, as if Connecteam counted its days in a zone that tillbridge does not know; "
    "it learns that zone from the next sales"
)


class Repairer:
    """One per process that posts.

    Args:
        ledger: keeps repairs.
        account: the gate to Connecteam.
        readings: takes the totals.
        policies: by Connecteam id.
        doubts: T and L.
        looker: looks, at the beginning of a round.
        deeds: carries steps out.
        ender: ends repairs.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        readings: Readings,
        policies: Mapping[int, TargetPolicy],
        doubts: DoubtPolicy,
        looker: Looker,
        deeds: Deeds,
        ender: Ender,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._readings = readings
        self._policies = policies
        self._doubts = doubts
        self._looker = looker
        self._deeds = deeds
        self._ender = ender
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
                spans[row.connecteam_id] = self._looker.span(row)
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
        permit = self._looker.permit(True, {}, target, policy)
        return [line_of(step, days, policy) for step in plan(days, permit)]

    def _end(self, case: Round, left: Sequence[Leave]) -> float:
        self._ender.end(case, left)
        return 0.0

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
        if target.stop == "old_ledger":  # then neither its doubts nor its windows go on
            if doubtful and not row.by_person:
                return _HOUR_S  # that it is old, only a person may decide
            busy, doubtful = [other for other in busy if other.purpose != Purpose.REPLACE], False
        if busy or doubtful:
            return _BUSY_S
        patience = self._doubts.patience(target.lag_worst_s, target.lag_count)
        mature_s = quiet_of(target, now).mature_in(patience)
        later_s = self._look_at_boot_s.get(key, 0.0) - now.boot_s
        if self._account.left_today() < LEAVES:
            return _HOUR_S
        return max(mature_s, later_s, 0.0)

    # -- a round --------------------------------------------------------------------------------

    def _go_on(self, row: RepairRow, reading: Reading, should_stop: Callable[[], bool]) -> float:
        """One round; seconds until the next, if there is to be one."""
        case = self._looker.look(row, reading)
        if case is None:
            return _AGAIN_S
        if case.target.totals_differ:
            return self._end(case, [Leave(min(case.days), 0, _NO_PROOF)])
        if zone_is_doubtful(case):
            return self._end(case, [Leave(min(case.days), 0, _WRONG_ZONE)])
        return self._carry_out(case, plan(case.days, case.permit), should_stop)

    def _carry_out(
        self, case: Round, steps: Sequence[Step], should_stop: Callable[[], bool]
    ) -> float:
        left = [step for step in steps if isinstance(step, Leave)]
        doing = [step for step in steps if not isinstance(step, Leave)]
        stays = case.target.stop == "old_ledger" and bool(left)
        if stays:
            # Of what is not clear nothing may be sent; the rest can be taken over all the same.
            doing = [step for step in doing if isinstance(step, Adopt)]
        if case.row.rounds >= MOST_ROUNDS:
            again = [Leave(step.day, 0, "it differs again after each repair") for step in doing]
            return self._end(case, left + again)
        if not doing:
            return self._end(case, left)
        refusal = self._begin(case, doing, stays=stays)
        if refusal in WILL_PASS:
            return _HOUR_S if refusal == NOT_TODAY else _AGAIN_S
        if refusal is not None:
            return self._carry_out(case, _without_windows(steps, refusal), should_stop)
        return 0.0 if stays else self._act(case, doing, should_stop)

    def _begin(self, case: Round, doing: Sequence[Step], *, stays: bool) -> str | None:
        """Write the round down; posting goes on with this commit, unless the stop stays.

        Returns:
            Why a day may not be emptied, and then nothing was written.
        """
        lines = [line_of(step, case.days, case.policy) for step in doing]
        quota = self._deeds.quota()
        try:
            with self._ledger.commit() as commit:
                repairs.note_round(commit, case.row, lines)
                if not stays:
                    take_as_base(commit, case)
                self._deeds.write(commit, case.row.id, case.policy.connecteam_id, doing, quota)
        except NotAllowed as refused:
            return refused.reason
        return None

    def _act(self, case: Round, steps: Sequence[Step], should_stop: Callable[[], bool]) -> float:
        self._ender.resume(case)
        for step in steps:
            if should_stop():
                return 0.0
            if not self._deeds.do(case.row.id, case.policy.connecteam_id, step, should_stop):
                break  # it goes on by itself; what is left is planned anew
        return 0.001


def _without_windows(steps: Sequence[Step], refusal: str) -> list[Step]:
    return [
        Leave(step.day, step.surplus, f"the day may not be emptied: {refusal}")
        if isinstance(step, ReplaceDay)
        else step
        for step in steps
    ]
