"""Forgetting what may be forgotten: old events, old readings, old payloads. Never a sale or a part.

A sale must be known for ever, because Lightspeed may report it again; a part, because it may be
applied late, and because it says what was told to Connecteam.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, or_, select, update

from tillbridge.ledger.schema import event, part, reading, sale, target
from tillbridge.states import PartState, SaleState

OPEN = (PartState.SENDING, PartState.DOUBT, PartState.HELD)

CHUNK = 2000
"""Rows that one commit takes away: short beside a poll, also on a slow disk."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each is kept, in seconds."""

    events_s: float
    readings_s: float
    payloads_s: float


def forget_events(commit: Connection, before_ms: int) -> int:
    """Take away the oldest events from before a moment; at most `CHUNK`.

    Returns:
        How many went; 0 when there is nothing left to do.
    """
    # By id, which is in the order of time: there is no index of times, and none is needed.
    # What happened to a request that is not decided yet is part of its decision, however old.
    open_parts = select(part.c.id).where(part.c.state.in_(OPEN))
    is_free = or_(event.c.part_id.is_(None), event.c.part_id.not_in(open_parts))
    oldest = commit.execute(
        select(event.c.id, event.c.at_ms).where(is_free).order_by(event.c.id).limit(CHUNK)
    ).all()
    old = [row.id for row in oldest if row.at_ms < before_ms]
    if old:
        commit.execute(delete(event).where(event.c.id.between(old[0], old[-1]),
                                           event.c.at_ms < before_ms))  # fmt: skip
    return len(old)


def forget_readings(commit: Connection, before_ms: int) -> int:
    """Take away readings from before a moment, but for those that are a base; at most `CHUNK`."""
    bases = select(target.c.base_id).where(target.c.base_id.is_not(None))
    old = list(
        commit.execute(
            select(reading.c.id)
            .where(reading.c.taken_ms < before_ms, reading.c.id.not_in(bases))
            .order_by(reading.c.id)
            .limit(CHUNK)
        ).scalars()
    )
    if old:
        commit.execute(delete(reading).where(reading.c.id.in_(old)))
    return len(old)


def forget_payloads(commit: Connection, before_ms: int) -> int:
    """Take away what Lightspeed said of sales set aside before a moment; at most `CHUNK`.

    The digest of a sale in quarantine goes too, so that it counts as changed when it is read
    again, and is mapped anew.
    """
    old = commit.execute(
        select(sale.c.id, sale.c.state)
        .where(
            or_(sale.c.state == SaleState.QUARANTINED, sale.c.state == SaleState.DROPPED),
            sale.c.kept.is_not(None),
            sale.c.seen_ms < before_ms,
        )
        .limit(CHUNK)
    ).all()
    set_aside = [row.id for row in old if row.state == SaleState.QUARANTINED]
    commit.execute(update(sale).where(sale.c.id.in_([row.id for row in old])).values(kept=None))
    commit.execute(update(sale).where(sale.c.id.in_(set_aside)).values(digest=None))
    return len(old)
