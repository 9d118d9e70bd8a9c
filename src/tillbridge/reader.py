"""Reading Lightspeed: every page of a window into the ledger, several locations side by side.

The cursor moves only in the commit of a window's last page; any failure leaves it where it was.
Requests run in worker threads, everything else in the caller's.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection

from tillbridge.clock import Clock
from tillbridge.days import epoch_ms
from tillbridge.errors import CredentialsRefused, TillbridgeError, TryLater
from tillbridge.ledger import locations, sales
from tillbridge.ledger.sales import Taken
from tillbridge.ledger.store import DiskTrouble, Ledger
from tillbridge.lightspeed.client import NotOperationalBefore
from tillbridge.lightspeed.wire import Page
from tillbridge.log import Seldom, get_logger
from tillbridge.mapper import Rules
from tillbridge.record import Record, Undecodable, record_of, record_of_undecodable
from tillbridge.states import Lane
from tillbridge.walk import RepeatedToken, Step, Walk
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
    unfinished: int = 1  # pieces that its window is read in
    error: TillbridgeError | None = None

    @property
    def done(self) -> bool:
        return self.unfinished == 0

    def add(self, taken: Taken) -> None:
        self.pages += 1
        self.new += taken.new
        self.latest += taken.new
        self.changed += taken.changed
        self.quarantined += taken.quarantined


@dataclass(frozen=True, slots=True)
class _Piece:
    """A window on its way: all of a task, or a half of what was left of one."""

    report: Report
    walk: Walk

    @property
    def place(self) -> tuple[int, datetime, datetime]:
        task = self.report.task
        return task.source.id, task.period.start, self.walk.start


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
        queue = [_begin(task) for task in tasks]
        flying: dict[Future[Page], _Piece] = {}
        try:
            while (queue or flying) and not should_stop():
                self._launch(queue, flying)
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                come: list[tuple[Step, _Piece]] = []
                told: dict[int, Report] = {}
                # In a fixed order, so that one seed of a simulation has one story.
                for future in sorted(done, key=lambda f: flying[f].place):
                    piece = flying.pop(future)
                    if piece.report.error is not None:
                        continue  # it was asked for before the rest of its task failed
                    told[id(piece.report)] = piece.report
                    step = self._look(future, piece)
                    if step is not None:
                        come.append((step, piece))
                    if _goes_on(piece, step):
                        others = len(flying) + len(queue) + 1
                        queue[:0] = self._shared(piece, step, self._max_in_flight - others)
                    if not should_stop():
                        # Now, and not when what has come is stored: answers take their time.
                        self._launch(queue, flying)
                self._take(come)
                yield from told.values()
        finally:
            wait(flying)

    def _launch(self, queue: list[_Piece], flying: dict[Future[Page], _Piece]) -> None:
        busy = {piece.report.task.source.id for piece in flying.values()}
        for piece in list(queue):
            if len(flying) >= self._max_in_flight:
                return
            source = piece.report.task.source
            if source.id in busy and not piece.report.task.alongside:
                continue
            busy.add(source.id)
            queue.remove(piece)
            flying[self._executor.submit(self._fetch, piece)] = piece

    def _fetch(self, piece: _Piece) -> Page:
        location_id, walk = piece.report.task.source.lightspeed_id, piece.walk
        if walk.probe is not None:
            margin = timedelta(milliseconds=1)
            return self._pages.sales_page(
                location_id, walk.probe - margin, walk.probe + margin, None
            )
        return self._pages.sales_page(location_id, walk.start, walk.end, walk.token)

    def _look(self, future: Future[Page], piece: _Piece) -> Step | None:
        """What came, once it is known what to ask next; None if it was no page."""
        report = piece.report
        report.latest = 0
        try:
            return piece.walk.step(future.result())
        except RepeatedToken:
            self._fail(report, TryLater(
                f"Lightspeed repeated a page token while the sales of "
                f"{report.task.source.name} were read; the rest was not read.",
                "tillbridge reads that period again at its next poll.",
            ))  # fmt: skip
        except NotOperationalBefore as error:
            self._begin_later(piece, error)
        except (CredentialsRefused, DiskTrouble):
            raise
        except TillbridgeError as error:
            self._fail(report, error)
        return None

    def _shared(self, piece: _Piece, step: Step | None, room: int) -> list[_Piece]:
        """A piece, and where nothing else is left to be read, the other half of it."""
        if room < 1 or step is None or not step.tells_reach or not piece.report.task.alongside:
            return [piece]
        other = piece.walk.halve(step.page)
        if other is None:
            return [piece]
        piece.report.unfinished += 1
        return [piece, _Piece(piece.report, other)]

    def _take(self, come: Sequence[tuple[Step, _Piece]]) -> None:
        """Store pages that came together: in one commit, because each waits for the disk."""
        pages = [(step, piece, _records(step.page, piece.report.task)) for step, piece in come]
        kept = [page for page in pages if not self._collect(*page)]
        if not kept:
            return
        try:
            with self._ledger.commit() as commit:
                taken = [self._store(commit, *page) for page in kept]
        except DiskTrouble:
            raise
        except TillbridgeError as error:
            for _, piece, _ in kept:
                self._fail(piece.report, error)
            return
        for (_, piece, _), brought in zip(kept, taken, strict=True):
            piece.report.add(brought)
            _say_quarantined(piece.report.task.source, brought.quarantined)

    def _collect(self, step: Step, piece: _Piece, records: Sequence[Record]) -> bool:
        """Hand a page's sales to whoever wants them in the ledger's place."""
        task = piece.report.task
        if task.collect is None:
            return False
        inside = _inside(records, task.period)
        task.collect(inside)
        piece.report.add(Taken(0, 0, len(inside), 0))
        self._end(step, piece.report)
        return True

    def _store(
        self, commit: Connection, step: Step, piece: _Piece, records: Sequence[Record]
    ) -> Taken:
        report, task = piece.report, piece.report.task
        inside, now_ms = _inside(records, task.period), epoch_ms(self._clock.now())
        taken = sales.take_in(commit, task.source.id, inside, task.lane, now_ms)
        if step.last and report.unfinished == 1:
            task.when_done(commit)
        elif task.when_page is not None and step.tells_reach and not piece.walk.ahead:
            stamps = [record.closed_ms for record in records if record.closed_ms is not None]
            whole = not step.page.broken
            self._note_page(commit, task.when_page, stamps, piece.walk, whole=whole)
        self._end(step, report)
        return taken

    def _end(self, step: Step, report: Report) -> None:
        if step.last:
            report.unfinished -= 1
            self._seldom.forget(report.task.source.id)

    def _note_page(
        self,
        commit: Connection,
        when_page: Callable[[Connection, int], None],
        stamps: list[int],
        walk: Walk,
        *,
        whole: bool,
    ) -> None:
        """Everything up to the page's last stamp has been read, if the order is as documented."""
        if not stamps or not whole or stamps != sorted(stamps):
            return
        if walk.reached_ms is None or stamps[0] >= walk.reached_ms:
            walk.reached_ms = stamps[-1]
            when_page(commit, stamps[-1])

    def _begin_later(self, piece: _Piece, error: NotOperationalBefore) -> None:
        report, walk = piece.report, piece.walk
        if not walk.begin_later(error.earliest):
            self._fail(report, error)
            return
        ended = walk.start >= walk.end
        with self._ledger.commit() as commit:
            locations.set_earliest(commit, report.task.source.id, epoch_ms(error.earliest))
            if ended and report.unfinished == 1:
                report.task.when_done(commit)
        report.unfinished -= ended

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


def _begin(task: Task) -> _Piece:
    return _Piece(Report(task), Walk(task.period.start - EDGE, task.period.end))


def _records(page: Page, task: Task) -> list[Record]:
    rules = task.source.rules
    records = [record_of(sale, rules) for sale in page.sales]
    for broken in page.broken:
        told = Undecodable(
            broken.place, broken.reason, broken.reference, broken.fisc_id, broken.kept
        )
        records.append(record_of_undecodable(told, rules))
    return records


def _inside(records: Sequence[Record], period: Period) -> list[Record]:
    """Those that the period holds; one without a closing time belongs to any."""
    first_ms, end_ms = epoch_ms(period.start), epoch_ms(period.end)
    return [
        record
        for record in records
        if record.closed_ms is None or first_ms <= record.closed_ms < end_ms
    ]


def _say_quarantined(source: Source, count: int) -> None:
    if count:
        _log.warning(
            "sales_quarantined", location=source.name, count=count,
            remedy="See them with `tillbridge quarantine list`.",
        )  # fmt: skip


def _goes_on(piece: _Piece, step: Step | None) -> bool:
    """Whether there is more to ask for."""
    if piece.report.error is not None:
        return False
    return not step.last if step is not None else piece.walk.start < piece.walk.end
