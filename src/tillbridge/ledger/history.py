"""The story of a sale: what it was, where it went, and every change of state. Reads only."""

from typing import Any

from sqlalchemy import Connection, String, cast, func, literal, or_, select

from tillbridge.ledger import events, locations
from tillbridge.ledger.schema import part, sale
from tillbridge.ledger.status import iso

_SHOWN = (
    "reference", "fisc_id", "receipt_id", "net", "tax", "service_charge", "rules", "sale_type",
    "created_at", "amount", "tax_amount", "currency", "lane", "state", "reason", "transaction_id",
)  # fmt: skip


def story_of(view: Connection, key: str) -> list[dict[str, Any]]:
    """The sales that go by this name: accountReference, accountFiscId, receipt or transaction id.

    A till that was reset may have used a number twice, so there may be several.
    """
    names = (sale.c.reference, sale.c.fisc_id, sale.c.receipt_id, sale.c.transaction_id)
    rows = view.execute(select(sale).where(or_(*(name == key for name in names)))).all()
    places = {row.id: row.name for row in locations.every(view)}
    stories = []
    for row in rows:
        values = row._mapping  # noqa: SLF001  # SQLAlchemy's public name
        story = {name: values[name] for name in _SHOWN}
        story["location"] = places[row.location_id]
        story["type"] = row.source_type
        story["closed_at"] = iso(row.closed_ms)
        story["seen_at"] = iso(row.seen_ms)
        story["events"] = _events(view, row.id)
        stories.append(story)
    return stories


def _events(view: Connection, sale_id: int) -> list[dict[str, Any]]:
    return [
        {
            "at": iso(row["at_ms"]),
            "name": row["name"],
            "request_id": row["request_id"],
            "batch": row["batch_id"],
            "part": row["part_id"],
            "detail": row["detail"],
        }
        for row in events.of_sale(view, sale_id, part_ids(view, sale_id))
    ]


def part_ids(view: Connection, sale_id: int) -> list[int]:
    """Every part that the sale was ever in, the given-up ones too."""
    wanted = literal(",").concat(cast(sale_id, String)).concat(",")
    listed = func.replace(func.replace(cast(part.c.sale_ids, String), "[", ","), "]", ",")
    query = select(part.c.id).where(func.instr(func.replace(listed, " ", ""), wanted) > 0)
    return [row[0] for row in view.execute(query)]
