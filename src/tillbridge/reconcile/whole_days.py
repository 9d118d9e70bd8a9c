"""Reading whole business days from Lightspeed: what it says of each, and all of it into the ledger.

A whole day is a re-read: sales that came late are new to the ledger, and amended ones are noted
to be corrected. Never here: a decision about a difference.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tillbridge.clock import Clock
from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.errors import CredentialsRefused, TillbridgeError
from tillbridge.ledger import business_days, identity, locations, sales
from tillbridge.ledger.store import Ledger
from tillbridge.lightspeed.wire import Day
from tillbridge.mapper import Rules
from tillbridge.money import minor_digits, to_minor
from tillbridge.reader import Source
from tillbridge.reconcile.figures import BusinessDay
from tillbridge.record import Record, Undecodable, record_of, record_of_undecodable
from tillbridge.states import Lane
from tillbridge.windows import Bounds, Period, covers

ONE_DAY = timedelta(days=1)


class WholeDays(Protocol):
    """What is needed of the Lightspeed client."""

    def sales_day(self, location_id: int, day: date) -> Day: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A Lightspeed location to compare, and the period that is carried over there."""

    source: Source
    bounds: Bounds

    def begins(self, day: date) -> datetime:
        """When a business day begins, as configured."""
        rules = self.source.rules
        return datetime.combine(day, rules.day_starts_at, rules.zone).astimezone(UTC)

    def business_day(self, moment: datetime) -> date:
        """The business day of a moment, as configured."""
        local = moment.astimezone(self.source.rules.zone)
        early = local.time() < self.source.rules.day_starts_at
        return local.date() - ONE_DAY if early else local.date()


@dataclass(slots=True)
class DaysRead:
    """What was read.

    Attributes:
        days: by the ledger's id of the location and the day.
        listed: {sale id: (business day, its net now in minor units)}, by location.
        errors: what kept a day from being read.
        missing: the days that could not be read somewhere.
        read_at_ms: sales seen since then are new by this reading.
        cursors_ms: how far each location had been read before.
    """

    days: dict[tuple[int, date], BusinessDay] = field(default_factory=dict)
    listed: dict[int, dict[int, tuple[date, int]]] = field(default_factory=dict)
    errors: list[TillbridgeError] = field(default_factory=list)
    missing: set[date] = field(default_factory=set)
    read_at_ms: int = 0
    cursors_ms: dict[int, int] = field(default_factory=dict)


class DayReader:
    """One per process.

    Args:
        ledger: takes the sales in.
        lightspeed: is asked.
        clock: stamps.
        executor: runs the requests.
        max_in_flight: most requests at once.
    """

    def __init__(
        self,
        ledger: Ledger,
        lightspeed: WholeDays,
        clock: Clock,
        executor: Executor,
        max_in_flight: int,
    ) -> None:
        self._ledger = ledger
        self._lightspeed = lightspeed
        self._clock = clock
        self._executor = executor
        self._max_in_flight = max_in_flight

    def read(
        self,
        places: Sequence[Place],
        first: date,
        last: date,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> DaysRead:
        """Every business day from `first` to `last`, both included, that is carried over.

        A day that cannot be read is left out, and `errors` says why.
        """
        done = DaysRead(read_at_ms=epoch_ms(self._clock.now()))
        wanted = []
        for place in places:
            periods = self._periods(place, done)
            wanted += [
                (place, day, periods)
                for day in _days(first, min(last, place.business_day(self._clock.now())))
                if _is_carried(place, day, periods)
            ]
        while wanted and not should_stop():
            now, wanted = wanted[: self._max_in_flight], wanted[self._max_in_flight :]
            if not self._read_some(now, done):
                break
        return done

    def again(self, place: Place, day: date) -> set[str] | None:
        """The references and till numbers that a day lists, by a second reading; None if it could
        not be read, or is not complete.
        """
        try:
            answer = self._lightspeed.sales_day(place.source.lightspeed_id, day)
        except TillbridgeError:
            return None
        if not answer.data_complete:
            return None
        names = [(sale.reference, sale.fisc_id) for sale in answer.sales]
        names += [(sale.reference, sale.fisc_id) for sale in answer.broken]
        return {name for pair in names for name in pair if name}

    def _periods(self, place: Place, done: DaysRead) -> list[Period]:
        """The periods that are carried over: the live one, and those of backfills."""
        with self._ledger.view() as view:
            row = locations.get(view, place.source.id)
            again = business_days.backfilled(view, place.source.id)
        done.cursors_ms[place.source.id] = row.cursor_ms or 0
        end = place.bounds.ends or self._clock.now() + 2 * ONE_DAY
        old = [Period(from_epoch_ms(start), from_epoch_ms(stop)) for start, stop in again]
        return [Period(place.bounds.begins, end), *old]

    def _read_some(
        self, wanted: Sequence[tuple[Place, date, list[Period]]], done: DaysRead
    ) -> bool:
        """False if no more should be asked for."""
        flying = [
            self._executor.submit(self._lightspeed.sales_day, place.source.lightspeed_id, day)
            for place, day, _ in wanted
        ]
        for (place, day, periods), future in zip(wanted, flying, strict=True):
            try:
                answer = future.result()
            except TillbridgeError as error:
                done.errors.append(error)
                done.missing.add(day)
                if isinstance(error, CredentialsRefused):
                    return False
                continue
            self._take(place, day, periods, answer, done)
        return True

    def _take(
        self, place: Place, day: date, periods: Sequence[Period], answer: Day, done: DaysRead
    ) -> None:
        rules, location_id = place.source.rules, place.source.id
        records = [
            record
            for record in _records(answer, rules)
            if any(covers(period, record.closed_ms) for period in periods)
        ]
        with self._ledger.commit() as commit:
            sales.take_in(commit, location_id, records, Lane.LIVE, done.read_at_ms)
        by_reference = {record.reference: record for record in records}
        with self._ledger.commit() as commit:  # a sale may be named by the comparison
            known = identity.find_known(commit, location_id, by_reference)
        mine = done.listed.setdefault(location_id, {})
        for reference, row in known.items():
            mine[row.id] = (day, net_of(by_reference[reference].net, rules.currency))
        before = done.days.get((location_id, day - ONE_DAY))
        ends = answer.next_start_of_day or place.begins(day + ONE_DAY)
        done.days[location_id, day] = BusinessDay(
            location_id=location_id,
            day=day,
            begins=before.ends if before else place.begins(day),
            ends=ends.astimezone(UTC),
            complete=bool(answer.data_complete) and ends <= self._clock.now(),
            sales=len(by_reference),
            net=sum(net_of(record.net, rules.currency) for record in by_reference.values()),
        )


def net_of(net: str | None, currency: str) -> int:
    """A net amount as Lightspeed reports it, in minor units, rounded once; 0 if unreadable."""
    return 0 if net is None else to_minor(Decimal(net), minor_digits(currency))


def _records(answer: Day, rules: Rules) -> list[Record]:
    found = [record_of(sale, rules) for sale in answer.sales]
    return found + [
        record_of_undecodable(Undecodable(b.place, b.reason, b.reference, b.fisc_id, b.kept), rules)
        for b in answer.broken
    ]


def _is_carried(place: Place, day: date, periods: Sequence[Period]) -> bool:
    """Whether the whole morning of a business day is carried over: its first moment is."""
    begins = place.begins(day)
    return any(period.start <= begins < period.end for period in periods)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
