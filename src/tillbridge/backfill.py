"""History: read a past period into the ledger, and post it behind the live sales.

Resumable at the row: how far each slice has been read is committed with each page, and a sale that
is in the ledger is never added or posted twice. Several slices are read at once, while what was
read is posted; reading runs a bounded way ahead of posting, so that memory and the ledger's waiting
sales stay bounded however long the period is.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tillbridge.batcher import MAX_ROWS
from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.delivery import Delivery
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import counts, locations, sales
from tillbridge.ledger.store import Ledger
from tillbridge.memory import give_back
from tillbridge.reader import Reader, Source, Task
from tillbridge.recording import Delivered
from tillbridge.states import Lane, SaleState
from tillbridge.windows import Period, slices

READ_AHEAD = 1600
"""Sales that may wait before reading pauses: sixteen full requests; some pages are on their way."""

BEGIN_WITH = MAX_ROWS
"""Sales that wait before posting begins; what comes while it goes on, it finds itself."""

_LOOK_EVERY_S = 0.05
"""How often a reading that pauses looks whether enough was posted: less than a request takes."""

_TIDY_EVERY = 5
"""Pages after which memory is given back; that takes a millisecond."""

_HISTORY = frozenset({Lane.BACKFILL})


@dataclass(frozen=True, slots=True)
class History:
    """A location and the period to fill in.

    Attributes:
        source: where.
        period: whole days, as asked for: under these two moments an interrupted backfill is found
            again, whenever it goes on.
        now: nothing is read beyond.
    """

    source: Source
    period: Period
    now: datetime

    @property
    def end(self) -> datetime:
        return min(self.period.end, self.now)


@dataclass(slots=True)
class Progress:
    """How far a backfill is, for people.

    Attributes:
        read: sales new to the ledger.
        posted: sales acknowledged by this process.
        done_share: of the time to be read, 0 to 1.
        errors: what kept a location from being read to the end.
        delivered: the latest delivery, whose waits and refusals tell how to go on.
    """

    read: int
    posted: int
    done_share: float
    errors: list[TillbridgeError]
    delivered: Delivered


class Backfill:
    """One backfill.

    Args:
        ledger: remembers how far it is.
        reader: reads Lightspeed.
        delivery: posts; None where another process does.
        histories: what to fill in.
        poster: runs the deliveries, one at a time, while reading goes on; None: in turns.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        delivery: Delivery | None,
        histories: Sequence[History],
        poster: Executor | None = None,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._delivery = delivery
        self._histories = histories
        self._poster = poster
        self._posting: Future[Delivered] | None = None
        self._delivered = Delivered()  # by the latest delivery, so far
        self._counted = 0  # of its sales in the progress
        self._pages = 0
        self._coming = _HISTORY  # until all is read
        self._waited = 0  # sales, when the latest delivery began
        self._unsent = 0  # of these, where it could send nothing
        self._total = sum((h.end - h.period.start for h in histories), timedelta())
        self._left: dict[tuple[int, int], timedelta] = {}

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Read and post; yields after each page, and while reading pauses for the posting.

        The last progress tells whether everything was read (`errors` empty, share 1) and whether
        posting ended for the quota or a refusal.
        """
        progress = Progress(0, 0, 0.0, [], Delivered())
        try:
            for report in self._reader.read(self._tasks(), should_stop):
                progress.read += report.latest
                if report.error is not None:
                    progress.errors.append(report.error)
                progress.done_share = self._share()
                self._pages += 1
                if self._pages % _TIDY_EVERY == 0:
                    give_back()
                yield progress
                while self._must_pause(progress, should_stop):
                    yield progress
            self._coming = frozenset()
            self._take_up(progress)
            self._post(should_stop)
            self._take_up(progress)
            yield progress
        finally:
            if self._posting is not None:
                wait([self._posting])

    def post_rest(self, should_stop: Callable[[], bool] = lambda: False) -> Delivered:
        """Post what is left, after a wait."""
        return Delivered() if self._delivery is None else self._delivery.run(should_stop)

    def _must_pause(self, progress: Progress, should_stop: Callable[[], bool]) -> bool:
        """Begin to post where enough waits; whether so much waits that reading has to pause for
        the posting, which is under way or has just got on.
        """
        waiting, posted = self._waiting(), progress.posted
        self._count(progress)
        if self._posting is None and waiting >= self._unsent + BEGIN_WITH:
            self._post(should_stop)
        self._take_up(progress, _LOOK_EVERY_S if waiting >= READ_AHEAD else 0)
        if waiting < READ_AHEAD:
            return False
        return self._posting is not None or progress.posted > posted

    def _post(self, should_stop: Callable[[], bool]) -> None:
        if self._delivery is None or should_stop():
            return
        self._delivered, self._counted = Delivered(), 0
        self._waited = self._waiting()
        if self._poster is None:
            self._posting = Future()
            self._posting.set_result(
                self._delivery.run(should_stop, coming=self._still_coming, done=self._delivered)
            )
        else:
            self._posting = self._poster.submit(
                self._delivery.run, should_stop, coming=self._still_coming, done=self._delivered
            )

    def _still_coming(self) -> frozenset[Lane]:
        return self._coming

    def _count(self, progress: Progress) -> None:
        """Add what the delivery under way has posted since the last time."""
        posted = self._delivered.posted
        progress.posted += posted - self._counted
        self._counted = posted

    def _take_up(self, progress: Progress, wait_s: float | None = None) -> None:
        """Take over what the delivery under way did, if it ends within so many seconds."""
        if self._posting is None or self._posting not in wait([self._posting], wait_s).done:
            return
        progress.delivered = self._posting.result()
        self._posting = None
        self._count(progress)
        # Where nothing of what waits could be sent, it is asked again when more has come.
        self._unsent = 0 if progress.delivered.posted else self._waited

    def _waiting(self) -> int:
        with self._ledger.view() as view:
            return sum(
                counts.by_state(view, history.source.id).get(SaleState.WAITING, 0)
                for history in self._histories
            )

    def _tasks(self) -> list[Task]:
        return [task for history in self._histories for task in self._tasks_of(history)]

    def _tasks_of(self, history: History) -> list[Task]:
        source, key = history.source, history.source.rules.connecteam_id
        pieces = [each for each in slices(history.period) if each.start < history.end]
        with self._ledger.commit() as commit:
            rows = [locations.begin_backfill(commit, source.id, *_ms(each)) for each in pieces]
            # Interrupted while it posted: what was read need not be read again.
            if all(row.done for row in rows) and not sales.waiting(commit, key, Lane.BACKFILL, 1):
                rows = [locations.begin_again(commit, row) for row in rows]
        tasks = []
        for each, row in zip(pieces, rows, strict=True):
            begin, end = from_epoch_ms(row.cursor_ms), min(each.end, history.end)
            if begin < end:
                self._left[source.id, row.id] = end - begin
                tasks.append(self._task(source, Period(begin, end), row.id))
        return tasks

    def _task(self, source: Source, piece: Period, backfill_id: int) -> Task:
        begin_ms, end_ms = _ms(piece)

        def when_page(commit: Connection, reached_ms: int) -> None:
            if reached_ms >= begin_ms:
                locations.move_backfill(commit, backfill_id, reached_ms, done=False)
                self._left[source.id, backfill_id] = timedelta(milliseconds=end_ms - reached_ms)

        def when_done(commit: Connection) -> None:
            locations.move_backfill(commit, backfill_id, end_ms, done=True)
            self._left[source.id, backfill_id] = timedelta()

        return Task(source, piece, Lane.BACKFILL, when_done, when_page, alongside=True)

    def _share(self) -> float:
        if not self._total:
            return 1.0
        return 1.0 - sum(self._left.values(), timedelta()) / self._total


def _ms(period: Period) -> tuple[int, int]:
    return epoch_ms(period.start), epoch_ms(period.end)
