"""`kill -9`, again and again, of a backfill with six requests under way: real processes, real SQLite.

The vendors are the benchmark's, whose totals follow at once, so that settling takes no time. A
seed draws the moments; it stands in the test's name.
"""

import json
import subprocess
import time
from random import Random

import pytest

from bench.runs import Home, Vendor, scratch, vendor

SALES = 6000
KILLS = 4
MORE = {
    "lightspeed": "max_concurrency = 4",
    "location": 'when_unclear = "replace"\n[doubt]\nwait = "0.3s"\npatience = "0.3s"',
}


def posts(served: Vendor) -> int:
    return int(served.state()["requests"].get("post", 0))


def kill_while_it_posts(command: list[str], served: Vendor, after_s: float) -> bool:
    """Kill it so long after its first request; false if it had ended by then."""
    before = posts(served)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and posts(served) == before:
            time.sleep(0.01)
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def place_of(home: Home) -> dict[str, int]:
    out = home.call("status", "--json", expect=(0, 3, 69)).out
    (place,) = json.loads(out)["locations"]
    return place


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_and_nothing_doubled_however_often_it_is_killed(seed: int):
    rng, kills, doubts, place = Random(seed), 0, 0, {"posted": 0}
    with vendor(sales=SALES, days=2, read_ms=10, post_ms=250) as served, scratch() as folder:
        home = Home(folder, served, more=MORE)
        # In turns: a backfill posts, and a pass settles what the one before it left, and posts.
        commands = [
            home.command("backfill", "--from", str(served.facts["first_day"])),
            home.command("once"),
        ]
        ends_s, turn = time.monotonic() + 120, 0
        while time.monotonic() < ends_s and place["posted"] < SALES:
            after_s = rng.uniform(0.0, 0.6) if kills < KILLS else 60.0
            kills += kill_while_it_posts(commands[turn % 2], served, after_s)
            place = place_of(home)
            doubts += place["in_doubt"] + place["sending"]
            turn += 1
        state = served.state()
    assert (state["rows"], state["cents"]) == (SALES, state["wanted_cents"]), (seed, place)
    assert (place["seen"], place["posted"]) == (SALES, SALES), (seed, place)
    assert kills >= 2, "nothing was tried: it was always done before its time"
    assert doubts > 0, "nothing was tried: no request was under way"
