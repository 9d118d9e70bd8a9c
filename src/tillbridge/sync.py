"""One pass, in order: read every location, settle what is in doubt, post what waits.

Any part may fail without hurting the others: sales already read are posted while Lightspeed is
away, and reading goes on while Connecteam is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from tillbridge.alarms import Alarms
from tillbridge.bases import Bases
from tillbridge.clock import Clock
from tillbridge.correct import Corrector
from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.delivery import Delivery
from tillbridge.errors import CredentialsRefused, TillbridgeError
from tillbridge.learning import Learner
from tillbridge.ledger import locations
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger
from tillbridge.reader import Reader, Source, Task
from tillbridge.reconcile.repairing import Repairer
from tillbridge.recording import Delivered, Recorder
from tillbridge.replace import Replacer
from tillbridge.settle import Settled, Settler
from tillbridge.states import Lane
from tillbridge.windows import (
    Bounds,
    Period,
    Rescan,
    cut,
    due_rescans,
    live_period,
    rescan_period,
)

_log = get_logger("tillbridge.sync")


POST_MEANWHILE = 2000
"""New sales after which a long read makes room for posting: twenty full requests."""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """A location's live sync.

    Attributes:
        source: what to read.
        bounds: from when to when.
        overlap: how far before the cursor each poll begins.
        rescans: re-reads.
    """

    source: Source
    bounds: Bounds
    overlap: timedelta
    rescans: tuple[Rescan, ...]


@dataclass(slots=True)
class PassReport:
    """What a pass did, for the log, the exit code and the next wake-up."""

    new: int = 0
    changed: int = 0
    quarantined: int = 0
    pages: int = 0
    read_errors: list[TillbridgeError] = field(default_factory=list)
    lightspeed_refused: CredentialsRefused | None = None
    settled: Settled = field(default_factory=Settled)
    delivered: Delivered = field(default_factory=Delivered)
    next_look_s: float | None = None

    @property
    def is_good(self) -> bool:
        """Whether everything was read, and nobody refused our credentials."""
        refused = self.lightspeed_refused is not None or self.delivered.refused is not None
        return not (refused or self.read_errors)


@dataclass(frozen=True, slots=True)
class Writers:
    """What the process that holds the lock does beyond reading."""

    settler: Settler
    recorder: Recorder
    replacer: Replacer
    corrector: Corrector
    bases: Bases
    delivery: Delivery
    learner: Learner
    repairer: Repairer


class Pass:
    """Runs passes; one per process.

    Args:
        ledger: everything is remembered there.
        reader: reads Lightspeed.
        writers: None in a process that leaves posting to another.
        plans: the locations to read.
        clock: the wall clock decides what is due.
        alarms: for refused credentials.
        patient: sales may wait for company, because another pass will come.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        writers: Writers | None,
        plans: Sequence[SyncPlan],
        clock: Clock,
        alarms: Alarms,
        *,
        patient: bool = False,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._writers = writers
        self._plans = plans
        self._clock = clock
        self._alarms = alarms
        self._patient = patient

    def run(
        self,
        should_stop: Callable[[], bool] = lambda: False,
        *,
        post_for_s: float = float("inf"),
    ) -> PassReport:
        """One whole pass.

        Args:
            should_stop: asked before each request; the ones under way are finished.
            post_for_s: seconds after which posting makes room for the next pass. Reading is never
                cut off: a window's cursor moves only at its end, so a long window would begin anew
                with each pass and never be read.
        """
        report = PassReport()
        begun_s = self._clock.boot_s()
        self.read(report, should_stop)
        until_s = self._clock.boot_s() + post_for_s
        self.post(report, lambda: should_stop() or self._clock.boot_s() >= until_s)
        _log_pass(report, self._clock.boot_s() - begun_s)
        return report

    def post(self, report: PassReport, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Settle, replace, correct, post, in this order: what was sent before comes before what
        waits. Nothing if another process posts.
        """
        does = self._writers
        if does is None or should_stop():
            return
        does.recorder.record_left()
        does.settler.adopt_orphans()
        report.settled = does.settler.settle()
        waits = [report.settled.next_look_s, does.replacer.step(self._reread)]
        waits.append(does.corrector.step(should_stop))
        waits.append(does.repairer.step(should_stop))
        does.bases.verify()
        delivered = does.delivery.run(should_stop, patient=self._patient)
        delivered.add_earlier(report.delivered)
        report.delivered = delivered
        waits += [report.delivered.next_look_s, report.delivered.quota_wait_s]
        waits.append(does.learner.step())
        report.next_look_s = min((wait for wait in waits if wait is not None), default=None)

    def _reread(self, connecteam_id: int, period: Period) -> bool:
        """Read Lightspeed again, now, for everything that feeds a Connecteam location."""
        tasks = []
        for plan in self._plans:
            if plan.source.rules.connecteam_id == connecteam_id:
                start = max(period.start, plan.bounds.begins)
                end = min(period.end, plan.bounds.ends or period.end, self._clock.now())
                if start < end:
                    again = Period(start, end)
                    tasks.append(Task(plan.source, again, Lane.LIVE, lambda _commit: None))
        try:
            return all(report.error is None for report in self._reader.read(tasks))
        except CredentialsRefused:
            return False  # said by the pass's own reading

    def read(self, report: PassReport, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Read the windows of all locations that are due."""
        tasks = [task for plan in self._plans for task in self._tasks(plan)]
        try:
            unsent = 0
            for page in self._reader.read(tasks, should_stop):
                unsent += page.latest
                if unsent >= POST_MEANWHILE:
                    unsent = 0
                    self._post_meanwhile(report, should_stop)
                if page.error is not None:
                    report.read_errors.append(page.error)
                if page.done or page.error is not None:
                    report.pages += page.pages
                    report.new += page.new
                    report.changed += page.changed
                    report.quarantined += page.quarantined
            if tasks and not report.read_errors:
                self._alarms.resolve("lightspeed_credentials")
        except CredentialsRefused as error:
            report.lightspeed_refused = error
            self._alarms.raise_("lightspeed_credentials", error.message, error.remedy)

    def _post_meanwhile(self, report: PassReport, should_stop: Callable[[], bool]) -> None:
        """A first read of months must not keep the sales that it has found already waiting."""
        if self._writers is not None:
            every = frozenset(Lane)
            delivered = self._writers.delivery.run(should_stop, coming=lambda: every)
            delivered.add_earlier(report.delivered)
            report.delivered = delivered

    def _tasks(self, plan: SyncPlan) -> list[Task]:
        now = self._clock.now()
        with self._ledger.view() as view:
            row = locations.get(view, plan.source.id)
            done = locations.rescans_done(view, plan.source.id)
        if row.paused:
            return []
        cursor = None if row.cursor_ms is None else from_epoch_ms(row.cursor_ms)
        bounds = plan.bounds
        if row.earliest_ms is not None:
            earliest = from_epoch_ms(row.earliest_ms)
            bounds = Bounds(max(bounds.begins, earliest), bounds.ends)
        live = live_period(now, cursor, plan.overlap, bounds)
        due = due_rescans(now, plan.rescans, done, plan.source.rules.zone)
        again = rescan_period(now, due, bounds, live)
        tasks = [self._live_task(plan, piece) for piece in (cut(live) if live else [])]
        if again is not None:
            tasks += [self._rescan_task(plan, piece, due) for piece in cut(again)]
        return tasks

    def _live_task(self, plan: SyncPlan, period: Period) -> Task:
        def when_done(commit: Connection) -> None:
            now_ms = epoch_ms(self._clock.now())
            locations.move_cursor(commit, plan.source.id, epoch_ms(period.end), now_ms)
            known = locations.rescans_done(commit, plan.source.id)
            for rescan in plan.rescans:
                if rescan.name not in known:
                    locations.note_rescan(commit, plan.source.id, rescan.name, now_ms)

        return Task(plan.source, period, Lane.LIVE, when_done)

    def _rescan_task(self, plan: SyncPlan, period: Period, due: Sequence[Rescan]) -> Task:
        def when_done(commit: Connection) -> None:
            for rescan in due:
                locations.note_rescan(
                    commit, plan.source.id, rescan.name, epoch_ms(self._clock.now())
                )

        return Task(plan.source, period, Lane.LIVE, when_done)


def _log_pass(report: PassReport, seconds: float) -> None:
    """One canonical line per pass; quiet passes say so at debug level only."""
    # What could not be read has a line of its own, which does not come with every poll.
    busy = report.new or report.changed or report.delivered.requests
    log = _log.info if busy else _log.debug
    log(
        "pass_done", new=report.new, changed=report.changed, pages=report.pages,
        quarantined=report.quarantined, posted=report.delivered.posted,
        requests=report.delivered.requests, doubts=report.delivered.doubts,
        landed=report.settled.landed, not_landed=report.settled.not_landed,
        read_errors=len(report.read_errors), quota_wait_s=report.delivered.quota_wait_s,
        seconds=round(seconds, 1),
    )  # fmt: skip
