"""systemd's watchdog is fed while attempts come to an end, and starves when the program hangs."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from system.installation import until
from tillbridge import health, scheduler
from tillbridge.clock import SystemClock
from tillbridge.errors import TryLater
from tillbridge.scheduler import Service
from tillbridge.sync import PassReport

POLL_S = 1.0
HANG_S = 0.6
LIMIT_S = 1.0

Pass = Callable[[Callable[[], bool]], PassReport]


class Ear:
    """What systemd is to a service: it hears what it is told, and remembers when."""

    def __init__(self, path: Path) -> None:
        self.told: list[tuple[float, str]] = []
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(str(path))
        self._channel.settimeout(0.05)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                text = self._channel.recv(4096).decode()
            except TimeoutError:
                continue
            self.told += [(time.monotonic(), line) for line in text.splitlines()]

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._channel.close()

    @property
    def lines(self) -> list[str]:
        return [line for _, line in self.told]

    def fed_within(self, seconds: float) -> bool:
        """Whether systemd would be content with what it heard of late."""
        after = time.monotonic() - seconds
        return any(moment >= after for moment, line in self.told if line == "WATCHDOG=1")


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    """An ear, and a time that runs twenty times as fast as it does under systemd."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(LIMIT_S * 1e6)))
    monkeypatch.setattr(scheduler, "TICK_S", 0.05)
    monkeypatch.setattr(health, "HANG_S", HANG_S)
    listening = Ear(tmp_path / "notify")
    yield listening
    listening.close()


@contextmanager
def running(
    one_pass: Pass, poll_s: float = POLL_S, over: threading.Event | None = None, **more: float
) -> Iterator[Service]:
    """A service in a thread; `over` ends its pass, or the service would end this whole process."""
    service = Service(one_pass, poll_s, SystemClock(), **more)  # type: ignore[arg-type]
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service
    finally:
        if over is not None:
            over.set()
        service.stop()
        thread.join(10)
    assert not thread.is_alive()


def test_a_vendor_that_is_away_for_long_starves_nothing(ear: Ear):
    attempts: list[int] = []

    def fails(_should_stop: Callable[[], bool]) -> PassReport:
        attempts.append(1)
        raise TryLater("Lightspeed is away.")

    with running(fails):
        until(lambda: len(attempts) >= 4)  # longer than a poll and a hang together
        assert ear.fed_within(LIMIT_S)
    assert "STATUS=The last pass ended early: Lightspeed is away." in ear.lines


def test_a_long_pass_that_takes_its_steps_starves_nothing(ear: Ear):
    over = threading.Event()

    def long(should_stop: Callable[[], bool]) -> PassReport:
        while not over.wait(0.1):
            should_stop()
        return PassReport()

    with running(long, over=over):
        time.sleep(POLL_S + 3 * HANG_S)
        assert ear.fed_within(LIMIT_S)


def test_a_pass_that_hangs_starves_the_watchdog(ear: Ear):
    over = threading.Event()

    def hangs(_should_stop: Callable[[], bool]) -> PassReport:
        over.wait()
        return PassReport()

    with running(hangs, over=over):
        until(lambda: ear.fed_within(LIMIT_S))
        until(lambda: not ear.fed_within(LIMIT_S))
        over.set()
        until(lambda: ear.fed_within(LIMIT_S))  # it was only slow, and goes on


def test_polls_that_have_stopped_coming_starve_the_watchdog(ear: Ear):
    passes: list[int] = []

    def one_pass(_should_stop: Callable[[], bool]) -> PassReport:
        passes.append(1)
        return PassReport()

    with running(one_pass) as service:
        until(lambda: len(passes) >= 2)
        assert ear.fed_within(LIMIT_S)
        service._scheduler.pause()  # as if its thread had died
        until(lambda: not ear.fed_within(LIMIT_S), 10)


def test_a_service_of_many_is_ready_at_once_and_polls_at_a_moment_of_its_own(ear: Ear):
    passes: list[int] = []

    def one_pass(_should_stop: Callable[[], bool]) -> PassReport:
        passes.append(1)
        return PassReport()

    for _ in range(2):
        with running(one_pass, 3600.0, spread_s=3600.0):
            time.sleep(0.4)
    assert passes == []
    until(lambda: ear.lines.count("STOPPING=1") == 2)
    assert ear.lines.count("READY=1") == 2
    moments = [line for line in ear.lines if line.startswith("STATUS=Running; the first poll")]
    assert len(set(moments)) == 2
