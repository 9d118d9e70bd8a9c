"""The ledger's side of a comparison: its rows as plain values for the pure parts. Reads only."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from tillbridge.days import epoch_ms, from_epoch_ms, start_of_day
from tillbridge.ledger import comparing, targets
from tillbridge.ledger.comparing import ComparedRow
from tillbridge.ledger.removals import Purpose
from tillbridge.policy import TargetPolicy
from tillbridge.reconcile.figures import BusinessDay, Entry
from tillbridge.reconcile.remainder import Amended, CalendarDay, Posted, Unsent
from tillbridge.reconcile.whole_days import DaysRead, Place, net_of
from tillbridge.states import SaleState

TWO_DAYS = timedelta(days=2)
StampDay = Callable[[int], date]


@dataclass(frozen=True, slots=True)
class Side:
    """What the ledger knows of a span of days at one Connecteam location.

    Attributes:
        rows: every sale that closed, or is stamped, on them or two days around.
        there: held parts whose sales certainly are at Connecteam.
        given_up: attempts decided as not landed.
        attempts: (first, last) stamp of every attempt, whatever came of it.
        foreign: what others were last found to have there, by day.
    """

    rows: Sequence[ComparedRow]
    there: frozenset[int]
    given_up: Sequence[ComparedRow]
    attempts: Sequence[tuple[int, int]]
    foreign: Mapping[date, int]


def look(
    view: Connection, policy: TargetPolicy, location_ids: Sequence[int], first: date, last: date
) -> Side:
    """Read the ledger's side of the days from `first` to `last`, both included."""
    start_ms = epoch_ms(start_of_day(first - TWO_DAYS, policy.zone))
    end_ms = epoch_ms(start_of_day(last + TWO_DAYS + timedelta(days=1), policy.zone))
    key = policy.connecteam_id
    row = targets.get(view, key)
    foreign = (row.foreign_amounts if row is not None else None) or {}
    return Side(
        comparing.sales_within(view, key, location_ids, start_ms, end_ms),
        frozenset(comparing.held_but_there(view, key)),
        comparing.given_up(view, key, start_ms // 1000, end_ms // 1000),
        comparing.attempted(view, key, start_ms // 1000, end_ms // 1000),
        {date.fromisoformat(day): amount for day, amount in foreign.items()},
    )


def there_of(row: ComparedRow, side: Side) -> int:
    """What the ledger believes that Connecteam holds for a sale."""
    is_there = row.state == SaleState.POSTED or (
        row.state == SaleState.HELD and row.part_id in side.there
    )
    return int(row.amount) if is_there else 0


_MAY_BE_SENT = (
    SaleState.WAITING,
    SaleState.SENDING,
    SaleState.POSTED,
    SaleState.IN_DOUBT,
    SaleState.HELD,
)


def _wanted(row: ComparedRow) -> int:
    if row.correction is not None:
        waits = row.correction["state"] == SaleState.WAITING
        return int(row.correction["amount"]) if waits else 0
    return int(row.amount) if row.state in _MAY_BE_SENT else 0


def entries(side: Side, places: Sequence[Place], read: DaysRead) -> list[Entry]:
    """Every sale of the side, with what Lightspeed says of it now."""
    by_id = {place.source.id: place for place in places}
    cutoffs = _cutoffs(read.days)
    found = []
    for row in side.rows:
        place = by_id.get(row.location_id)
        if place is None:
            continue
        listed = read.listed.get(row.location_id, {}).get(row.id)
        day = listed[0] if listed else _business_day(row.closed_ms, place, cutoffs)
        was_read = (row.location_id, day) in read.days
        is_new = row.seen_ms >= read.read_at_ms > 0
        late = is_new and (row.closed_ms or 0) < read.cursors_ms.get(row.location_id, 0)
        found.append(
            Entry(
                sale_id=row.id,
                location_id=row.location_id,
                business_day=day,
                created_at=row.created_at,
                state=SaleState(row.state),
                reported=listed[1] if listed else net_of(row.net, place.source.rules.currency),
                wanted=_wanted(row),
                there=there_of(row, side),
                listed=listed is not None or not was_read,
                is_late=late,
                transaction_id=row.transaction_id,
                amended=row.correction is not None,
            )
        )
    return found


def _cutoffs(
    days: Mapping[tuple[int, date], BusinessDay],
) -> dict[int, list[BusinessDay]]:
    found: dict[int, list[BusinessDay]] = defaultdict(list)
    for day in days.values():
        found[day.location_id].append(day)
    return found


def _business_day(
    closed_ms: int | None, place: Place, cutoffs: Mapping[int, Sequence[BusinessDay]]
) -> date | None:
    """By Lightspeed's real cut-offs where they are known, else by the configured one."""
    if closed_ms is None:
        return None
    closed: datetime = from_epoch_ms(closed_ms)
    usual = place.business_day(closed)
    for day in cutoffs.get(place.source.id, ()):
        if abs((day.day - usual).days) <= 1 and day.begins <= closed < day.ends:
            return day.day
    return usual


def calendar_days(
    side: Side, totals: Mapping[date, int], stamp_day: StampDay
) -> dict[date, CalendarDay]:
    """Connecteam's days beside what the ledger put there."""
    posted: dict[date, list[Posted]] = defaultdict(list)
    unsent: dict[date, list[Unsent]] = defaultdict(list)
    amended: dict[date, list[Amended]] = defaultdict(list)
    undecided: dict[date, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in side.rows:
        if row.created_at is None or row.amount is None:
            continue
        day = stamp_day(row.created_at)
        if row.state == SaleState.POSTED:
            has_id = row.transaction_id is not None
            posted[day].append(Posted(row.id, row.created_at, row.amount, has_id))
            if _is_amended_within(row, day, stamp_day):
                amended[day].append(Amended(row.id, _wanted(row) - int(row.amount)))
        elif row.state == SaleState.HELD and row.part_id in side.there:
            posted[day].append(Posted(row.id, row.created_at, row.amount, has_id=False))
        elif row.state == SaleState.WAITING:
            unsent[day].append(Unsent(row.id, row.closed_ms or 0, row.amount, row.created_at))
        elif row.state in (SaleState.IN_DOUBT, SaleState.HELD) and row.part_id is not None:
            undecided[day][row.part_id] += row.amount
    attempts = {(stamp_day(first), stamp_day(last)) for first, last in side.attempts}
    return {
        day: CalendarDay(
            total=total,
            posted=tuple(posted[day]),
            unsent=tuple(unsent[day]),
            amended=tuple(amended[day]),
            undecided=tuple(undecided[day].values()),
            abandoned=tuple(
                (part.id, part.total)
                for part in side.given_up
                if stamp_day(part.first_created) == day == stamp_day(part.last_created)
            ),
            known_foreign=side.foreign.get(day),
            attempted=any(first <= day <= last for first, last in attempts),
        )
        for day, total in totals.items()
    }


def _is_amended_within(row: ComparedRow, day: date, stamp_day: StampDay) -> bool:
    """Whether a sale was amended at Lightspeed, and stays on its day."""
    if row.correction is None or row.purpose != Purpose.CORRECTION:
        return False
    new = row.correction
    return new["state"] == SaleState.WAITING and stamp_day(new["created_at"]) == day
