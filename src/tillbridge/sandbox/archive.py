"""What one place has sold: days made on demand, kept as encoded bytes, forgotten when old.

Owns the sales that Lightspeed's double serves. A million sales need not sit in memory: a day is
drawn from the seed when it is asked for, and only its stamps are kept for good.
"""

import json
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import RLock
from typing import Final

from tillbridge.sandbox.amounts import Row, Totals, expected_row
from tillbridge.sandbox.places import Place
from tillbridge.sandbox.trade import Closed, days_between, trade_of_day

_SALES_KEPT: Final = 40_000  # for each place; about 130 MB


@dataclass(frozen=True, slots=True)
class Shelf:
    """One business day, ready to be served: three lists of equal length, sorted by time."""

    stamps: list[int]
    encoded: list[bytes]
    rows: list[Row]


@dataclass(slots=True)
class Archive:
    """All sales of one place: `first`..`last` from the seed, and what was added live.

    Attributes:
        sales_per_day: about how many tables are served on an ordinary day.
    """

    place: Place
    seed: int
    first: date
    last: date
    sales_per_day: int
    _lock: RLock = field(default_factory=RLock)
    _shelves: OrderedDict[date, Shelf] = field(default_factory=OrderedDict)
    _stamps: dict[date, list[int]] = field(default_factory=dict)
    _added: dict[date, list[Closed]] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)  # references of drawn sales taken away

    def add(self, closed: Closed) -> None:
        """A sale appears, live or late; from now on it is on the shelf of its business day."""
        day = self.place.business_day(_moment(closed.closed_ms))
        with self._lock:
            insort(self._added.setdefault(day, []), closed, key=lambda item: item.closed_ms)
            self._shelves.pop(day, None)
            self._stamps.pop(day, None)

    def take_away(self, reference: str) -> Closed:
        """A sale is there no more; what it was.

        Raises:
            KeyError: there is none of that accountReference.
        """
        with self._lock:
            for day in self._all_days():
                for item in self._closed(day):
                    if item.sale["accountReference"] == reference:
                        self._forget(day, item)
                        return item
        raise KeyError(reference)

    def _forget(self, day: date, item: Closed) -> None:
        added = self._added.get(day, [])
        if item in added:
            added.remove(item)
        else:
            self._gone.add(item.sale["accountReference"])
        self._shelves.pop(day, None)
        self._stamps.pop(day, None)

    def _closed(self, day: date) -> list[Closed]:
        """Every sale of a business day, in order."""
        drawn: list[Closed] = []
        if self.first <= day <= self.last:
            drawn = trade_of_day(self.place, day, seed=self.seed, sales=self.sales_per_day)
        kept = [item for item in drawn if item.sale["accountReference"] not in self._gone]
        return sorted([*kept, *self._added.get(day, [])], key=lambda item: item.closed_ms)

    def page(self, from_ms: int, to_ms: int, *, skip: int, limit: int) -> list[tuple[int, bytes]]:
        """Encoded sales with `from_ms <= closed < to_ms`, with their stamps, in order.

        Args:
            from_ms: epoch milliseconds, held by the window.
            to_ms: epoch milliseconds, the first that the window does not hold.
            skip: how many to leave out at the start.
            limit: the most that are returned.
        """
        found: list[tuple[int, bytes]] = []
        with self._lock:
            for day in self._days(from_ms, to_ms):
                stamps = self._stamps_of(day)
                low, high = bisect_left(stamps, from_ms), bisect_left(stamps, to_ms)
                if skip >= high - low:
                    skip -= high - low
                    continue
                low, skip = low + skip, 0
                high = min(high, low + limit - len(found))
                encoded = self._shelf(day).encoded[low:high]
                found += zip(stamps[low:high], encoded, strict=True)
                if len(found) == limit:
                    break
        return found

    def rows(self, *, until_ms: int) -> Iterator[Row]:
        """What a right bridge creates, for every sale closed up to and including `until_ms`."""
        for day in self._all_days():
            with self._lock:
                shelf = self._shelf(day)
                rows = shelf.rows[: bisect_right(shelf.stamps, until_ms)]
            yield from rows

    def totals(self, *, until_ms: int) -> Totals:
        """The sums of `rows`."""
        total = Totals()
        for row in self.rows(until_ms=until_ms):
            total = total.plus(row)
        return total

    def _all_days(self) -> list[date]:
        return sorted({*days_between(self.first, self.last), *self._added})

    def _days(self, from_ms: int, to_ms: int) -> list[date]:
        low = self.place.business_day(_moment(from_ms))
        high = self.place.business_day(_moment(to_ms))
        drawn = days_between(max(low, self.first), min(high, self.last))
        added = (day for day in self._added if low <= day <= high)
        return sorted({*drawn, *added})

    def _stamps_of(self, day: date) -> list[int]:
        if day not in self._stamps:
            self._shelf(day)
        return self._stamps[day]

    def _shelf(self, day: date) -> Shelf:
        shelf = self._shelves.get(day)
        if shelf is None:
            shelf = self._make(day)
            self._shelves[day] = shelf
            self._stamps[day] = shelf.stamps
            self._forget_old_days()
        self._shelves.move_to_end(day)
        return shelf

    def _forget_old_days(self) -> None:
        kept = sum(len(shelf.stamps) for shelf in self._shelves.values())
        while kept > _SALES_KEPT and len(self._shelves) > 1:
            _, gone = self._shelves.popitem(last=False)
            kept -= len(gone.stamps)

    def _make(self, day: date) -> Shelf:
        both = self._closed(day)
        return Shelf(
            stamps=[item.closed_ms for item in both],
            encoded=[_encode(item) for item in both],
            rows=[self._row(item) for item in both],
        )

    def _row(self, item: Closed) -> Row:
        return expected_row(
            item.sale,
            closed_ms=item.closed_ms,
            connecteam_id=self.place.connecteam_id,
            currency=self.place.currency,
            minor_digits=self.place.minor_digits,
        )


def _encode(item: Closed) -> bytes:
    return json.dumps(item.sale, ensure_ascii=False, separators=(",", ":")).encode()


def _moment(epoch_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)
