"""What the ledger knows of a period that a backfill is to fill in. Reads only."""

from sqlalchemy import Connection, func, select

from tillbridge.ledger.schema import backfill, location, sale
from tillbridge.states import Lane, SaleState

_DAY_MS = 86_400_000
_LOOK_BACK_DAYS = 60
"""Of the newest sales: enough to know a day by, few enough to be counted at once."""

_Spans = list[tuple[int, int]]


def unread_ms(view: Connection, location_id: int, start_ms: int, end_ms: int) -> _Spans:
    """The parts of a period that no backfill has read, as [from, to) in epoch milliseconds."""
    rows = view.execute(
        select(backfill.c.start_ms, backfill.c.end_ms, backfill.c.cursor_ms, backfill.c.done)
        .where(
            backfill.c.location_id == location_id,
            backfill.c.start_ms < end_ms,
            backfill.c.end_ms > start_ms,
        )
        .order_by(backfill.c.start_ms)
    )
    left, reached = [], start_ms
    for begin, end, cursor, done in rows:
        read_to = end if done else cursor
        if begin > reached:
            left.append((reached, min(begin, end_ms)))
        reached = max(reached, begin, read_to)
        if reached >= end_ms:
            break
    if reached < end_ms:
        left.append((reached, end_ms))
    return [span for span in left if span[0] < span[1]]


def known(
    view: Connection, location_id: int, start_ms: int, end_ms: int, unread: _Spans
) -> tuple[int, int]:
    """Sales of a period that are in the ledger, and how many of them no backfill brought."""

    def count(begin_ms: int, until_ms: int) -> int:
        query = select(func.count()).where(
            sale.c.connecteam_id == _target(view, location_id),
            sale.c.created_at.between(begin_ms // 1000, (until_ms - 1) // 1000),
            sale.c.location_id == location_id,
        )
        return int(view.execute(query).scalar_one())

    return count(start_ms, end_ms), sum(count(*span) for span in unread)


def waiting_history(view: Connection, location_id: int) -> int:
    """Sales of a backfill that have been read and not been posted."""
    query = select(func.count()).where(
        sale.c.connecteam_id == _target(view, location_id),
        sale.c.lane == Lane.BACKFILL,
        sale.c.state == SaleState.WAITING,
        sale.c.location_id == location_id,
    )
    return int(view.execute(query).scalar_one())


def sales_per_day(view: Connection, location_id: int) -> float | None:
    """Of the newest days that the ledger knows; None if it knows none."""
    target = _target(view, location_id)
    newest_s = view.execute(
        select(func.max(sale.c.created_at)).where(sale.c.connecteam_id == target)
    ).scalar_one()
    if newest_s is None:
        return None
    days = func.count(func.distinct(sale.c.created_at.op("/")(_DAY_MS // 1000)))
    found, distinct = view.execute(
        select(func.count(), days).where(
            sale.c.connecteam_id == target,
            sale.c.created_at > newest_s - _LOOK_BACK_DAYS * _DAY_MS // 1000,
            sale.c.location_id == location_id,
        )
    ).one()
    return found / distinct if distinct else None


def _target(view: Connection, location_id: int) -> int:
    query = select(location.c.connecteam_id).where(location.c.id == location_id)
    return int(view.execute(query).scalar_one())
