"""kill -9 at random moments, with answers lost on top: nothing lost, nothing doubled."""

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from system.installation import COMMAND, Installation, environment
from tillbridge.sandbox import Fault, Sandbox, SandboxOptions, config_toml

KILLS = 50
"""A life is short; a sale must survive all of them."""

FAULTS = (
    Fault("post", "lost-after", 0.08),
    Fault("post", "502-after", 0.04),
    Fault("post", "502-before", 0.04),
    Fault("daily", "500", 0.05),  # a 429 would close the quota, and with it the lives, for minutes
    Fault("sales", "500", 0.02),
)


@pytest.mark.parametrize("seed", [int(os.environ.get("KILL_SEED", "7"))])
def test_fifty_kills_at_random_moments_lose_and_double_nothing(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    options = SandboxOptions(
        seed=seed, days=5, sales_per_day=900, locations=2, post_latency_ms=120,
        read_latency_ms=10, lightspeed_latency_ms=5, plan="none", faults=FAULTS,
    )  # fmt: skip
    with Sandbox(options) as served:
        home = _install(tmp_path, served)
        _live_until_read(home)
        for turn in range(KILLS - 1):
            if turn % 4 == 0:
                served.close_sale(turn % 2)
            _live_and_die(home, rng.uniform(0.5, 1.9))
        posted = served.counters().get("connecteam.rows_posted", 0)
        assert posted > 500, (
            f"KILL_SEED={seed}: the lives did too little to prove anything: {posted}"
        )
        _live_until_equal(home, served, seed)


def _install(folder: Path, served: Sandbox) -> Installation:
    text = config_toml(
        served, folder / "ledger.db", poll_every="1s", start=served.first_day - timedelta(days=1)
    )
    # A request of this sandbox acts within a fifth of a second, and its totals do not lag.
    text = text.replace("[ledger]", "minute_limit = 100000\nday_limit = 1000000\n\n[ledger]", 1)
    text = text.replace("[sync]", '[doubt]\nwait = "0.4s"\npatience = "0.1s"\n\n[sync]', 1)
    home = Installation(folder, text, served.refresh_token)
    home.write()
    home.sign_in()
    return home


def _start(home: Installation) -> subprocess.Popen[bytes]:
    log = (home.folder / "service.log").open("ab")
    with log:
        return subprocess.Popen(
            [*COMMAND, "--config", str(home.config), "run"], stderr=log, env=environment()
        )


def _live_and_die(home: Installation, seconds: float) -> None:
    process = _start(home)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _live_until_read(home: Installation) -> None:
    """The first life reads the whole window; a cursor moves only at a window's end."""
    process = _start(home)
    deadline = time.monotonic() + 90
    while not _is_read(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _is_read(home: Installation) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{home.folder / 'ledger.db'}?mode=ro", uri=True)) as db:
            cursors = db.execute("SELECT cursor_ms FROM location").fetchall()
    except sqlite3.OperationalError:  # not made yet
        return False
    return bool(cursors) and all(row[0] is not None for row in cursors)


def _listens(home: Installation, since: int) -> bool:
    """Whether a service has started since the log was this long; it minds signals before that."""
    return b'"service_started"' in (home.folder / "service.log").read_bytes()[since:]


def _live_until_equal(home: Installation, served: Sandbox, seed: int) -> None:
    process = _start(home)
    started = (home.folder / "service.log").stat().st_size
    try:
        deadline = time.monotonic() + 180
        # All may be there already; the end must not come before it can be heard.
        while not _listens(home, started):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        while time.monotonic() < deadline and not _equal(served):
            assert process.poll() is None, (home.folder / "service.log").read_text()[-3000:]
            time.sleep(0.5)
    finally:
        process.terminate()
        assert process.wait(15) == 0
    for place in served.locations:
        expected = Counter(served.expected_rows(place.lightspeed_id))
        found = Counter(served.connecteam_rows(place.connecteam_id))
        assert found == expected, (
            f"KILL_SEED={seed}: {place.name}: lost {sum((expected - found).values())}, "
            f"doubled or wrong {sum((found - expected).values())}; "
            f"{(home.folder / 'service.log').read_text()[-3000:]}"
        )
    assert served.counters().get("faults.lost-after", 0) > 0, "the seed lost no answer"


def _equal(served: Sandbox) -> bool:
    return all(
        Counter(served.expected_rows(place.lightspeed_id))
        == Counter(served.connecteam_rows(place.connecteam_id))
        for place in served.locations
    )
