"""What a calendar day's total holds beyond the ledger, or lacks: what can that be? Pure.

All that is seen is one sum. So most names here are the likeliest explanation, not a proof; a proof
is what `plan` sets out to get. Amounts are minor units.
"""

from dataclasses import dataclass
from itertools import combinations, takewhile

from tillbridge.reconcile.causes import Cause, CauseName

_MOST_DOUBTS = 10
"""More undecided requests of one day than there ever are; beyond, no combination is looked for."""

MOST_PAIRS = 6
"""With more pairs of sales than this for a difference, a pair says nothing."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A sale that the ledger believes to be at Connecteam."""

    sale_id: int
    created_at: int
    amount: int
    has_id: bool


@dataclass(frozen=True, slots=True)
class Unsent:
    """A sale that waits, though an old ledger may have forgotten that it was sent.

    Attributes:
        sale_id: the ledger's.
        closed_ms: when it closed.
        amount: what would be sent.
        created_at: the stamp that it would have.
    """

    sale_id: int
    closed_ms: int
    amount: int
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Amended:
    """A posted sale that says something else by now; `change` is what that adds to the day."""

    sale_id: int
    change: int


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One of Connecteam's days at one location, beside what the ledger put there.

    Attributes:
        total: as read.
        posted: what the ledger believes to be there.
        unsent: what waits.
        amended: what is to be taken back and posted anew on this very day.
        undecided: the sums, of this day, of requests in doubt or held.
        abandoned: (part id, sum) of attempts given up as lost that lie within this day.
        known_foreign: what others were last found to have there; None if never looked.
        attempted: something was sent there, whatever came of it since.
    """

    total: int
    posted: tuple[Posted, ...]
    unsent: tuple[Unsent, ...] = ()
    amended: tuple[Amended, ...] = ()
    undecided: tuple[int, ...] = ()
    abandoned: tuple[tuple[int, int], ...] = ()
    known_foreign: int | None = None
    attempted: bool = False

    @property
    def rest(self) -> int:
        """What the total holds beyond the ledger; negative if it lacks something."""
        return self.total - sum(row.amount for row in self.posted)

    @property
    def surprise(self) -> int:
        """The rest without what is known to be somebody else's."""
        return self.rest - (self.known_foreign or 0)


def equal_to(day: CalendarDay, amount: int) -> list[Posted]:
    """The posted sales of just this amount."""
    return [row for row in day.posted if row.amount == amount and amount != 0]


def pairs_of(day: CalendarDay, amount: int) -> list[tuple[Posted, Posted]]:
    """Pairs of posted sales of one sign that add up to it; none if there are so many that they
    say nothing.
    """
    first: dict[int, list[Posted]] = {}
    found: list[tuple[Posted, Posted]] = []
    for row in day.posted:
        if row.amount * amount <= 0:
            continue
        for other in first.get(amount - row.amount, ()):
            found.append((other, row))
            if len(found) > MOST_PAIRS:
                return []
        first.setdefault(row.amount, []).append(row)
    return found


def name_rest(
    day: CalendarDay, *, exclusive: bool, mature: bool, proves: bool, is_old: bool = False
) -> tuple[Cause, ...]:
    """Name what the total holds beyond the ledger; the amounts add up to `day.rest`.

    Args:
        day: the day.
        exclusive: nobody else may write there.
        mature: no write of ours can still be missing from the totals.
        proves: totals are known to show what was posted.
        is_old: the ledger is, or seems to be, an old copy.
    """
    if day.rest == 0:
        return ()
    if not proves:
        text = "totals here do not show what was posted"
        return (Cause(CauseName.TOTALS_DIFFER, day.rest, 0, text),)
    chosen = _undecided(day)
    if chosen:
        text = "they seem to have arrived; not decided yet"
        return (Cause(CauseName.IN_DOUBT, day.rest, len(chosen), text),)
    if not mature:
        text = "the totals may not show the latest requests yet"
        return (Cause(CauseName.NOT_SHOWN_YET, day.rest, 0, text),)
    known: tuple[Cause, ...] = ()
    if not exclusive and day.known_foreign:
        known = (Cause(CauseName.FOREIGN, day.known_foreign, 0, "others' sales"),)
    if exclusive:
        return (_at_exclusive(day),)
    if is_old and forgotten(day) is not None:
        return (*known, _not_in_ledger(day))
    return known if day.surprise == 0 else (*known, _at_shared(day))


def _undecided(day: CalendarDay) -> tuple[int, ...]:
    """The undecided requests that the rest is just the sum of, if any are."""
    sums = [total for total in day.undecided if total][:_MOST_DOUBTS]
    for size in range(1, len(sums) + 1):
        for chosen in combinations(sums, size):
            if sum(chosen) == day.surprise:
                return chosen
    return ()


def _at_exclusive(day: CalendarDay) -> Cause:
    rest = day.rest
    arrived = _arrived_late(day, rest)
    if arrived is not None:
        return arrived
    if not day.posted and not day.unsent:
        text = "nothing was posted on this day"
        return Cause(CauseName.UNEXPLAINED, rest, 0, text)
    if forgotten(day) is not None:
        return _not_in_ledger(day)
    missing, doubled = equal_to(day, -rest), equal_to(day, rest)
    if missing and rest < 0:
        return Cause(CauseName.MISSING, rest, 1, "just the amount of one posted sale")
    if doubled:
        return Cause(CauseName.DOUBLED, rest, 1, "just the amount of one posted sale")
    if rest < 0:
        return Cause(CauseName.MISSING, rest, 0, "posted sales are not there any more")
    if rest <= sum(row.amount for row in day.posted if row.amount > 0):
        text = "sales are there twice, or somebody else wrote there"
        return Cause(CauseName.DOUBLED, rest, 0, text)
    return Cause(CauseName.UNEXPLAINED, rest, 0, "somebody else seems to have written there")


def _arrived_late(day: CalendarDay, amount: int) -> Cause | None:
    """An attempt that was given up as lost, and whose sum is just there once more."""
    given_up = [part_id for part_id, total in day.abandoned if total == amount]
    if not given_up:
        return None
    text = f"request {given_up[0]} was given up as lost and seems to have arrived after all"
    return Cause(CauseName.DOUBLED, amount, 0, text)


def _not_in_ledger(day: CalendarDay) -> Cause:
    text = "just what the next waiting sales add up to: they seem to be there already"
    return Cause(CauseName.NOT_IN_LEDGER, day.surprise, len(forgotten(day) or ()), text)


def _at_shared(day: CalendarDay) -> Cause:
    surprise = day.surprise
    arrived = _arrived_late(day, surprise)
    if arrived is not None:
        return arrived
    if equal_to(day, -surprise) and (surprise < 0 or day.known_foreign is not None):
        text = "just the amount of one posted sale, which may have been deleted by hand"
        return Cause(CauseName.MISSING, surprise, 1, text)
    if surprise > 0 or (day.known_foreign or 0) + surprise >= 0:
        return Cause(CauseName.FOREIGN, surprise, 0, "others' sales")
    text = "posted sales are not there any more, or others entered negative amounts"
    return Cause(CauseName.MISSING, surprise, 0, text)


def forgotten(day: CalendarDay, last_request_ms: int | None = None) -> tuple[Unsent, ...] | None:
    """The waiting sales that are there already, if the rest is just the sum of the first of them,
    in the order in which they closed, in exactly one way.

    Args:
        day: the day.
        last_request_ms: when the last request was sent from this machine, if that is known. Of
            sales of amount zero at the end no total tells; those that closed later are not there.
    """
    rows = sorted(day.unsent, key=lambda row: (row.closed_ms, row.sale_id))
    found: list[int] = []
    total = 0
    for count, row in enumerate(rows, start=1):
        total += row.amount
        if total == day.surprise and row.amount:
            found.append(count)
    if total == day.surprise:
        found = found[-1:]  # all of them: nothing less is as likely
    if len(found) != 1:
        return None
    there = rows[: found[0]]
    zeros = list(takewhile(lambda row: not row.amount, rows[found[0] :]))
    if last_request_ms is not None:
        return (*there, *(row for row in zeros if row.closed_ms <= last_request_ms))
    return (*there, *zeros) if total == day.surprise or not zeros else None
