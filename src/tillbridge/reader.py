"""Reading Lightspeed: every page of a window into the ledger, several locations side by side.

The cursor moves only in the commit of a window's last page; any failure leaves it where it was.
Requests run in worker threads, everything else in the caller's.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from tillbridge.clock import Clock
from tillbridge.days import epoch_ms
from tillbridge.errors import CredentialsRefused, TillbridgeError, TryLater
from tillbridge.ledger import locations, sales
from tillbridge.ledger.sales import Taken
from tillbridge.ledger.store import DiskTrouble, Ledger
from tillbridge.lightspeed.client import NotOperationalBefore
from tillbridge.lightspeed.paging import token_stamp
from tillbridge.lightspeed.wire import Page
from tillbridge.log import Seldom, get_logger
from tillbridge.mapper import Rules
from tillbridge.record import Record, Undecodable, record_of, record_of_undecodable
from tillbridge.states import Lane
from tillbridge.windows import EDGE, Period

_log = get_logger("tillbridge.reader")


class Pages(Protocol):
    """What the reader needs of the Lightspeed client."""

    def sales_page(
        self, location_id: int, start: datetime, end: datetime, token: str | None
    ) -> Page: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A Lightspeed location to read: the ledger's id, Lightspeed's id, its name and rules."""

    id: int
    lightspeed_id: int
    name: str
    rules: Rules


@dataclass(frozen=True, slots=True)
class Task:
    """One window to read.

    Attributes:
        source: where.
        period: sales closed outside are left out.
        lane: live or backfill.
        when_done: runs inside the commit of the last page: moves a cursor.
        when_page: runs inside the commit of each page but the last, with the moment (epoch
            milliseconds) up to which everything has now been read.
        alongside: may be read while others of its location are; no cursor spans them all.
        collect: takes each page's sales instead of the ledger: nothing is stored.
    """

    source: Source
    period: Period
    lane: Lane
    when_done: Callable[[Connection], None]
    when_page: Callable[[Connection, int], None] | None = None
    alongside: bool = False
    collect: Callable[[Sequence[Record]], None] | None = None


@dataclass(slots=True)
class Report:
    """What came of a task; `error` is None if its window was read to the end."""

    task: Task
    pages: int = 0
    new: int = 0
    latest: int = 0  # sales that the latest page brought
    changed: int = 0
    quarantined: int = 0
    done: bool = False
    error: TillbridgeError | None = None

    def add(self, taken: Taken) -> None:
        self.pages += 1
        self.new += taken.new
        self.latest = taken.new
        self.changed += taken.changed
        self.quarantined += taken.quarantined


@dataclass(slots=True)
class _Progress:
    """Where the reading of one window stands."""

    report: Report
    start: datetime
    end: datetime
    token: str | None = None
    tokens: set[str] = field(default_factory=set)
    asked_from: set[datetime] = field(default_factory=set)
    edge: datetime | None = None  # the last stamp of the page before, if the token is just that
    repeats: bool = False  # pages begin with the stamp that the page before ended with
    reached_ms: int | None = None
    probe: datetime | None = None  # an edge whose neighbours are to be read once more

    @property
    def place(self) -> tuple[int, datetime]:
        return self.report.task.source.id, self.report.task.period.start

    @property
    def goes_on(self) -> bool:
        return not self.report.done and self.report.error is None


class _Step(NamedTuple):
    """A page that came.

    Attributes:
        page: still to be stored.
        last: of its window.
        tells_reach: nothing may be missing before its last stamp.
    """

    page: Page
    last: bool
    tells_reach: bool


class Reader:
    """Reads tasks into the ledger.

    Args:
        ledger: takes the sales in.
        pages: Lightspeed.
        clock: stamps.
        executor: runs the requests.
        max_in_flight: most requests at once.
    """

    def __init__(
        self, ledger: Ledger, pages: Pages, clock: Clock, executor: Executor, max_in_flight: int
    ) -> None:
        self._ledger = ledger
        self._pages = pages
        self._clock = clock
        self._executor = executor
        self._max_in_flight = max_in_flight
        self._seldom = Seldom()

    def read(
        self, tasks: Sequence[Task], should_stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Report]:
        """Read all tasks; yields a task's report after each of its pages, and when it ends.

        Tasks of one location are read one after the other, in the order given, but for those that
        may be read alongside.

        Raises:
            CredentialsRefused: Lightspeed refused the sign-in; no other task is begun.
            DiskTrouble: the ledger could not be written.
        """
        queue = [self._begin(task) for task in tasks]
        flying: dict[Future[Page], _Progress] = {}
        try:
            while (queue or flying) and not should_stop():
                self._launch(queue, flying)
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                # In a fixed order, so that one seed of a simulation has one story.
                for future in sorted(done, key=lambda f: flying[f].place):
                    progress = flying.pop(future)
                    step = self._look(future, progress)
                    if progress.goes_on and (step is None or not step.last):
                        queue.insert(0, progress)
                    if not should_stop():
                        # Now, and not when what has come is stored: answers take their time.
                        self._launch(queue, flying)
                    if step is not None:
                        self._take(step, progress)
                    yield progress.report
        finally:
            wait(flying)

    def _begin(self, task: Task) -> _Progress:
        return _Progress(Report(task), task.period.start - EDGE, task.period.end)

    def _launch(self, queue: list[_Progress], flying: dict[Future[Page], _Progress]) -> None:
        busy = {progress.report.task.source.id for progress in flying.values()}
        for progress in list(queue):
            if len(flying) >= self._max_in_flight:
                return
            source = progress.report.task.source
            if source.id in busy and not progress.report.task.alongside:
                continue
            busy.add(source.id)
            queue.remove(progress)
            flying[self._executor.submit(self._fetch, progress)] = progress

    def _fetch(self, progress: _Progress) -> Page:
        location_id = progress.report.task.source.lightspeed_id
        if progress.probe is not None:
            margin = timedelta(milliseconds=1)
            return self._pages.sales_page(
                location_id, progress.probe - margin, progress.probe + margin, None
            )
        return self._pages.sales_page(location_id, progress.start, progress.end, progress.token)

    def _look(self, future: Future[Page], progress: _Progress) -> _Step | None:
        """What came, once it is known what to ask next; None if it was no page."""
        report = progress.report
        report.latest = 0
        if report.error is not None:
            future.exception()  # asked for before the page before it turned out not to be stored
            return None
        try:
            return self._step(future.result(), progress)
        except NotOperationalBefore as error:
            self._begin_later(progress, error)
        except (CredentialsRefused, DiskTrouble):
            raise
        except TillbridgeError as error:
            self._fail(report, error)
        return None

    def _step(self, page: Page, progress: _Progress) -> _Step:
        if progress.probe is not None:
            progress.probe = None
            return _Step(page, last=progress.token is None, tells_reach=False)
        if page.next_token in progress.tokens:
            raise TryLater(
                f"Lightspeed repeated a page token while the sales of "
                f"{progress.report.task.source.name} were read; the rest was not read.",
                "tillbridge reads that period again at its next poll.",
            )
        progress.probe = self._must_probe(page, progress)
        self._advance(page, progress)
        whole = progress.probe is None
        return _Step(page, last=whole and progress.token is None, tells_reach=whole)

    def _take(self, step: _Step, progress: _Progress) -> None:
        report = progress.report
        try:
            self._store(step, progress)
        except DiskTrouble:
            raise
        except TillbridgeError as error:
            self._fail(report, error)
            return
        report.done = step.last
        if step.last:
            self._seldom.forget(report.task.source.id)

    def _must_probe(self, page: Page, progress: _Progress) -> datetime | None:
        """The edge between two pages, if sales closed in that very millisecond may be missing.

        Lightspeed's tokens have been seen to be just the last stamp of a page. If the next page
        then begins after that stamp instead of with it, other sales with the same stamp fell
        between the two; reading that millisecond alone brings them.
        """
        edge, progress.edge = progress.edge, None
        if edge is None or progress.repeats:
            return None
        first = next((sale.closed for sale in page.sales if sale.closed), None)
        if first is not None and epoch_ms(first) <= epoch_ms(edge):
            progress.repeats = True
            return None
        return edge

    def _advance(self, page: Page, progress: _Progress) -> None:
        progress.token = page.next_token or None
        if progress.token is None:
            return
        progress.tokens.add(progress.token)
        stamp = token_stamp(progress.token)
        final = next((sale.closed for sale in reversed(page.sales) if sale.closed), None)
        if stamp is not None and final is not None and stamp == epoch_ms(final):
            progress.edge = final

    def _store(self, step: _Step, progress: _Progress) -> None:
        page = step.page
        task, rules = progress.report.task, progress.report.task.source.rules
        records = [record_of(sale, rules) for sale in page.sales]
        records += [
            record_of_undecodable(
                Undecodable(b.place, b.reason, b.reference, b.fisc_id, b.kept), rules
            )
            for b in page.broken
        ]
        first_ms, end_ms = epoch_ms(task.period.start), epoch_ms(task.period.end)
        inside = [
            record
            for record in records
            if record.closed_ms is None or first_ms <= record.closed_ms < end_ms
        ]
        if task.collect is not None:
            task.collect(inside)
            progress.report.add(Taken(0, 0, len(inside), 0))
            return
        now_ms = epoch_ms(self._clock.now())
        with self._ledger.commit() as commit:
            taken = sales.take_in(commit, task.source.id, inside, task.lane, now_ms)
            if step.last:
                task.when_done(commit)
            elif task.when_page is not None and step.tells_reach:
                stamps = [record.closed_ms for record in records if record.closed_ms is not None]
                self._note_page(commit, task.when_page, stamps, progress, whole=not page.broken)
        progress.report.add(taken)
        if taken.quarantined:
            _log.warning(
                "sales_quarantined", location=task.source.name, count=taken.quarantined,
                remedy="See them with `tillbridge quarantine list`.",
            )  # fmt: skip

    def _note_page(
        self,
        commit: Connection,
        when_page: Callable[[Connection, int], None],
        stamps: list[int],
        progress: _Progress,
        *,
        whole: bool,
    ) -> None:
        """Everything up to the page's last stamp has been read, if the order is as documented."""
        if not stamps or not whole or stamps != sorted(stamps):
            return
        if progress.reached_ms is None or stamps[0] >= progress.reached_ms:
            progress.reached_ms = stamps[-1]
            when_page(commit, stamps[-1])

    def _begin_later(self, progress: _Progress, error: NotOperationalBefore) -> None:
        """Go on from the date that Lightspeed names; a second later if it names it once more."""
        report, earliest = progress.report, error.earliest
        if earliest in progress.asked_from:
            earliest += EDGE
        if earliest in progress.asked_from or progress.token is not None:
            self._fail(report, error)
            return
        progress.asked_from.add(earliest)
        with self._ledger.commit() as commit:
            locations.set_earliest(commit, report.task.source.id, epoch_ms(error.earliest))
            if earliest >= progress.end:
                report.task.when_done(commit)
        report.done = earliest >= progress.end
        progress.start = earliest

    def _fail(self, report: Report, error: TillbridgeError) -> None:
        report.error = error
        source = report.task.source
        is_new = self._seldom.is_new(source.id, self._clock.boot_s())
        say = _log.warning if is_new else _log.debug  # an outage, with each poll
        say("reading_failed", location=source.name, reason=str(error))
        with self._ledger.commit() as commit:
            locations.note_error(
                commit, report.task.source.id, str(error), epoch_ms(self._clock.now())
            )
