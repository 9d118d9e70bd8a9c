"""A long history under a minute's limit: full requests, a flat queue, and live sales first."""

from datetime import timedelta
from random import Random

import pytest

from simulation.process import Process, new_ledger, quiet_logs
from simulation.test_quota_week import DAY_S, Week, folder, held, truth
from simulation.trade import Trade, make_sales
from simulation.world import Gate
from tillbridge import wiring
from tillbridge.config import parse

__all__ = ["folder"]

HISTORY_DAYS = 20
POLL_S = 300.0


class History(Week):
    """Sales of three weeks, of which the service is told to carry only the last hours."""

    sales = 2400

    def __post_init__(self) -> None:
        super().__post_init__()
        self.connecteam.limits = (2, 10_000)
        venue = self.plan.venues[0]
        trade = Trade(
            sales=History.sales, until_s=HISTORY_DAYS * DAY_S + 10_800, losses=0.1, steady=0.9,
            bursts=[HISTORY_DAYS * DAY_S + 3600],
        )  # fmt: skip
        found = make_sales(Random(7), self.clock.start, venue, trade)
        self.lightspeed.sales[venue.lightspeed_id] = found
        self.sales = {venue.lightspeed_id: found}
        self.clock.advance_to(HISTORY_DAYS * DAY_S)
        path = self.folder / "ledger.db"
        new_ledger(path)
        document = self.plan.config(str(path))
        self.first_live_day = (self.clock.start + timedelta(days=HISTORY_DAYS)).date()
        document["locations"][0]["start"] = self.first_live_day
        document["connecteam"]["backfill_share"] = 0.9
        self.config = parse(document).config
        sign_in = wiring.authenticator(self.config, path, {}, self.clock, self.lightspeed)
        sign_in.import_refresh_token(self.lightspeed.sign_in())
        quiet_logs()

    def process(self) -> Process:
        return Process(
            self.config, self.folder / "ledger.db", self.clock, Gate(self.story, Random(4)),
            (self.lightspeed, self.connecteam), Random(5),
        )  # fmt: skip

    def histories(self, process: Process):
        first = (self.clock.start - timedelta(days=1)).date()
        return process.bridge.histories(first, self.first_live_day, [])

    def sizes(self) -> list[int]:
        return [len(request.rows) for request in self.connecteam.requests.values()]


@pytest.fixture
def world(folder):
    return History("Expert", 1, folder)


def test_a_history_goes_out_in_full_requests_though_a_plan_sees_a_part_of_it(world):
    world.connecteam.limits = (15, 10_000)  # a minute sends more than a plan sees
    process = world.process()
    process.begin()
    job = process.bridge.make_backfill(world.histories(process))
    *_, state = job.run()
    while (wait_s := state.delivered.quota_wait_s) is not None:
        world.clock.sleep(wait_s)
        state.delivered = job.post_rest()
    process.end()
    closed = [one for many in world.sales.values() for one in many
              if one.closed <= world.clock.start + timedelta(days=HISTORY_DAYS)]  # fmt: skip
    sizes = world.sizes()
    assert sum(sizes) >= len(closed) > 2000
    assert world.refused == 0
    # One request is left over for each sign, and one for those of the present day.
    assert sum(size < 100 for size in sizes) <= 3, sizes


def test_live_sales_beside_a_backfill_wait_at_most_one_poll_longer(world):
    service, helper = world.process(), world.process()
    service.begin()
    work = service.bridge.make_pass(patient=True)
    for _ in helper.bridge.make_backfill(world.histories(helper)).run():
        pass  # it does not hold the lock: it only reads
    helper.end()
    ends_s = world.clock.true_s + 11_700
    while world.clock.true_s < ends_s:
        began_s = world.clock.true_s
        look_s = work.run(post_for_s=POLL_S).next_look_s
        pause_s = POLL_S if look_s is None else min(POLL_S, max(1.0, look_s))
        world.clock.advance_to(max(world.clock.true_s + 1, began_s + pause_s))
    service.end()
    assert held(world) == truth(world)
    assert world.refused == 0
    assert live_waits_s(world, after_s=HISTORY_DAYS * DAY_S + 60) <= 2 * POLL_S


def live_waits_s(world: History, after_s: float) -> float:
    """The longest from a live sale's closing to its arrival."""
    arrived = {}
    for row in world.shelf.rows.values():
        arrived.setdefault(row.value, row.applied_s)
    waits = [
        arrived[sale.versions[0].value] - sale.versions[0].shown_s
        for many in world.sales.values()
        for sale in many
        if (sale.closed - world.clock.start).total_seconds() > after_s
    ]
    assert len(waits) > 20
    return max(waits)
