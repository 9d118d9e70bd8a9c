"""What the ledger can tell about itself, for `status` and the lists. Reads only."""

from typing import Any

from sqlalchemy import Connection, select

from tillbridge.days import from_epoch_ms
from tillbridge.ledger import counts, locations, targets
from tillbridge.ledger.schema import part, sale
from tillbridge.states import PartState, SaleState

_COUNTED = ("posted", "waiting", "sending", "in_doubt", "held", "quarantined", "skipped",
            "dropped", "removed")  # fmt: skip


def of_locations(view: Connection) -> list[dict[str, Any]]:
    """One entry per location; moments in ISO 8601, UTC."""
    return [_of_location(view, row) for row in locations.every(view)]


def _of_location(view: Connection, row: locations.LocationRow) -> dict[str, Any]:
    by_state = counts.by_state(view, row.id)
    target = targets.get(view, row.connecteam_id)
    numbers = {name: by_state.get(name, 0) for name in _COUNTED}
    return {
        "name": row.name,
        "lightspeed_id": row.lightspeed_id,
        "connecteam_id": row.connecteam_id,
        "cursor": iso(row.cursor_ms),
        "seen": sum(numbers.values()),
        **numbers,
        "last_read_at": iso(row.last_read_ms),
        "last_posted_at": iso(row.last_posted_ms),
        "last_error": row.last_error,
        "last_error_at": iso(row.last_error_ms),
        "paused": bool(row.paused),
        "stop": target.stop if target else None,
        "stop_reason": target.stop_reason if target else None,
    }


def quarantined(view: Connection) -> list[dict[str, Any]]:
    """The sales set aside, oldest first."""
    rows = view.execute(
        select(sale).where(sale.c.state == SaleState.QUARANTINED).order_by(sale.c.id)
    )
    names = {row.id: row.name for row in locations.every(view)}
    return [
        {
            "reference": row.reference,
            "fisc_id": row.fisc_id,
            "receipt_id": row.receipt_id,
            "location": names[row.location_id],
            "closed_at": iso(row.closed_ms),
            "type": row.source_type,
            "reason": row.reason,
        }
        for row in rows
    ]


def doubts(view: Connection) -> list[dict[str, Any]]:
    """Parts in doubt and parts held, oldest first; `total` in minor units."""
    states = (PartState.DOUBT, PartState.HELD)
    rows = view.execute(select(part).where(part.c.state.in_(states)).order_by(part.c.id))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001  # SQLAlchemy's public name


def iso(moment_ms: int | None) -> str | None:
    """Epoch milliseconds as ISO 8601, UTC, with Z."""
    if moment_ms is None:
        return None
    return from_epoch_ms(moment_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
