"""The story of a sale: what it was, where it went, and every change of state. Reads only."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from tillbridge.ledger import events, locations
from tillbridge.ledger.schema import batch, part, removal, sale
from tillbridge.ledger.status import iso

SaleRow = Row[*tuple[Any, ...]]

LONGEST_PART_S = 15 * 86_400
"""No part spans more (the batcher keeps to 14 days), so only a few can hold a given sale."""

_DAY_MS = 86_400_000

_SHOWN = (
    "reference", "fisc_id", "receipt_id", "net", "tax", "service_charge", "rules", "sale_type",
    "created_at", "amount", "tax_amount", "currency", "lane", "state", "reason", "transaction_id",
    "connecteam_id",
)  # fmt: skip


def find(view: Connection, key: str) -> Sequence[SaleRow]:
    """The sales that go by this name: accountReference, accountFiscId, receipt or transaction id.

    A till that was reset may have used a number twice, so there may be several.
    """
    places = [row.id for row in locations.every(view)]
    here = sale.c.location_id.in_(places)
    # One question for each name, so that each is answered from its index.
    found: dict[int, SaleRow] = {}
    for name in (sale.c.reference, sale.c.fisc_id, sale.c.receipt_id):
        found |= {row.id: row for row in view.execute(select(sale).where(here, name == key))}
    by_id = select(sale).where(sale.c.transaction_id == key)
    found |= {row.id: row for row in view.execute(by_id)}
    if not found:  # an id that was deleted since: of a sale amended, or taken out
        gone = select(removal.c.sale_id).where(removal.c.transaction_id == key)
        rows = view.execute(select(sale).where(sale.c.id.in_(gone)))
        found = {row.id: row for row in rows}
    return [found[sale_id] for sale_id in sorted(found)]


def story_of(view: Connection, key: str) -> list[dict[str, Any]]:
    """The stories of the sales that go by this name; see `find` and `tell`."""
    return [tell(view, row) for row in find(view, key)]


def tell(view: Connection, row: SaleRow) -> dict[str, Any]:
    """What the ledger knows of a sale; amounts in minor units, moments in ISO 8601."""
    values = row._mapping  # noqa: SLF001  # SQLAlchemy's public name
    told = events.of_sale(view, row.id, [])
    part_ids = _part_ids(view, row, told)
    story = {name: values[name] for name in _SHOWN}
    story["location"] = locations.get(view, row.location_id).name
    story["type"] = row.source_type
    story["closed_at"] = iso(row.closed_ms)
    story["seen_at"] = iso(row.seen_ms)
    story["requests"] = requests(view, part_ids)
    story["events"] = [
        {
            "at": iso(item["at_ms"]),
            "name": item["name"],
            "request_id": item["request_id"],
            "batch": item["batch_id"],
            "part": item["part_id"],
            "detail": item["detail"],
        }
        for item in events.of_sale(view, row.id, part_ids)
    ]
    return story


def _part_ids(view: Connection, row: SaleRow, told: Sequence[dict[str, Any]]) -> list[int]:
    """Every part that the sale was ever in, the given-up ones too.

    A part lists its sales in itself; looked at are those that reach over one of the stamps that
    the sale has had, at one of the Connecteam locations that it was for.
    """
    had = {(row.connecteam_id, row.created_at)}
    had |= {
        (detail.get("target_before", row.connecteam_id), detail["created_before"])
        for item in told
        if (detail := item["detail"] or {}).get("created_before") is not None
    }
    found = set() if row.part_id is None else {int(row.part_id)}
    found |= {item["part_id"] for item in told if item["part_id"] is not None}
    for target, stamp in had:
        if stamp is None:
            continue
        near = select(part.c.id, part.c.sale_ids).where(
            part.c.connecteam_id == target,
            part.c.first_created.between(stamp - LONGEST_PART_S, stamp),
            part.c.last_created >= stamp,
        )
        found |= {item.id for item in view.execute(near) if row.id in item.sale_ids}
    return sorted(found)


def requests(view: Connection, part_ids: Sequence[int]) -> list[dict[str, Any]]:
    """The requests in which these parts travelled, in order; `total` in minor units."""
    rows = view.execute(
        select(
            part, batch.c.request_id, batch.c.started_ms, batch.c.ended_ms, batch.c.row_count
        ).join(batch, batch.c.id == part.c.batch_id).where(part.c.id.in_(list(part_ids)))
        .order_by(part.c.id)
    )  # fmt: skip
    return [
        {
            "batch": row.batch_id,
            "part": row.id,
            "connecteam_id": row.connecteam_id,
            "sent_at": iso(row.started_ms),
            "answered_at": iso(row.ended_ms),
            "state": row.state,
            "sales": len(row.sale_ids),
            "total": row.total,
            "currency": row.currency,
            "request_id": row.request_id,
            "reason": row.reason,
            "person_reason": row.person_reason,
        }
        for row in rows
    ]


def in_period(view: Connection, location_id: int, start_ms: int, end_ms: int) -> Iterator[SaleRow]:
    """The sales of a location closed, or stamped for Connecteam, in [start_ms, end_ms), by closing
    time; with the request id of the part that each is in now.
    """
    # A stamp may lie on the evening before the closing time, never after it.
    inside = sale.c.closed_ms.between(start_ms, end_ms + _DAY_MS - 1) & or_(
        sale.c.closed_ms < end_ms, sale.c.created_at * 1000 < end_ms
    )
    query = (
        select(sale, batch.c.request_id, part.c.batch_id)
        .outerjoin(part, part.c.id == sale.c.part_id)
        .outerjoin(batch, batch.c.id == part.c.batch_id)
        .where(sale.c.location_id == location_id, inside)
        .order_by(sale.c.closed_ms, sale.c.id)
        .execution_options(yield_per=500)  # a year of sales must not fill the memory
    )
    yield from view.execute(query)


def without_time(view: Connection, location_id: int) -> Sequence[SaleRow]:
    """Sales that have no closing time (they are in quarantine), and so belong to no day."""
    query = select(sale).where(
        sale.c.location_id == location_id, sale.c.closed_ms.is_(None)
    ).order_by(sale.c.id)  # fmt: skip
    return view.execute(query).all()
