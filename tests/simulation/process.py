"""One process of the bridge: the real thing, on a real ledger, between doors that may kill it."""

import contextlib
import logging
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import httpx
import structlog
from sqlalchemy import Connection, Engine, event

from simulation.connecteam import FakeConnecteam
from simulation.world import UTC_START, Gate, VirtualClock, WrongError
from tillbridge.config import Config
from tillbridge.ledger import store
from tillbridge.ledger.store import DiskTrouble, Ledger
from tillbridge.lock import PostingLock
from tillbridge.sides import Transports
from tillbridge.sync import PassReport
from tillbridge.wiring import Bridge

SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where ledgers live for a second or two; memory, where there is some."""


def quiet_logs() -> None:
    """A simulation of months must not print every line of them."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        processors=[],
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )


_make_engine = store._engine
_opening: list[Path] = []


@cache
def _engine() -> Engine:
    """One engine for all processes of all seeds: what SQLAlchemy compiled, it keeps."""
    engine = _make_engine(Path("unused"))

    def use_path(_dialect: object, _record: object, args: list[str], _named: object) -> None:
        args[0] = str(_opening[-1])

    event.listen(engine, "do_connect", use_path)
    return engine


@contextlib.contextmanager
def _one_engine(path: Path) -> Iterator[None]:
    _opening.append(path)
    store._engine = lambda _path: _engine()
    try:
        yield
    finally:
        store._engine = _make_engine
        _opening.pop()


class SimLedger(Ledger):
    """The real ledger; each commit passes the gate, and the disk may refuse it."""

    def __init__(
        self, path: Path, clock: VirtualClock, gate: Gate, disk: Callable[[], bool]
    ) -> None:
        self._gate = gate
        self._disk = disk
        with _one_engine(path):
            super().__init__(path, clock)
        raw = self._connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        # Crashes here are exceptions, not power cuts.
        raw.execute("PRAGMA synchronous = OFF")

    def close(self) -> None:
        # Out of the shared pool, so that the file is really closed.
        self._connection.detach()
        super().close()

    @contextlib.contextmanager
    def commit(self) -> Iterator[Connection]:
        self._gate.step("before a commit")
        if self._disk():
            raise DiskTrouble("no space", "make space")
        with super().commit() as connection:
            yield connection
            self._gate.step("inside a commit")
        self._gate.step("after a commit")


MOST_COMMIT_TO_SEND_S = 5.0
"""Rule 2: a request that could not go out at once is not sent at all."""


class Door(httpx.BaseTransport):
    """The process's way to a vendor."""

    def __init__(
        self, vendor: httpx.BaseTransport, gate: Gate, name: str, clock: VirtualClock
    ) -> None:
        self._clock = clock
        self.committed_boot_s: float | None = None
        self._vendor = vendor
        self._gate = gate
        self._name = name

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        what = f"{request.method} at {self._name}"
        if self.committed_boot_s is not None and request.method == "POST":
            late_s = self._clock.boot_s() - self.committed_boot_s
            if late_s > MOST_COMMIT_TO_SEND_S:
                raise WrongError(f"sent {late_s:.0f} s after its commit")
        self._gate.step(f"before {what}")
        try:
            answer = self._vendor.handle_request(request)
        except httpx.TransportError:
            # It may also be killed while it waits, with the request still on its way.
            self._gate.step(f"waiting for {what}")
            raise
        self._gate.step(f"after {what}")
        return answer


class InlineExecutor(Executor):
    """Runs a request at once, so that a seed has one story; a crash in it kills the process."""

    def __init__(self, gate: Gate, connecteam: FakeConnecteam, door: Door) -> None:
        self._door = door
        self._gate = gate
        self._connecteam = connecteam

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        flight = args[0] if args else None
        if hasattr(flight, "started"):
            # Tells the vendor's books which batch this is; nothing on the wire says so.
            rows = flight.batch.rows
            self._connecteam.flight = (
                flight.started.batch_id,
                tuple(row.sale_id for row in rows),
            )
            self._door.committed_boot_s = flight.committed_boot_s
            self._gate.step("between commit and send")
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # what a pool of threads would do
            future.set_exception(error)
        return future


class Process:
    """From start to death."""

    def __init__(
        self,
        config: Config,
        path: Path,
        clock: VirtualClock,
        gate: Gate,
        vendors: tuple[httpx.BaseTransport, FakeConnecteam],
        rng: Random,
        disk: Callable[[], bool] = lambda: False,
    ) -> None:
        lightspeed, connecteam = vendors
        self.gate = gate
        self.lock = PostingLock(path)
        self.ledger = SimLedger(path, clock, gate, disk)
        door = Door(lightspeed, gate, "Lightspeed", clock)
        writing = Door(connecteam, gate, "Connecteam", clock)
        try:
            self.bridge = Bridge(
                config,
                self.ledger,
                self.lock,
                {},
                clock,
                transports=Transports(door, door, writing),
                executor=InlineExecutor(gate, connecteam, writing),
            )
        except BaseException:
            self.ledger.close()
            raise
        # The spread of its tries is the only chance in the bridge; the seed decides it too.
        self.bridge._reader._pages._rng = rng  # type: ignore[attr-defined]
        self.began = self.ended = False

    def begin(self) -> bool:
        """Become the one that posts; false if another process is."""
        if not self.lock.try_acquire():
            return False
        self.bridge.begin_posting()
        self.began = True
        return True

    def run_pass(self) -> PassReport:
        return self.bridge.make_pass().run()

    def end(self) -> None:
        """The kernel closes its files; what was not committed is gone."""
        if self.ended:
            return
        self.ended = self.gate.dead = True
        self.ledger.close()
        self.lock.release()


@cache
def _template() -> bytes:
    """An empty ledger: migrating a new one for each seed would take longer than the seed."""
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        path = Path(folder, "template.db")
        Ledger(path, VirtualClock(UTC_START[0])).close()
        return path.read_bytes()


def new_ledger(path: Path) -> None:
    path.write_bytes(_template())
    path.chmod(0o600)
