"""Taking a period back out of Connecteam: what tillbridge posted there, by id, and never more.

Asks, in the ledger; the deletes go through the states of corrections, so that a kill at any moment
leaves what is still to be done. What a person cannot have taken out is told, with the reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, select

from tillbridge.ledger import corrections
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.schema import correction, sale
from tillbridge.ledger.store import Ledger
from tillbridge.record import Record
from tillbridge.states import SaleState

SaleRow = Row[*tuple[Any, ...]]

CHUNK = 500
"""Sales in one commit: a service beside this must not wait long for its own."""

Allowed = Callable[[int, int], str | None]
"""Whether the window around a stamp (epoch seconds) at a Connecteam id may be emptied: None, or
why not."""


@dataclass(slots=True)
class Plan:
    """What a purge would do at one location.

    Attributes:
        sale_ids: those that can go.
        by_window: how many of them have no id, so that their time is emptied and the rest of it
            posted anew.
        amount: their sum, minor units by currency.
        already: sales that an earlier purge asked for and that are still there; they go, too.
        left: sales without an id that cannot go, by reason.
        undecided: sales that may or may not be there.
        waiting: sales that are not there yet; they are left to be posted.
    """

    sale_ids: list[int] = field(default_factory=list)
    by_window: int = 0
    amount: Counter[str] = field(default_factory=Counter)
    already: int = 0
    left: Counter[str] = field(default_factory=Counter)
    undecided: int = 0
    waiting: int = 0


def plan(ledger: Ledger, location_id: int, start_s: int, end_s: int, allowed: Allowed) -> Plan:
    """What of a location's sales, stamped in [start_s, end_s), can be taken out.

    Args:
        ledger: only read.
        location_id: the ledger's.
        start_s: epoch seconds.
        end_s: epoch seconds.
        allowed: judges the windows of sales without an id.
    """
    found = Plan()
    nameless = []
    with ledger.view() as view:
        for row in _rows(view, location_id, start_s, end_s):
            if row.state == SaleState.WAITING:
                found.waiting += 1
            elif row.state in (SaleState.HELD, SaleState.IN_DOUBT, SaleState.SENDING):
                found.undecided += 1
            elif row.state == SaleState.POSTED and row.transaction_id is None:
                nameless.append(row)
            elif row.state == SaleState.POSTED:
                _add(found, row)
    for row in nameless:  # judged outside of the view, because that looks at the ledger itself
        refusal = None
        if row.purpose != Purpose.PURGE:
            refusal = allowed(row.connecteam_id, row.created_at)
        if refusal is None:
            found.by_window += row.purpose != Purpose.PURGE
            _add(found, row)
        else:
            found.left[refusal] += 1
    return found


def _rows(view: Connection, location_id: int, start_s: int, end_s: int) -> Iterator[SaleRow]:
    query = (
        select(
            sale.c.id, sale.c.state, sale.c.connecteam_id, sale.c.created_at, sale.c.amount,
            sale.c.currency, sale.c.transaction_id, correction.c.purpose,
        )
        .outerjoin(correction, correction.c.sale_id == sale.c.id)
        .where(
            sale.c.location_id == location_id,
            # The closing time is indexed; a stamp lies at most a day before it.
            sale.c.closed_ms.between(start_s * 1000, (end_s + 86_400) * 1000),
            sale.c.created_at >= start_s,
            sale.c.created_at < end_s,
        )
        .order_by(sale.c.created_at, sale.c.id)
        .execution_options(yield_per=500)  # a year of sales must not fill the memory
    )  # fmt: skip
    yield from view.execute(query)


def _add(found: Plan, row: SaleRow) -> None:
    if row.purpose == Purpose.PURGE:
        found.already += 1
        return
    found.sale_ids.append(row.id)
    found.amount[row.currency] += row.amount


def ask(ledger: Ledger, sale_ids: Sequence[int], now_ms: int, reason: str) -> int:
    """Write down that these sales are to go and to stay out.

    Returns:
        How many; a sale that is posted no more, or asked for already, is left out.
    """
    count = 0
    for begin in range(0, len(sale_ids), CHUNK):
        chunk = list(sale_ids[begin : begin + CHUNK])
        with ledger.commit() as commit:
            rows = commit.execute(select(sale).where(sale.c.id.in_(chunk))).all()
            wanted = {row.id: _removed(row, reason) for row in rows}
            count += corrections.ask(commit, wanted, Purpose.PURGE, now_ms, reason)
    return count


def _removed(row: SaleRow, reason: str) -> Record:
    values = {name: getattr(row, name) for name in Record._fields}
    return Record(**{**values, "state": SaleState.REMOVED, "reason": reason, "kept": None})
