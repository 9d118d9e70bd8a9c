"""Business days in the ledger: their real cut-offs, and whether each is final."""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from tillbridge.ledger import events
from tillbridge.ledger.schema import backfill, business_day

DayRow = Row[*tuple[Any, ...]]


def known(view: Connection, location_id: int, first: str, last: str) -> dict[str, DayRow]:
    """The days from `first` to `last`, both included, that were ever compared."""
    query = select(business_day).where(
        business_day.c.location_id == location_id, business_day.c.day.between(first, last)
    )
    return {row.day: row for row in view.execute(query)}


def note(
    commit: Connection,
    location_id: int,
    day: str,
    now_ms: int,
    *,
    state: str,
    reason: str,
    begins_ms: int,
    ends_ms: int,
) -> bool:
    """Write where a day stands; an event tells of each change.

    Returns:
        Whether the state changed.
    """
    values = {
        "state": state, "reason": reason or None, "begins_ms": begins_ms, "ends_ms": ends_ms,
    }  # fmt: skip
    before = known(commit, location_id, day, day).get(day)
    here = (business_day.c.location_id == location_id) & (business_day.c.day == day)
    changed = before is None or before.state != state
    if before is None:
        values |= {"location_id": location_id, "day": day, "changed_ms": now_ms}
        commit.execute(insert(business_day).values(**values))
    else:
        if changed:
            values["changed_ms"] = now_ms
        commit.execute(update(business_day).where(here).values(**values))
    if changed:
        events.note(
            commit, now_ms, f"day_{state}", location_id=location_id, day=day,
            before=before.state if before else None, reason=reason or None,
        )  # fmt: skip
    return changed


def backfilled(view: Connection, location_id: int) -> list[tuple[int, int]]:
    """The periods, epoch milliseconds, that a person had carried over: slices are put together."""
    query = (
        select(backfill.c.start_ms, backfill.c.end_ms)
        .where(backfill.c.location_id == location_id)
        .order_by(backfill.c.start_ms)
    )
    found: list[tuple[int, int]] = []
    for start_ms, end_ms in view.execute(query):
        if found and start_ms <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end_ms)
        else:
            found.append((start_ms, end_ms))
    return found
