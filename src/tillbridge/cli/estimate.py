"""`backfill --dry-run`: what a backfill would read, and about what it would cost. Posts nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from sqlalchemy import Connection, func, select

from tillbridge.backfill import History
from tillbridge.batcher import MAX_ROWS
from tillbridge.cli.options import counted, print_json
from tillbridge.days import local_date
from tillbridge.ledger.schema import sale
from tillbridge.wiring import Bridge

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class _Line:
    """One location: its days, the sales of a day as the ledger has seen them, and what follows."""

    name: str
    first: str
    last: str
    days: int
    sales_per_day: float | None

    @property
    def sales(self) -> int | None:
        return None if self.sales_per_day is None else ceil(self.days * self.sales_per_day)


def dry_run(bridge: Bridge, histories: Sequence[History], *, as_json: bool) -> int:
    """Show the plan; returns the exit code."""
    with bridge.ledger.view() as view:
        lines = [_line(view, history) for history in histories]
    known = [line.sales for line in lines if line.sales is not None]
    total = sum(known) if len(known) == len(lines) else None
    requests = None if total is None else ceil(total / MAX_ROWS)
    if as_json:
        print_json(
            {
                "schema": 1,
                "dry_run": True,
                "locations": [
                    {"name": it.name, "from": it.first, "to": it.last, "days": it.days,
                     "estimated_sales": it.sales}
                    for it in lines
                ],
                "estimated_requests": requests,
                "quota": {w.name: {"limit": w.limit, "spent": w.spent}
                          for w in bridge.account.windows()},
            }
        )  # fmt: skip
        return 0
    for line in lines:
        about = "" if line.sales is None else f", about {counted(line.sales, 'sale')}"
        print(f"{line.name}: {line.first} to {line.last}, {counted(line.days, 'day')}{about}.")
    if requests is None:
        print("No estimate: the ledger has not seen a day of trade at every location yet.")
    else:
        print(f"At least {counted(requests, 'request')} to Connecteam.")
    print(f"One request carries up to {MAX_ROWS} sales. Nothing was read or posted.")
    return 0


def _line(view: Connection, history: History) -> _Line:
    zone = history.source.rules.zone
    first = local_date(history.period.start, zone)
    last = local_date(history.end - timedelta(milliseconds=1), zone)
    return _Line(
        history.source.name,
        first.isoformat(),
        last.isoformat(),
        (last - first).days + 1,
        _sales_per_day(view, history.source.id),
    )


def _sales_per_day(view: Connection, location_id: int) -> float | None:
    """Of the days that the ledger knows; None if it knows none."""
    days = func.count(func.distinct(sale.c.closed_ms.op("/")(_DAY_MS)))
    count, distinct = view.execute(
        select(func.count(), days).where(
            sale.c.location_id == location_id, sale.c.closed_ms.is_not(None)
        )
    ).one()
    return count / distinct if distinct else None
