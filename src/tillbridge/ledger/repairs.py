"""Repairs in the ledger: what was asked for, what was tried, and what came of it.

The steps of a repair are sales and deletes like all others; nothing here sends anything.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from tillbridge.ledger import corrections, counts, events, generation, parts, sales, targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.schema import correction, repair, sale
from tillbridge.states import PartState, SaleState

RepairRow = Row[*tuple[Any, ...]]

WORKING, DONE, LEFT = "working", "done", "left"
"""The states of a repair: under way; the totals agree; something was left for a person."""


def ask(
    commit: Connection, connecteam_id: int, days: tuple[str, str], now_ms: int, *, by_person: bool
) -> int:
    """Ask for a repair of these days, both included; one that is under way takes them in."""
    first, last = days
    row = working(commit, connecteam_id)
    if row is not None:
        commit.execute(
            update(repair)
            .where(repair.c.id == row.id)
            .values(
                first_day=min(first, row.first_day), last_day=max(last, row.last_day),
                by_person=by_person or row.by_person,
            )
        )  # fmt: skip
        return int(row.id)
    key = commit.execute(
        insert(repair).values(
            connecteam_id=connecteam_id, first_day=first, last_day=last, by_person=by_person,
            state=WORKING, asked_ms=now_ms, tried={}, result=[],
        )
    ).inserted_primary_key  # fmt: skip
    assert key is not None
    events.note(
        commit, now_ms, "repair_asked", connecteam_id=connecteam_id, first=first, last=last,
        by_person=by_person,
    )  # fmt: skip
    return int(key[0])


def working(view: Connection, connecteam_id: int) -> RepairRow | None:
    """The repair that is under way at a location."""
    query = select(repair).where(repair.c.connecteam_id == connecteam_id, repair.c.state == WORKING)
    return view.execute(query).first()


def every_working(view: Connection) -> Sequence[RepairRow]:
    return view.execute(select(repair).where(repair.c.state == WORKING).order_by(repair.c.id)).all()


def get(view: Connection, repair_id: int) -> RepairRow:
    return view.execute(select(repair).where(repair.c.id == repair_id)).one()


def note_round(commit: Connection, row: RepairRow, lines: Sequence[Mapping[str, Any]]) -> None:
    """One more round was begun; `lines` say what it does."""
    fresh = get(commit, row.id)
    commit.execute(
        update(repair)
        .where(repair.c.id == row.id)
        .values(rounds=fresh.rounds + 1, result=[*(fresh.result or []), *lines])
    )


def note_tried(commit: Connection, repair_id: int, kind: str, keys: Iterable[int | str]) -> None:
    """Remember what is tried, so that no later round repeats it."""
    row = get(commit, repair_id)
    tried = dict(row.tried or {})
    tried[kind] = sorted({*tried.get(kind, []), *keys})
    commit.execute(update(repair).where(repair.c.id == repair_id).values(tried=tried))


def end(commit: Connection, row: RepairRow, state: str, now_ms: int) -> None:
    commit.execute(update(repair).where(repair.c.id == row.id).values(state=state))
    events.note(commit, now_ms, f"repair_{state}", connecteam_id=row.connecteam_id, repair=row.id)


def plan_take_out(commit: Connection, sale_id: int, now: Moment) -> int | None:
    """Write the intent to take one posted sale out by its id.

    Returns:
        The delete's id; None if the sale is not posted, or its id not known, any more.
    """
    row = commit.execute(select(sale).where(sale.c.id == sale_id)).one()
    if row.state != SaleState.POSTED or row.transaction_id is None:
        return None
    return corrections.plan_delete(commit, row, Purpose.REPAIR, now)


def put_back(commit: Connection, sale_ids: Sequence[int], now: Moment) -> int:
    """Posted sales that certainly are not there, by a base that does not hold them, wait again.

    Returns:
        How many.
    """
    here = (
        sale.c.id.in_(list(sale_ids))
        & (sale.c.state == SaleState.POSTED)
        & sale.c.transaction_id.is_(None)
    )
    rows = commit.execute(select(sale.c.id, sale.c.location_id).where(here)).all()
    commit.execute(
        update(sale)
        .where(sale.c.id.in_([row.id for row in rows]))
        .values(state=SaleState.WAITING, part_id=None)
    )
    sources = [row.location_id for row in rows]
    counts.move(commit, counts.shift(sources, SaleState.POSTED, SaleState.WAITING))
    _note_each(commit, now, "repair_put_back", [row.id for row in rows])
    return len(rows)


def adopt(commit: Connection, sale_ids: Sequence[int], now: Moment) -> int:
    """Waiting sales are at Connecteam already, their ids unknown; the base holds them.

    Returns:
        How many.
    """
    here = sale.c.id.in_(list(sale_ids)) & (sale.c.state == SaleState.WAITING)
    rows = commit.execute(select(sale.c.id, sale.c.location_id).where(here)).all()
    commit.execute(
        update(sale)
        .where(sale.c.id.in_([row.id for row in rows]))
        .values(state=SaleState.POSTED, fence=None)
    )
    sources = [row.location_id for row in rows]
    counts.move(commit, counts.shift(sources, SaleState.WAITING, SaleState.POSTED))
    _note_each(commit, now, "repair_adopted", [row.id for row in rows])
    if rows:
        generation.note_old(commit)
    return len(rows)


def adopt_amended(commit: Connection, sale_ids: Sequence[int], now: Moment) -> int:
    """What posted sales say now is at Connecteam already, under ids that are not known."""
    done = 0
    for row in corrections.pending(commit):
        if row.id not in sale_ids:
            continue
        record = corrections.record_of(row)
        sales.replace_content(commit, row.location_id, row, record, now.wall_ms)
        commit.execute(
            update(sale)
            .where(sale.c.id == row.id)
            .values(state=SaleState.POSTED, transaction_id=None, reason=None)
        )
        change: counts.Change = Counter()
        change[row.location_id, SaleState(record.state)] -= 1
        change[row.location_id, SaleState.POSTED] += 1
        counts.move(commit, change)
        commit.execute(correction.delete().where(correction.c.sale_id == row.id))
        done += 1
    return done


def drop_copies(
    commit: Connection, sale_ids: Sequence[int], part_id: int | None, now: Moment
) -> int:
    """Plan to delete the copies whose ids are known, of sales that are there twice.

    Args:
        commit: the change; the base holds both copies.
        sale_ids: of which sales; those of the part if there is one.
        part_id: an attempt that was given up as lost and arrived after all.
        now: for the deletes.

    Returns:
        How many will be deleted; 0 if that cannot be done safely, and then nothing was changed.
    """
    given_up = parts.get(commit, part_id) if part_id is not None else None
    wanted = list(sale_ids) if given_up is None else list(given_up.sale_ids)
    rows = commit.execute(select(sale).where(sale.c.id.in_(wanted)).order_by(sale.c.id)).all()
    known = all(row.state == SaleState.POSTED and row.transaction_id is not None for row in rows)
    if not known or len(rows) != len(wanted):
        return 0
    if given_up is not None:
        if sum(row.amount for row in rows) != given_up.total:
            return 0
        parts.set_state(commit, given_up, PartState.POSTED, now, reason="applied late after all")
    for row in rows:
        corrections.plan_delete(commit, row, Purpose.SECOND_COPY, now)
    return len(rows)


def forget_doubts(commit: Connection, connecteam_id: int, now: Moment) -> int:
    """In an old copy of the ledger, doubts were settled long ago by a ledger that is lost: their
    sales wait, and with all others that wait the totals tell whether they are there.

    Only while posting is stopped: nothing of it may be sent before the totals have told.
    """
    row = targets.get(commit, connecteam_id)
    assert row is not None
    assert row.stop is not None
    done = 0
    for item in parts.open_parts(commit, connecteam_id):
        if item.state == PartState.DOUBT:
            parts.move_rows(commit, item.id, SaleState.IN_DOUBT, SaleState.WAITING)
            parts.set_state(
                commit, item, PartState.REPLACED, now, reason="an old ledger is repaired"
            )
            done += 1
    return done


def _note_each(commit: Connection, now: Moment, name: str, sale_ids: Sequence[int]) -> None:
    for sale_id in sale_ids:
        events.note(commit, now.wall_ms, name, sale_id=sale_id)
