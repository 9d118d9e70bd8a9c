"""What the ledger knows of a period at a Connecteam location, for comparing. Reads only."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from tillbridge.days import utc_midnight_s
from tillbridge.ledger.corrections import HELD_EVENT
from tillbridge.ledger.schema import correction, event, part, sale
from tillbridge.ledger.targets import ONE_DAY
from tillbridge.states import OPEN_PART_STATES, PartState, SaleState

ComparedRow = Row[*tuple[Any, ...]]

_columns = select(
    sale.c.id,
    sale.c.location_id,
    sale.c.closed_ms,
    sale.c.created_at,
    sale.c.state,
    sale.c.amount,
    sale.c.net,
    sale.c.currency,
    sale.c.transaction_id,
    sale.c.part_id,
    sale.c.seen_ms,
    sale.c.reference,
    sale.c.reason,
    correction.c.record.label("correction"),
    correction.c.purpose,
).outerjoin(correction, correction.c.sale_id == sale.c.id)


def sales_within(
    view: Connection, connecteam_id: int, location_ids: Sequence[int], start_ms: int, end_ms: int
) -> list[ComparedRow]:
    """The sales of a location that closed, or are stamped, within [start_ms, end_ms)."""
    closed = _columns.where(
        sale.c.location_id.in_(list(location_ids)),
        sale.c.closed_ms >= start_ms,
        sale.c.closed_ms < end_ms,
    )
    stamped = _columns.where(
        sale.c.connecteam_id == connecteam_id,
        sale.c.created_at >= start_ms // 1000,
        sale.c.created_at < -(-end_ms // 1000),
    )
    found = {row.id: row for query in (closed, stamped) for row in view.execute(query)}
    return [found[key] for key in sorted(found)]


def held_but_there(view: Connection, connecteam_id: int) -> set[int]:
    """Held parts whose sales certainly are at Connecteam: held for what they say now."""
    query = (
        select(part.c.id)
        .join(event, event.c.part_id == part.c.id)
        .where(
            part.c.connecteam_id == connecteam_id,
            part.c.state == PartState.HELD,
            event.c.name == HELD_EVENT,
        )
    )
    return {row[0] for row in view.execute(query)}


def given_up(view: Connection, connecteam_id: int, first_s: int, last_s: int) -> list[ComparedRow]:
    """Attempts decided as not landed, with a sum, that lie within these seconds."""
    query = select(part).where(
        part.c.connecteam_id == connecteam_id,
        part.c.state == PartState.ABANDONED,
        part.c.total != 0,
        part.c.first_created >= first_s,
        part.c.last_created <= last_s,
    )
    return list(view.execute(query).all())


def attempted(
    view: Connection, connecteam_id: int, first_s: int, last_s: int
) -> list[tuple[int, int]]:
    """(first, last) stamp of each attempt that touches these seconds."""
    query = select(part.c.first_created, part.c.last_created).where(
        part.c.connecteam_id == connecteam_id,
        part.c.first_created <= last_s,
        part.c.last_created >= first_s,
    )
    return [(row[0], row[1]) for row in view.execute(query)]


def fingerprint(
    view: Connection, connecteam_id: int, first: date, last: date
) -> tuple[Any, ...] | None:
    """What changes with every write at a location that these days' totals could show, whatever the
    zone of the days; None while one is under way.
    """
    sending = select(part.c.id).where(
        part.c.connecteam_id == connecteam_id, part.c.state == PartState.SENDING
    )
    if view.execute(sending.limit(1)).first() is not None:
        return None
    newest = select(func.max(part.c.id)).where(part.c.connecteam_id == connecteam_id)
    posted = select(func.count(), func.sum(sale.c.amount)).where(
        sale.c.connecteam_id == connecteam_id,
        sale.c.created_at >= utc_midnight_s(first - ONE_DAY),
        sale.c.created_at < utc_midnight_s(last + 2 * ONE_DAY),
        or_(sale.c.state == SaleState.POSTED, sale.c.state == SaleState.HELD),
    )
    return (view.execute(newest).scalar_one(), *view.execute(posted).one())


def has_doubt(view: Connection, connecteam_id: int) -> bool:
    """Whether a request there is not decided yet."""
    query = select(part.c.id).where(
        part.c.connecteam_id == connecteam_id, part.c.state.in_(OPEN_PART_STATES)
    )
    return view.execute(query.limit(1)).first() is not None
