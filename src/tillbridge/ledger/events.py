"""The audit trail: every change of state, with its time, its reason and the vendor's request id."""

import json
from typing import Any

from sqlalchemy import Connection, insert, or_, select

from tillbridge.ledger.schema import event
from tillbridge.ledger.statements import Prepared

_COLUMNS = tuple(column.name for column in event.c if column.name != "id")
_NOTE = Prepared(insert(event), *_COLUMNS)


def note(commit: Connection, at_ms: int, name: str, **values: Any) -> None:  # noqa: ANN401
    """Add one event.

    Args:
        commit: the commit that makes the change.
        at_ms: wall time, epoch milliseconds.
        name: what happened, in snake_case.
        values: columns of the event table; anything else goes into `detail`.
    """
    columns = {key: values.pop(key, None) for key in _COLUMNS[2:]}
    if columns["detail"] is None:
        columns["detail"] = values or None
    if columns["detail"] is not None:
        columns["detail"] = json.dumps(columns["detail"])
    _NOTE.run(commit, at_ms, name, *columns.values())


def of_sale(view: Connection, sale_id: int, part_ids: list[int]) -> list[dict[str, Any]]:
    """What happened to a sale, and to the parts it was in, in order."""
    rows = view.execute(
        select(event)
        .where(or_(event.c.sale_id == sale_id, event.c.part_id.in_(part_ids)))
        .order_by(event.c.id)
    )
    return [dict(row._mapping) for row in rows]  # noqa: SLF001  # SQLAlchemy's public name
