"""One comparison, in order: Lightspeed's days, Connecteam's totals, the ledger between them.

Lightspeed is asked once for each day and location, Connecteam once for all. What the comparison
finds is written down: whether each business day is final, what is held, whose amounts are others'.
Nothing is sent or deleted here; see `repairing`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from tillbridge.clock import Clock
from tillbridge.days import epoch_ms
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import business_days, comparing, targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.store import Ledger
from tillbridge.policy import TargetPolicy
from tillbridge.readings import days_of
from tillbridge.reconcile import sides
from tillbridge.reconcile.causes import Cause, CauseName
from tillbridge.reconcile.figures import DayFigures, compare
from tillbridge.reconcile.finality import DayState, next_state
from tillbridge.reconcile.remainder import CalendarDay, name_rest
from tillbridge.reconcile.totals import Evidence, TotalsReader
from tillbridge.reconcile.vanished import Holder, Vanished
from tillbridge.reconcile.whole_days import DayReader, DaysRead, Place
from tillbridge.reconcile.zones import stamp_days
from tillbridge.states import SaleState

ONE_DAY = timedelta(days=1)
_UTC = ZoneInfo("UTC")


@dataclass(slots=True)
class Compared:
    """One Connecteam location, compared.

    Attributes:
        policy: which.
        places: the Lightspeed locations that feed it.
        days: the figures, oldest first.
        states: of each day: the worst of the places that feed it, and why.
        zone: of Connecteam's days.
        zone_observed: whether the totals have shown it, or it only fits best.
        read: whether Connecteam's totals could be read.
        mature: whether no write of ours can be missing from them.
        stop: why posting is stopped there, if it is.
        calendar: Connecteam's days beside the ledger.
        errors: what could not be read at Lightspeed.
        vanished: what was held or set aside.
    """

    policy: TargetPolicy
    places: Sequence[Place]
    days: list[DayFigures] = field(default_factory=list)
    states: dict[date, tuple[DayState, str]] = field(default_factory=dict)
    zone: ZoneInfo = _UTC
    zone_observed: bool = False
    read: bool = False
    mature: bool = False
    stop: str | None = None
    calendar: Mapping[date, CalendarDay] = field(default_factory=dict)
    errors: list[TillbridgeError] = field(default_factory=list)
    vanished: list[Vanished] = field(default_factory=list)

    @property
    def needs_look(self) -> bool:
        return any(day.needs_look for day in self.days)

    @property
    def is_whole(self) -> bool:
        """Whether everything that was asked for could be read."""
        return self.read and not self.errors


class Reconciler:
    """One per process.

    Args:
        ledger: one of the three sides.
        reader: Lightspeed's.
        totals: Connecteam's.
        holder: holds what is gone.
        policies: by Connecteam id.
        places: the Lightspeed locations.
        clock: stamps.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: DayReader,
        totals: TotalsReader,
        holder: Holder,
        policies: Mapping[int, TargetPolicy],
        places: Sequence[Place],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._totals = totals
        self._holder = holder
        self._policies = policies
        self._places = places
        self._clock = clock

    def run(
        self,
        first: date,
        last: date,
        keys: Sequence[int] = (),
        should_stop: Callable[[], bool] = lambda: False,
        *,
        keep: bool = True,
    ) -> list[Compared]:
        """Compare the days from `first` to `last`, both included.

        Args:
            first: a business day.
            last: likewise; days that have not begun are left out.
            keys: Connecteam's ids of the locations; all if empty.
            should_stop: asked before each reading.
            keep: write down what was found: states of days, what is held, others' amounts.
        """
        wanted = [key for key in self._policies if not keys or key in keys]
        results = {key: Compared(self._policies[key], self._of(key)) for key in wanted}
        read = {
            key: self._reader.read(result.places, first, last, should_stop)
            for key, result in results.items()
        }
        spans = dict.fromkeys(wanted, (first, last + ONE_DAY))
        for key, of_key in read.items():
            results[key].errors += of_key.errors
            if keep:
                self._holder.take_up_again(of_key, self._moment())
        evidence = {} if should_stop() else self._totals.take(spans)
        for key, result in results.items():
            self._compare(result, read[key], evidence.get(key), (first, last), keep=keep)
        return list(results.values())

    def _of(self, key: int) -> list[Place]:
        return [place for place in self._places if place.source.rules.connecteam_id == key]

    def _moment(self) -> Moment:
        return Moment(epoch_ms(self._clock.now()), self._clock.boot_s(), self._clock.boot_id)

    def _compare(
        self,
        result: Compared,
        read: DaysRead,
        evidence: Evidence | None,
        span: tuple[date, date],
        *,
        keep: bool,
    ) -> None:
        with self._ledger.view() as view:
            side = sides.look(view, result.policy, [p.source.id for p in result.places], *span)
        found = sides.entries(side, result.places, read)
        if keep:
            result.vanished = self._holder.hold(result.places, read, found, self._moment())
        if result.vanished:
            with self._ledger.view() as view:
                side = sides.look(view, result.policy, [p.source.id for p in result.places], *span)
            found = sides.entries(side, result.places, read)
        self._find_zone(result, side, evidence)
        stamp_day = stamp_days(result.zone)
        totals = evidence.reading.totals if evidence is not None else None
        rests: dict[date, Sequence[Cause]] = {}
        if evidence is not None:
            mature = evidence.mature_in_s == 0
            result.read, result.mature, result.stop = True, mature, evidence.stop
            result.calendar = sides.calendar_days(side, evidence.reading.totals, stamp_day)
            rests = {
                day: name_rest(
                    calendar, exclusive=result.policy.exclusive, mature=mature,
                    proves=evidence.proves, is_old=evidence.stop == "old_ledger",
                )
                for day, calendar in result.calendar.items()
            }  # fmt: skip
        known = {day for _, day in read.days} | read.missing
        days = [day for day in days_of(span) if day in known]
        reported = {
            day: [d for d in read.days.values() if d.day == day]
            for day in days
            if day not in read.missing
        }
        result.days = compare(days, found, reported, totals, rests, stamp_day)
        if keep:
            self._note(result, read)

    def _find_zone(self, result: Compared, side: sides.Side, evidence: Evidence | None) -> None:
        posted = [
            (row.created_at, sides.there_of(row, side))
            for row in side.rows
            if row.state in (SaleState.POSTED, SaleState.HELD) and row.created_at is not None
        ]
        totals = evidence.reading.totals if evidence is not None else {}
        others = [zone for one in self._policies.values() for zone in one.day_zones]
        result.zone, result.zone_observed = self._totals.zone(result.policy, others, posted, totals)

    def _note(self, result: Compared, read: DaysRead) -> None:
        """Write down where each business day stands, and what is others'."""
        now_ms = epoch_ms(self._clock.now())
        key = result.policy.connecteam_id
        with self._ledger.commit() as commit:
            for figures in result.days:
                of_day = [d for d in read.days.values() if d.day == figures.day]
                for business_day in of_day:
                    text = figures.day.isoformat()
                    rows = business_days.known(commit, business_day.location_id, text, text)
                    before = DayState(rows[text].state) if rows else None
                    state, why = next_state(before, figures)
                    business_days.note(
                        commit, business_day.location_id, text, now_ms, state=state, reason=why,
                        begins_ms=epoch_ms(business_day.begins),
                        ends_ms=epoch_ms(business_day.ends),
                    )  # fmt: skip
                    result.states[figures.day] = (state, why)
            # A ledger that may be an old copy cannot tell what is others' and what it forgot.
            if result.mature and result.stop is None and not comparing.has_doubt(commit, key):
                targets.note_foreign_amounts(commit, key, _foreign(result))


_SUSPECT = (CauseName.MISSING, CauseName.DOUBLED, CauseName.IN_DOUBT, CauseName.NOT_SHOWN_YET)


def _foreign(result: Compared) -> dict[date, int]:
    """What others have there, by day: all that is not ours, where it is taken as theirs."""
    if result.policy.exclusive:
        return {}
    found = {}
    for figures in result.days:
        rest = [c for c in figures.causes if c.name is CauseName.FOREIGN]
        suspect = any(c.name in _SUSPECT for c in figures.causes)
        if figures.complete and not suspect:
            found[figures.day] = sum(cause.amount for cause in rest)
    return found
