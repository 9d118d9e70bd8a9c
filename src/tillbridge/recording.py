"""Recording what the answer to a POST proves: the only place where a part leaves *sending*.

An answer that cannot be recorded because the disk is full is kept in memory and recorded as soon
as there is space; should the process die before, the part is a doubt, and totals settle it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tillbridge import outcome
from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.batcher import Batch, Part, halves
from tillbridge.connecteam.client import Posted
from tillbridge.connecteam.quota import Purpose, is_throttle
from tillbridge.ledger import parts, sales, targets
from tillbridge.ledger.parts import Started
from tillbridge.ledger.store import DiskTrouble, Ledger
from tillbridge.log import get_logger
from tillbridge.policy import TargetPolicy
from tillbridge.states import PartState, SaleState
from tillbridge.stops import STOP_REMEDIES

_log = get_logger("tillbridge.recording")

_MAX_DOUBTS = 2
"""Unclear answers after which a delivery leaves Connecteam alone until the next."""


@dataclass(slots=True)
class Delivered:
    """What a delivery did.

    Attributes:
        posted: sales that Connecteam acknowledged.
        requests: POSTs sent.
        quota_wait_s: seconds until the quota allows the next request, if it ended for that.
        refused: why Connecteam refused the credentials, if it did.
        trouble: why the delivery ended early, if Connecteam could not be reached or was unclear.
        doubts: parts whose outcome is unknown.
        halted: nothing more can go out now, though sales may wait.
        next_look_s: seconds until a location that waits for its totals is worth another look.
    """

    posted: int = 0
    requests: int = 0
    quota_wait_s: float | None = None
    refused: str | None = None
    trouble: str | None = None
    doubts: int = 0
    halted: bool = False
    next_look_s: float | None = None

    def add_earlier(self, earlier: "Delivered") -> None:
        """Count what an earlier delivery of the same pass did; its waits are out of date."""
        self.posted += earlier.posted
        self.requests += earlier.requests
        self.doubts += earlier.doubts
        self.refused = self.refused or earlier.refused
        self.trouble = self.trouble or earlier.trouble


@dataclass(frozen=True, slots=True)
class Flight:
    """A request under way."""

    batch: Batch
    started: Started
    committed_boot_s: float


class Recorder:
    """One per process that posts.

    Args:
        ledger: where the parts are.
        account: learns the quota from answers.
        policies: by Connecteam id.
        alarms: for what needs a person.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        policies: Mapping[int, TargetPolicy],
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._policies = policies
        self._alarms = alarms
        self._left: list[tuple[Flight, Posted]] = []

    def record_left(self) -> None:
        """Record the answers for which the disk had no space.

        Raises:
            DiskTrouble: it still has none.
        """
        while self._left:
            self._commit(*self._left[0], Delivered())
            del self._left[0]

    def record_all(self, answers: Sequence[tuple[Flight, Posted]], done: Delivered) -> bool:
        """Commit what answers prove that came together; false if the plan must be made anew.

        Where each accepts all of its rows, in one commit, because each waits for the disk.

        Raises:
            DiskTrouble: some could not be committed; they are kept for `record_left`.
        """
        if len(answers) > 1 and self._accept_together(answers, done):
            return True
        good = True
        for place, (flight, posted) in enumerate(answers):
            try:
                good &= self.record(flight, posted, done)
            except DiskTrouble:
                self._left += answers[place + 1 :]
                raise
        return good

    def _accept_together(self, answers: Sequence[tuple[Flight, Posted]], done: Delivered) -> bool:
        results = [self._judge(flight.batch, posted) for flight, posted in answers]
        ids = [key for each in results if isinstance(each, outcome.Accepted) for key in each.ids]
        rows = sum(len(flight.batch.rows) for flight, _ in answers)
        if len(ids) < rows or len(set(ids)) < rows:
            return False  # one by one: what the first proves decides what the next can
        try:
            with self._ledger.commit() as commit:
                for (flight, posted), result in zip(answers, results, strict=True):
                    self._write(commit, flight, posted, result)
        except DiskTrouble:
            self._left += answers
            raise
        except AssertionError:
            return False  # undone; one by one it shows whose location contradicts itself
        for (flight, posted), result in zip(answers, results, strict=True):
            self._report(flight.batch, result, posted.request_id, done)
        return True

    def record(self, flight: Flight, posted: Posted, done: Delivered) -> bool:
        """Commit what an answer proves; false if the plan must be made anew.

        Raises:
            DiskTrouble: it could not be committed; it is kept for `record_left`.
        """
        try:
            return self._commit(flight, posted, done)
        except DiskTrouble:
            self._left.append((flight, posted))
            raise
        except AssertionError as broken:
            # The commit was undone: the parts stay as *sending*, and with that their locations
            # are closed. The other locations go on.
            for key in flight.batch.location_ids:
                self.stop(key, "broken_invariant", str(broken) or "the ledger contradicts itself")
            return False

    def _commit(self, flight: Flight, posted: Posted, done: Delivered) -> bool:
        """Commit what an answer proves; false if the plan must be made anew."""
        result = self._judge(flight.batch, posted)
        with self._ledger.commit() as commit:
            self._write(commit, flight, posted, result)
        self._report(flight.batch, result, posted.request_id, done)
        return isinstance(result, outcome.Accepted)

    def _write(
        self, commit: Connection, flight: Flight, posted: Posted, result: outcome.Outcome
    ) -> None:
        now = self._account.moment()
        reason = None if isinstance(result, outcome.Accepted) else result.reason
        # A doubt may be a throttle in words: that says nothing of its rows, but enough to pause.
        throttled = isinstance(result, outcome.Throttled) or is_throttle(reason or "")
        self._account.learn(commit, posted.headers, throttled=throttled)
        parts.end_batch(commit, flight.started.batch_id, now, posted.request_id, reason)
        pairs = list(zip(flight.batch.parts, flight.started.part_ids, strict=True))
        match result:
            case outcome.Accepted(ids):
                self._accept(commit, flight.started.batch_id, pairs, ids, posted.request_id)
            case outcome.Unknown(why, known):
                self._doubt(commit, pairs, known, why, posted)
            case _:
                self._take_back(commit, pairs, result, posted.request_id)

    def _judge(self, batch: Batch, posted: Posted) -> outcome.Outcome:
        result = outcome.judge([row.transaction for row in batch.rows], posted.shape)
        match result:
            case outcome.Accepted(ids):
                claimed = list(ids)
            case outcome.Unknown(_, known):
                claimed = list(known.values())
            case _:
                return result
        with self._ledger.view() as view:
            if parts.known_ids(view, claimed):
                return outcome.Unknown("the answer repeats ids of earlier transactions", {})
        return result

    def _accept(
        self,
        commit: Connection,
        batch_id: int,
        pairs: Sequence[tuple[Part, int]],
        ids: Sequence[str],
        request_id: str | None,
    ) -> None:
        now = self._account.moment()
        place = 0
        for part, part_id in pairs:
            mine = ids[place : place + len(part.rows)]
            place += len(part.rows)
            by_sale = {row.sale_id: key for row, key in zip(part.rows, mine, strict=True)}
            parts.post_rows(commit, part_id, by_sale, [row.source_id for row in part.rows], now)
            parts.note_posted(commit, batch_id, part_id, part.location_id, now, request_id)
            targets.acknowledge(commit, part.location_id, part.total, now)

    def _doubt(
        self,
        commit: Connection,
        pairs: Sequence[tuple[Part, int]],
        known: Mapping[int, str],
        why: str,
        posted: Posted,
    ) -> None:
        """Rows that were echoed are posted; each part's rest is a doubt of its own."""
        now = self._account.moment()
        status = posted.shape.status if isinstance(posted.shape, outcome.OtherAnswer) else 0
        place = 0
        for part, part_id in pairs:
            echoed = {
                index: known[place + index]
                for index in range(len(part.rows))
                if place + index in known
            }
            place += len(part.rows)
            if echoed:
                by_sale = {part.rows[index].sale_id: key for index, key in echoed.items()}
                sources = [part.rows[index].source_id for index in echoed]
                parts.post_rows(commit, part_id, by_sale, sources, now)
                total = sum(part.rows[index].transaction.amount for index in echoed)
                parts.split_posted(commit, part_id, by_sale, total, now)
                targets.acknowledge(commit, part.location_id, total, now)
            if len(echoed) == len(part.rows):
                continue
            parts.move_rows(commit, part_id, SaleState.SENDING, SaleState.IN_DOUBT)
            row = parts.get(commit, part_id)
            parts.set_state(
                commit, row, PartState.DOUBT, now, reason=why, ended_boot_s=now.boot_s,
                boot_id=now.boot_id, refusal=400 <= status < 500, request_id=posted.request_id,
            )  # fmt: skip

    def _take_back(
        self,
        commit: Connection,
        pairs: Sequence[tuple[Part, int]],
        result: outcome.Outcome,
        request_id: str | None,
    ) -> None:
        """Nothing was written: the rows wait again, but for those that were refused by name."""
        now = self._account.moment()
        not_sent = isinstance(result, outcome.NotSent)
        state = PartState.NOT_SENT if not_sent else PartState.REFUSED
        reason = "" if isinstance(result, outcome.Accepted) else result.reason
        for _part, part_id in pairs:
            parts.move_rows(commit, part_id, SaleState.SENDING, SaleState.WAITING)
            row = parts.get(commit, part_id)
            parts.set_state(commit, row, state, now, reason=reason, request_id=request_id)
        rows = [row for part, _ in pairs for row in part.rows]
        if isinstance(result, outcome.RowsRefused):
            if result.faults:
                named = {
                    rows[place].sale_id: (rows[place].source_id, f"Connecteam refused it: {why}")
                    for place, why in result.faults.items()
                }
                sales.quarantine(commit, named, now.wall_ms)
            else:
                groups = [[row.sale_id for row in half] for half in halves(rows)]
                sales.fence(commit, groups, first=2 * pairs[0][1])
        if isinstance(result, outcome.LocationsRefused):
            for key in result.location_ids:
                targets.stop(commit, key, "location_refused", result.reason, now)

    def _report(
        self, batch: Batch, result: outcome.Outcome, request_id: str | None, done: Delivered
    ) -> None:
        count = len(batch.rows)
        match result:
            case outcome.Accepted():
                done.posted += count
                self._alarms.resolve("connecteam_credentials")
            case outcome.Unknown(why, known):
                done.posted += len(known)
                done.doubts += 1
                done.trouble = why
                done.halted = done.doubts >= _MAX_DOUBTS
                self._say_doubt(batch, why, request_id)
            case outcome.CredentialsNotAccepted(why):
                self.note_refused(done, why)
            case outcome.LocationsRefused(keys, why):
                for key in keys:
                    self._alarm_stop(key, "location_refused", why)
            case outcome.NotSent(why):
                done.trouble, done.halted = why, True
            case outcome.Throttled():
                done.quota_wait_s, done.halted = self._account.wait_s(Purpose.LIVE), True
            case outcome.RowsRefused(faults, why):
                _log.warning("rows_refused", count=len(faults), reason=why, request_id=request_id)

    def note_refused(self, done: Delivered, why: str) -> None:
        done.refused, done.halted = why, True
        self._alarms.raise_(
            "connecteam_credentials",
            f"Connecteam refused the credentials ({why}); sales are read but not posted.",
            "Put a valid API key with the right to write sales data where [connecteam] "
            "names it, and restart tillbridge.",
        )

    def _say_doubt(self, batch: Batch, why: str, request_id: str | None) -> None:
        for part in batch.parts:
            _log.warning(
                "not_confirmed", location=self._policies[part.location_id].name,
                sales=len(part.rows), reason=why, request_id=request_id,
                note="Connecteam's totals will show what became of them; nothing is sent twice.",
            )  # fmt: skip

    def stop(self, key: int, name: str, reason: str) -> None:
        with self._ledger.commit() as commit:
            targets.stop(commit, key, name, reason, self._account.moment())
        self._alarm_stop(key, name, reason)

    def _alarm_stop(self, key: int, name: str, reason: str) -> None:
        self._alarms.raise_(
            f"posting_stopped:{key}",
            f"Nothing is posted to {self._policies[key].name}: {reason}.",
            STOP_REMEDIES[name],
        )
