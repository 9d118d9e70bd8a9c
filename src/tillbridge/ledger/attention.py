"""Ending quarantine: try a sale again with the rules of now, or give it up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from tillbridge.errors import UsageError
from tillbridge.ledger import counts, events, locations
from tillbridge.ledger.schema import sale
from tillbridge.mapper import Rules
from tillbridge.record import record_of
from tillbridge.states import SaleState


@dataclass(frozen=True, slots=True)
class _Group:
    name: str | None
    code: str | None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    net: str | None
    gross: str | None
    tax: str | None
    service_charge: str | None
    currency: str | None
    group: _Group | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """A sale as the ledger kept it when it was set aside."""

    reference: str | None
    fisc_id: str | None
    receipt_id: str | None
    opened: datetime | None
    closed: datetime | None
    type: str | None
    lines: list[_Line]


@dataclass(slots=True)
class Retried:
    """What came of the sales that were tried again."""

    waiting: int = 0
    skipped: int = 0
    still: int = 0


def retry(
    commit: Connection, references: Sequence[str], rules: Mapping[int, Rules], now_ms: int
) -> Retried:
    """Map quarantined sales again.

    Args:
        commit: the change.
        references: which; all if empty.
        rules: by Lightspeed id.
        now_ms: for the events.
    """
    done = Retried()
    places = {row.id: row.lightspeed_id for row in locations.every(commit)}
    for row in _chosen(commit, references):
        if row.kept is None and row.amount is not None:
            # It was mapped, and set aside later: refused by Connecteam, or maybe known already.
            _send_as_it_is(commit, row, now_ms)
            done.waiting += 1
            continue
        kept = _kept(row.kept)
        here = rules.get(places[row.location_id])
        if kept is None or here is None:
            done.still += 1
            continue
        record = record_of(kept, here)
        values = record._asdict() | {"reference": row.reference}
        commit.execute(
            update(sale).where(sale.c.id == row.id).values(**values, revision=row.revision + 1)
        )
        state = SaleState(record.state)
        done.waiting += state is SaleState.WAITING
        done.skipped += state is SaleState.SKIPPED
        done.still += state is SaleState.QUARANTINED
        if state is not SaleState.QUARANTINED:
            old, new = (row.location_id, SaleState.QUARANTINED), (row.location_id, state)
            counts.move(commit, Counter({old: -1, new: 1}))
        events.note(commit, now_ms, "quarantine_retried", sale_id=row.id, now=state)
    return done


def _send_as_it_is(commit: Connection, row: Row[*tuple[Any, ...]], now_ms: int) -> None:
    commit.execute(
        update(sale).where(sale.c.id == row.id).values(state=SaleState.WAITING, reason=None)
    )
    counts.move(commit, counts.shift([row.location_id], SaleState.QUARANTINED, SaleState.WAITING))
    events.note(commit, now_ms, "quarantine_retried", sale_id=row.id, now=SaleState.WAITING)


def drop(commit: Connection, references: Sequence[str], reason: str, now_ms: int) -> int:
    """Give quarantined sales up.

    Returns:
        How many.
    """
    rows = _chosen(commit, references)
    for row in rows:
        commit.execute(
            update(sale).where(sale.c.id == row.id).values(state=SaleState.DROPPED, reason=reason)
        )
        events.note(commit, now_ms, "sale_dropped", sale_id=row.id, reason=reason)
    sources = [row.location_id for row in rows]
    counts.move(commit, counts.shift(sources, SaleState.QUARANTINED, SaleState.DROPPED))
    return len(rows)


def _chosen(view: Connection, references: Sequence[str]) -> Sequence[Row[*tuple[Any, ...]]]:
    query = select(sale).where(sale.c.state == SaleState.QUARANTINED)
    if references:
        query = query.where(sale.c.reference.in_(list(references)))
    rows = view.execute(query).all()
    missing = set(references) - {row.reference for row in rows}
    if missing:
        raise UsageError(
            f"Not in quarantine: {', '.join(sorted(missing))}.", "See `tillbridge quarantine list`."
        )
    return rows


def _kept(kept: Mapping[str, Any] | None) -> _Kept | None:
    """The sale again; None if it was never readable, so that only Lightspeed can mend it."""
    if kept is None or "lines" not in kept or "place" in kept:
        return None
    try:
        return _Kept(
            kept["reference"],
            kept["fisc_id"],
            kept["receipt_id"],
            datetime.fromisoformat(kept["opened"]) if kept["opened"] else None,
            datetime.fromisoformat(kept["closed"]) if kept["closed"] else None,
            kept["type"],
            [
                _Line(**{**line, "group": _Group(*line["group"]) if line["group"] else None})
                for line in kept["lines"]
            ],
        )
    except (KeyError, TypeError, ValueError):
        return None
