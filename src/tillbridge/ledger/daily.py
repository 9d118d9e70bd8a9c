"""What the ledger says about a Connecteam location's totals of some days, in quarters of an hour.

Every time zone's days begin at a whole quarter of an hour, so these sums serve for all of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, case, func, or_, select

from tillbridge.ledger.parts import Moment
from tillbridge.ledger.schema import part, removal, sale
from tillbridge.states import SaleState

QUARTER_S = 900
_UNSURE = (SaleState.SENDING, SaleState.IN_DOUBT, SaleState.HELD)


class Quarter(NamedTuple):
    """The sales of one request that are stamped within one quarter of an hour, in minor units.

    `part` is None for those that Connecteam must show, whatever request brought them; `posted` is
    whether Connecteam has said that it took them.
    """

    start_s: int
    part: int | None
    posted: bool
    amount: int


def quarters(
    view: Connection, connecteam_id: int, first_s: int, end_s: int, now: Moment, lag_s: float
) -> Sequence[Quarter]:
    """What the ledger has of a location within a span.

    Args:
        view: the ledger.
        connecteam_id: the location.
        first_s: epoch seconds.
        end_s: not included.
        now: tells what was answered moments ago.
        lag_s: how long the totals may take to show what was answered.
    """
    ended = func.coalesce(part.c.ended_boot_s, -1e12)
    fresh = and_(part.c.boot_id == now.boot_id, ended > now.boot_s - lag_s)
    posted = sale.c.state == SaleState.POSTED
    unsure = case((and_(posted, or_(part.c.id.is_(None), ~fresh)), None), else_=part.c.id)
    start = sale.c.created_at - sale.c.created_at % QUARTER_S
    rows = view.execute(
        select(start, unsure, posted, func.sum(sale.c.amount))
        .select_from(sale.outerjoin(part, sale.c.part_id == part.c.id))
        .where(
            sale.c.connecteam_id == connecteam_id,
            sale.c.created_at >= first_s,
            sale.c.created_at < end_s,
            sale.c.state.in_((SaleState.POSTED, *_UNSURE)),
        )
        .group_by(start, unsure, posted)
    )
    return [Quarter(int(row[0]), row[1], bool(row[2]), int(row[3])) for row in rows]


def is_taking_back(view: Connection, connecteam_id: int, now: Moment, lag_s: float) -> bool:
    """Whether a delete is under way there, or so recent that totals may not show it yet."""
    recent = and_(removal.c.boot_id == now.boot_id, removal.c.started_boot_s > now.boot_s - lag_s)
    asked = select(removal.c.id).where(
        removal.c.connecteam_id == connecteam_id, or_(removal.c.state != "done", recent)
    )
    return view.execute(asked.limit(1)).first() is not None
