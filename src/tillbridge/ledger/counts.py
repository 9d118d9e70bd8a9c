"""Counts by location and state, moved in the same commit as the sales themselves."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, func, insert, select, update

from tillbridge.ledger.schema import sale, tally
from tillbridge.ledger.statements import Prepared
from tillbridge.states import SaleState

Change = Counter[tuple[int, str]]
"""By how many the count of (location, state) changes."""

_MOVE = Prepared(
    update(tally)
    .where(tally.c.location_id == bindparam("b_location"), tally.c.state == bindparam("b_state"))
    .values(count=tally.c.count + bindparam("b_delta")),
    "b_delta",
    "b_location",
    "b_state",
)
_BY_STATE = Prepared(
    select(tally.c.state, tally.c.count).where(tally.c.location_id == bindparam("b_location")),
    "b_location",
)
_WAITING = Prepared(select(func.sum(tally.c.count)).where(tally.c.state == SaleState.WAITING))


def begin(commit: Connection, location_id: int) -> None:
    """Make the rows of a new location, so that every later change is a plain update."""
    commit.execute(
        insert(tally),
        [{"location_id": location_id, "state": state, "count": 0} for state in SaleState],
    )


def move(commit: Connection, change: Change) -> None:
    """Apply a change; an unknown location or a count below zero is a bug and undoes the commit."""
    rows = [
        (delta, location_id, str(state)) for (location_id, state), delta in change.items() if delta
    ]
    if rows:
        assert _MOVE.run_each(commit, rows) == len(rows)


def shift(sources: Iterable[int], old: SaleState, new: SaleState) -> Change:
    """The change when one sale of each of these locations goes from one state to another."""
    change: Change = Counter()
    for location_id, count in Counter(sources).items():
        change[location_id, old] -= count
        change[location_id, new] += count
    return change


def by_state(view: Connection, location_id: int) -> dict[str, int]:
    return dict(_BY_STATE.all(view, location_id))


def waiting(view: Connection) -> int:
    """How many sales wait, at all locations."""
    return int(_WAITING.first(view)[0] or 0)


def recount(view: Connection) -> dict[tuple[int, str], int]:
    """The truth that the tallies must equal, counted from the sales (slow: for checks)."""
    rows = view.execute(
        select(sale.c.location_id, sale.c.state, func.count()).group_by(
            sale.c.location_id, sale.c.state
        )
    )
    return {(row[0], row[1]): row[2] for row in rows}
