"""Posting what waits: intent first, then the request, then what its answer proves.

1. The batch and its rows are committed as *sending*, durably, before the socket is touched; those
   that go out at once, in one commit.
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
from tillbridge.bases import Bases
from tillbridge.batcher import MAX_ROWS, MAX_SPAN_S, Batch, Part
from tillbridge.clock import Clock
from tillbridge.connecteam.client import Posted
from tillbridge.connecteam.quota import Purpose
from tillbridge.ledger import counts, parts, targets
from tillbridge.ledger.parts import BrokenInvariant, Moment, PlanStale, Started
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger
from tillbridge.planning import Planner
from tillbridge.policy import TargetPolicy
from tillbridge.recording import Delivered, Flight, Recorder
from tillbridge.states import Lane

_log = get_logger("tillbridge.delivery")

REFILL_ROWS = 2 * MAX_ROWS
"""So many more sales must have come to wait before a plan is made while requests fly: each plan
costs something, whether it finds one request to send or ten. Half as many will do while half of
the places are free: then waiting costs more."""

MAX_COMMIT_TO_SEND_S = 5.0
"""A longer pause between commit and first byte means a suspended machine: not sent."""

_LOOK_EVERY_S = 0.03
"""How often is looked whether more has come, while there is room for it beside what flies."""

_MAX_STALE = 20
"""Plans that other processes may spoil before a delivery leaves the rest to the next."""


Coming = Callable[[], frozenset[Lane]]
"""Tells the lanes of which more sales are on their way to the ledger."""


def _everything() -> frozenset[Lane]:
    return frozenset(Lane)


@dataclass(slots=True)
class _Run:
    """Where one delivery stands."""

    done: Delivered = field(default_factory=Delivered)
    queue: list[Batch] = field(default_factory=list)
    flying: dict[Future[Posted], Flight] = field(default_factory=dict)
    stale: int = 0
    left: int = 0  # sales that the latest plan saw and did not send
    draining: bool = False  # there is no more planning until nothing flies
    coming: frozenset[Lane] = frozenset()  # of which more sales were on their way lately

    @property
    def may_go_on(self) -> bool:
        return not self.done.halted and self.stale < _MAX_STALE

    @property
    def under_way(self) -> list[Part]:
        return [part for flight in self.flying.values() for part in flight.batch.parts]


class Delivery:
    """Posts what waits.

    Args:
        ledger: where the sales wait.
        account: the gate to Connecteam.
        bases: says which locations may be written to.
        recorder: commits what answers prove.
        policies: by Connecteam id.
        clock: both times.
        executor: runs the requests.
        max_in_flight: most requests at once; at one location only where it may be replaced.
        batch_age_s: how long a sale may wait for others; None lets the quota decide.
        note_intent: told the id and the wall time of each request that is about to be sent.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        bases: Bases,
        recorder: Recorder,
        policies: Mapping[int, TargetPolicy],
        clock: Clock,
        executor: Executor,
        max_in_flight: int,
        batch_age_s: float | None,
        note_intent: Callable[[int, int], None],
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._bases = bases
        self._planner = Planner(ledger, bases, policies)
        self._recorder = recorder
        self._policies = policies
        self._clock = clock
        self._executor = executor
        self._max_in_flight = max_in_flight
        self._batch_age_s = batch_age_s
        self._note_intent = note_intent

    def run(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        coming: Coming = frozenset,
        patient: bool = False,
        done: Delivered | None = None,
    ) -> Delivered:
        """Post until nothing more can go out now.

        Args:
            should_stop: asked before each request; the ones under way are finished.
            coming: tells the lanes of which more sales are on their way, so that only full requests
                go; asked again and again, because what was on its way may all have come.
            patient: let sales wait for company as long as the configuration says, or as the day's
                quota makes useful; there will be another delivery soon.
            done: counts what is done as it is done, for whoever watches; returned in the end.
        """
        self._recorder.record_left()
        run = _Run(done or Delivered())
        pause_s = self._pause_s() if patient else 0.0
        if pause_s > 0:
            coming = _everything
        while run.may_go_on and not should_stop():
            run.draining = False
            run.coming = coming()
            self._plan(run, run.coming)
            if not run.queue:
                break
            self._fly(run, should_stop, coming)
        looks = [self._bases.next_look_s(), pause_s or None]
        run.done.next_look_s = min((look for look in looks if look is not None), default=None)
        self._note_unread(run.done)
        return run.done

    def _pause_s(self) -> float:
        """Seconds for which sales are left to wait for company; 0 if they go at once."""
        age_s = self._account.useful_wait_s() if self._batch_age_s is None else self._batch_age_s
        now_ms = self._account.moment().wall_ms
        with self._ledger.view() as view:
            last_ms = parts.last_started_ms(view)
        since_s = (now_ms - last_ms) / 1000
        # A last request in the future comes from a clock that was wrong.
        return max(0.0, age_s - since_s) if since_s >= 0 else 0.0

    def _fly(self, run: "_Run", should_stop: Callable[[], bool], coming: Coming) -> None:
        """Send a plan, several requests at once where they may be."""
        while True:
            if not should_stop():
                self._launch(run)
                self._refill(run, coming())
            if not run.flying:
                return
            room = run.coming and len(run.flying) < self._max_in_flight
            ended, _ = wait(run.flying, _LOOK_EVERY_S if room else None, FIRST_COMPLETED)
            # In a fixed order, so that one seed of a simulation has one story.
            futures = sorted(ended, key=lambda f: run.flying[f].started.batch_id)
            answers = [(run.flying.pop(future), future.result()) for future in futures]
            if not self._recorder.record_all(answers, run.done):
                run.queue.clear()
                run.draining = True

    # -- planning -----------------------------------------------------------------------------

    def _plan(self, run: _Run, only_full: frozenset[Lane]) -> None:
        plan = self._planner.plan(only_full, self._joinable(run))
        run.queue = plan.batches
        if run.queue:
            run.left = plan.left

    def _refill(self, run: _Run, coming: frozenset[Lane]) -> None:
        """Plan again while requests fly: all of the plan has gone out, and enough has come to wait
        for some that are full, or all has come. Before there is room for them, so that none stays
        empty while the plan is made. Not after an answer that was not plain: what it means for the
        rest is for a plan with nothing under way.
        """
        if run.queue or run.draining or not run.flying or not run.may_go_on:
            return
        all_came = bool(run.coming) and not coming
        if self._may_refill(run, enough=1 if all_came else self._enough(run)):
            run.coming = coming
            self._plan(run, coming if all_came else coming | {Lane.BACKFILL})
            self._launch(run)

    def _enough(self, run: _Run) -> int:
        return run.left + (REFILL_ROWS if 2 * len(run.flying) > self._max_in_flight else MAX_ROWS)

    def _may_refill(self, run: _Run, enough: int) -> bool:
        closed = {part.location_id for part in run.under_way}
        if not any(key not in closed or at.may_replace for key, at in self._policies.items()):
            return False
        with self._ledger.view() as view:
            waiting = counts.waiting(view)
        if waiting < enough:
            return False
        # If nothing of it can be sent, it is not looked at again for each answer.
        run.left = waiting
        return True

    def _joinable(self, run: _Run) -> dict[int, set[int]]:
        """The parts under way at locations where several may be."""
        found: dict[int, set[int]] = {}
        for flight in run.flying.values():
            for part, part_id in zip(flight.batch.parts, flight.started.part_ids, strict=True):
                if self._policies[part.location_id].may_replace:
                    found.setdefault(part.location_id, set()).add(part_id)
        return found

    # -- sending ------------------------------------------------------------------------------

    def _launch(self, run: _Run) -> None:
        chosen = [] if run.done.halted else self._next(run)
        if not chosen:
            return
        flights = self._commit_intents(chosen)
        if flights is None:
            run.queue.clear()
            run.stale += 1
            run.draining = True
            return
        for batch in chosen:
            run.queue.remove(batch)
        if len(flights) < len(chosen):
            # The plan has live sales first: if this one must wait, so must all after it.
            run.done.quota_wait_s = self._account.wait_s(_purpose(chosen[len(flights)]))
            run.done.halted = True
        for flight in flights:
            run.done.requests += 1
            run.flying[self._executor.submit(self._send, flight)] = flight

    def _next(self, run: _Run) -> list[Batch]:
        """The requests that may go out now, beside each other and what is under way."""
        chosen: list[Batch] = []
        under_way = run.under_way
        for batch in run.queue:
            if len(run.flying) + len(chosen) >= self._max_in_flight:
                break
            if all(self._may_join(part, under_way) for part in batch.parts):
                chosen.append(batch)
                under_way += batch.parts
        return chosen

    def _may_join(self, part: Part, under_way: Sequence[Part]) -> bool:
        """Whether a part may be sent while these are under way.

        Where a window may be replaced, should the totals not tell which of them landed, several at
        once do no harm, as long as one window can hold them all; elsewhere, one at a time.
        """
        there = [other for other in under_way if other.location_id == part.location_id]
        if not there:
            return True
        together = [part, *there]
        first_s = min(each.first_created for each in together)
        last_s = max(each.last_created for each in together)
        return self._policies[part.location_id].may_replace and last_s - first_s <= MAX_SPAN_S

    def _commit_intents(self, batches: Sequence[Batch]) -> list[Flight] | None:
        """Write down what is about to be sent: all in one commit, because each waits for the disk.

        Returns:
            As many as the quota lets through; None if the plan no longer fits the ledger.
        """
        now = self._account.moment()
        started: list[Started] = []
        try:
            with self._ledger.commit() as commit:
                for batch in batches:
                    if not self._account.take(commit, _purpose(batch)):
                        break
                    started.append(self._begin(commit, batch, now))
        except PlanStale:
            return None
        except BrokenInvariant as error:
            self._recorder.stop(error.connecteam_id, "broken_invariant", str(error))
            return None
        committed_boot_s = self._clock.boot_s()
        if started:
            self._note_intent(started[-1].batch_id, now.wall_ms)
        return [
            Flight(batch, each, committed_boot_s)
            for batch, each in zip(batches, started, strict=False)
        ]

    def _begin(self, commit: Connection, batch: Batch, now: Moment) -> Started:
        alone = {key for key in batch.location_ids if not self._policies[key].may_replace}
        started = parts.begin(commit, batch, now, alone=alone)
        for part in batch.parts:
            targets.touch(commit, part.location_id, part.first_created, part.last_created)
            if part.currency != self._policies[part.location_id].currency:
                # Connecteam adds up what is not one currency; such a total proves nothing.
                targets.set_values(commit, part.location_id, totals_differ=True)
        return started

    def _send(self, flight: Flight) -> Posted:
        if self._clock.boot_s() - flight.committed_boot_s > MAX_COMMIT_TO_SEND_S:
            silence = outcome.Silence(
                not_sent=True, reason="the machine slept before the request went out"
            )
            return Posted(silence, None, {})
        return self._account.client.post([row.transaction for row in flight.batch.rows])

    def _note_unread(self, done: Delivered) -> None:
        """Totals that could not be read keep sales waiting as surely as a refused request."""
        unread = self._account.take_unread()
        if unread is None:
            return
        wait_s = self._account.wait_s(Purpose.LIVE)
        if unread.refused:
            self._recorder.note_refused(done, unread.reason)
        elif wait_s > 0:
            done.quota_wait_s = wait_s
        else:
            done.trouble = done.trouble or unread.reason


def _purpose(batch: Batch) -> Purpose:
    live = any(row.lane is Lane.LIVE for row in batch.rows)
    return Purpose.LIVE if live else Purpose.BACKFILL
