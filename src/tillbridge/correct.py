"""Taking single transactions back: amended sales, second copies, and what a person asked for.
Deletes by id only.

A delete is a write like any other: durable before it is sent, one at a time per location, repeated
until it is acknowledged. A 404 counts only once the transaction must have been there to be found.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.connecteam.client import Deleted
from tillbridge.connecteam.quota import Purpose as QuotaPurpose
from tillbridge.days import utc_date
from tillbridge.ledger import corrections, parts, removals, targets
from tillbridge.ledger.corrections import CorrectionRow
from tillbridge.ledger.removals import ASKED_FOR, Found, Purpose, RemovalRow
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import ONE_DAY, TargetRow
from tillbridge.log import get_logger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.replace import WILL_PASS, Replacer
from tillbridge.states import SaleState

_log = get_logger("tillbridge.correct")

_RETRY_S = 10.0
_REFUSED_RETRY_S = 300.0

MOST_ASKED_FOR = 100
"""Sales of one location that a person asked for, in one step: live sales must not wait long."""


class Corrector:
    """One per process that posts.

    Args:
        ledger: keeps corrections and deletes.
        account: the gate to Connecteam.
        policies: by Connecteam id.
        doubts: the lag that a 404 has to outlast.
        replacer: for amended sales whose transaction id is not known.
        alarms: for what needs a person.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        policies: Mapping[int, TargetPolicy],
        doubts: DoubtPolicy,
        replacer: Replacer,
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._policies = policies
        self._doubts = doubts
        self._replacer = replacer
        self._alarms = alarms

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> float | None:
        """Take every correction as far as it can go now; some of what a person asked for.

        Args:
            should_stop: asked before each sale that a person asked for: there may be thousands.

        Returns:
            Seconds until one of them can go on; None if none waits.
        """
        with self._ledger.commit() as commit:
            corrections.apply_unsent(commit, self._account.moment())
        waits: list[float] = []
        blocked = self.finish_planned(waits)
        with self._ledger.view() as view:
            rows = corrections.pending(view)
        for row in rows:
            if row.connecteam_id in blocked or not self._may_begin(row):
                continue
            if self._is_unreadable(row):
                continue
            if not self._begin(row):
                blocked.add(row.connecteam_id)
                continue
            blocked |= self.finish_planned(waits)
        for key in sorted(self._policies.keys() - blocked):
            self._take_back(key, waits, should_stop)
        return min(waits, default=None)

    def _take_back(self, key: int, waits: list[float], should_stop: Callable[[], bool]) -> None:
        """Go on with what a person asked for at a location; with the quota's share of history, so
        that it never keeps live sales waiting.
        """
        with self._ledger.view() as view:
            rows = corrections.asked_for(view, key, MOST_ASKED_FOR)
        for row in rows:
            wait_s = self._account.wait_s(QuotaPurpose.BACKFILL)
            if wait_s > 0:
                waits.append(wait_s)
                return
            if should_stop():
                return
            if not self._may_begin(row) or not self._begin(row):
                continue
            if self.finish_planned(waits):
                return
        if len(rows) == MOST_ASKED_FOR:
            waits.append(0.0)

    def _may_begin(self, row: CorrectionRow) -> bool:
        key = row.connecteam_id
        if key not in self._policies:
            return False
        with self._ledger.view() as view:
            target = targets.get(view, key)
            if target is None or target.stop is not None or not _is_watched(view, target, row):
                return False
            return not (parts.open_parts(view, key) or removals.blocking(view, key))

    def _is_unreadable(self, row: CorrectionRow) -> bool:
        """Whether the sale came back as something that cannot be sent; it keeps no other back."""
        record = corrections.record_of(row)
        if record.state != SaleState.QUARANTINED:
            return False
        self._alarms.raise_(
            f"unreadable:{row.id}",
            f"Sale {row.reference} came back from Lightspeed in a form that cannot be read "
            f"({record.reason}); what was posted of it stays.",
            "Compare it in Lightspeed's back office; nothing else has to be done.",
        )
        return True

    def _begin(self, row: CorrectionRow) -> bool:
        """Write the intent; false if nothing is to be sent."""
        if row.transaction_id is not None:
            with self._ledger.commit() as commit:
                corrections.plan_delete(commit, row, row.purpose, self._account.moment())
            return True
        asked = row.purpose in ASKED_FOR
        first_s = last_s = row.created_at
        if asked:  # those that travelled with it have no id either: one window for all of them
            with self._ledger.view() as view:
                first_s, last_s = corrections.span_asked_for(view, row)
        reason = "a person asked for it" if asked else "a sale was amended"
        refusal = self._replacer.want(row.connecteam_id, first_s, last_s, reason, by_person=asked)
        if refusal is not None and (asked or refusal in WILL_PASS):
            _log.debug("not_taken_back", sale=row.reference, reason=refusal)
        elif refusal is not None:
            self._hold(row, refusal)
        return False

    def _hold(self, row: CorrectionRow, refusal: str) -> None:
        reason = "it was amended after it was posted, and its transaction id is not known"
        with self._ledger.commit() as commit:
            part_id = corrections.hold(commit, row, reason, self._account.moment())
        self._alarms.raise_(
            f"held:{part_id}",
            f"Sale {row.reference} of {self._policies[row.connecteam_id].name} was amended after "
            f"it was posted, and cannot be taken back by itself: {refusal}.",
            f"Delete its transaction in Connecteam, then run `tillbridge settle {part_id} "
            "--not-landed --reason ...`; or keep it as it is with `--landed`.",
        )

    def finish_planned(self, waits: list[float]) -> set[int]:
        """Send the deletes by id that are planned.

        Returns:
            The locations at which one could not be finished now.
        """
        with self._ledger.view() as view:
            rows = [r for r in removals.blocking(view) if r.transaction_id is not None]
        blocked: set[int] = set()
        for row in rows:
            if row.connecteam_id in blocked or row.connecteam_id not in self._policies:
                continue
            wait_s = self._account.wait_s(QuotaPurpose.LIVE) or self._delete(row)
            if wait_s:
                waits.append(wait_s)
                blocked.add(row.connecteam_id)
        return blocked

    def _delete(self, row: RemovalRow) -> float:
        """Send one delete; 0 if it is acknowledged, else seconds until it is tried again."""
        absent = Found.THERE  # what a 404 says: but for repairs, E still counts the sale
        with self._ledger.commit() as commit:
            self._account.spend(commit)
            if row.purpose == Purpose.REPAIR:
                absent = removals.note_attempt(commit, row)
        answer = self._account.client.delete_one(row.transaction_id)
        now = self._account.moment()
        is_gone = answer.status == 200 or (answer.status == 404 and self._is_gone(row))
        with self._ledger.commit() as commit:
            self._account.note_deleted(commit, answer)
            if is_gone:
                if answer.status == 404 and corrections.is_of_a_lost_ledger(commit, row):
                    corrections.forget_id(commit, row, now)
                else:
                    found = Found.THERE if answer.status == 200 else absent
                    corrections.acknowledge_delete(commit, row, now, answer.request_id, found)
                self._alarms.resolve(f"delete_refused:{row.id}")
                return 0.0
            if not answer.not_sent:
                unsure = absent is Found.UNSURE
                reason = str(Found.UNSURE) if unsure else answer.reason
                removals.note_unanswered(commit, row, now, reason)
        return self._retry_after(row, answer)

    def _is_gone(self, row: RemovalRow) -> bool:
        """Whether a 404 means gone, and not: not there yet. It does once the row was acknowledged,
        or this delete was begun, longer ago than anything lags.
        """
        with self._ledger.view() as view:
            target = targets.get(view, row.connecteam_id)
            source = parts.find(view, row.part_id) if row.part_id is not None else None
        assert target is not None
        lag_s = self._doubts.patience(target.lag_worst_s, target.lag_count).lag_s
        now = self._account.moment()
        since = float(row.started_boot_s)
        if source is not None and source.boot_id == now.boot_id:
            since = min(since, float(source.ended_boot_s or since))
        return now.boot_s - since >= lag_s

    def _retry_after(self, row: RemovalRow, answer: Deleted) -> float:
        if answer.status not in (400, 401, 403, 422):
            return _RETRY_S
        self._alarms.raise_(
            f"delete_refused:{row.id}",
            f"Connecteam refuses to delete an amended sale of "
            f"{self._policies[row.connecteam_id].name}: {answer.reason}.",
            "Check that the API key may delete sales data; tillbridge tries again by itself.",
        )
        return _REFUSED_RETRY_S


def _is_watched(view: Connection, target: TargetRow, row: CorrectionRow) -> bool:
    """Whether the base holds the days of this sale: else its going could not be told from a
    stranger's hand.
    """
    base = targets.base_of(view, target)
    if base is None:
        return True
    day = utc_date(row.created_at)
    return min(base[1]) <= day - ONE_DAY and day + ONE_DAY <= max(base[1])
