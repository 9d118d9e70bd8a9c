"""What people do by hand to rows that are ours, and the repairs that they ask for.

Meanwhile nobody can say what should be there, so the rows are compared only at the end, when a
repair has ended that began after the last of these deeds had shown in the totals.
"""

from random import Random
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from simulation.plan import LAG_S, Plan
from simulation.world import WrongError
from tillbridge.ledger import parts, removals, repairs, targets
from tillbridge.ledger.schema import part, repair, sale
from tillbridge.ledger.store import Ledger
from tillbridge.states import PartState

if TYPE_CHECKING:
    from simulation.harness import Simulation

MOST_ASKED = 6
"""After so many repairs of one place that leave something, a person corrects it by hand."""


class Hands:
    """One per seed."""

    def __init__(self, simulation: "Simulation") -> None:
        self._sim = simulation
        self._rng = Random(f"hands {simulation.plan.seed}")
        self._changed_s = -1e9
        self._asked: dict[int, float] = {}
        self._left: dict[int, int] = {}
        self._corrected: set[int] = set()

    def happen(self) -> None:
        """Between passes: a row goes or is doubled; a repair is asked for, by night or by day."""
        plan, rng = self._sim.plan, self._rng
        if plan.damage and rng.random() < plan.damage:
            self._damage()
        if plan.repairs and rng.random() < plan.repairs:
            for target in plan.targets:
                self._ask(target.id, by_person=rng.random() < 0.7)

    def clean_up(self) -> str | None:
        """At the end: ask until all is right; why it is not finished yet."""
        sim = self._sim
        if not (sim.plan.repairs and sim.process is not None):
            return None
        if sim.clock.true_s < self._changed_s + LAG_S:
            return "what a person did does not show yet"
        for target in sim.plan.targets:
            problem = self._repaired(target.id)
            if problem is not None:
                return problem
        sim.checker.damaged = sim.checker.old_in_place = False
        return None

    def _repaired(self, key: int) -> str | None:
        sim = self._sim
        assert sim.process is not None
        with sim.process.ledger.view() as view:
            last = view.execute(
                select(repair).where(repair.c.connecteam_id == key).order_by(repair.c.id.desc())
            ).first()
            row = targets.get(view, key)
        stop = row.stop if row is not None else None
        if last is not None and last.state == repairs.WORKING and last.by_person:
            return "a repair is under way"
        if self._asked.get(key, -1e9) < self._changed_s + LAG_S:
            self._ask(key, by_person=True)
            return "a repair is asked for"
        if stop is None and (last is None or last.state == repairs.DONE):
            if key not in self._corrected and not _is_exclusive(sim.plan, key):
                self._correct(key)  # among others' rows, a copy of ours passes for theirs
                self._corrected.add(key)
            return None
        return self._not_repaired(key, stop, last)

    def _not_repaired(self, key: int, stop: str | None, last: Any) -> str | None:
        sim = self._sim
        target = next(t for t in sim.plan.targets if t.id == key)
        done = last is not None and last.state == repairs.DONE  # and something happened since
        self._left[key] = 1 if done else self._left.get(key, 0) + 1
        if self._left[key] < MOST_ASKED:
            self._ask(key, by_person=True)
            return f"something was left: {last and last.result[-1:]}"
        # What a held doubt brought to light is never deleted; and in an old ledger, the difference
        # may be more than what it knows can make, as after sales that were amended since.
        may_stay = stop == "old_ledger" or "others wrote there" in str(last and last.result[-1:])
        if target.exclusive and target.replace and not may_stay:
            raise WrongError(f"left by a repair, stopped as {stop}: {last and last.result[-1:]}")
        if self._left[key] > MOST_ASKED + 3:
            return None
        sim.story.reach(f"a repair left something, stopped as {stop}")
        if stop == "old_ledger":
            sim.accidents.put_newest_back()
            sim.checker.damaged = True  # until that one has been repaired
            self._asked.pop(key)
        else:
            self._correct(key)
        return "a person corrects it"

    def _ask(self, key: int, *, by_person: bool) -> None:
        sim = self._sim
        if sim.process is None:
            return
        days = sim.plan.first_day.isoformat(), sim.clock.now().date().isoformat()
        with sim.process.ledger.view() as view:
            if targets.get(view, key) is None:
                return
        now_ms = int(sim.clock.now().timestamp() * 1000)
        with Ledger.commit(sim.process.ledger) as commit:
            repairs.ask(commit, key, days, now_ms, by_person=by_person)
        self._asked[key] = sim.clock.true_s
        sim.story.reach("a repair is asked for")

    def _damage(self) -> None:
        """One of our rows goes, or is doubled, at a place where nothing is undecided."""
        sim = self._sim
        if sim.process is None:
            return
        with sim.process.ledger.view() as view:
            held = set(
                view.execute(
                    select(part.c.connecteam_id).where(part.c.state == PartState.HELD)
                ).scalars()
            )
            busy = held | {row.connecteam_id for row in parts.open_parts(view)}
            busy |= {row.connecteam_id for row in removals.blocking(view)}
        ours = [
            row
            for row in sim.shelf.rows.values()
            if row.live
            and not row.foreign
            and row.value.amount
            and row.value.location_id not in busy
        ]
        if not ours:
            return
        row = self._rng.choice(ours)
        if self._rng.random() < 0.5:
            sim.shelf.remove(row, by_person=True)
            sim.story.reach("a person deletes one of ours")
        else:
            sim.shelf.copy(row.value)
            sim.story.reach("a person doubles one of ours")
        self._changed_s = sim.clock.true_s
        sim.checker.damaged = sim.checker.was_touched = True

    def _correct(self, key: int) -> None:
        """What a repair could not put right, a person does."""
        sim = self._sim
        assert sim.process is not None
        with sim.process.ledger.view() as view:
            known = set(view.execute(select(sale.c.transaction_id)).scalars())
            wanted = sim.checker.wanted(view, key)
        real = sim.shelf.live_values(key)
        missing = wanted - real
        rows = sorted(sim.shelf.rows.values(), key=lambda row: row.id not in known)
        for row in rows:  # their ids are kept: support brings them back
            if not row.live and not row.foreign and missing[row.value] > 0:
                missing[row.value] -= 1
                sim.shelf.bring_back(row)
        if missing.total():
            raise WrongError(f"missing, and no person deleted it: {missing}")
        too_many = real - wanted
        for row in reversed(rows):
            if row.live and not row.foreign and too_many[row.value] > 0:
                too_many[row.value] -= 1
                sim.shelf.remove(row, by_person=True)
        self._changed_s = sim.clock.true_s - LAG_S


def _is_exclusive(plan: Plan, key: int) -> bool:
    return any(target.exclusive for target in plan.targets if target.id == key)
