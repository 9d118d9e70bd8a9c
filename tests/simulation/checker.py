"""Compares what the ledger says with the truth. Knows what the bridge cannot know."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from simulation.connecteam import FakeConnecteam
from simulation.manners import Request
from simulation.plan import Plan
from simulation.process import MOST_COMMIT_TO_SEND_S
from simulation.trade import BAD_AMOUNT, Sale, Value, Version
from simulation.world import Story, VirtualClock, WrongError
from tillbridge.days import epoch_ms, from_epoch_ms, local_date
from tillbridge.ledger import counts, locations, parts, removals, targets
from tillbridge.ledger.schema import correction, event, part, sale
from tillbridge.ledger.targets import ONE_DAY
from tillbridge.states import PartState, SaleState


@dataclass(slots=True)
class Kept:
    """What is remembered of each sale of the ledger."""

    truth: Sale
    row: Any


@dataclass
class Checker:
    """One per seed."""

    plan: Plan
    clock: VirtualClock
    story: Story
    connecteam: FakeConnecteam
    sales: dict[int, list[Sale]]
    judged: set[int] = field(default_factory=set)
    restored: bool = False
    """An old ledger was in place at some time."""
    old_in_place: bool = False
    """One is in place now, so that the ledger cannot know all that was posted."""
    damaged: bool = False
    """People deleted or doubled rows that are ours, and no repair has ended since."""
    was_touched: bool = False
    """A person deleted rows at Connecteam, which may have happened during a doubt."""
    _cursors: dict[int, tuple[int | None, float]] = field(default_factory=dict)
    """The last cursor seen of each place, and a moment before it was read for."""
    planted: set[int] = field(default_factory=set)
    """Connecteam ids at which the world planted what should not be there."""

    def __post_init__(self) -> None:
        self._by_fisc = {
            (lightspeed_id, one.fisc_id): one
            for lightspeed_id, many in self.sales.items()
            for one in many
        }
        self._holders: dict[Value, list[Sale]] = {}
        for many in self.sales.values():
            for one in many:
                for value in {v.value for v in one.versions if v.value is not None}:
                    self._holders.setdefault(value, []).append(one)

    # -- asked by the shelf -----------------------------------------------------------------------

    def most(self, value: Value) -> int:
        """How many rows of this value there may ever be at once."""
        return len(self._holders.get(value, ()))

    def is_stale(self, value: Value) -> bool:
        """Whether a sale that once had this value has, by now, another one."""
        return any(
            (shown := one.at(self.clock.true_s)) is not None and shown.value != value
            for one in self._holders.get(value, ())
        )

    # -- asked by Connecteam ----------------------------------------------------------------------

    def judge_post(self, rows: list[Value]) -> None:
        """The first request ever to an exclusive place: its first base must not have shown that
        others have something on its days. (Days of other zones than UTC and the venue's the bridge cannot
        know yet; and a request that never left may have taken the day beside for its own.)
        """
        shelf = self.connecteam.shelf
        begun = {r.location_id for one in self.connecteam.requests.values() for r in one.rows}
        fresh = {t.id for t in self.plan.targets if t.exclusive} - begun
        if self.restored or not fresh:
            return
        firsts: dict[int, float] = {}
        for (key, _), taken_s in self.story.bases_s.items():
            firsts[key] = min(taken_s, firsts.get(key, taken_s))
        theirs = {
            (row.value.location_id, shelf.day_of(row.value))
            for row in shelf.rows.values()
            if row.foreign
            and row.live
            and shelf.foreign_read_s.get(row.id, inf) <= firsts.get(row.value.location_id, -inf)
        }
        for row in rows:
            moment = from_epoch_ms(row.created_at * 1000)
            zones = {v.timezone for v in self.plan.venues if v.connecteam_id == row.location_id}
            known = {local_date(moment, ZoneInfo(zone)) for zone in ("UTC", *zones)}
            at = row.location_id, shelf.day_of(row)
            if at in theirs and self._is_beside_an_intent(at, zones):
                continue
            if row.location_id in fresh and at in theirs and at[1] in known:
                raise WrongError(f"posted where others have something: {row}")

    def _is_beside_an_intent(self, at: tuple[int, date], zones: set[str]) -> bool:
        """Whether a request that never left had stamps on the day beside: nobody can tell then
        whose the totals of this day are.
        """
        intent = self.story.first_intents.get(at[0])
        if intent is None or intent[0] > self.clock.true_s - MOST_COMMIT_TO_SEND_S:
            return False
        first, last = (from_epoch_ms(stamp * 1000) for stamp in intent[1:])
        its_own = {local_date(m, ZoneInfo(z)) for m in (first, last) for z in ("UTC", *zones)}
        near = min(its_own) - ONE_DAY <= at[1] <= max(its_own) + ONE_DAY
        return near and not min(its_own) <= at[1] <= max(its_own)

    # -- at quiet points --------------------------------------------------------------------------

    def check_read(self, view: Connection, since_s: float) -> None:
        """What a cursor has passed is in the ledger: all that had closed before it, and was shown
        before the passes that may have moved it began.
        """
        if self.restored or self.plan.wall_jumps:
            return
        known = {tuple(row) for row in view.execute(select(sale.c.location_id, sale.c.fisc_id))}
        for place in locations.every(view):
            cursor_ms, read_s = self._cursors.get(place.id, (None, 0.0))
            if cursor_ms != place.cursor_ms:
                read_s = since_s
                self._cursors[place.id] = place.cursor_ms, read_s
            for one in self.sales[place.lightspeed_id] if place.cursor_ms is not None else ():
                shown_s = one.versions[0].shown_s
                late = shown_s - (one.closed - self.clock.start).total_seconds() > 100
                moved = len(one.versions) > 1 and one.versions[1].shown_s <= self.clock.true_s
                if late or moved or shown_s > read_s or epoch_ms(one.closed) > place.cursor_ms:
                    continue
                if (place.id, one.fisc_id) not in known:
                    raise WrongError(f"passed over: {one.fisc_id} of {place.lightspeed_id}")

    def check_counts(self, view: Connection) -> None:
        for row in targets.every(view):
            if row.stop == "broken_invariant":
                raise WrongError(f"the ledger contradicts itself: {row.stop_reason}")
        recount = counts.recount(view)
        for place in locations.every(view):
            tally = counts.by_state(view, place.id)
            real = {key[1]: n for key, n in recount.items() if key[0] == place.id}
            if {k: v for k, v in tally.items() if v} != real:
                raise WrongError(f"the counts do not add up: {tally} but {real}")

    def check_rows(self, view: Connection) -> None:
        """Where nothing is open: the rows are those of the posted sales, and what is held."""
        if self.connecteam.shelf.pardoned or self.old_in_place or self.damaged:
            return
        kept = self.kept(view)
        for target in self.plan.targets:
            if parts.open_parts(view, target.id) or removals.blocking(view, target.id):
                continue
            self._check_ids(kept, target.id)
            wanted = self.wanted(view, target.id)
            real = self.connecteam.shelf.live_values(target.id)
            if wanted != real:
                raise WrongError(
                    f"at {target.id}: missing {list((wanted - real).elements())[:5]}, "
                    f"too many {list((real - wanted).elements())[:5]}"
                )

    def wanted(self, view: Connection, target_id: int) -> Counter[Value]:
        """The rows that belong there, as far as the ledger has got."""
        return self._posted(self.kept(view), target_id) + self._held(view, target_id)

    def _check_ids(self, kept: list[Kept], target_id: int) -> None:
        """An id that the ledger knows is that of a row with just this content."""
        rows = self.connecteam.shelf.rows
        for one in kept:
            key = one.row.transaction_id
            if key is None or one.row.connecteam_id != target_id:
                continue
            if one.row.state == SaleState.POSTED and rows[key].value != _value(one.row):
                raise WrongError(f"{key} is not the transaction of {one.row.reference}")

    def kept(self, view: Connection) -> list[Kept]:
        places = {row.id: row.lightspeed_id for row in locations.every(view)}
        found = []
        for row in view.execute(select(sale)).all():
            truth = self._by_fisc.get((places[row.location_id], row.fisc_id))
            if truth is None:
                raise WrongError(f"a sale that never was: {row}")
            found.append(Kept(truth, row))
        if len({id(one.truth) for one in found}) != len(found):
            raise WrongError("one sale is in the ledger twice")
        return found

    def _posted(self, kept: list[Kept], target_id: int) -> Counter[Value]:
        wanted: Counter[Value] = Counter()
        for one in kept:
            row = one.row
            if row.state != SaleState.POSTED or row.connecteam_id != target_id:
                continue
            value = _value(row)
            if value not in {version.value for version in one.truth.versions}:
                raise WrongError(f"posted as it never was: {row}")
            wanted[value] += 1
        return wanted

    def _held(self, view: Connection, target_id: int) -> Counter[Value]:
        """The rows of held parts that, in truth, are there."""
        rows: Counter[Value] = Counter()
        for row in view.execute(
            select(part).where(part.c.connecteam_id == target_id, part.c.state == PartState.HELD)
        ):
            rows += Counter(r.value for r in self.applied(row) if r.live)
        return rows

    # -- what is held -----------------------------------------------------------------------------

    @property
    def _is_muddled(self) -> bool:
        """Whether something changed totals that no rule can foresee."""
        return bool(self.restored or self.was_touched or self.connecteam.shelf.pardoned)

    def truth_of(self, row: Any) -> str:
        """What became of a part: "all", "none" or "some" of it was applied."""
        count = len(self.applied(row))
        return "all" if count == len(row.sale_ids) else "some" if count else "none"

    def was_amended(self, row: Any) -> bool:
        """Whether a held part stands for an amended sale instead of a lost answer."""
        return "amended" in (row.reason or "")

    def applied(self, row: Any) -> list[Any]:
        request = self.connecteam.requests.get(row.batch_id)
        if (self.restored or self.plan.repairs) and self.was_amended(row):
            return self._forgotten(row)
        if request is None:
            return []
        return [
            request.applied[place] for place in _places(request, row) if place in request.applied
        ]

    def _forgotten(self, row: Any) -> list[Any]:
        """The row of a held sale that another ledger had sent, under a number that this one gave
        again, or of which only a copy by another hand is left: found by its look.
        """
        looks = [(row.connecteam_id, row.first_created, row.total)] * len(row.sale_ids)
        shelf = self.connecteam.shelf
        found = [
            one
            for one in shelf.rows.values()
            if one.live
            and not one.foreign
            and (one.value.location_id, one.value.created_at, one.value.amount) in looks
        ]
        return found[: len(looks)]

    def judge_holds(self, view: Connection) -> list[Any]:
        """Agree that what was newly held could not be decided; returns all that is held."""
        held = view.execute(select(part).where(part.c.state == PartState.HELD)).all()
        for row in held:
            if row.id not in self.judged:
                self.judged.add(row.id)
                self._judge(view, row)
        return list(held)

    def _judge(self, view: Connection, row: Any) -> None:
        truth = self.truth_of(row)
        self.story.tell(f"held {row.id} in truth {truth}: {row.reason}")
        target = next(t for t in self.plan.targets if t.id == row.connecteam_id)
        foreign = self.connecteam.shelf.foreign_between(
            target.id, self._base_s(view, row), self.clock.true_s
        )
        if self.was_amended(row):
            why = "" if target.replace and not (foreign or self._is_muddled) else "amended"
        elif target.replace and not (foreign or self._is_muddled):
            why = ""
        elif row.total == 0:
            why = "zero"
        elif truth == "some":
            why = "in part"
        elif foreign:
            why = "foreign"
        elif self._is_muddled:
            why = "totals were changed by hand"
        else:
            why = ""
        if not why:
            raise WrongError(
                f"held without need: part {row.id}, in truth {truth}, S {row.total}: {row.reason}"
            )
        self.story.reach(f"held: {why}")

    def _base_s(self, view: Connection, row: Any) -> float:
        """True time of the base that led to holding, a minute early; what a hold, or a window that
        may not be replaced, can be due to happened since. For an exclusive place: the beginning,
        since a stranger's row forbids windows for ever.
        """
        if next(t for t in self.plan.targets if t.id == row.connecteam_id).exclusive:
            return -1.0
        held = select(func.min(event.c.id)).where(
            event.c.part_id == row.id, event.c.name == "part_held"
        )
        bases = view.execute(
            select(event.c.detail)
            .where(
                event.c.name == "base_taken",
                event.c.connecteam_id == row.connecteam_id,
                event.c.id < held.scalar_subquery(),
            )
            .order_by(event.c.id.desc())
        ).scalars()
        readings = [detail["reading"] for detail in bases]
        if not readings:
            return -1.0
        return self.story.bases_s[row.connecteam_id, readings[0]] - 60

    # -- at the end -------------------------------------------------------------------------------

    def unfinished(self, view: Connection) -> str | None:
        """Why the end is not reached yet; None once it is."""
        kept = self.kept(view)
        seen = {id(one.truth) for one in kept}
        for many in self.sales.values():
            for one in many:
                if id(one) not in seen:
                    return f"not read: {one.fisc_id} of {one.lightspeed_id}"
        stopped = {row.connecteam_id for row in targets.every(view) if row.stop is not None}
        corrected = set(view.execute(select(correction.c.sale_id)).scalars())
        for one in kept:
            problem = self._problem(one, corrected, stopped)
            if problem is not None:
                return f"{problem}: {one.row.reference} of {one.row.connecteam_id}"
        if parts.open_parts(view):
            return "a doubt is open"
        return None

    def _problem(self, one: Kept, corrected: set[int], stopped: set[int]) -> str | None:
        row, now = one.row, one.truth.versions[-1]
        state = row.state
        if row.id in corrected and state != SaleState.HELD:
            return None if now.value is None else f"{state}, not yet corrected"
        if state == SaleState.POSTED:
            return None if _value(row) == now.value else f"posted as {_value(row)}, not {now.value}"
        if state == SaleState.QUARANTINED:
            return None if _refused(now) else "quarantined without need"
        if state == SaleState.HELD and row.part_id in self.judged:
            return None
        if row.connecteam_id in stopped and row.connecteam_id in self.planted:
            return None
        return str(state)


def _refused(version: Version) -> bool:
    return version.value is None or abs(version.value.amount) > BAD_AMOUNT


def _places(request: Request, row: Any) -> list[int]:
    # An old ledger gives the numbers of batches, and of sales, a second time.
    return [request.sale_ids.index(key) for key in row.sale_ids if key in request.sale_ids]


def _value(row: Any) -> Value:
    return Value(
        row.connecteam_id,
        row.sale_type,
        row.created_at,
        row.amount,
        row.tax_amount,
        row.currency,
    )
