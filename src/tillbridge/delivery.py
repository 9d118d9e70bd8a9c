"""Posting what waits: intent first, then the request, then what its answer proves.

1. The batch and its rows are committed as *sending*, durably, before the socket is touched.
2. The request goes out once; nothing ever tries it again by itself.
3. The answer is judged (outcome.py) and what it proves is committed.
No commit spans a network call. What is still *sending* when the process dies is a doubt.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field

from sqlalchemy import Connection

from tillbridge import outcome
from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.bases import STOP_REMEDIES, Bases, Wanted
from tillbridge.batcher import Batch, Part, Row, halves, plan
from tillbridge.clock import Clock
from tillbridge.connecteam.client import Posted
from tillbridge.connecteam.quota import Purpose
from tillbridge.ledger import locations, parts, sales, targets
from tillbridge.ledger.parts import BrokenInvariant, PlanStale, Started
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger
from tillbridge.policy import TargetPolicy
from tillbridge.states import Lane, PartState, SaleState

_log = get_logger("tillbridge.delivery")

PLAN_ROWS = 1000
"""Most sales per location and lane that one plan looks at: ten full requests."""

MAX_COMMIT_TO_SEND_S = 5.0
"""A longer pause between commit and first byte means a suspended machine: not sent."""

_MAX_STALE = 20
"""Plans that other processes may spoil before a delivery leaves the rest to the next."""

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


@dataclass(frozen=True, slots=True)
class _Flight:
    """A request under way."""

    batch: Batch
    started: Started
    committed_boot_s: float


@dataclass(slots=True)
class _Run:
    """Where one delivery stands."""

    done: Delivered = field(default_factory=Delivered)
    queue: list[Batch] = field(default_factory=list)
    flying: dict[Future[Posted], _Flight] = field(default_factory=dict)
    stale: int = 0

    @property
    def may_go_on(self) -> bool:
        return not self.done.halted and self.stale < _MAX_STALE

    @property
    def busy(self) -> set[int]:
        return {key for flight in self.flying.values() for key in flight.batch.location_ids}


class Delivery:
    """Posts what waits.

    Args:
        ledger: where the sales wait.
        account: the gate to Connecteam.
        bases: says which locations may be written to.
        policies: by Connecteam id.
        clock: both times.
        executor: runs the requests.
        max_in_flight: most requests at once, at different locations.
        alarms: for what needs a person.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        bases: Bases,
        policies: Mapping[int, TargetPolicy],
        clock: Clock,
        executor: Executor,
        max_in_flight: int,
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._bases = bases
        self._policies = policies
        self._clock = clock
        self._executor = executor
        self._max_in_flight = max_in_flight
        self._alarms = alarms

    def run(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        only_full: frozenset[Lane] = frozenset(),
    ) -> Delivered:
        """Post until nothing more can go out now.

        Args:
            should_stop: asked before each request; the ones under way are finished.
            only_full: lanes of which more sales are on their way, so that only full requests go.
        """
        run = _Run()
        while run.may_go_on and not should_stop():
            run.queue = self._plan(only_full)
            if not run.queue:
                break
            self._fly(run, should_stop)
        run.done.next_look_s = self._bases.next_look_s()
        self._note_unread(run.done)
        return run.done

    def _fly(self, run: "_Run", should_stop: Callable[[], bool]) -> None:
        """Send a plan, several requests at once where they go to different locations."""
        while True:
            if not should_stop():
                self._launch(run)
            if not run.flying:
                return
            ended, _ = wait(run.flying, return_when=FIRST_COMPLETED)
            # In a fixed order, so that one seed of a simulation has one story.
            for future in sorted(ended, key=lambda f: run.flying[f].started.batch_id):
                if not self._record(run.flying.pop(future), future.result(), run.done):
                    run.queue.clear()

    # -- planning -----------------------------------------------------------------------------

    def _plan(self, only_full: frozenset[Lane]) -> list[Batch]:
        waiting = self._waiting()
        wanted = {key: _wanted(rows) for key, rows in waiting.items() if rows}
        rows = [
            row
            for key, limits in self._bases.writable(wanted).items()
            for row in waiting[key]
            if limits.first_s <= row.transaction.created_at <= limits.last_s
        ]
        return plan(rows, only_full=only_full)

    def _waiting(self) -> dict[int, list[Row]]:
        with self._ledger.view() as view:
            paused = {row.id for row in locations.every(view) if row.paused}
            return {
                key: [
                    row
                    for lane in (Lane.LIVE, Lane.BACKFILL)
                    for row in sales.waiting(view, key, lane, PLAN_ROWS)
                    if row.source_id not in paused
                ]
                for key in self._policies
            }

    # -- sending ------------------------------------------------------------------------------

    def _launch(self, run: _Run) -> None:
        busy = run.busy
        for batch in list(run.queue):
            if len(run.flying) >= self._max_in_flight or run.done.halted:
                return
            if busy & batch.location_ids:
                continue
            wait_s = self._account.wait_s(_purpose(batch))
            if wait_s > 0:
                # The plan has live sales first: if this one must wait, so must all after it.
                run.done.quota_wait_s, run.done.halted = wait_s, True
                return
            run.queue.remove(batch)
            flight = self._commit_intent(batch)
            if flight is None:
                run.queue.clear()
                run.stale += 1
                return
            busy |= batch.location_ids
            run.done.requests += 1
            run.flying[self._executor.submit(self._send, flight)] = flight

    def _commit_intent(self, batch: Batch) -> _Flight | None:
        now = self._account.moment()
        try:
            with self._ledger.commit() as commit:
                started = parts.begin(commit, batch, now, alone=batch.location_ids)
                for part in batch.parts:
                    targets.touch(commit, part.location_id, part.first_created, part.last_created)
                self._account.spend(commit)
        except PlanStale:
            return None
        except BrokenInvariant as error:
            self._stop(error.connecteam_id, "broken_invariant", str(error))
            return None
        return _Flight(batch, started, self._clock.boot_s())

    def _send(self, flight: _Flight) -> Posted:
        if self._clock.boot_s() - flight.committed_boot_s > MAX_COMMIT_TO_SEND_S:
            silence = outcome.Silence(
                not_sent=True, reason="the machine slept before the request went out"
            )
            return Posted(silence, None, {})
        return self._account.client.post([row.transaction for row in flight.batch.rows])

    # -- recording ----------------------------------------------------------------------------

    def _record(self, flight: _Flight, posted: Posted, done: Delivered) -> bool:
        """Commit what an answer proves; false if the plan must be made anew."""
        result = self._judge(flight.batch, posted)
        now = self._account.moment()
        throttled = isinstance(result, outcome.Throttled)
        reason = None if isinstance(result, outcome.Accepted) else result.reason
        with self._ledger.commit() as commit:
            self._account.learn(commit, posted.headers, throttled=throttled)
            parts.end_batch(commit, flight.started.batch_id, now, posted.request_id, reason)
            pairs = list(zip(flight.batch.parts, flight.started.part_ids, strict=True))
            match result:
                case outcome.Accepted(ids):
                    self._accept(commit, pairs, ids, posted.request_id)
                case outcome.Unknown(why, known):
                    self._doubt(commit, pairs, known, why, posted)
                case _:
                    self._take_back(commit, pairs, result, posted.request_id)
        self._report(flight.batch, result, posted.request_id, done)
        return isinstance(result, outcome.Accepted)

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
            row = parts.get(commit, part_id)
            parts.set_state(
                commit, row, PartState.POSTED, now, request_id=request_id,
                ended_boot_s=now.boot_s, boot_id=now.boot_id,
            )  # fmt: skip
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

    # -- telling ------------------------------------------------------------------------------

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
                self._say_doubt(batch, why)
            case outcome.CredentialsNotAccepted(why):
                self._refused(done, why)
            case outcome.LocationsRefused(keys, why):
                for key in keys:
                    self._alarm_stop(key, "location_refused", why)
            case outcome.NotSent(why):
                done.trouble, done.halted = why, True
            case outcome.Throttled():
                done.quota_wait_s, done.halted = self._account.wait_s(Purpose.LIVE), True
            case outcome.RowsRefused(faults, why):
                _log.warning("rows_refused", count=len(faults), reason=why, request_id=request_id)

    def _note_unread(self, done: Delivered) -> None:
        """Totals that could not be read keep sales waiting as surely as a refused request."""
        unread = self._account.take_unread()
        if unread is None:
            return
        wait_s = self._account.wait_s(Purpose.LIVE)
        if unread.refused:
            self._refused(done, unread.reason)
        elif wait_s > 0:
            done.quota_wait_s = wait_s
        else:
            done.trouble = done.trouble or unread.reason

    def _refused(self, done: Delivered, why: str) -> None:
        done.refused, done.halted = why, True
        self._alarms.raise_(
            "connecteam_credentials",
            f"Connecteam refused the credentials ({why}); sales are read but not posted.",
            "Put a valid API key with the right to write sales data where [connecteam] "
            "names it, and restart tillbridge.",
        )

    def _say_doubt(self, batch: Batch, why: str) -> None:
        for part in batch.parts:
            _log.warning(
                "not_confirmed", location=self._policies[part.location_id].name,
                sales=len(part.rows), reason=why,
                note="Connecteam's totals will show what became of them; nothing is sent twice.",
            )  # fmt: skip

    def _stop(self, key: int, name: str, reason: str) -> None:
        with self._ledger.commit() as commit:
            targets.stop(commit, key, name, reason, self._account.moment())
        self._alarm_stop(key, name, reason)

    def _alarm_stop(self, key: int, name: str, reason: str) -> None:
        self._alarms.raise_(
            f"posting_stopped:{key}",
            f"Nothing is posted to {self._policies[key].name}: {reason}.",
            STOP_REMEDIES[name],
        )


def _purpose(batch: Batch) -> Purpose:
    live = any(row.lane is Lane.LIVE for row in batch.rows)
    return Purpose.LIVE if live else Purpose.BACKFILL


def _wanted(rows: Sequence[Row]) -> Wanted:
    stamps = sorted({row.transaction.created_at for row in rows})
    sums: set[int] = set()
    for part in (part for batch in plan(rows) for part in batch.parts):
        total = 0
        for row in part.rows:
            total += row.transaction.amount
            sums.add(total)
    return Wanted(stamps[0], stamps[-1], stamps, sorted(sums))
