"""Deletes, by id or of a window: durable before they are sent, like parts."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from tillbridge.ledger import events
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.schema import removal

RemovalRow = Row[*tuple[Any, ...]]


class RemovalState(StrEnum):
    """Where a delete stands."""

    PLANNED = "planned"
    """Committed; it may have been sent, and is sent until it is acknowledged."""
    CLEARED = "cleared"
    """A window was deleted for certain; its rows are being sent anew."""
    DONE = "done"
    """Finished."""


def open_at(view: Connection, connecteam_id: int | None = None) -> Sequence[RemovalRow]:
    """Deletes that are not done, at one location or everywhere, oldest first."""
    query = select(removal).where(removal.c.state != RemovalState.DONE).order_by(removal.c.id)
    if connecteam_id is not None:
        query = query.where(removal.c.connecteam_id == connecteam_id)
    return view.execute(query).all()


def plan(commit: Connection, now: Moment, **values: Any) -> int:  # noqa: ANN401
    """Write the intent of a delete; see the `removal` table for the columns."""
    key = commit.execute(
        insert(removal).values(
            state=RemovalState.PLANNED, boot_id=now.boot_id, started_boot_s=now.boot_s, **values
        )
    ).inserted_primary_key
    assert key is not None
    removal_id = int(key[0])
    events.note(
        commit, now.wall_ms, "removal_planned", connecteam_id=values["connecteam_id"],
        sale_id=values.get("sale_id"), part_id=values.get("part_id"), removal=removal_id,
        purpose=values["purpose"],
    )  # fmt: skip
    return removal_id


def set_state(
    commit: Connection,
    row: RemovalRow,
    state: RemovalState,
    now: Moment,
    **values: Any,  # noqa: ANN401
) -> None:
    columns = {key: value for key, value in values.items() if key in removal.c}
    commit.execute(update(removal).where(removal.c.id == row.id).values(state=state, **columns))
    events.note(
        commit, now.wall_ms, f"removal_{state}", connecteam_id=row.connecteam_id,
        sale_id=row.sale_id, part_id=row.part_id, removal=row.id, **values,
    )  # fmt: skip
