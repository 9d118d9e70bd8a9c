"""A sandbox and a bridge upon it, in this process: what people do by hand, and what comes of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import text

from system.installation import Installation, install
from tillbridge.clock import SystemClock
from tillbridge.config import load
from tillbridge.ledger import counts, repairs
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.reconcile.causes import CauseName
from tillbridge.reconcile.figures import DayFigures
from tillbridge.reconcile.reconciler import Compared
from tillbridge.sandbox import Row, Sandbox, SandboxOptions
from tillbridge.wiring import Bridge


class World:
    """One restaurant by default; Connecteam's totals follow at once unless told otherwise."""

    def __init__(self, sandbox: Sandbox, home: Installation) -> None:
        self.sandbox = sandbox
        self.home = home
        self.start()

    # -- the bridge -----------------------------------------------------------------------------

    def start(self) -> None:
        clock = SystemClock()
        self.ledger = Ledger(self.home.ledger, clock)
        self.lock = PostingLock(self.home.ledger)
        self.bridge = Bridge(load(self.home.config).config, self.ledger, self.lock, {}, clock)
        assert self.lock.try_acquire()
        self.bridge.begin_posting()

    def stop(self) -> None:
        pages: Any = self.bridge._reader._pages
        for pool in (self.bridge.account.client._http, pages._http, pages._tokens._address._http):
            pool.close()  # a process leaves that to its end
        self.bridge.close()
        self.ledger.close()
        self.lock.release()

    def again(self) -> None:
        """The process ends, and another begins."""
        self.stop()
        self.start()

    def run(self, times: int = 1) -> Any:
        for _ in range(times):
            report = self.bridge.make_pass().run()
        return report

    def compare(self, first: date | None = None, last: date | None = None) -> Compared:
        """The first location, compared."""
        span = (first or self.day, last or self.day)
        return self.bridge.keeping.reconciler.run(*span, [self.place.connecteam_id])[0]

    def figures(self, day: date | None = None) -> DayFigures:
        found = self.compare()
        assert sum(c.amount for c in found.days[0].causes) == found.days[0].difference
        return next(f for f in found.days if f.day == (day or self.day))

    def causes(self, day: date | None = None) -> dict[CauseName, int]:
        """Amounts by cause, those that matter."""
        return {cause.name: cause.amount for cause in self.figures(day).causes if cause.amount}

    def ask(self, *, by_person: bool = True, last: date | None = None) -> None:
        with self.ledger.commit() as commit:
            repairs.ask(
                commit, self.place.connecteam_id,
                (self.sandbox.first_day.isoformat(), (last or self.day).isoformat()), 0,
                by_person=by_person,
            )  # fmt: skip

    def repair(
        self, *, by_person: bool = True, most: int = 40, last: date | None = None
    ) -> list[dict[str, Any]]:
        """Ask for it and run passes until it has ended; what it did."""
        self.ask(by_person=by_person, last=last)
        return self.finish(most)

    def finish(self, most: int = 40) -> list[dict[str, Any]]:
        """Run passes until the repair has ended; what it did."""
        for _ in range(most):
            self.run()
            with self.ledger.view() as view:
                if not repairs.every_working(view):
                    break
        self.run()
        with self.ledger.view() as view:
            assert not repairs.every_working(view), "it did not end"
            return list(repairs.get(view, self._newest(view)).result)

    @staticmethod
    def _newest(view: Any) -> int:
        return int(view.execute(text("select max(id) from repair")).scalar_one())

    def query(self, sql: str, **values: Any) -> list[Any]:
        with self.ledger.view() as view:
            return list(view.execute(text(sql), values).all())

    # -- Connecteam -----------------------------------------------------------------------------

    @property
    def place(self) -> Any:
        return self.sandbox.locations[0]

    @property
    def day(self) -> date:
        return self.sandbox.day

    def rows(self) -> list[tuple[str, Row]]:
        """(id, row) at Connecteam."""
        key = self.place.connecteam_id
        return list(
            zip(self.sandbox.connecteam_ids(key), self.sandbox.connecteam_rows(key), strict=True)
        )

    def with_amount(self, unique: bool = True) -> tuple[str, Row]:
        """A gain in the evening, of an amount that no other row has, as `unique` asks."""
        amounts = Counter(abs(row.amount) for _, row in self.rows())
        return next(
            (key, row)
            for key, row in self.rows()
            if row.amount > 0 and (amounts[abs(row.amount)] == 1) == unique
        )

    def foreign(self, amount: str, near: Row) -> Row:
        """Somebody else writes a row on the day of another."""
        row = Row(self.place.connecteam_id, "MANUAL", near.created_at + 7, Decimal(amount),
                  Decimal(0), self.place.currency)  # fmt: skip
        self.sandbox.write_at_connecteam(row)
        return row

    def assert_right(self, *foreign: Row) -> None:
        """Row by row what Lightspeed says, and others' rows untouched."""
        wanted = Counter(self.sandbox.expected_rows(self.place.lightspeed_id)) + Counter(foreign)
        assert Counter(row for _, row in self.rows()) == wanted
        with self.ledger.view() as view:
            truth = counts.recount(view)
            for location_id in {key[0] for key in truth}:
                kept = counts.by_state(view, location_id)
                assert {s: n for s, n in kept.items() if n} == {
                    state: n for (loc, state), n in truth.items() if loc == location_id
                }

    def sell(self) -> None:
        """A sale closes; a moment ago, so that the next poll surely holds it."""
        self.sandbox.close_sale(0, ago=timedelta(seconds=2))

    def assert_goes_on(self, *foreign: Row) -> None:
        """What the ledger believes of the totals is true: a new process looks before it writes."""
        self.again()
        self.sell()
        self.run(3)
        assert self.query("select stop from target where stop is not null") == []
        self.assert_right(*foreign)

    def requests(self) -> int:
        """How many Connecteam has seen."""
        return sum(n for name, n in self.sandbox.counters().items()
                   if name in ("connecteam.post", "connecteam.delete", "connecteam.daily"))  # fmt: skip


@contextmanager
def world(
    folder: Path,
    *,
    exclusive: bool = True,
    when_unclear: str = "hold",
    wait: str = "0s",
    **options: Any,
) -> Iterator[World]:
    """A day of trade, carried over."""
    chosen = {"sales_per_day": 24, "locations": 1, "plan": "none", **options}
    with Sandbox(SandboxOptions(**chosen)) as sandbox:
        home = install(folder, sandbox, start=sandbox.first_day)
        config = home.text.replace("exclusive = true", f"exclusive = {str(exclusive).lower()}")
        config = config.replace(
            "[sync]",
            f'[doubt]\nwait = "{wait}"\npatience = "0s"\nwhen_unclear = "{when_unclear}"\n\n[sync]',
        )
        home.write(config)
        home.begin_signed_in()
        made = World(sandbox, home)
        try:
            made.run(2)
            made.assert_right()
            yield made
        finally:
            made.stop()


def day_before(day: date) -> date:
    return day - timedelta(days=1)
