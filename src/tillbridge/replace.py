"""Replacing a window: where totals cannot tell what landed, empty the time and post it anew.

Only where nobody else writes and nothing else can be hit: at an exclusive location, on days
without foreign amounts, between two seconds in which no row was ever attempted, after Lightspeed
was read again there. The steps are states in the ledger, so that a crash between any two is
harmless:

wanted -> (Lightspeed read again) -> planned -> (DELETE, until acknowledged; then wait until no
unanswered DELETE can act any more) -> cleared -> (sales wait and are posted like all others) ->
(a reading agrees) -> done
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from msgspec import Struct
from sqlalchemy import Connection

from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.batcher import MAX_ROWS
from tillbridge.connecteam.client import Deleted
from tillbridge.connecteam.quota import Purpose as QuotaPurpose
from tillbridge.days import from_epoch_ms, utc_date
from tillbridge.ledger import parts, removals, sales, targets
from tillbridge.ledger.parts import PartRow
from tillbridge.ledger.removals import Purpose, RemovalRow, RemovalState
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import ONE_DAY
from tillbridge.log import get_logger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.states import PartState
from tillbridge.windows import Period

_log = get_logger("tillbridge.replace")

LONGEST_S = 15 * 86_400
"""A longer window is not replaced: it would take out weeks of sales for one request."""

FRESH_S = 900.0
"""How old the reading may be on which a window was decided. Beyond, before the first DELETE, the
totals are looked at again: after an outage somebody may have written there meanwhile."""

NOT_TODAY = "today's quota does not cover it"
NO_BASE = "its totals have yet to be looked at"
NOT_ALONE = "another request or delete there is not finished yet; try again in some minutes"
WILL_PASS = (NOT_TODAY, NO_BASE, NOT_ALONE)
"""Refusals for now only: nothing is held for them, since waiting ends them."""

Reread = Callable[[int, Period], bool]
"""Reads Lightspeed again for a Connecteam location and a period; whether it was read to the end."""


class WrongWindow(Struct, frozen=True):
    """A window whose content is not what was posted.

    Attributes:
        first_s, last_s: epoch seconds, both included.
        reason: for the event.
        surplus: what it is believed to hold, in the base and so in minor units, beyond what was
            posted there; negative if it lacks something.
    """

    first_s: int
    last_s: int
    reason: str
    surplus: int


class Replacer:
    """One per process that posts.

    Args:
        ledger: keeps the steps.
        account: the gate to Connecteam.
        policies: by Connecteam id.
        doubts: T.
        alarms: where a delete is refused.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        policies: Mapping[int, TargetPolicy],
        doubts: DoubtPolicy,
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._policies = policies
        self._doubts = doubts
        self._alarms = alarms

    def want_parts(
        self, key: int, undecided: Sequence[PartRow], reason: str, *, by_person: bool = False
    ) -> str | None:
        """Decide to replace the window of these parts; see `want`."""
        first_s = min(row.first_created for row in undecided)
        last_s = max(row.last_created for row in undecided)
        deciding = tuple(row.id for row in undecided)
        return self.want(key, first_s, last_s, reason, deciding=deciding, by_person=by_person)

    def want(
        self,
        key: int,
        first_s: int,
        last_s: int,
        reason: str,
        *,
        deciding: tuple[int, ...] = (),
        by_person: bool = False,
    ) -> str | None:
        """Decide to replace the window that holds the stamps [first_s, last_s].

        Args:
            key: Connecteam's id.
            first_s: epoch seconds.
            last_s: epoch seconds, included.
            reason: for the event.
            deciding: the parts that it is about, if any; no request of theirs can act any more.
            by_person: a person asks for it, whatever `when_unclear` says.

        Returns:
            None if it will be replaced; else why that is not allowed.
        """
        if not self._policies[key].may_replace and not by_person:
            return "when_unclear is not set to replace, or the location is not exclusive"
        quota = self._account.left_today(), self._account.day_share()
        with self._ledger.commit() as commit:
            first_s, last_s = removals.attempted_span(commit, key, first_s, last_s)
            refusal = self._refusal(commit, key, first_s, last_s, quota, deciding)
            if refusal is None:
                part_id = min(deciding, default=None)
                self._write(commit, key, first_s, last_s, reason, part_id=part_id)
        return refusal

    def want_days(
        self, commit: Connection, key: int, days: Sequence[WrongWindow], quota: tuple[int, int]
    ) -> str | None:
        """Decide to replace several windows, for a repair that has just named what differs.

        They may stand beside each other, and beside one that an old copy of the ledger had begun
        with: nothing is posted before all of them are gone.

        Args:
            commit: where a window is refused, nothing of it may be kept.
            key: Connecteam's id.
            days: the windows.
            quota: requests left today, and those of a whole day.

        Returns:
            None if all will be replaced; else why one of them may not be.
        """
        spans = [removals.attempted_span(commit, key, day.first_s, day.last_s) for day in days]
        left_today, day_share = quota
        if sum(_requests(commit, key, *span) for span in spans) > day_share:
            return "it takes more requests than a day's quota has; repair fewer days at a time"
        for span in spans:
            left = left_today, day_share
            refusal = self._refusal(commit, key, *span, left, (), beside_windows=True)
            if refusal is not None:
                return refusal
            left_today -= _requests(commit, key, *span)
        for day, span in zip(days, spans, strict=True):
            self._write(commit, key, *span, day.reason, surplus=day.surplus)
        return None

    def _write(
        self,
        commit: Connection,
        key: int,
        first_s: int,
        last_s: int,
        reason: str,
        *,
        part_id: int | None = None,
        surplus: int = 0,
    ) -> None:
        removals.plan(
            commit, self._account.moment(), RemovalState.WANTED, Purpose.REPLACE,
            connecteam_id=key, part_id=part_id, start_s=first_s - 1, end_s=last_s + 1,
            total=surplus, reason=reason,
        )  # fmt: skip
        _log.warning(
            "window_wanted", location=self._policies[key].name, reason=reason,
            first=from_epoch_ms(first_s * 1000).isoformat(),
            last=from_epoch_ms(last_s * 1000).isoformat(),
        )  # fmt: skip

    def refusal(self, key: int, stamp_s: int) -> str | None:
        """Why a person may not have the window around a stamp replaced; None if it is allowed."""
        quota = self._account.left_today(), self._account.day_share()
        with self._ledger.view() as view:
            first_s, last_s = removals.attempted_span(view, key, stamp_s, stamp_s)
            return self._refusal(view, key, first_s, last_s, quota, ())

    def _refusal(
        self,
        commit: Connection,
        key: int,
        first_s: int,
        last_s: int,
        quota: tuple[int, int],
        deciding: tuple[int, ...],
        *,
        beside_windows: bool = False,
    ) -> str | None:
        if not self._policies[key].exclusive:
            return "the location is not exclusive, and deleting could take others' sales"
        if last_s - first_s > LONGEST_S:
            return "the time to be replaced is longer than two weeks"
        doubtful = {part.id for part in parts.open_parts(commit, key)} - {*deciding}
        others = removals.blocking(commit, key)
        if beside_windows:
            others = [row for row in others if row.purpose != Purpose.REPLACE]
        if doubtful or others:
            return NOT_ALONE  # one unfinished write per location; theirs may even act afterwards
        row = targets.get(commit, key)
        assert row is not None
        days = _days(utc_date(first_s) - ONE_DAY, utc_date(last_s) + ONE_DAY)
        if set(row.foreign_days or ()) & {day.isoformat() for day in days}:
            return "others wrote there on those days"
        base = targets.base_of(commit, row)
        if base is None:
            return NO_BASE
        if any(day not in base[1] for day in days):
            return "those days lie outside the days that are being watched"
        needed = _requests(commit, key, first_s, last_s)
        left_today, day_share = quota
        if needed > day_share:
            return "it takes more requests than a day's quota has"
        return NOT_TODAY if left_today < needed else None

    def step(self, reread: Reread) -> float | None:
        """Take every replacement as far as it can go now.

        Returns:
            Seconds until one of them can go on; None if none waits.
        """
        with self._ledger.view() as view:
            # A newer ledger may have emptied the window since, and filled it again.
            old = {row.connecteam_id for row in targets.every(view) if row.stop == "old_ledger"}
            rows = [
                row
                for row in removals.blocking(view)
                if row.purpose == Purpose.REPLACE and row.connecteam_id not in old
            ]
        waits = [self._go_on(row, reread) for row in rows if row.connecteam_id in self._policies]
        return min((wait for wait in waits if wait is not None), default=None)

    def _go_on(self, row: RemovalRow, reread: Reread) -> float | None:
        if row.state == RemovalState.WANTED:
            margin = timedelta(days=1)  # a stamp may lie on the evening before the closing time
            period = Period(
                from_epoch_ms(row.start_s * 1000) - margin, from_epoch_ms(row.end_s * 1000) + margin
            )
            if not reread(row.connecteam_id, period):
                return 60.0
        if row.unanswered_boot_s is None and not row.acknowledged and self._forget_if_stale(row):
            return 0.0
        if row.state == RemovalState.WANTED:
            row = self._planned(row)
        return self._delete(row)

    def _forget_if_stale(self, row: RemovalRow) -> bool:
        """A window for doubts that was decided too long ago: they are to be decided anew."""
        now = self._account.moment()
        if row.boot_id == now.boot_id and now.boot_s - row.started_boot_s <= FRESH_S:
            return False
        with self._ledger.commit() as commit:
            if row.part_id is None or parts.get(commit, row.part_id).state != PartState.DOUBT:
                return False  # a person's word, or a repair's: nothing would decide it again
            removals.set_state(
                commit, row, RemovalState.DONE, now, reason=f"{row.reason}; too long ago"
            )
        _log.info("window_forgotten", location=self._policies[row.connecteam_id].name)
        return True

    def _planned(self, row: RemovalRow) -> RemovalRow:
        """Lightspeed was read; what it brought may have widened the window's surroundings."""
        with self._ledger.commit() as commit:
            first_s, last_s = removals.attempted_span(
                commit, row.connecteam_id, row.start_s + 1, row.end_s - 1
            )
            removals.set_state(
                commit, row, RemovalState.PLANNED, self._account.moment(),
                start_s=first_s - 1, end_s=last_s + 1,
            )  # fmt: skip
            return removals.get(commit, row.id)

    def _delete(self, row: RemovalRow) -> float | None:
        """DELETE until acknowledged, then wait out those that were not answered."""
        if not row.acknowledged:
            wait_s = self._account.wait_s(QuotaPurpose.LIVE)
            if wait_s > 0:
                return wait_s
            answer = self._send(row)
            if answer.status != 200:
                return self._not_acknowledged(row, answer)
            with self._ledger.commit() as commit:
                self._account.note_deleted(commit, answer)
                removals.note_acknowledged(commit, row, self._account.moment(), answer.request_id)
                row = removals.get(commit, row.id)
        now = self._account.moment()
        if row.unanswered_boot_s is not None:
            left_s = self._doubts.wait_s - (now.boot_s - float(row.unanswered_boot_s))
            if left_s > 0:
                return left_s  # a late DELETE would take out what is posted next
        with self._ledger.commit() as commit:
            count = removals.clear_window(commit, row, now)
        self._alarms.resolve(f"delete_refused:{row.id}")
        _log.info("window_cleared", location=self._policies[row.connecteam_id].name, sales=count)
        return None

    def _send(self, row: RemovalRow) -> Deleted:
        with self._ledger.commit() as commit:
            self._account.spend(commit)
            # Before it is sent, it counts as unanswered: a crash now leaves it at that.
            removals.note_unanswered(commit, row, self._account.moment(), "sent")
        return self._account.client.delete_window(row.connecteam_id, row.start_s, row.end_s)

    def _not_acknowledged(self, row: RemovalRow, answer: Deleted) -> float:
        now = self._account.moment()
        with self._ledger.commit() as commit:
            self._account.note_deleted(commit, answer)
            removals.note_unanswered(commit, row, now, answer.reason)
        if answer.status in (400, 401, 403, 404, 422):
            self._alarms.raise_(
                f"delete_refused:{row.id}",
                f"Connecteam refuses to delete a window of "
                f"{self._policies[row.connecteam_id].name}: {answer.reason}.",
                "Check that the API key may delete sales data; tillbridge tries again by itself.",
            )
            return 300.0
        return 10.0


def _requests(view: Connection, key: int, first_s: int, last_s: int) -> int:
    """What a replacement costs: readings, the DELETE, and all rows once more."""
    return 5 + sales.count_between(view, key, first_s, last_s) // MAX_ROWS


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
