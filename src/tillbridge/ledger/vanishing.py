"""Sales that Lightspeed no longer lists: held or set aside in the ledger, and taken up again."""

from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from tillbridge.ledger import corrections, counts, events, sales, verdicts
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.schema import correction, part, sale
from tillbridge.record import Record
from tillbridge.states import PartState, SaleState

SaleRow = Row[*tuple[Any, ...]]

REASON = "Lightspeed no longer lists it"
"""Begins the reason of everything that is held or set aside here."""


def get(view: Connection, sale_id: int) -> SaleRow:
    return view.execute(select(sale).where(sale.c.id == sale_id)).one()


def hold_posted(commit: Connection, row: SaleRow, evidence: str, now: Moment) -> int:
    """A posted sale is gone at Lightspeed: a person must say what becomes of it.

    Returns:
        The id of the held part that stands for it. Its "not landed" takes the sale out for good.
    """
    record = Record(**{name: getattr(row, name) for name in Record._fields})
    out = record._replace(state=SaleState.REMOVED, reason=REASON)
    corrections.ask(commit, {row.id: out}, Purpose.PURGE, now.wall_ms, REASON)
    return corrections.hold(commit, row, evidence, now)


def set_aside(commit: Connection, row: SaleRow, evidence: str, now: Moment) -> None:
    """A sale that was never sent is gone at Lightspeed: it is not sent."""
    sales.quarantine(commit, {row.id: (row.location_id, evidence)}, now.wall_ms)


def take_up_again(commit: Connection, listed: AbstractSet[int], now: Moment) -> list[int]:
    """Lightspeed lists them again: what was posted is right after all, the rest waits again.

    Args:
        commit: the change.
        listed: ids of the sales that Lightspeed lists.
        now: for the events.

    Returns:
        The parts that were held and are not any more.
    """
    held = select(part).where(part.c.state == PartState.HELD, part.c.reason.startswith(REASON))
    again = [row for row in commit.execute(held).all() if listed >= set(row.sale_ids)]
    for row in again:
        # What was noted to take it out goes first: the sale keeps the digest of what was posted,
        # so that the next reading corrects it if it came back with another time or amount.
        commit.execute(delete(correction).where(correction.c.sale_id.in_(row.sale_ids)))
        verdicts.landed(commit, row, now, by="lightspeed")
    aside = select(sale.c.id, sale.c.location_id).where(
        sale.c.state == SaleState.QUARANTINED, sale.c.reason.startswith(REASON)
    )
    waits = [row for row in commit.execute(aside).all() if row.id in listed]
    for row in waits:
        commit.execute(
            update(sale).where(sale.c.id == row.id).values(state=SaleState.WAITING, reason=None)
        )
        events.note(commit, now.wall_ms, "sale_listed_again", sale_id=row.id)
    sources = [row.location_id for row in waits]
    counts.move(commit, counts.shift(sources, SaleState.QUARANTINED, SaleState.WAITING))
    return [row.id for row in again]
