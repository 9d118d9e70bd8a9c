"""The service as a process: signals, kills, the lock, readiness, and a clock that is set."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from system.conftest import Made
from system.installation import arrived, assert_exactly_once, until
from tillbridge.clock import SystemClock
from tillbridge.scheduler import Service
from tillbridge.sync import PassReport

STOP_S = 10


def test_a_day_and_then_live_sales_arrive_once(make: Callable[..., Made]):
    sandbox, home = make(locations=2, sales_per_day=400)
    with home.service() as service:
        service.until(lambda: arrived(sandbox))
        sandbox.close_sale(0)
        sandbox.close_sale(1, ago=timedelta(hours=7))  # a till that was offline all evening
        sandbox.close_sale(1, ago=timedelta(minutes=20))
        service.until(lambda: sandbox.counters()["connecteam.rows_posted"] >= 402)
        code, _ = service.end()
    assert code == 0
    # The sale of seven hours ago waits for an hourly re-read; the next start reads it.
    text = home.text.replace('poll_every = "1s"', 'poll_every = "1s"\noverlap = "12h"')
    home.write(text)
    assert home.call("once").code == 0
    assert_exactly_once(sandbox)


def test_sigterm_while_nothing_happens_ends_at_once(make: Callable[..., Made]):
    sandbox, home = make()
    home.change('poll_every = "1s"', 'poll_every = "1h"')
    with home.service() as service:
        service.until(lambda: arrived(sandbox))
        time.sleep(0.3)
        code, seconds = service.end()
    assert code == 0
    assert seconds < 4


def test_sigterm_during_a_slow_request_finishes_and_commits_it(make: Callable[..., Made]):
    sandbox, home = make(post_latency_ms=2500)
    with home.service() as service:
        service.until(lambda: sandbox.counters().get("connecteam.in_flight", 0) > 0)
        service.until(lambda: sandbox.counters().get("connecteam.post", 0) > 0)
        code, seconds = service.end()
    assert code == 0
    assert seconds < STOP_S
    place = home.status()["locations"][0]
    assert place["posted"] == sum(t.sales for t in sandbox.connecteam_truth().values()) > 0
    assert place["sending"] == place["in_doubt"] == 0
    with home.service() as service:
        service.until(lambda: arrived(sandbox))
    assert_exactly_once(sandbox)


def test_a_request_that_outlasts_the_stop_is_settled_by_totals_later(make: Callable[..., Made]):
    sandbox, home = make(post_latency_ms=14000)
    home.write(f'{home.text}\n[doubt]\nwait = "3s"\npatience = "1s"\n')
    with home.service() as service:
        service.until(lambda: sandbox.counters().get("connecteam.post", 0) > 0)
        code, seconds = service.end()
    assert code == 0
    assert seconds < STOP_S
    assert home.status()["locations"][0]["sending"] > 0


def test_after_kill_nine_nothing_is_lost_or_doubled(make: Callable[..., Made]):
    # The wait is longer than a request takes: one that was under way has landed by then.
    sandbox, home = make(sales_per_day=500, post_latency_ms=300)
    home.write(f'{home.text}\n[doubt]\nwait = "2s"\npatience = "1s"\n')
    for posts in (1, 2, 4):
        with home.service() as service:
            service.until(lambda n=posts: sandbox.counters().get("connecteam.post", 0) >= n)
            service.process.kill()
    with home.service() as service:
        service.until(lambda: arrived(sandbox), 60)
    assert_exactly_once(sandbox)


def test_a_second_service_waits_and_takes_over_when_the_first_is_killed(make: Callable[..., Made]):
    sandbox, home = make()
    home.write(f'{home.text}\n[doubt]\nwait = "1s"\npatience = "1s"\n')
    with home.service() as first:
        first.until(lambda: arrived(sandbox))
        with home.service() as second:
            second.until(lambda: "waiting_for_lock" in second.log)
            sandbox.close_sale(0)
            first.until(lambda: arrived(sandbox))
            assert "service_started" not in second.log
            first.process.kill()
            second.until(lambda: "service_started" in second.log)
            sandbox.close_sale(0)
            second.until(lambda: arrived(sandbox))
            assert second.end()[0] == 0
    assert_exactly_once(sandbox)


def test_a_waiting_service_ends_at_once_when_told_to(make: Callable[..., Made]):
    _, home = make()
    with home.service() as first, home.service() as second:
        first.until(lambda: "service_started" in first.log or "waiting_for_lock" in first.log)
        one = first if "waiting_for_lock" in first.log else second
        one.until(lambda: "waiting_for_lock" in one.log)
        code, seconds = one.end()
    assert code == 0
    assert seconds < 4


def test_once_and_backfill_beside_a_service_leave_the_posting_to_it(make: Callable[..., Made]):
    sandbox, home = make(days=3, days_back=-2)  # live from the last day, two days of history
    with home.service() as service:
        service.until(lambda: home.ledger.exists() and sandbox.counters().get("connecteam.post"))
        once = home.call("once")
        day = sandbox.first_day.isoformat()
        done = home.call("backfill", "--from", day, "--json")
        assert (once.code, done.code) == (0, 0), once.err + done.err
        assert done.json["read"] > 0
        assert done.json["posted"] == 0
        assert "posts what is read here" in once.err
        assert "posts what is read here" in done.err
        service.until(lambda: arrived(sandbox))
    assert_exactly_once(sandbox)


def test_a_service_without_a_sign_in_waits_for_one(make: Callable[..., Made]):
    sandbox, home = make(signed_in=False)
    with home.service() as service:
        service.until(lambda: "There is no Lightspeed sign-in yet" in service.log)
        home.sign_in()
        service.until(lambda: arrived(sandbox))
    assert service.log.count('"event": "alarm",') == 1  # said once, not at every poll


@contextmanager
def systemd(path: str):
    """What systemd is to a service: a datagram socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + path[1:] if path.startswith("@") else path)
        channel.settimeout(20)
        yield channel


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_of_readiness_the_watchdog_and_the_end(
    make: Callable[..., Made], tmp_path: Path, abstract: bool
):
    sandbox, home = make()
    name = f"@tillbridge-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    told: list[str] = []
    with systemd(name) as channel:
        home.env |= {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"}
        with home.service() as service:
            told.append(channel.recv(4096).decode())
            service.until(lambda: arrived(sandbox))
            while not any("WATCHDOG=1" in text for text in told):
                told.append(channel.recv(4096).decode())
            assert service.end()[0] == 0
        while not any("STOPPING=1" in text for text in told):
            told.append(channel.recv(4096).decode())
    assert "READY=1" in told[0]
    assert any("STATUS=Last pass" in text for text in told)


def test_systemd_is_told_what_needs_a_person_before_what_the_last_pass_did(
    make: Callable[..., Made], tmp_path: Path
):
    _, home = make(signed_in=False)
    told = ""
    with systemd(str(tmp_path / "notify")) as channel:
        home.env |= {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with home.service() as service:
            while not told.startswith("STATUS=") or "Running" in told:
                told = channel.recv(4096).decode()
            assert service.end()[0] == 0
    assert told == "STATUS=There is no Lightspeed sign-in yet."


class SetClock(SystemClock):
    """A wall clock that somebody can set; boot time goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.set_by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.set_by


@pytest.mark.parametrize("hours", [-3, 3])
def test_polls_go_on_after_the_wall_clock_was_set(hours: int):
    clock = SetClock()
    passes: list[float] = []

    def one_pass(_should_stop: Callable[[], bool]) -> PassReport:
        passes.append(time.monotonic())
        return PassReport()

    service = Service(one_pass, 3600.0, clock)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        until(lambda: len(passes) == 1)
        clock.set_by = timedelta(hours=hours)
        until(lambda: len(passes) == 2)
        time.sleep(1.5)  # a clock that was set once is noticed once
        assert len(passes) == 2
    finally:
        service.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_a_pass_that_fails_is_followed_by_another():
    passes: list[int] = []

    def one_pass(_should_stop: Callable[[], bool]) -> PassReport:
        passes.append(1)
        if len(passes) == 1:
            raise RuntimeError("a bug")
        return PassReport()

    service = Service(one_pass, 1.0, SystemClock())
    thread = threading.Thread(target=service.run)
    thread.start()
    until(lambda: len(passes) >= 2)
    service.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_a_long_window_is_read_to_its_end_though_polls_are_due(make: Callable[..., Made]):
    # Ten pages of a third of a second each, with a poll every second.
    sandbox, home = make(sales_per_day=900, lightspeed_latency_ms=350)
    with home.service() as service:
        service.until(lambda: arrived(sandbox), 40)
    assert_exactly_once(sandbox)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_finishes_the_request_under_way_when_interrupted(
    make: Callable[..., Made], number: signal.Signals
):
    sandbox, home = make(sales_per_day=300, post_latency_ms=1500)
    with home.service("once") as once:
        once.until(lambda: sandbox.counters().get("connecteam.post", 0) > 0)
        code, seconds = once.end(number)
        assert code == 128 + number
        assert seconds < STOP_S
        assert "nothing is lost" in once.log
    place = home.status()["locations"][0]
    assert place["sending"] == place["in_doubt"] == 0
    assert place["posted"] == sandbox.counters()["connecteam.rows_posted"]
