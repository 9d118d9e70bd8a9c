"""What goes in the next requests. Pure.

A *batch* is one POST of up to 100 transactions; its *part* at one Connecteam location is decided
by itself should the answer be lost. All that can be seen of a lost request is the total of a day,
so every part is made such that totals can tell what became of it:

- its rows have one sign and one currency, so that no two of them cancel out and their sum means
  something;
- rows of amount zero are neither first nor last in it, so that a request applied up to some row
  cannot look whole (a part without other rows is the exception: totals say nothing about it);
- it is compact in time, so that one late sale does not stretch the days that must be read, or
  the window that may have to be replaced.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, TypeVar

from msgspec import Struct

from tillbridge.sale import Transaction
from tillbridge.states import Lane

MAX_ROWS = 100
"""Connecteam's limit for one request."""

MAX_GAP_S = 3 * 86_400
MAX_SPAN_S = 14 * 86_400


class Row(NamedTuple):
    """A sale that waits.

    Attributes:
        sale_id: the ledger's id of the sale.
        source_id: the ledger's id of the Lightspeed location that it came from.
        transaction: what to send.
        lane: live sales go before backfilled ones.
        revision: of the sale's content; a plan made from an older one is not sent.
        fence: rows that share a fence go together and alone, to find a row that is refused.
    """

    sale_id: int
    source_id: int
    transaction: Transaction
    lane: Lane
    revision: int = 0
    fence: int | None = None


class Part(Struct, frozen=True, dict=True):
    """The rows of one request at one Connecteam location, in the order in which they are sent."""

    location_id: int
    rows: tuple[Row, ...]

    @cached_property
    def total(self) -> int:
        """The sum of the amounts, in minor units."""
        return sum([row.transaction.amount for row in self.rows])

    @property
    def currency(self) -> str:
        return self.rows[0].transaction.currency

    @cached_property
    def first_created(self) -> int:
        return min([row.transaction.created_at for row in self.rows])

    @cached_property
    def last_created(self) -> int:
        return max([row.transaction.created_at for row in self.rows])


class Batch(Struct, frozen=True):
    parts: tuple[Part, ...]

    @property
    def rows(self) -> list[Row]:
        return [row for part in self.parts for row in part.rows]

    @property
    def location_ids(self) -> frozenset[int]:
        return frozenset(part.location_id for part in self.parts)


def plan(rows: Sequence[Row], *, only_full: frozenset[Lane] = frozenset()) -> list[Batch]:
    """Put waiting rows into as few requests as the rules above allow.

    Args:
        rows: the sales that wait.
        only_full: lanes of which more rows are on their way; their incomplete parts stay back.

    Returns:
        Batches in the order in which they should go: live first, oldest first.
    """
    chunks = sorted(_chunks(rows), key=_urgency)
    batches: list[list[Part]] = []
    for lane, fenced, part in chunks:
        alone = fenced or len(part.rows) == MAX_ROWS
        if not alone and lane in only_full:
            continue
        home = None if alone else _first_fit(batches, part)
        if home is None:
            home = []
            batches.append(home)
        home.append(part)
    return [Batch(tuple(parts)) for parts in batches]


_T = TypeVar("_T")


def halves(rows: Sequence[_T]) -> list[Sequence[_T]]:
    """Two groups in which to look for a row that was refused without being named."""
    middle = len(rows) // 2
    return [rows[:middle], rows[middle:]] if middle else [rows]


_Chunk = tuple[Lane, bool, Part]


def _urgency(chunk: _Chunk) -> tuple[bool, bool, int, int]:
    lane, fenced, part = chunk
    return (lane is not Lane.LIVE, fenced, part.first_created, part.rows[0].sale_id)


def _first_fit(batches: list[list[Part]], part: Part) -> list[Part] | None:
    for parts in batches:
        room = MAX_ROWS - sum(len(other.rows) for other in parts)
        strangers = all(other.location_id != part.location_id for other in parts)
        fenced = any(row.fence is not None for other in parts for row in other.rows)
        if len(part.rows) <= room and strangers and not fenced:
            return parts
    return None


def _chunks(rows: Sequence[Row]) -> Iterator[_Chunk]:
    # Minor units of two currencies cannot be added up, so a part has one.
    groups: dict[tuple[Lane, int, str, int | None], list[Row]] = defaultdict(list)
    for row in rows:
        transaction = row.transaction
        key = (row.lane, transaction.location_id, transaction.currency, row.fence)
        groups[key].append(row)
    for (lane, location_id, _currency, fence), members in groups.items():
        for chunk in _parts_of(members):
            yield lane, fence is not None, Part(location_id, chunk)


def _parts_of(rows: Iterable[Row]) -> Iterator[tuple[Row, ...]]:
    """Cut one location's rows into parts by sign, size and time."""
    gains: list[Row] = []
    losses: list[Row] = []
    zeros: list[Row] = []
    for row in rows:
        amount = row.transaction.amount
        (gains if amount > 0 else losses if amount < 0 else zeros).append(row)
    # Rows of amount zero ride along with the larger side, where they rarely need a request.
    host, other = (gains, losses) if len(gains) >= len(losses) else (losses, gains)
    for chunk in _cut(host + zeros):
        yield from _arrange(chunk)
    for chunk in _cut(other):
        yield tuple(chunk)


def _cut(rows: list[Row]) -> Iterator[list[Row]]:
    rows.sort(key=lambda row: (row.transaction.created_at, row.sale_id))
    chunk: list[Row] = []
    for row in rows:
        if chunk and (len(chunk) == MAX_ROWS or not _is_near(chunk, row)):
            yield chunk
            chunk = []
        chunk.append(row)
    if chunk:
        yield chunk


def _is_near(chunk: list[Row], row: Row) -> bool:
    created = row.transaction.created_at
    gap_s = created - chunk[-1].transaction.created_at
    span_s = created - chunk[0].transaction.created_at
    return gap_s <= MAX_GAP_S and span_s <= MAX_SPAN_S


def _arrange(chunk: list[Row]) -> Iterator[tuple[Row, ...]]:
    """Put the zeros inside; where fewer than two other rows could enclose them, apart."""
    zeros = [row for row in chunk if row.transaction.amount == 0]
    others = [row for row in chunk if row.transaction.amount != 0]
    if not zeros:
        yield tuple(others)
    elif len(others) >= 2:
        yield (others[0], *zeros, *others[1:])
    else:
        if others:
            yield tuple(others)
        for apart in _cut(zeros):  # without what stood between them, they may be far apart
            yield tuple(apart)


def is_sound(part: Part) -> bool:
    """Whether a part obeys the rules at the top of this module; asserted before it is sent."""
    transactions = [row.transaction for row in part.rows]
    if not 0 < len(transactions) <= MAX_ROWS:
        return False
    amounts = [transaction.amount for transaction in transactions]
    stamps = sorted([transaction.created_at for transaction in transactions])
    one_sign = min(amounts) >= 0 or max(amounts) <= 0
    enclosed = not any(amounts) or (amounts[0] != 0 and amounts[-1] != 0)
    near = all(b - a <= MAX_GAP_S for a, b in pairwise(stamps))
    short = stamps[-1] - stamps[0] <= MAX_SPAN_S
    kinds = {(transaction.location_id, transaction.currency) for transaction in transactions}
    at_home_and_alike = kinds == {(part.location_id, part.currency)}
    return one_sign and enclosed and near and short and at_home_and_alike
