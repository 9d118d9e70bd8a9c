"""The smallest action that makes a day right again, or why there is none. Pure.

What tells a missing sale from a doubled one, and both from somebody else's, is not a total but a
delete by id: 404 says that the sale was not there, 200 that it was, and either way it is then
posted again. That needs only ids of ours and can hit nobody else. So sales that may be missing are
*taken out and put back*, the likeliest first, until what was not there adds up to the difference.
Windows are deleted only where `replace` allows it. Amounts are minor units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tillbridge.reconcile.remainder import (
    CalendarDay,
    Posted,
    Unsent,
    equal_to,
    forgotten,
    pairs_of,
)

ADOPTS = ("old_ledger", "unexplained")
"""Stops at which waiting sales may be there already; ended so only by a person's command."""

NEVER = ("not_empty", "location_refused", "broken_invariant")
"""Stops that no repair ends."""

_STOPPED = "posting is stopped there for a reason that no repair may end by itself"
_OLD = "the ledger is an old copy, and the totals do not tell what it has forgotten"

FEW = 3
"""Sales of one amount that are tried before other explanations."""

CHEAPER_TO_REPLACE = 20
"""More single deletes than this cost more than emptying the day, where that is allowed."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """Waiting sales are there already: from now on they count as posted, ids unknown.

    `amended` are posted sales whose amended version is there already.
    """

    day: date
    sale_ids: tuple[int, ...]
    amended: tuple[int, ...]
    amount: int


@dataclass(frozen=True, slots=True)
class TakeOut:
    """Delete these by id, in this order, until those found missing add up; all are posted again.

    Without `missing`, all are: sales are both missing and twice, or something else is there, too.
    """

    day: date
    sale_ids: tuple[int, ...]
    missing: int | None


@dataclass(frozen=True, slots=True)
class PutBack:
    """These sales, whose ids are not known, are certainly not there: they wait again."""

    day: date
    sale_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DropCopies:
    """These are there twice: delete the copies whose ids are known; the others stay.

    `part_id` is the attempt that arrived late, where that is why.
    """

    day: date
    sale_ids: tuple[int, ...]
    part_id: int | None


@dataclass(frozen=True, slots=True)
class ReplaceDay:
    """Delete the time from `first_s` to `last_s` and post its sales again.

    `surplus` is what the window is believed to hold beyond what was posted; negative if less.
    """

    day: date
    first_s: int
    last_s: int
    surplus: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is done, and a person is told why."""

    day: date
    amount: int
    reason: str


Step = Adopt | TakeOut | PutBack | DropCopies | ReplaceDay | Leave


@dataclass(frozen=True, slots=True)
class Permit:
    """What is allowed at a location, and what was tried in this repair already.

    Attributes:
        exclusive: nobody else may write there.
        may_replace: windows may be deleted there.
        by_person: a person asked for it, and so for the end of a stop.
        stop: why posting is stopped there, if it is.
        tried_sales: taken out before.
        tried_copies: sales of which a copy was deleted before.
        tried_parts: attempts whose copies could not be told.
        tried_days: emptied before.
        most_deletes: requests that may be spent.
        last_request_ms: when the last request was sent from this machine; None if not known.
    """

    exclusive: bool
    may_replace: bool
    by_person: bool
    stop: str | None = None
    tried_sales: frozenset[int] = frozenset()
    tried_copies: frozenset[int] = frozenset()
    tried_parts: frozenset[int] = frozenset()
    tried_days: frozenset[date] = frozenset()
    most_deletes: int = 200
    last_request_ms: int | None = None

    def took_out(self, row: Posted | Unsent) -> bool:
        """Whether this repair deleted a sale, so that it waits to be posted again."""
        return row.sale_id in self.tried_sales


def plan(days: Mapping[date, CalendarDay], permit: Permit) -> list[Step]:
    """One step, or none, for each day; what one day spends, the next cannot."""
    steps: list[Step] = []
    left = permit.most_deletes
    for day, calendar in sorted(days.items()):
        if rest_of(calendar, exclusive=permit.exclusive) == 0:
            continue
        step = _step(day, calendar, permit)
        cost = len(step.sale_ids) if isinstance(step, TakeOut | DropCopies) else 0
        if cost > left:
            amount = rest_of(calendar, exclusive=permit.exclusive)
            step = Leave(day, amount, "more requests would be needed than may be spent now")
            cost = 0
        left -= cost
        steps.append(step)
    return steps


def rest_of(day: CalendarDay, *, exclusive: bool) -> int:
    """What is to be explained of a day: where others may write, without what is known as theirs."""
    return day.rest if exclusive else day.surprise


def _step(day: date, calendar: CalendarDay, permit: Permit) -> Step:
    """The step of a day that differs. In an old copy of the ledger, what it believes to be posted
    may have been taken back and posted anew since: nothing there is told by an id.
    """
    if permit.stop in NEVER or (permit.stop == "old_ledger" and not permit.by_person):
        return Leave(day, rest_of(calendar, exclusive=permit.exclusive), _STOPPED)
    if permit.stop != "old_ledger":
        return _free_step(day, calendar, permit)
    return (
        _adopt(day, calendar, permit)
        or _replace_day(day, calendar, permit)
        or Leave(day, rest_of(calendar, exclusive=permit.exclusive), _OLD)
    )


def _free_step(day: date, calendar: CalendarDay, permit: Permit) -> Step:
    rest = rest_of(calendar, exclusive=permit.exclusive)
    adopted = _adopt(day, calendar, permit)
    if adopted is not None:
        return adopted
    for part_id, total in calendar.abandoned:
        if total == rest and part_id not in permit.tried_parts:
            return DropCopies(day, (), part_id)
    # Not found by an id from before the ledger was an old copy, which alone would prove nothing.
    gone = [r for r in calendar.posted if not r.has_id and r.sale_id in permit.tried_sales]
    if gone and sum(row.amount for row in gone) == -rest:
        return PutBack(day, tuple(row.sale_id for row in gone))
    likely = _likely_missing(calendar, permit, rest)
    if likely:
        return TakeOut(day, tuple(row.sale_id for row in likely), -rest)
    if permit.exclusive:
        return _at_exclusive(day, calendar, permit)
    return _at_shared(day, calendar, permit)


def _adopt(day: date, calendar: CalendarDay, permit: Permit) -> Adopt | None:
    if not permit.by_person or permit.stop not in ADOPTS:
        return None
    rows = forgotten(calendar, permit.last_request_ms)
    if rows is not None:
        return Adopt(day, _ids(rows), (), calendar.surprise)
    changed = sum(row.change for row in calendar.amended)
    waiting = sum(row.amount for row in calendar.unsent)
    amended = tuple(row.sale_id for row in calendar.amended)
    if amended and calendar.surprise == changed:
        return Adopt(day, (), amended, changed)
    if amended and calendar.surprise == changed + waiting:
        last_ms = permit.last_request_ms
        sent = [
            row
            for row in calendar.unsent
            if row.amount or last_ms is None or row.closed_ms <= last_ms
        ]
        return Adopt(day, _ids(sent), amended, changed + waiting)
    return None


def _ids(rows: Sequence[Unsent]) -> tuple[int, ...]:
    return tuple(row.sale_id for row in rows)


def _likely_missing(calendar: CalendarDay, permit: Permit, rest: int) -> list[Posted]:
    """Sales that, missing, would explain the rest: one of that amount, else two of that sum."""
    if not permit.exclusive and rest > 0 and calendar.known_foreign is None:
        return []  # somebody else's, as it seems; there is nothing to suspect
    single = _untried(equal_to(calendar, -rest), permit)[:FEW]
    if single:
        return single
    pairs = pairs_of(calendar, -rest)
    rows = {row.sale_id: row for pair in pairs for row in pair}
    return _untried(list(rows.values()), permit)


def _untried(rows: Sequence[Posted], permit: Permit) -> list[Posted]:
    return [row for row in rows if row.has_id and row.sale_id not in permit.tried_sales]


def _at_exclusive(day: date, calendar: CalendarDay, permit: Permit) -> Step:
    rest = calendar.rest
    copies = equal_to(calendar, rest)
    alike = {row.created_at for row in copies}
    known = [r for r in copies if r.has_id and r.sale_id not in permit.tried_copies]
    if known and len(alike) == 1:
        return DropCopies(day, (known[0].sale_id,), None)
    replaced = _replace_day(day, calendar, permit)
    # Missing gains make the total too small, missing losses too large.
    against = [row for row in calendar.posted if row.amount * rest < 0]
    enough = abs(sum(row.amount for row in against)) >= abs(rest)
    suspects = _untried(against, permit) if enough else []
    if rest < 0 and suspects and not (replaced and len(suspects) > CHEAPER_TO_REPLACE):
        return TakeOut(day, tuple(row.sale_id for row in suspects), -rest)
    nameless = [row for row in against if not row.has_id]
    if nameless and not suspects and sum(row.amount for row in nameless) == -rest:
        return PutBack(day, tuple(row.sale_id for row in nameless))
    if replaced:
        return replaced
    if 0 < len(suspects) <= CHEAPER_TO_REPLACE:
        return TakeOut(day, tuple(row.sale_id for row in suspects), -rest)
    everything = _untried(calendar.posted, permit)
    low, high = _range([row.amount for row in _perhaps_there(calendar, permit)])
    if permit.by_person and everything and low <= rest <= high:
        # Some may be missing while others are twice; once none is missing, the rest says more.
        return TakeOut(day, tuple(row.sale_id for row in everything), None)
    return Leave(day, rest, _why_left(calendar, permit, rest))


def _replace_day(day: date, calendar: CalendarDay, permit: Permit) -> ReplaceDay | None:
    """Empty the day, where that is allowed and only sales of ours can make the difference."""
    rows = _perhaps_there(calendar, permit)
    # Of a day on which nothing was ever sent, all may be others'; not where the ledger is old.
    own = calendar.posted or calendar.attempted or permit.stop == "old_ledger"
    if not (permit.may_replace and rows and own and day not in permit.tried_days):
        return None
    low, high = _range([row.amount for row in rows])
    if not low <= calendar.rest <= high:
        return None
    stamps = [row.created_at for row in rows]
    return ReplaceDay(day, min(stamps), max(stamps), calendar.rest)


def _perhaps_there(calendar: CalendarDay, permit: Permit) -> list[Posted | Unsent]:
    """What was posted, also what this repair has taken out since; and where a person says so,
    what may have been posted, and was forgotten.
    """
    forgotten_too = permit.by_person and permit.stop in ADOPTS
    unsent = [row for row in calendar.unsent if forgotten_too or permit.took_out(row)]
    return [*calendar.posted, *unsent]


def _range(amounts: Sequence[int]) -> tuple[int, int]:
    """What some of the day's sales, missing or twice, can make of its total."""
    gains = sum(amount for amount in amounts if amount > 0)
    losses = sum(amount for amount in amounts if amount < 0)
    return losses - gains, gains - losses


def _why_left(calendar: CalendarDay, permit: Permit, rest: int) -> str:
    if any(calendar.undecided):
        return "requests of that day are held for a person; see `tillbridge doubts list`"
    if not calendar.posted and calendar.attempted:
        return "none of tillbridge's own sales is left there, so that it cannot be its own"
    if not calendar.posted:
        return "tillbridge posted nothing on that day, so that it cannot be its own"
    if rest < 0:
        return "which sales are missing cannot be told, because their ids are not known"
    what = "sales are there twice, or somebody else wrote there, and totals cannot tell which"
    if permit.may_replace:
        return what
    return f'{what}; where when_unclear = "replace", the day is emptied and posted anew'


def _at_shared(day: date, calendar: CalendarDay, permit: Permit) -> Step:
    """Others write there: only what is ours, and by its id, is ever touched."""
    rest = calendar.surprise
    suspects = _untried([row for row in calendar.posted if row.amount * rest < 0], permit)
    if permit.by_person and calendar.rest < 0 and suspects:
        return TakeOut(day, tuple(row.sale_id for row in suspects), -rest)
    if rest > 0:
        return Leave(day, rest, "others write there, and it is left as theirs")
    return Leave(
        day, rest, "others write there too, so that it may be theirs; nothing of theirs is touched"
    )
