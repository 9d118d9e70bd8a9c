"""History: read a past period into the ledger, and post it behind the live sales.

Resumable at the row: how far a period has been read is committed with each page, and a sale that
is in the ledger is never added or posted twice. Reading runs a bounded way ahead of posting, so
that memory and the ledger's waiting sales stay bounded however long the period is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.delivery import Delivery
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import counts, locations, sales
from tillbridge.ledger.store import Ledger
from tillbridge.reader import Reader, Source, Task
from tillbridge.recording import Delivered
from tillbridge.states import Lane, SaleState
from tillbridge.windows import Period, cut

READ_AHEAD = 2000
"""Sales that may wait before reading pauses: twenty full requests."""

_ALL_FULL = frozenset({Lane.BACKFILL})


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
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        delivery: Delivery | None,
        histories: Sequence[History],
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._delivery = delivery
        self._histories = histories
        self._total = sum((h.end - h.period.start for h in histories), timedelta())
        self._left: dict[int, timedelta] = {}

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Read and post; yields after each page and each delivery.

        The last progress tells whether everything was read (`errors` empty, share 1) and whether
        posting ended for the quota or a refusal.
        """
        progress = Progress(0, 0, 0.0, [], Delivered())
        for report in self._reader.read(self._tasks(), should_stop):
            progress.read += report.latest
            if report.error is not None:
                progress.errors.append(report.error)
            progress.done_share = self._share()
            yield progress
            while self._waiting() >= READ_AHEAD and self._post(progress, _ALL_FULL, should_stop):
                yield progress
        self._post(progress, frozenset(), should_stop)
        yield progress

    def post_rest(self, should_stop: Callable[[], bool] = lambda: False) -> Delivered:
        """Post what is left, after a wait."""
        return Delivered() if self._delivery is None else self._delivery.run(should_stop)

    def _post(
        self, progress: Progress, only_full: frozenset[Lane], should_stop: Callable[[], bool]
    ) -> bool:
        """Whether posting got anywhere, so that it may be worth another try."""
        if self._delivery is None or should_stop():
            return False
        progress.delivered = self._delivery.run(should_stop, only_full=only_full)
        progress.posted += progress.delivered.posted
        return progress.delivered.posted > 0

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
        start_ms, end_ms = epoch_ms(history.period.start), epoch_ms(history.period.end)
        with self._ledger.commit() as commit:
            # Interrupted while it posted: what was read need not be read again.
            again = not sales.waiting(commit, key, Lane.BACKFILL, 1)
            row = locations.begin_backfill(commit, source.id, start_ms, end_ms, again=again)
        begin = from_epoch_ms(row.cursor_ms)
        if row.done or begin >= history.end:
            self._left[source.id] = timedelta()
            return []
        self._left[source.id] = history.end - begin
        pieces = cut(Period(begin, history.end))
        return [self._task(source, piece, row.id, epoch_ms(history.end)) for piece in pieces]

    def _task(self, source: Source, piece: Period, backfill_id: int, end_ms: int) -> Task:
        def when_page(commit: Connection, reached_ms: int) -> None:
            if reached_ms >= epoch_ms(piece.start):
                locations.move_backfill(commit, backfill_id, reached_ms, done=False)
                self._left[source.id] = timedelta(milliseconds=end_ms - reached_ms)

        def when_done(commit: Connection) -> None:
            reached_ms = epoch_ms(piece.end)
            locations.move_backfill(commit, backfill_id, reached_ms, done=reached_ms >= end_ms)
            self._left[source.id] = timedelta(milliseconds=end_ms - reached_ms)

        return Task(source, piece, Lane.BACKFILL, when_done, when_page)

    def _share(self) -> float:
        if not self._total:
            return 1.0
        return 1.0 - sum(self._left.values(), timedelta()) / self._total
