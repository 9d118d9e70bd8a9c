"""What goes wrong around the bridge: reboots, clocks, disks, other people, other processes."""

import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from sqlalchemy import select

from simulation.plan import LAG_S, WAIT_S, Target
from simulation.trade import Value
from simulation.world import Crash, Gate
from tillbridge.by_hand import Word
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import parts, removals
from tillbridge.ledger.schema import sale

if TYPE_CHECKING:
    from simulation.harness import Simulation

FOREIGN = 1_000_000_007
"""Own amounts never add up to this: a foreign amount equal to a lost part is a stated limit."""


class Accidents:
    """Draws accidents between passes and at steps of the process."""

    def __init__(self, simulation: "Simulation") -> None:
        self._sim = simulation
        self._plan = simulation.plan
        self._rng = Random(f"accidents {self._plan.seed}")
        self._copy: Path | None = None
        self._newest: Path | None = None
        self._restore_at_s = float("inf")
        self._copy_at_s = float("inf")
        self._copied_s = 0.0
        self._busy = False
        self._stopped = False
        self.acted_s = -1e9
        if self._plan.restore:
            self._copy_at_s = self._plan.until_s * self._rng.uniform(0.2, 0.5)
            self._restore_at_s = self._plan.until_s * self._rng.uniform(0.6, 0.9)
            if self._plan.restore_soon and self._rng.random() < 0.5:
                self._restore_at_s = self._copy_at_s + 1.0

    # -- what is planted beforehand ---------------------------------------------------------------

    def plant(self) -> None:
        """Foreign rows: where they belong, and in some seeds where they do not."""
        for target in self._plan.targets:
            if not target.exclusive:
                if self._rng.random() < 0.5:
                    self._foreign(target.id, target.currency, 0.0)
                continue
            word = self._plan.foreign_at_exclusive
            if word == "no":
                continue
            self._sim.checker.planted.add(target.id)
            at_s = 0.0 if word == "before" else self._plan.until_s * self._rng.uniform(0.2, 0.8)
            among = self._rng.choice(self._stamps(target.id)) if self._plan.planted_among else None
            self._foreign(target.id, target.currency, at_s, among)
            self._sim.story.reach(f"planted at an exclusive place: {word}")

    def _is_exclusive(self, target_id: int) -> bool:
        return any(place.exclusive for place in self._plan.targets if place.id == target_id)

    def _stamps(self, target_id: int) -> list[int]:
        """When the sales of a location will be made, in epoch seconds."""
        homes = {v.lightspeed_id for v in self._plan.venues if v.connecteam_id == target_id}
        sales = self._sim.sales
        return [int(one.closed.timestamp()) for key in sorted(homes) for one in sales[key]]

    def _foreign(
        self, target_id: int, currency: str, at_s: float, stamp_s: int | None = None
    ) -> None:
        def write() -> None:
            stamp = stamp_s
            if stamp is None:
                stamp = int(self._sim.clock.true_now().timestamp()) - self._rng.randint(0, 20_000)
            amount = FOREIGN * self._rng.randint(1, 9)
            # At an exclusive place a stranger's plain amount can pass for some rows of a doubt.
            if self._plan.foreign_is_plain and not self._is_exclusive(target_id):
                amount = self._rng.choice((-1, 1, 1)) * self._rng.randint(100, 90_000)
            value = Value(target_id, "MANUAL", stamp, amount, 0, currency)
            self._sim.shelf.add(value, foreign=True)

        self._sim.clock.at(at_s, write)

    # -- between passes ---------------------------------------------------------------------------

    def happen(self) -> None:
        plan, rng, sim = self._plan, self._rng, self._sim
        if rng.random() < plan.foreign:
            open_places = [target for target in plan.targets if not target.exclusive]
            if open_places:
                self._others(rng.choice(open_places))
        if rng.random() < plan.restarts:
            sim.story.reach("restart")
            sim.end_process()
        if rng.random() < plan.reboots:
            sim.story.reach("reboot")
            sim.end_process()
            sim.clock.advance(rng.choice((30.0, 60.0, 600.0)))
            sim.clock.reboot()
        if rng.random() < plan.wall_jumps:
            sim.story.reach("wall clock set")
            sim.clock.set_wall(rng.choice((0.0, -4 * 3600.0, -90.0, 70.0, 3 * 3600.0, 6 * 3600.0)))
        if rng.random() < plan.second_process:
            self._read_once()
        self._old_ledger()

    def _others(self, place: Target) -> None:
        """At a place that is not exclusive, others write, and delete what they wrote."""
        sim = self._sim
        theirs = [
            row
            for row in sim.shelf.rows.values()
            if row.foreign and row.live and row.value.location_id == place.id
        ]
        if theirs and self._rng.random() < 0.3:
            sim.shelf.remove(self._rng.choice(theirs), by_person=True)
            sim.story.reach("foreign deleted")
            return
        self._foreign(place.id, place.currency, sim.clock.true_s)
        sim.story.reach("foreign meanwhile")

    def stop(self) -> None:
        """From here on, nothing more happens."""
        self._stopped = True
        self._copy_at_s = self._restore_at_s = float("inf")

    def clean_up(self) -> None:
        """At the end people put right what only they can: foreign rows, and an old ledger.

        What they do shows in `acted_s`, the moment when somebody last deleted a stranger's row.
        """
        sim = self._sim
        if sim.process is None:
            return
        stops = self._stops()
        if self._newest is not None and stops and not self._plan.repairs:
            self.put_newest_back()
            return
        if "old_ledger" in stops.values() and self._newest is None:
            # The generation was raised by the old copy too, so only a person can tell.
            sim.process.bridge.by_hand.end_stop("old_ledger", Word.NOT_LANDED, "the newest", None)
            sim.story.reach("a person says that the ledger is the newest")
        if not self._plan.repairs:  # then `hands` sees to the rest
            self._end_stops(stops)

    def _end_stops(self, stops: dict[int, str]) -> None:
        """Late copies, and what strangers wrote at an exclusive place: deleted by hand."""
        sim = self._sim
        assert sim.process is not None
        if "applied_late" in stops.values() or sim.shelf.pardoned:
            self._delete_second_copies()
        if not sim.checker.old_in_place:
            self._delete_what_no_sale_tells(
                k for k, stop in stops.items() if stop == "applied_late"
            )
        touched = sim.checker.was_touched or sim.shelf.pardoned
        if "unexplained" in stops.values() and touched:
            foreign = any(
                row.foreign and row.live and row.value.location_id in stops
                for row in sim.shelf.rows.values()
            )
            if not foreign:
                sim.process.bridge.by_hand.end_stop(
                    "unexplained", Word.NOT_LANDED, "my doing", None
                )
                sim.story.reach("a person ends a stop")
        for row in list(sim.shelf.rows.values()):
            if row.foreign and row.live and stops.get(row.value.location_id) in _FOREIGN_STOPS:
                sim.shelf.remove(row, by_person=True)
                self.acted_s = sim.clock.true_s
                sim.story.reach("a person deletes what did not belong there")

    def _delete_second_copies(self) -> None:
        """What a request that came later than it may left behind, and whose ids nobody knew."""
        shelf = self._sim.shelf
        for row in list(shelf.rows.values()):
            again = [r for r in shelf.rows.values() if r.live and r.value == row.value]
            if row.live and not row.foreign and len(again) > shelf.most(row.value):
                shelf.remove(row, by_person=True)
                self._sim.story.reach("a person deletes second copies")

    def _delete_what_no_sale_tells(self, keys: Iterable[int]) -> None:
        """The late copy of a sale that has been amended since is not a second one any more."""
        sim = self._sim
        assert sim.process is not None
        for key in keys:
            with sim.process.ledger.view() as view:
                if parts.open_parts(view, key) or removals.blocking(view, key):
                    continue
                known = set(view.execute(select(sale.c.transaction_id)).scalars())
                too_many = sim.shelf.live_values(key) - sim.checker.wanted(view, key)
            for row in list(sim.shelf.rows.values()):
                if row.live and not row.foreign and row.id not in known and too_many[row.value] > 0:
                    too_many[row.value] -= 1
                    sim.shelf.remove(row, by_person=True)
                    sim.story.reach("a person deletes what no sale tells of")

    def _stops(self) -> dict[int, str]:
        assert self._sim.process is not None
        from tillbridge.ledger import targets  # noqa: PLC0415

        with self._sim.process.ledger.view() as view:
            return {
                row.connecteam_id: row.stop for row in targets.every(view) if row.stop is not None
            }

    # -- an old ledger ----------------------------------------------------------------------------

    def _old_ledger(self) -> None:
        sim = self._sim
        if sim.clock.true_s >= self._copy_at_s and self._copy is None:
            self._copy = sim.path.with_name("copy.db")
            self._copied_s = sim.clock.true_s
            _copy_ledger(sim.path, self._copy)
            sim.end_process()  # the generation tells a copy only from before a start
            sim.story.tell("a copy of the ledger is made")
        soon = not self._plan.restore_soon or self._has_just_posted()
        if sim.clock.true_s >= self._restore_at_s and self._copy is not None and soon:
            self._restore_at_s = float("inf")
            sim.end_process()
            self._pardon_zero_sums()
            self._newest = sim.path.with_name("newest.db")
            _copy_ledger(sim.path, self._newest)
            _put_ledger(self._copy, sim.path)
            sim.checker.restored = sim.checker.old_in_place = True
            sim.story.reach("an old ledger is put in place")
            sim.story.tell("an old ledger is put in place")

    def _has_just_posted(self) -> bool:
        now = self._sim.clock.true_s
        latest = max((row.applied_s for row in self._sim.shelf.rows.values()), default=now)
        return now - latest < 120.0 or now > 0.97 * self._plan.until_s

    def _pardon_zero_sums(self) -> None:
        """At an exclusive location only totals show that a ledger is old. They cannot show rows
        that add up to nothing: a stated limit.
        """
        changed = [
            row.value.amount * (-1 if row.gone_s is not None else 1)
            for row in self._sim.shelf.rows.values()
            if max(row.applied_s, row.gone_s or 0.0) > self._copied_s and not row.foreign
        ]
        if changed and sum(changed) == 0:
            self._sim.story.reach("an old ledger that totals cannot show")
            self._sim.shelf.pardoned += len(changed)

    def put_newest_back(self) -> None:
        assert self._newest is not None
        self._sim.end_process()
        _put_ledger(self._newest, self._sim.path)
        self._newest = None
        self._sim.checker.old_in_place = False
        self._sim.story.reach("the newest ledger is put back")
        self._sim.story.tell("the newest ledger is put back")

    # -- at steps of the process ------------------------------------------------------------------

    def at_step(self, name: str) -> None:
        """Between two deeds of the process: others act, or the machine sleeps."""
        if self._busy or self._stopped:
            return
        rng, plan = self._rng, self._plan
        if name == "before a commit" and rng.random() < plan.second_process / 20:
            self._read_once()
        if name == "between commit and send" and rng.random() < plan.suspensions:
            self._sim.story.reach("asleep between commit and send")
            self._sleep(rng.choice((3.0, 20.0, 4000.0)))
        if name == "before POST at Connecteam" and rng.random() < plan.suspensions:
            self._sim.story.reach("asleep in a request")
            self._sleep(rng.choice((20.0, 900.0, 4000.0)))

    def _sleep(self, seconds: float) -> None:
        """The process stands still; another one is started meanwhile and must not post."""
        self._sim.clock.advance(seconds / 2)
        self._try_second_service(seconds / 2)

    def _read_once(self) -> None:
        """`once` beside the service: it reads into the ledger and leaves the posting."""
        self._with_other_process(lambda other: other.run_pass())
        self._sim.story.reach("once beside the service")

    def _try_second_service(self, seconds: float) -> None:
        def serve(other: object) -> None:
            from simulation.process import Process  # noqa: PLC0415

            assert isinstance(other, Process)
            if self._sim.process is None or not other.begin():
                self._sim.story.reach("a second service is turned away")
                return
            until_s = self._sim.clock.true_s + seconds + 2 * (WAIT_S + LAG_S)
            while self._sim.clock.true_s < until_s:
                wait_s = other.run_pass().next_look_s
                self._sim.clock.advance(min(300.0, wait_s or 300.0))

        self._with_other_process(serve)

    def _with_other_process(self, work: object) -> None:
        from simulation.process import Process  # noqa: PLC0415

        assert callable(work)
        self._busy = True
        sim = self._sim
        flight = sim.connecteam.flight
        other: Process | None = None
        try:
            gate = Gate(sim.story, Random("other"))
            other = Process(
                sim.config, sim.path, sim.clock, gate, (sim.lightspeed, sim.connecteam),
                Random(f"other {self._plan.seed}"),
            )  # fmt: skip
            work(other)
        except (TillbridgeError, Crash):
            sim.story.reach("the other process failed")
        finally:
            if other is not None:
                other.end()
            sim.connecteam.flight = flight
            self._busy = False


_FOREIGN_STOPS = ("not_empty", "unexplained")


def _copy_ledger(path: Path, copy: Path) -> None:
    source, target = sqlite3.connect(path), sqlite3.connect(copy)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()


def _put_ledger(source: Path, path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(source, path)
