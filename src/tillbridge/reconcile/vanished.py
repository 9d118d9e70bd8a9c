"""Sales that Lightspeed no longer lists: never removed silently, but held, with the evidence.

Lightspeed's journal is not edited, so a sale that is gone is either a fault of the answer or
something that a person must know of. It is held only after a second reading of the whole, complete
day, and only if few are gone: a day that suddenly lacks many is an answer not to be believed.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tillbridge.alarms import Alarms
from tillbridge.ledger import vanishing
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.vanishing import REASON
from tillbridge.log import get_logger
from tillbridge.reconcile.figures import Entry
from tillbridge.reconcile.whole_days import DayReader, DaysRead, Place
from tillbridge.states import SaleState

_log = get_logger("tillbridge.reconcile")

FEW = 3
SHARE = 0.1
"""So many of a day, or this share of it, may be gone; with more, the answer is not believed."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """A sale that is gone from its day; `part_id` is what a person settles, if it was posted."""

    sale_id: int
    reference: str
    day: date
    part_id: int | None


class Holder:
    """One per process.

    Args:
        ledger: keeps what is held.
        reader: reads a day a second time.
        alarms: for what needs a person.
    """

    def __init__(self, ledger: Ledger, reader: DayReader, alarms: Alarms) -> None:
        self._ledger = ledger
        self._reader = reader
        self._alarms = alarms

    def take_up_again(self, read: DaysRead, now: Moment) -> None:
        """End the holding of sales that are listed again."""
        listed = {sale_id for mine in read.listed.values() for sale_id in mine}
        with self._ledger.commit() as commit:
            again = vanishing.take_up_again(commit, listed, now)
        for part_id in again:
            self._alarms.resolve(f"held:{part_id}")

    def hold(
        self, places: Sequence[Place], read: DaysRead, entries: Sequence[Entry], now: Moment
    ) -> list[Vanished]:
        """Hold what is gone for certain; set aside what is gone and was never sent."""
        by_id = {place.source.id: place for place in places}
        gone: dict[tuple[int, date], list[Entry]] = defaultdict(list)
        for entry in entries:
            if _is_gone(entry, read) and entry.business_day is not None:
                gone[entry.location_id, entry.business_day].append(entry)
        found: list[Vanished] = []
        for (location_id, day), missing in gone.items():
            known = len(missing) + read.days[location_id, day].sales
            if len(missing) <= max(FEW, SHARE * known):
                found += self._hold_day(by_id[location_id], day, missing, now)
                continue
            _log.warning(
                "day_not_believed", location=by_id[location_id].source.name,
                day=day.isoformat(), gone=len(missing),
                note="Lightspeed lists far fewer sales than before; nothing is held for that.",
            )  # fmt: skip
        return found

    def _hold_day(
        self, place: Place, day: date, missing: Sequence[Entry], now: Moment
    ) -> list[Vanished]:
        listed = self._reader.again(place, day)
        if listed is None:
            return []
        done = [self._hold_one(place, day, entry, listed, now) for entry in missing]
        return [one for one in done if one is not None]

    def _hold_one(
        self, place: Place, day: date, entry: Entry, listed: set[str], now: Moment
    ) -> Vanished | None:
        evidence = f"{REASON}: two readings of the whole day {day} are without it"
        part_id = None
        with self._ledger.commit() as commit:
            row = vanishing.get(commit, entry.sale_id)
            if {row.reference, row.fisc_id} & listed or row.state != entry.state:
                return None
            if row.state == SaleState.WAITING:
                vanishing.set_aside(commit, row, evidence, now)
            elif row.part_id is None:
                return None  # taken over from an old ledger; it stays named in each comparison
            else:
                part_id = vanishing.hold_posted(commit, row, evidence, now)
        if part_id is not None:
            self._raise(part_id, row.reference, place.source.name, day)
        return Vanished(row.id, row.reference, day, part_id)

    def _raise(self, part_id: int, reference: str, name: str, day: date) -> None:
        self._alarms.raise_(
            f"held:{part_id}",
            f"Sale {reference} of {name} was posted, and Lightspeed no longer lists it on {day}.",
            "Ask who removed it at Lightspeed. If it is to go, delete its transaction in "
            f"Connecteam and run `tillbridge settle {part_id} --not-landed --reason ...`; if it "
            "is to stay, `--landed`.",
        )


def _is_gone(entry: Entry, read: DaysRead) -> bool:
    """Whether a whole, complete day is without a sale that is, or would be, at Connecteam."""
    if entry.listed or entry.business_day is None or entry.amended:
        return False  # an amended sale was seen, perhaps with a stamp of another day
    if entry.state not in (SaleState.POSTED, SaleState.WAITING):
        return False
    day = read.days.get((entry.location_id, entry.business_day))
    return day is not None and day.complete
