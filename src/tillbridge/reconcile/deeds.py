"""The steps of a repair as deeds: deletes and moves of sales, under the rules of all others.

Each is written down before it is sent, and is exact after a crash: what was planned goes on by
itself, and the next round reads the totals anew.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from tillbridge.account import Account
from tillbridge.correct import Corrector
from tillbridge.ledger import removals, repairs
from tillbridge.ledger.removals import Found, RemovalState
from tillbridge.ledger.store import Ledger
from tillbridge.reconcile.plan import (
    Adopt,
    DropCopies,
    Leave,
    PutBack,
    ReplaceDay,
    Step,
    TakeOut,
)
from tillbridge.replace import Replacer, WrongWindow


class NotAllowed(Exception):
    """A day may not be emptied; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Deeds:
    """One per process that posts.

    Args:
        ledger: keeps every intent.
        account: tells the time.
        corrector: sends deletes by id.
        replacer: decides about windows.
    """

    def __init__(
        self, ledger: Ledger, account: Account, corrector: Corrector, replacer: Replacer
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._corrector = corrector
        self._replacer = replacer

    def do(self, repair_id: int, key: int, step: Step, should_stop: Callable[[], bool]) -> bool:
        """One step; false if a delete could not be finished now: it goes on by itself."""
        match step:
            case TakeOut():
                return self._take_out(repair_id, step, should_stop)
            case DropCopies():
                return self._drop_copies(repair_id, key, step)
            case Adopt() | PutBack() | ReplaceDay():
                pass  # `write` did it, in the commit with which the round began
            case Leave():
                raise AssertionError("what is left needs no deed")
        return True

    def quota(self) -> tuple[int, int]:
        """Requests left today, and those of a whole day; see `write`."""
        return self._account.left_today(), self._account.day_share()

    def write(
        self,
        commit: Connection,
        repair_id: int,
        key: int,
        steps: Sequence[Step],
        quota: tuple[int, int],
    ) -> None:
        """The steps that are done, or decided, in the ledger alone.

        In the commit that lets posting go on: between the two, sales would be sent that are there
        already, or on a day that is about to be emptied.

        Raises:
            NotAllowed: a day may not be emptied; nothing of the commit may be kept.
        """
        now = self._account.moment()
        windows = [step for step in steps if isinstance(step, ReplaceDay)]
        for step in steps:
            if isinstance(step, Adopt):
                repairs.adopt(commit, step.sale_ids, now)
                repairs.adopt_amended(commit, step.amended, now)
            elif isinstance(step, PutBack):
                repairs.put_back(commit, step.sale_ids, now)
        days = [step.day.isoformat() for step in windows]
        if days:
            repairs.note_tried(commit, repair_id, "days", days)
        wrong = [
            WrongWindow(
                step.first_s, step.last_s, f"{step.day} is not what was posted", step.surplus
            )
            for step in windows
        ]
        refusal = self._replacer.want_days(commit, key, wrong, quota)
        if refusal is not None:
            raise NotAllowed(refusal)

    def _take_out(self, repair_id: int, step: TakeOut, should_stop: Callable[[], bool]) -> bool:
        """Delete by id, one after another, until what was missing is found.

        Returns:
            False if a delete could not be finished now; it goes on by itself.
        """
        missing = 0
        for sale_id in step.sale_ids:
            if should_stop() or missing == step.missing:
                return True
            with self._ledger.commit() as commit:
                now = self._account.moment()
                repairs.note_tried(commit, repair_id, "sales", [sale_id])
                removal_id = repairs.plan_take_out(commit, sale_id, now)
            if removal_id is None:
                continue
            if not self._finish(removal_id):
                return False
            with self._ledger.view() as view:
                done = removals.get(view, removal_id)
            if done.reason not in (Found.THERE, Found.ELSEWHERE):
                missing += int(done.total)
        return True

    def _finish(self, removal_id: int) -> bool:
        """Whether a planned delete is done."""
        self._corrector.finish_planned([])
        with self._ledger.view() as view:
            return RemovalState(removals.get(view, removal_id).state) is RemovalState.DONE

    def _drop_copies(self, repair_id: int, key: int, step: DropCopies) -> bool:
        """Delete the copies whose ids are known; false if one could not be finished now."""
        now = self._account.moment()
        with self._ledger.commit() as commit:
            if step.part_id is not None:
                repairs.note_tried(commit, repair_id, "parts", [step.part_id])
            repairs.note_tried(commit, repair_id, "copies", step.sale_ids)
            repairs.drop_copies(commit, step.sale_ids, step.part_id, now)
        self._corrector.finish_planned([])
        with self._ledger.view() as view:
            return not removals.blocking(view, key)
