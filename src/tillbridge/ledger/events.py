"""The audit trail: every change of state, with its time, its reason and the vendor's request id."""

from typing import Any

from sqlalchemy import Connection, insert, or_, select

from tillbridge.ledger.schema import event

_NOTE = insert(event)


def note(commit: Connection, at_ms: int, name: str, **values: Any) -> None:  # noqa: ANN401
    """Add one event.

    Args:
        commit: the commit that makes the change.
        at_ms: wall time, epoch milliseconds.
        name: what happened, in snake_case.
        values: columns of the event table; anything else goes into `detail`.
    """
    columns = {key: values.pop(key) for key in list(values) if key in event.c}
    columns.setdefault("detail", values or None)
    commit.execute(_NOTE, {"at_ms": at_ms, "name": name, **columns})


def of_sale(view: Connection, sale_id: int, part_ids: list[int]) -> list[dict[str, Any]]:
    """What happened to a sale, and to the parts it was in, in order."""
    rows = view.execute(
        select(event)
        .where(or_(event.c.sale_id == sale_id, event.c.part_id.in_(part_ids)))
        .order_by(event.c.id)
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001  # SQLAlchemy's public name
