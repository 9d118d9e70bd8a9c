"""The service, measured while it runs: until it is ready, while it idles, while sales close."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.runs import BenchError, Home, finish

_READY_WITHIN_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")
DEFAULT_POLL_S = 300.0


@dataclass(frozen=True)
class Start:
    """Seconds until READY=1, and the CPU until then."""

    ready_s: float
    cpu_s: float


@dataclass(frozen=True)
class Idle:
    """Share of one core, and peak memory of the whole run."""

    share: float
    peak_mb: float


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    start: Start
    peak_mb: float = 0.0

    def cpu_s(self) -> float:
        return _cpu_s(self.process.pid)


@contextmanager
def running(home: Home) -> Iterator[Running]:
    """The service, ready; ended by SIGTERM."""
    address = str(home.folder / "notify")
    Path(address).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
        bell.bind(address)
        bell.settimeout(_READY_WITHIN_S)
        began_s = time.monotonic()
        with (home.folder / "err").open("ab") as err:
            process = subprocess.Popen(
                home.command("run"), stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                env=os.environ | {"NOTIFY_SOCKET": address},
            )  # fmt: skip
        try:
            while b"READY=1" not in bell.recv(65_536):
                pass
            start = Start(time.monotonic() - began_s, _cpu_s(process.pid))
            held = Running(process, start)
            yield held
        finally:
            process.send_signal(signal.SIGTERM)
            cost = finish(process, began_s)
    held.peak_mb = cost.peak_mb
    if cost.code:
        raise BenchError(f"the service ended with {cost.code}")


def start_once(home: Home) -> Start:
    with running(home) as service:
        return service.start


def idle(home: Home, for_s: float) -> Idle:
    """The share of one core at the default poll: the ticks between polls, and the polls' own part.

    The first pass, which has something to do, is left out; a later one is measured apart, because
    a poll of five minutes would make this take an hour.
    """
    with running(home) as service:
        time.sleep(10)
        before_s, began_s = service.cpu_s(), time.monotonic()
        time.sleep(for_s)
        ticking = (service.cpu_s() - before_s) / (time.monotonic() - began_s)
    home.poll_every = "2s"
    home.write()
    with running(home) as polling:
        time.sleep(6)
        before_s, before = polling.cpu_s(), home.vendor.state()["requests"]["page"]
        time.sleep(16)
        pages = home.vendor.state()["requests"]["page"] - before
        a_poll_s = (polling.cpu_s() - before_s) / max(1, pages)
    home.poll_every = "5m"
    home.write()
    return Idle(ticking + a_poll_s / DEFAULT_POLL_S, max(service.peak_mb, polling.peak_mb))


def live(home: Home, for_s: float) -> list[float]:
    """Close a sale about every second; the seconds that each took to arrive."""
    with running(home):
        _wait_for_all(home)
        closed, ends_s = 0, time.monotonic() + for_s
        while time.monotonic() < ends_s:
            home.vendor.ask("/_bench/close")
            closed += 1
            time.sleep(0.97)  # out of step with polls of whole seconds
        _wait_for_all(home)
        waits: list[float] = home.vendor.state()["fresh_s"]
    if len(waits) != closed:
        raise BenchError(f"{closed} sales closed, and {len(waits)} were seen to arrive")
    return waits


def _wait_for_all(home: Home) -> None:
    ends_s = time.monotonic() + 60
    while True:
        state = home.vendor.state()
        if state["rows"] == state["wanted"]:
            return
        if time.monotonic() > ends_s:
            raise BenchError(f"{state['rows']} of {state['wanted']} sales arrived within a minute")
        time.sleep(0.2)


def _cpu_s(pid: int) -> float:
    """User and system time so far of a process that still runs."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
