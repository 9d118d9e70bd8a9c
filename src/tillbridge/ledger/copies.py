"""Second copies: a request was given up as lost, its sales were sent again, and then it was
carried out after all. The later copies have known ids, so they are the ones that are taken back.
"""

from collections import Counter

from sqlalchemy import Connection, select, update

from tillbridge.ledger import corrections, counts, parts, targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.schema import sale
from tillbridge.ledger.schema import target as target_table
from tillbridge.states import PartState, SaleState


def plan_removal(commit: Connection, part_id: int, now: Moment) -> int | None:
    """Count an abandoned part as landed after all, and plan to delete the copies sent since.

    Sales of it that wait again are not sent: they are there.

    Returns:
        How many copies will be deleted; None if that cannot be done safely (a sale was amended
        since, is under way, or its id is not known), and nothing was changed.
    """
    part = parts.get(commit, part_id)
    rows = commit.execute(
        select(sale).where(sale.c.id.in_(part.sale_ids)).order_by(sale.c.id)
    ).all()
    copied = [row for row in rows if row.state == SaleState.POSTED]
    waiting = [row for row in rows if row.state == SaleState.WAITING]
    known = all(row.transaction_id is not None for row in copied)
    whole = len(copied) + len(waiting) == part.row_count
    if not known or not whole or sum(row.amount for row in rows) != part.total:
        return None
    for row in copied:
        corrections.plan_delete(commit, row, Purpose.SECOND_COPY, now)
    commit.execute(
        update(sale)
        .where(sale.c.id.in_([row.id for row in waiting]))
        .values(state=SaleState.POSTED, part_id=part_id, fence=None)
    )
    change: counts.Change = Counter()
    for row in waiting:
        change[row.location_id, SaleState.WAITING] -= 1
        change[row.location_id, SaleState.POSTED] += 1
    counts.move(commit, change)
    commit.execute(
        update(target_table)
        .where(target_table.c.connecteam_id == part.connecteam_id)
        .values(acknowledged=target_table.c.acknowledged + part.total)
    )
    targets.touch(commit, part.connecteam_id, part.first_created, part.last_created)
    parts.set_state(commit, part, PartState.POSTED, now, reason="applied late after all")
    return len(copied)
