"""A week of the service on each of Connecteam's plans: no request is refused, and none is wasted.

The real bridge and a real ledger on a virtual clock, as the seeds have them, but without faults:
what goes wrong here would be the bridge's own pacing.
"""

import tempfile
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from simulation.connecteam import FakeConnecteam, Manners
from simulation.lightspeed import FakeLightspeed
from simulation.plan import Target, draw
from simulation.process import SCRATCH, Process, new_ledger, quiet_logs
from simulation.shelf import Shelf
from simulation.trade import Trade, Value, Venue, make_sales
from simulation.world import UTC_START, Gate, Story, VirtualClock
from tillbridge import wiring
from tillbridge.config import parse

PLANS = {"small business": (5, 100), "Expert": (100, 10_000), "Enterprise": (200, 20_000)}
DAY_S = 86_400.0
POLL_S = 300.0
QUIET_S = 3600.0


class Account(FakeConnecteam):
    """One of the three plans, and how many requests it took on each day."""

    limits = (0, 0)

    def _limits(self) -> tuple[int, int]:
        return self.limits

    def sent_in_all(self) -> int:
        return sum(self.sent.values())

    def other_request(self) -> bool:
        """Another program of the customer asks for something; whether it may."""
        return not self._over_limit()


@dataclass
class Week:
    """One run of the service over some days."""

    plan_name: str
    days: int
    folder: Path
    others_a_day: int = 0
    poll_s: float = POLL_S
    sales_a_day: int = 90
    busy: tuple[float, ...] = (0.15, 0.4)  # when a day has its rushes
    by_day: list[int] = field(default_factory=list)
    others_refused: int = 0
    _next_other_s: float = 0.0

    def __post_init__(self) -> None:
        start = UTC_START[2]
        self.clock = VirtualClock(start)
        self.story = Story(self.clock)
        targets = [Target(101, "GBP", True, False)]
        venues = [Venue(9001, 101, "GBP", "Europe/London")]
        self.plan = replace(
            draw(1), targets=targets, venues=venues, poll_s=self.poll_s, patience="auto",
        )  # fmt: skip
        trade = Trade(
            sales=self.sales_a_day * self.days, until_s=self.days * DAY_S, late=0.02,
            amended=0.01, bursts=[(day + part) * DAY_S for day in range(self.days)
                                  for part in self.busy],
        )  # fmt: skip
        self.sales = {
            venue.lightspeed_id: make_sales(Random(venue.lightspeed_id), start, venue, trade)
            for venue in venues
        }
        self.lightspeed = FakeLightspeed(
            self.clock, self.story, Random(1), self.sales, page_size=100, token_kind="stamp"
        )
        self.shelf = Shelf(self.clock, self.story, Random(2), ZoneInfo("Europe/London"), 120.0)
        manners = Manners(wait_s=60.0, timeout_s=30.0, headers="wide")
        currencies = {target.id: target.currency for target in targets}
        self.connecteam = Account(
            self.clock, self.story, Random(3), self.shelf, manners, currencies, frozenset()
        )
        self.connecteam.limits = PLANS[self.plan_name]

    def run(self) -> None:
        quiet_logs()
        path = self.folder / "ledger.db"
        new_ledger(path)
        config = parse(self.plan.config(str(path))).config
        sign_in = wiring.authenticator(config, path, {}, self.clock, self.lightspeed)
        sign_in.import_refresh_token(self.lightspeed.sign_in())
        process = Process(
            config, path, self.clock, Gate(self.story, Random(4)),
            (self.lightspeed, self.connecteam), Random(5),
        )  # fmt: skip
        try:
            process.begin()
            self._live(process)
        finally:
            process.end()

    def _live(self, process: Process) -> None:
        work = process.bridge.make_pass(patient=True)
        shown = sorted(v.shown_s for many in self.sales.values() for sale in many
                       for v in sale.versions)  # fmt: skip
        ends_s = (self.days + 0.5) * DAY_S
        while self.clock.true_s < ends_s:
            began_s = self.clock.true_s
            look_s = work.run(post_for_s=self.poll_s).next_look_s
            pause_s = self.poll_s if look_s is None else min(self.poll_s, max(1.0, look_s))
            place = bisect_right(shown, began_s)
            news_s = shown[place] if place < len(shown) else ends_s
            if look_s is None or look_s > QUIET_S:
                # Polls that would find nothing and have nothing to look at are left out.
                pause_s = max(self.poll_s, min(QUIET_S, news_s - began_s + self.poll_s / 2))
            elif look_s > self.poll_s:
                pause_s = max(self.poll_s, min(look_s, news_s - began_s + self.poll_s / 2))
            self._until(began_s + pause_s)

    def _until(self, true_s: float) -> None:
        """Let others send, evenly, and count each day's requests at its end."""
        while self.others_a_day and self._next_other_s <= true_s:
            self.clock.advance_to(self._next_other_s)
            self.others_refused += not self.connecteam.other_request()
            self._next_other_s += DAY_S / self.others_a_day
        self.clock.advance_to(true_s)
        day = int(self.clock.true_s // DAY_S)
        while len(self.by_day) < day:
            self.by_day.append(self.connecteam.sent_in_all() - sum(self.by_day))

    @property
    def refused(self) -> int:
        return self.story.reached["real 429 by the limits"]

    def posted(self) -> int:
        return sum(row.live and not row.foreign for row in self.shelf.rows.values())


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="tillbridge-week-", dir=SCRATCH) as name:
        yield Path(name)


def truth(week: Week) -> Counter[Value]:
    """What Connecteam must hold in the end."""
    last = [sale.versions[-1].value for many in week.sales.values() for sale in many]
    return Counter(value for value in last if value is not None)


def held(week: Week) -> Counter[Value]:
    return Counter(row.value for row in week.shelf.rows.values() if row.live)


def longest_wait_s(week: Week) -> float:
    """From a sale's showing at Lightspeed to its being applied.

    Of sales that never changed, and that a poll's overlap brings; later ones wait for a re-read.
    """
    start = week.clock.start
    applied: dict[Value, float] = {}
    for row in week.shelf.rows.values():
        applied.setdefault(row.value, row.applied_s)
    waits = []
    for sale in (sale for many in week.sales.values() for sale in many):
        (first, *later), closed_s = sale.versions, (sale.closed - start).total_seconds()
        if not later and first.value is not None and first.shown_s - closed_s < 1500:
            waits.append(applied[first.value] - first.shown_s)
    assert len(waits) > 400
    return max(waits)


@pytest.mark.parametrize(("plan_name", "poll_s"), [("Expert", 1800), ("Enterprise", 3600)])
def test_a_week_on_a_larger_plan_is_never_refused(plan_name, poll_s, folder):
    week = Week(plan_name, 7, folder, poll_s=poll_s)
    week.run()
    assert week.refused == 0
    assert held(week) == truth(week)
    assert longest_wait_s(week) <= poll_s + 60


def test_a_week_on_the_smallest_plan_fits_a_poll_of_five_minutes_into_a_hundred_requests(folder):
    spread = tuple(n / 10 for n in range(1, 9))  # almost every poll of the day brings a sale
    week = Week("small business", 7, folder, sales_a_day=150, busy=spread)
    week.run()
    assert week.refused == 0
    assert len(week.by_day) == 7
    assert max(week.by_day) <= 80  # the share of 0.8
    assert longest_wait_s(week) <= 7200  # the day's requests last for the day; else half a day
    assert held(week) == truth(week)


def test_beside_another_program_on_the_smallest_plan_neither_is_refused(folder):
    week = Week("small business", 2, folder, others_a_day=18)
    week.run()
    assert (week.refused, week.others_refused) == (0, 0)
    assert held(week) == truth(week)
