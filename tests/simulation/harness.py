"""Drives the real bridge through a seed: passes, accidents, people, and the checks between."""

import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select

from simulation import branches
from simulation.accidents import Accidents
from simulation.checker import Checker
from simulation.connecteam import FakeConnecteam
from simulation.hands import Hands
from simulation.lightspeed import FakeLightspeed
from simulation.manners import Manners
from simulation.plan import LAG_S, WAIT_S, Plan
from simulation.process import SCRATCH, Process, new_ledger, quiet_logs
from simulation.shelf import Shelf
from simulation.themes import plan_of
from simulation.trade import make_sales
from simulation.world import UTC_START, Crash, Gate, Story, VirtualClock, WrongError
from tillbridge import wiring
from tillbridge.by_hand import Word
from tillbridge.config import parse
from tillbridge.errors import TillbridgeError
from tillbridge.ledger.schema import sale

LOOK_AGAIN_S = 900.0
"""How often the bridge looks whether a stop is over."""

END_WITHIN_S = 14 * 3600.0
"""How long everything may take to settle once the faults stop: many times T + L, for a search
by halves and the longest pause between two looks."""


@dataclass
class Result:
    """What came of a seed."""

    seed: int
    failure: str | None = None
    digest: str = ""
    reached: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    passes: int = 0


def run_seed(seed: int, *, keep_lines: bool = False, plan: Plan | None = None) -> Result:
    """Run one seed; never raises for a failure of the bridge."""
    quiet_logs()
    with tempfile.TemporaryDirectory(prefix="tillbridge-", dir=SCRATCH) as folder:
        simulation = Simulation(plan or plan_of(seed), Path(folder), keep_lines=keep_lines)
        with branches.recorded(simulation.story):
            failure = simulation.play()
    story = simulation.story
    return Result(seed, failure, story.digest, dict(story.reached), story.lines, simulation.passes)


class Simulation:
    """One seed."""

    def __init__(self, plan: Plan, folder: Path, *, keep_lines: bool) -> None:
        self.plan = plan
        start = UTC_START[plan.start_number]
        self.clock = VirtualClock(start)
        self.story = Story(self.clock)
        self.story.keep_lines = keep_lines
        self.rng = Random(f"harness {plan.seed}")
        self.path = folder / "ledger.db"
        new_ledger(self.path)
        trade_rng = Random(f"trade {plan.seed}")
        self.sales = {
            venue.lightspeed_id: make_sales(trade_rng, start, venue, trade)
            for venue, trade in zip(plan.venues, plan.trades, strict=True)
        }
        self.lightspeed = FakeLightspeed(
            self.clock, self.story, Random(f"lightspeed {plan.seed}"), self.sales,
            page_size=plan.page_size, token_kind=plan.token_kind,
        )  # fmt: skip
        rng = Random(f"connecteam {plan.seed}")
        self.shelf = Shelf(self.clock, self.story, rng, plan.connecteam_zone, plan.lag_s)
        self.connecteam = FakeConnecteam(
            self.clock, self.story, rng, self.shelf, _manners(plan),
            {target.id: target.currency for target in plan.targets},
            {target.id for target in plan.targets if target.replace},
        )  # fmt: skip
        self.shelf.many_copies = plan.many_copies
        self.checker = Checker(plan, self.clock, self.story, self.connecteam, self.sales)
        self.connecteam.before_post = self.checker.judge_post
        self.shelf.most = self.checker.most
        self.shelf.may_delete = self.checker.is_stale
        self.connecteam.ids_known = self._ids_known
        self.config = parse(plan.config(str(self.path))).config
        self.process: Process | None = None
        self.disk_faults = 0.0
        self.crashes = 0.0
        self.passes = 0
        self._deleted_s: dict[int, float] = {}
        self._checked_s = 0.0
        self.accidents = Accidents(self)
        self.hands = Hands(self)
        self.shelf.repairs = plan.repairs > 0

    # -- the whole --------------------------------------------------------------------------------

    def play(self) -> str | None:
        """Everything, from the first second; returns what is wrong, or None."""
        try:
            self.sign_in()
            self._faulty_days()
            self._quiet_end()
        except (Exception, Crash, WrongError) as error:  # noqa: BLE001  # whatever it is, the seed failed
            self.story.tell(f"FAILED {error!r}")
            where = "".join(traceback.format_exception(error)[-6:])
            return f"at {self.clock.true_s:.0f} s: {error!r}\n{where}"
        finally:
            self.end_process()
        return None

    def _faulty_days(self) -> None:
        plan = self.plan
        self.connecteam.manners.fault_rate = plan.post_faults
        self.lightspeed.fault_rate = plan.read_faults
        self.disk_faults, self.crashes = plan.disk_faults, plan.crashes
        self.accidents.plant()
        while self.clock.true_s < plan.until_s:
            self.accidents.happen()
            self.hands.happen()
            pause_s = self.one_pass()
            # Now and then somebody runs it again at once, or the machine goes down at once.
            soon = self.rng.random() < 0.25
            self.clock.advance(self.rng.uniform(5, 90) if soon else pause_s)

    def _quiet_end(self) -> None:
        """No fault any more: all must settle, and soon."""
        self.connecteam.manners.fault_rate = self.lightspeed.fault_rate = 0.0
        self.disk_faults = self.crashes = 0.0
        if self.process is not None:
            self.process.gate.chance = 0.0
        self.accidents.stop()
        self.clock.set_wall(0.0)
        shown_s = max(
            (v.shown_s for many in self.sales.values() for one in many for v in one.versions),
            default=0.0,
        )
        self.clock.advance_to(max(self.clock.true_s, shown_s + 1))
        plan = self.plan
        slow = (5 if plan.headers == "tight" else 1) * (4 if plan.patience == "auto" else 1)
        slow *= 2 if plan.poll_s > 1800 else 1  # a new doubt is looked at with the next poll
        limit_s = self.clock.true_s + END_WITHIN_S * slow
        problem: str | None = "not looked yet"
        while problem is not None:
            wait_s = self.one_pass()
            self.accidents.clean_up()
            problem = self.hands.clean_up() or self.unfinished()
            if self.clock.true_s < self.accidents.acted_s + LAG_S + 2 * LOOK_AGAIN_S:
                problem = problem or "what a person did is yet to be seen"
            if self.clock.true_s > limit_s:
                raise WrongError(f"not settled in time: {problem}")
            if problem is not None:
                self.clock.advance(wait_s)
        self.check()
        self.story.reach("settled")

    # -- passes -----------------------------------------------------------------------------------

    def one_pass(self) -> float:
        """One pass, whatever comes of it; returns seconds until the next."""
        self.passes += 1
        try:
            if self.process is None:
                self.process = self.new_process()
                self.process.begin()
            report = self.process.run_pass()
        except Crash:
            self._after_crash()
            return self.rng.uniform(60, 900)
        except TillbridgeError as error:
            self.story.reach(f"pass failed: {type(error).__name__}")
            if self.process is not None and not self.process.began:
                self.end_process()
            self.check()
            return self.plan.poll_s / 4
        if report.lightspeed_refused is not None:
            self.story.reach("a person signs in again")
            self.sign_in()
        self.check()
        self._person()
        after = report.next_look_s
        return (
            self.plan.poll_s
            if after is None
            else min(self.plan.poll_s, max(self.plan.least_pause_s, after))
        )

    def new_process(self) -> Process:
        gate = Gate(self.story, Random(f"gate {self.plan.seed} {self.passes}"))
        gate.chance = self.crashes
        gate.on = self.accidents.at_step
        return Process(
            self.config, self.path, self.clock, gate, (self.lightspeed, self.connecteam),
            Random(f"retries {self.plan.seed}"), self._disk_fails,
        )  # fmt: skip

    def _after_crash(self) -> None:
        """The process is dead; in some seeds another one has been waiting for its lock."""
        dead, self.process = self.process, None
        if dead is None:
            return
        if self.rng.random() < self.plan.second_process:
            (crashes, self.crashes), (disk, self.disk_faults) = (
                (self.crashes, 0),
                (self.disk_faults, 0),
            )
            self.process = self.new_process()
            if self.process.begin() and dead.began:
                raise WrongError("two processes hold the lock")
            dead.end()
            self.story.reach("a waiting service takes over")
            self.process.begin()
            self.process.gate.chance = self.crashes = crashes
            self.disk_faults = disk
        dead.end()

    def end_process(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None

    def _ids_known(self) -> list[str]:
        if self.process is None:
            return []
        with self.process.ledger.view() as view:
            return sorted(
                row.transaction_id
                for row in view.execute(select(sale.c.transaction_id))
                if row.transaction_id is not None
            )

    def _disk_fails(self) -> bool:
        if self.disk_faults and self.rng.random() < self.disk_faults:
            self.story.reach("disk full")
            return True
        return False

    def sign_in(self) -> None:
        """A person authorises; that never fails here."""
        rate, self.lightspeed.fault_rate = self.lightspeed.fault_rate, 0.0
        sign_in = wiring.authenticator(self.config, self.path, {}, self.clock, self.lightspeed)
        sign_in.import_refresh_token(self.lightspeed.sign_in())
        self.lightspeed.fault_rate = rate

    # -- checks -----------------------------------------------------------------------------------

    def check(self) -> None:
        if self.process is None:
            return
        with self.process.ledger.view() as view:
            self.checker.check_counts(view)
            self.checker.check_read(view, self._checked_s)
            self.checker.judge_holds(view)
            self.checker.check_rows(view)
        self._checked_s = self.clock.true_s

    def unfinished(self) -> str | None:
        if self.process is None:
            return "no process"
        with self.process.ledger.view() as view:
            return self.checker.unfinished(view)

    def _person(self) -> None:
        """Somebody looks into Connecteam and decides what is held."""
        if self.process is None or self.rng.random() < self.plan.person_waits:
            return
        with self.process.ledger.view() as view:
            held = self.checker.judge_holds(view)
        for row in held:
            if self.process is not None:
                self._decide(row)

    def _decide(self, row: Any) -> None:
        """Look at one held part; delete what is there of it, wait until totals show that, and
        then say that it is not there. A restart makes the bridge compare the totals anew.
        """
        assert self.process is not None
        if self.rng.random() < self.plan.person_replaces and self._may_replace(row):
            self.connecteam.replaceable.add(row.connecteam_id)
            self._say(row, Word.REPLACE)
            return
        rows = [one for one in self.checker.applied(row) if one.live]
        landed = len(rows) == len(row.sale_ids) and not self.checker.was_amended(row)
        if rows and not landed:
            for one in rows:
                self.shelf.remove(one, by_person=True)
            self.checker.was_touched = True
            self._deleted_s[row.id] = self.clock.true_s
            self.story.reach("a person deletes rows of a held part")
        if self.clock.true_s < self._deleted_s.get(row.id, -LAG_S) + LAG_S:
            return
        self._say(row, Word.LANDED if landed else Word.NOT_LANDED)
        if row.id in self._deleted_s:
            self.end_process()

    def _say(self, row: Any, word: Word) -> None:
        assert self.process is not None
        try:
            self.process.bridge.by_hand.settle(row.id, word, "looked")
        except (Crash, TillbridgeError):
            return
        self.story.reach(f"a person decides: {word.value}")

    def _may_replace(self, row: Any) -> bool:
        """Whether a person may say so: nobody else writes there, and nothing was deleted by hand."""
        here = next(one for one in self.plan.targets if one.id == row.connecteam_id)
        return here.exclusive and row.id not in self._deleted_s


def _manners(plan: Plan) -> Manners:
    return Manners(
        wait_s=WAIT_S,
        timeout_s=30.0,
        delete_rate=plan.delete_faults,
        post_kinds=plan.post_kinds,
        delete_kinds=plan.delete_kinds,
        start_inclusive=plan.start_inclusive,
        end_inclusive=plan.end_inclusive,
        early_404=plan.early_404,
        refusal=plan.refusal,
        headers=plan.headers,
        too_late=plan.too_late,
    )
