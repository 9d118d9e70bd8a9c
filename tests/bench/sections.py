"""What is measured, one function a section; each gives lines of the table, and fails loudly.

Figures of speed are compared within one run, because machines differ and even one is not the same
twice. A line says what was asked for only where the project promises a figure.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import service
from bench.runs import (
    PEER_NAMES,
    BenchError,
    Cost,
    Home,
    peers_installed,
    run,
    run_peer,
    scratch,
    vendor,
)

SLOW = {"read_ms": 80, "post_ms": 120}
MINUTE, DAY = 200, 20_000  # the Enterprise plan
SHARE = 0.8
ANY = (0, 3, 69)
"""Exit codes of a command that did its work; some sales may not be confirmed yet."""


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        what: was measured.
        figure: as people read it.
        value: as a number, for the JSON.
        wanted: what is promised, as people read it; empty where nothing is.
        kept: whether the promise is kept; None where there is none.
    """

    what: str
    figure: str
    value: float
    wanted: str = ""
    kept: bool | None = None


@dataclass(frozen=True)
class Sizes:
    """How much is carried over in each section."""

    speed: int
    slow: tuple[int, ...]
    quota: int
    small: int
    large: int
    freshness_s: int
    idle_s: int


FULL = Sizes(100_000, (10_000, 30_000), 100_000, 10_000, 1_000_000, 120, 300)
USUAL = Sizes(100_000, (10_000,), 64_000, 10_000, 200_000, 60, 120)
QUICK = Sizes(20_000, (3_000,), 40_000, 5_000, 30_000, 30, 45)


def days_of(sales: int) -> float:
    """Three thousand sales a day, and never more than one window of Lightspeed's."""
    return min(360.0, max(1.0, sales / 3000))


def carry(sales: int, name: str, **options: object) -> Cost:
    """One program carries all sales over, with vendors and a folder of its own."""
    with vendor(sales=sales, days=days_of(sales), **options) as served, scratch() as folder:
        cost = _ours(served, folder) if name == "tillbridge" else run_peer(name, served, folder)
        served.must_hold_all(name)
    return cost


def _ours(served: object, folder: Path) -> Cost:
    more = {"lightspeed": "max_concurrency = 4", "location": 'when_unclear = "replace"'}
    return Home(folder, served, more=more).backfill()  # type: ignore[arg-type]


def _beside_peers(sales: int, **options: object) -> dict[str, Cost]:
    names = ["tillbridge", *(PEER_NAMES if peers_installed() else ())]
    return {name: carry(sales, name, **options) for name in names}


def speed(sizes: Sizes) -> Iterator[Line]:
    """Sales per second of CPU in a backfill, whole processes, no latency."""
    costs = _beside_peers(sizes.speed)
    rates = {name: sizes.speed / cost.cpu_s for name, cost in costs.items()}
    ours = rates.pop("tillbridge")
    what = f"sales per CPU-second, backfill of {sizes.speed:,}"
    yield Line(what, f"{ours:,.0f}", ours, "25,000", ours >= 25_000)
    for (name, rate), wanted in zip(rates.items(), (2, 3, 4), strict=False):
        times = ours / rate
        yield Line(
            f"… against {name} ({rate:,.0f})", f"{times:.1f} times", times,
            f"{wanted} times", times >= wanted,
        )  # fmt: skip


def waiting(sizes: Sizes) -> Iterator[Line]:
    """Wall time where every answer takes its time; with more sales, the start counts for less."""
    for sales in sizes.slow:
        yield from _waiting(sales)


def _waiting(sales: int) -> Iterator[Line]:
    costs = _beside_peers(sales, **SLOW)
    ours = costs.pop("tillbridge").wall_s
    what = f"backfill of {sales:,} with 80 ms a read, 120 ms a post"
    yield Line(what, f"{ours:.1f} s", ours)
    if costs:
        name, best = min(costs.items(), key=lambda item: item[1].wall_s)
        times = best.wall_s / ours
        yield Line(
            f"… against the fastest peer ({name}, {best.wall_s:.1f} s)", f"{times:.1f} times",
            times, "5 times", times >= 5,
        )  # fmt: skip


def quota(sizes: Sizes) -> Iterator[Line]:
    """What is used of the share where a minute's limit binds, and how full the requests are."""
    with (
        vendor(sales=sizes.quota, days=days_of(sizes.quota), minute=MINUTE, day=DAY) as served,
        scratch() as folder,
    ):
        more = {"connecteam": f"quota_share = {SHARE}\nbackfill_share = 1.0"}
        Home(folder, served, more=more).backfill()
        state = served.must_hold_all("tillbridge")
    minutes = sorted((int(number), count) for number, count in state["minutes"].items())
    whole = [count for _, count in minutes[1:-1]]  # the first and the last are cut off
    if not whole:
        raise BenchError(f"{sizes.quota} sales went out in less than two minutes of the quota")
    used = sum(whole) / (len(whole) * MINUTE * SHARE)
    sizes_ = {int(size): count for size, count in state["sizes"].items()}
    rows = sum(size * count for size, count in sizes_.items()) / sum(sizes_.values())
    yield Line(
        f"of the quota's share, over {len(whole)} whole minutes", f"{used:.1%}", used,
        "98 %", used >= 0.98,
    )  # fmt: skip
    what = f"rows in a request, mean over {sizes.quota:,} sales"
    yield Line(what, f"{rows:.1f}", rows, "99", rows >= 99 if sizes.quota >= 100_000 else None)
    yield Line("requests refused by a limit", str(state["throttled"]), state["throttled"],
               "none", state["throttled"] == 0)  # fmt: skip


def memory_and_growth(sizes: Sizes) -> Iterator[Line]:
    """Peak memory, and what a filled ledger costs each poll, each look and each start."""
    costs: dict[int, Cost] = {}
    homes: dict[int, Home] = {}
    with ExitStack() as stack:
        for sales in (1000, sizes.small, sizes.large):
            served = stack.enter_context(vendor(sales=sales, days=days_of(sales)))
            homes[sales] = Home(stack.enter_context(scratch()), served)
            costs[sales] = homes[sales].backfill()
            served.must_hold_all("tillbridge")
        few, many = _standing(homes[1000], homes[sizes.large])
    small, large = costs[sizes.small].peak_mb, costs[sizes.large].peak_mb
    yield Line(f"peak memory, backfill of {sizes.large:,}", f"{large:.1f} MB", large,
               "80 MB", large < 80)  # fmt: skip
    yield Line(f"… against that of {sizes.small:,} ({small:.1f} MB)", f"{large / small:.2f} times",
               large / small, "1.05 times", large / small <= 1.05)  # fmt: skip
    for what, value in many.items():
        times = value / few[what]
        yield Line(
            f"{what} with {sizes.large:,} sales in the ledger, against 1,000",
            f"{times:.2f} times", times, "1.2 times", times <= 1.2,
        )  # fmt: skip


def _standing(*homes: Home) -> list[dict[str, float]]:
    """CPU seconds of a status, a poll that finds nothing and a start; medians of many.

    In turns, so that a machine that is busy for a while is busy for all of them.
    """
    deeds: dict[str, Callable[[Home], float]] = {
        "`status`": lambda home: home.call("status", expect=ANY).cpu_s,
        "`once` that finds nothing": lambda home: home.call("once", expect=ANY).cpu_s,
        "start of the service": lambda home: service.start_once(home).cpu_s,
    }
    for home in homes:
        home.start = time.strftime("%Y-%m-%d")  # what closed today is in the ledger already
        home.write()
        home.call("once", expect=ANY)
    found: list[dict[str, float]] = [{} for _ in homes]
    for what, deed in deeds.items():
        costs = [[deed(home) for home in homes] for _ in range(9)]
        for place, each in enumerate(zip(*costs, strict=True)):
            found[place][what] = statistics.median(each)
    return found


def freshness(sizes: Sizes) -> Iterator[Line]:
    """From a sale's closing to its arrival, with a sale about every second."""
    poll_s = 5
    with (
        vendor(sales=300, days=1, minute=MINUTE, day=DAY) as served,
        scratch() as folder,
    ):
        home = Home(folder, served, poll_every=f"{poll_s}s", start=served.facts["first_day"])
        waits = sorted(service.live(home, sizes.freshness_s))
    for name, value in (
        ("median", statistics.median(waits)),
        ("95th percentile", waits[int(len(waits) * 0.95)]),
        ("longest", waits[-1]),
    ):
        yield Line(
            f"close to visible, poll every {poll_s} s, {name} of {len(waits)}", f"{value:.1f} s",
            value, f"{poll_s + 5} s", value <= poll_s + 5,
        )  # fmt: skip


def standing_still(sizes: Sizes) -> Iterator[Line]:
    """What the service costs while nothing happens, and how soon it is there."""
    with vendor(sales=1000, days=1) as served, scratch() as folder:
        home = Home(folder, served, start=served.facts["first_day"])
        idle = service.idle(home, sizes.idle_s)
        ready = statistics.median(service.start_once(home).ready_s for _ in range(5))
        helped = [run(home.command("--help"), folder).wall_s for _ in range(9)]
    yield Line("CPU of one core while idle, default poll", f"{idle.share:.3%}", idle.share,
               "0.2 %", idle.share < 0.002)  # fmt: skip
    yield Line("peak memory of the service", f"{idle.peak_mb:.1f} MB", idle.peak_mb,
               "80 MB", idle.peak_mb < 80)  # fmt: skip
    yield Line("start to ready", f"{ready:.2f} s", ready, "1 s", ready < 1)
    quick = statistics.median(helped)
    yield Line("`--help`", f"{quick:.2f} s", quick, "0.35 s", quick < 0.35)


SECTIONS = {
    "speed": speed,
    "waiting": waiting,
    "quota": quota,
    "memory": memory_and_growth,
    "freshness": freshness,
    "idle": standing_still,
}
