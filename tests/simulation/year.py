"""A year of two restaurants: the service's own work, pass by pass, on a virtual clock.

What is real: the bridge, the ledger on a real file, its upgrades, the book of alarms, health,
housekeeping. What is played: both vendors, time, the disk, and a person who signs in again.
"""

import shutil
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

import structlog
from sqlalchemy import select

from simulation.process import Process, new_ledger
from simulation.world import Crash, Gate, Story, VirtualClock
from simulation.year_vendors import Connecteam, Lightspeed, trade
from tillbridge import sides
from tillbridge.announce import Habits
from tillbridge.config import parse
from tillbridge.configured import retention_of, watched_of
from tillbridge.errors import TillbridgeError
from tillbridge.gauges import take
from tillbridge.health import alarms_of, judge
from tillbridge.housekeeping import Housekeeper
from tillbridge.ledger import counts, locations, migrate, store
from tillbridge.ledger.schema import sale
from tillbridge.ping import Ping
from tillbridge.watch import Watch

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86_400.0
POLL_S = 12 * 3600.0
CLOSE_POLL_S = 300.0
"""Where a time is looked at closely, polls come as often as they do by default."""

LEAST_PAUSE_S = 4 * 3600.0
VENUES = {9001: 101, 9002: 102}

MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"


def upgrade() -> None:
    op.create_table("of_{number}", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("sale", sa.Column("new_in_{number}", sa.Text(), nullable=True))
"""


class Pigeon:
    """Takes the messages to people, and never loses one."""

    has_addresses = True

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def offer(self, message: Any) -> bool:
        self.told += [(str(one.kind), one.entry.alarm.cause) for one in message.told]
        return True

    def failed(self) -> list[Any]:
        return []

    def close(self, _within_s: float) -> None:
        return


class Year:
    """Everything that happens, and what is asked of it afterwards."""

    def __init__(self, folder: Path, days: int = 365) -> None:
        self.days = days
        self.folder = folder
        self.path = folder / "ledger.db"
        self.clock = VirtualClock(START)
        self.story = Story(self.clock)
        rng = Random("a year")
        self.sales = {
            venue: trade(rng, START, days, venue, target) for venue, target in VENUES.items()
        }
        self.lightspeed = Lightspeed(self.clock, self.sales)
        self.connecteam = Connecteam(self.clock, rng)
        self.config = parse(self._configuration()).config
        self.pigeon = Pigeon()
        self.disk_full = False
        self.close: tuple[tuple[float, float], ...] = ()
        self.passes = 0
        self.lines: dict[int, Counter[str]] = defaultdict(Counter)
        self.largest_wal = 0
        self._process: Process | None = None
        self._upgrades = 0
        new_ledger(self.path)

    def _configuration(self) -> dict[str, Any]:
        return {
            "config_version": 1,
            "lightspeed": {"client_id": "id", "client_secret": "year-secret"},
            "connecteam": {"api_key": "year-api-key", "timeout": "30s"},
            "ledger": {"path": str(self.path), "keep_events": "60d", "keep_readings": "30d"},
            "sync": {"poll_every": f"{POLL_S:g}s"},
            "doubt": {"wait": "60s"},
            "locations": [
                {
                    "name": f"Venue {venue}", "lightspeed_id": venue, "connecteam_id": target,
                    "timezone": "Europe/London", "currency": "GBP", "exclusive": target == 101,
                    "start": START.date(),
                }
                for venue, target in VENUES.items()
            ],
        }  # fmt: skip

    # -- time -------------------------------------------------------------------------------------

    def play(self, events: dict[float, Any]) -> None:
        """Live through the year; `events` are deeds by the day on which they are done."""
        due = sorted(events.items(), key=lambda item: item[0])
        self.sign_in()
        with self._logging():
            while self.clock.true_s < self.days * DAY_S:
                while due and due[0][0] * DAY_S <= self.clock.true_s:
                    due.pop(0)[1](self)
                self.clock.advance(min(self.one_pass(), self._until(due)))
            for _ in range(8):
                self.clock.advance(self.one_pass())
            self.end_process()
            self.by_state, self.adds_up = self._ledger_counts()

    def _until(self, due: list[tuple[float, Any]]) -> float:
        """Seconds until the next event: what happens, happens at its time."""
        return max(1.0, due[0][0] * DAY_S - self.clock.true_s) if due else float("inf")

    def one_pass(self) -> float:
        """What the service does each time; seconds until the next."""
        self.passes += 1
        process = self._process
        try:
            if process is None:
                process = self._process = self._new_process()
        except (TillbridgeError, Crash):
            return 60.0  # systemd starts it again
        good, after = False, None
        try:
            report = process.run_pass()
            good, after = report.is_good, report.next_look_s
        except TillbridgeError:
            pass  # said in the log; the next pass comes
        except Crash:
            self.end_process()
            return 60.0
        self._look_after(process, good=good)
        wal = self.path.with_name("ledger.db-wal")
        self.largest_wal = max(self.largest_wal, wal.stat().st_size if wal.exists() else 0)
        day = self.clock.true_s / DAY_S
        if any(begins <= day < ends for begins, ends in self.close):
            return CLOSE_POLL_S
        return POLL_S if after is None else min(POLL_S, max(LEAST_PAUSE_S, after))

    def _look_after(self, process: Process, *, good: bool) -> None:
        """As cli/service does it; the disk of the machine that runs this is not looked at."""
        tokens = sides.token_path(self.path)
        watched = watched_of(self.config, tokens)
        try:
            figures = take(process.ledger, self.clock, watched, shares_account=False)
            found = [one for one in judge(figures) if not one.code.startswith("disk")]
        except TillbridgeError:
            found = None
        self._watch.after_pass(None if found is None else alarms_of(found), good=good)
        self._keeper.step()

    def _new_process(self) -> Process:
        gate = Gate(self.story, Random("gate"))
        process = Process(
            self.config, self.path, self.clock, gate, (self.lightspeed, self.connecteam),
            Random("retries"), lambda: self.disk_full,
        )  # fmt: skip
        try:
            process.begin()
            habits = Habits(UTC, 4 * 3600.0)
            self._watch = Watch(
                process.ledger, process.bridge.alarms, self.pigeon, Ping("", ""), habits,
                "Year", self.clock,
            )  # fmt: skip
            self._watch.begin()
        except BaseException:
            process.end()
            raise
        self._keeper = Housekeeper(process.ledger, retention_of(self.config), self.clock)
        return process

    # -- what happens -----------------------------------------------------------------------------

    def end_process(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def reboot(self) -> None:
        self.end_process()
        self.clock.advance(90)
        self.clock.reboot()

    def sign_in(self) -> None:
        sign_in = sides.authenticator(self.config, self.path, {}, self.clock, self.lightspeed)
        sign_in.import_refresh_token(self.lightspeed.sign_in())

    def upgrade(self) -> None:
        """A made-up next version is installed: one more migration, and a new process."""
        self.end_process()
        before, number = store.HEAD, f"{int(store.HEAD) + 1:04}"
        package = self.folder / "package"
        if not package.exists():
            shutil.copytree(str(files("tillbridge.ledger") / "migrations"), package / "migrations")
        text = MIGRATION.format(number=number, before=before)
        (package / "migrations" / "versions" / f"{number}_next.py").write_text(text)
        store.HEAD = number
        migrate.files = lambda _name: package  # type: ignore[assignment, return-value]
        self._upgrades += 1

    @contextmanager
    def _logging(self) -> Any:
        """Counts lines of level info and above, by day; what is debug costs nothing."""
        before = structlog.get_config()

        def count(_logger: object, level: str, event: dict[str, Any]) -> Any:
            self.lines[int(self.clock.true_s // DAY_S)][f"{level} {event['event']}"] += 1
            raise structlog.DropEvent

        structlog.configure(
            processors=[count],
            wrapper_class=structlog.make_filtering_bound_logger(20),
            cache_logger_on_first_use=False,
        )
        head, found = store.HEAD, migrate.files
        try:
            yield
        finally:
            structlog.configure(**before)
            store.HEAD, migrate.files = head, found

    # -- what is asked ----------------------------------------------------------------------------

    @property
    def wanted(self) -> Counter[tuple[int, str, int, int]]:
        return Counter(one.value for many in self.sales.values() for one in many)

    def _ledger_counts(self) -> tuple[dict[str, int], bool]:
        """Sales by state, and whether the kept counts are those of a recount."""
        process = Process(
            self.config, self.path, self.clock, Gate(self.story, Random("end")),
            (self.lightspeed, self.connecteam), Random("end"),
        )  # fmt: skip
        try:
            with process.ledger.view() as view:
                by_state = Counter(view.execute(select(sale.c.state)).scalars())
                told = Counter(
                    {
                        (row.id, state): number
                        for row in locations.every(view)
                        for state, number in counts.by_state(view, row.id).items()
                        if number
                    }
                )
                return dict(by_state), dict(told) == counts.recount(view)
        finally:
            process.end()

    def lines_a_day(self) -> list[int]:
        return [sum(self.lines[day].values()) for day in range(self.days)]
