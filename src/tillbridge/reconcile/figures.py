"""Three figures of a day side by side, and a name for every cent between them. Pure.

A *business day* ends at the restaurant's cut-off, perhaps at 05:00; Connecteam's *calendar day* at
midnight of its own zone. The two are joined sale by sale: what closed after midnight belongs to
one business day and to the next calendar day, and is named so, in and out. All amounts are minor
units of the location's currency.

Never here: what to do about a difference (`plan`), or what a total alone can mean (`remainder`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from tillbridge.reconcile.causes import IN_PROGRESS, Cause, CauseName
from tillbridge.states import SaleState


@dataclass(frozen=True, slots=True)
class Entry:
    """One sale, as Lightspeed reports it now and as the ledger knows it.

    Attributes:
        sale_id: the ledger's.
        location_id: the ledger's id of the Lightspeed location.
        business_day: the restaurant's day; None outside all days that are known.
        created_at: the stamp of what is, or would be, at Connecteam; None without any.
        state: where it stands.
        reported: its net amount at Lightspeed now; 0 if it is unreadable.
        wanted: what Connecteam shall hold for it now; 0 for nothing.
        there: what the ledger believes that Connecteam holds for it.
        listed: whether Lightspeed's whole-day read holds it.
        is_late: it was new to the ledger, though its time had been read before.
        transaction_id: Connecteam's, where it is known.
        amended: it is to be taken back, or taken out, and is still there as it was.
    """

    sale_id: int
    location_id: int
    business_day: date | None
    created_at: int | None
    state: SaleState
    reported: int
    wanted: int
    there: int
    listed: bool = True
    is_late: bool = False
    transaction_id: str | None = None
    amended: bool = False


@dataclass(frozen=True, slots=True)
class BusinessDay:
    """What Lightspeed says of a business day at one location.

    Attributes:
        location_id: the ledger's.
        day: the day.
        begins: its first moment, aware.
        ends: its real cut-off, aware: the first moment of the next one.
        complete: no more sales are expected, as Lightspeed says.
        sales: how many it lists.
        net: the sum of their net amounts, each rounded once.
    """

    location_id: int
    day: date
    begins: datetime
    ends: datetime
    complete: bool
    sales: int
    net: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day of one Connecteam location.

    Attributes:
        day: business day and calendar day of this date.
        lightspeed: (sales, net) of the business day; None if it could not be read.
        ledger: (sales, amount) of the business day that the ledger believes to be at Connecteam.
        ledger_calendar: the same, of Connecteam's calendar day.
        connecteam: its total of the calendar day; None if it could not be read.
        complete: Lightspeed says that nothing more is to come.
        causes: they add up to `difference`, to the cent.
    """

    day: date
    lightspeed: tuple[int, int] | None
    ledger: tuple[int, int]
    ledger_calendar: tuple[int, int]
    connecteam: int | None
    complete: bool
    causes: tuple[Cause, ...] = ()

    @property
    def difference(self) -> int | None:
        """Connecteam's figure minus Lightspeed's; None if one of them is not known."""
        if self.lightspeed is None or self.connecteam is None:
            return None
        return self.connecteam - self.lightspeed[1]

    @property
    def needs_look(self) -> bool:
        return any(cause.needs_look for cause in self.causes)

    @property
    def in_progress(self) -> bool:
        return any(cause.name in IN_PROGRESS for cause in self.causes) or not self.complete


@dataclass(slots=True)
class _Sums:
    """Amounts and counts by cause."""

    amounts: dict[CauseName, int] = field(default_factory=lambda: defaultdict(int))
    sales: dict[CauseName, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, name: CauseName, amount: int, sales: int = 1) -> None:
        self.amounts[name] += amount
        self.sales[name] += sales

    def causes(self) -> list[Cause]:
        # One that adds up to nothing is still worth a line if it is about sales.
        return [Cause(name, self.amounts[name], self.sales[name]) for name in self.amounts]


def compare(
    days: Sequence[date],
    entries: Iterable[Entry],
    reported: Mapping[date, Sequence[BusinessDay]],
    totals: Mapping[date, int] | None,
    remainders: Mapping[date, Sequence[Cause]],
    stamp_day: Callable[[int], date],
) -> list[DayFigures]:
    """The figures of these days at one Connecteam location.

    Args:
        days: which, in order.
        entries: every sale that belongs to one of them, by business day or by stamp.
        reported: what Lightspeed says of each; a day that could not be read everywhere is missing.
        totals: Connecteam's; None if they could not be read.
        remainders: what the totals hold beyond the ledger, named; see `remainder`.
        stamp_day: Connecteam's calendar day of epoch seconds.
    """
    by_day: dict[date, list[Entry]] = defaultdict(list)
    by_stamp: dict[date, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.business_day is not None:
            by_day[entry.business_day].append(entry)
        if entry.created_at is not None and entry.there:
            by_stamp[stamp_day(entry.created_at)].append(entry)
    return [
        _figures(
            day,
            by_day[day],
            by_stamp[day],
            reported.get(day, ()),
            None if totals is None else totals.get(day),
            remainders.get(day, ()),
            stamp_day,
        )
        for day in days
    ]


def _figures(
    day: date,
    mine: Sequence[Entry],
    stamped: Sequence[Entry],
    reported: Sequence[BusinessDay],
    total: int | None,
    remainder: Sequence[Cause],
    stamp_day: Callable[[int], date],
) -> DayFigures:
    complete = bool(reported) and all(place.complete for place in reported)
    sums = _Sums()
    if reported:
        for entry in mine:
            _name_entry(entry, sums, complete=complete)
    for entry in mine:
        if entry.there and entry.created_at is not None and stamp_day(entry.created_at) != day:
            sums.add(CauseName.AFTER_MIDNIGHT, -entry.there)
    for entry in stamped:
        if entry.business_day != day:
            sums.add(CauseName.AFTER_MIDNIGHT, entry.there)
    figures = DayFigures(
        day=day,
        lightspeed=_sum_of(reported) if reported else None,
        ledger=_there(mine),
        ledger_calendar=_there(stamped),
        connecteam=total,
        complete=complete,
        causes=(*sums.causes(), *remainder) if total is not None else tuple(sums.causes()),
    )
    return _whole(figures)


def _whole(figures: DayFigures) -> DayFigures:
    """Every cent has a name; one that none of ours fits is *unexplained*, and never left out."""
    if figures.difference is None:
        return figures
    left = figures.difference - sum(cause.amount for cause in figures.causes)
    if left == 0:
        return figures
    cause = Cause(CauseName.UNEXPLAINED, left, 0, "the ledger and Lightspeed's day do not agree")
    return DayFigures(
        figures.day, figures.lightspeed, figures.ledger, figures.ledger_calendar,
        figures.connecteam, figures.complete, (*figures.causes, cause),
    )  # fmt: skip


def _there(entries: Sequence[Entry]) -> tuple[int, int]:
    posted = [entry for entry in entries if entry.there or entry.state is SaleState.POSTED]
    return len(posted), sum(entry.there for entry in posted)


def _sum_of(reported: Sequence[BusinessDay]) -> tuple[int, int]:
    return sum(place.sales for place in reported), sum(place.net for place in reported)


_PLAIN = {
    SaleState.SENDING: CauseName.SENDING,
    SaleState.IN_DOUBT: CauseName.IN_DOUBT,
    SaleState.HELD: CauseName.HELD,
}
_LEFT_OUT = {
    SaleState.QUARANTINED: CauseName.QUARANTINED,
    SaleState.SKIPPED: CauseName.SKIPPED,
    SaleState.DROPPED: CauseName.DROPPED,
    SaleState.REMOVED: CauseName.REMOVED,
}


def _name_entry(entry: Entry, sums: _Sums, *, complete: bool) -> None:
    """What one sale adds to the ledger's figure against Lightspeed's, under its name."""
    if not entry.listed:
        if entry.state is SaleState.HELD:
            sums.add(CauseName.HELD, entry.there)
        elif entry.there or entry.state is SaleState.WAITING:
            sums.add(CauseName.VANISHED if complete else CauseName.DAY_OPEN, entry.there)
        return
    if entry.state in _LEFT_OUT:
        sums.add(_LEFT_OUT[entry.state], entry.there - entry.reported)
        return
    if entry.wanted != entry.reported:
        sums.add(CauseName.RULES, entry.wanted - entry.reported)
    if entry.state is SaleState.WAITING:
        sums.add(CauseName.LATE if entry.is_late else CauseName.WAITING, -entry.wanted)
    elif entry.state in _PLAIN:
        sums.add(_PLAIN[entry.state], entry.there - entry.wanted)
    elif entry.amended or entry.there != entry.wanted:
        sums.add(CauseName.AMENDED, entry.there - entry.wanted)
