"""Sales whose transaction is to be taken back: what they shall be once it is.

Most of them were amended at Lightspeed. The others a person asked for: a changed rule applied to
history, or a period taken out of Connecteam. Nothing here sends anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tillbridge.ledger import counts, events, generation, parts, removals, sales, targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.removals import ASKED_FOR, Found, Purpose, RemovalRow, RemovalState
from tillbridge.ledger.schema import correction, event, part, sale
from tillbridge.record import Record
from tillbridge.states import UNSENT, PartState, SaleState

HELD_EVENT = "correction_held"

CorrectionRow = Row[*tuple[Any, ...]]


def pending(view: Connection, state: SaleState = SaleState.POSTED) -> Sequence[CorrectionRow]:
    """Corrections of amended sales in this state, oldest first, with the sale's columns.

    Of sales of which nothing is at Connecteam, also those that a person asked for.
    """
    query = (
        _pending
        # The second condition says nothing new, but keeps SQLite from reading every sale for it.
        .where(sale.c.state == state, sale.c.id.in_(select(correction.c.sale_id))).order_by(
            correction.c.seen_ms, sale.c.id
        )
    )
    if state not in UNSENT:
        query = query.where(correction.c.purpose.not_in(ASKED_FOR))
    return view.execute(query).all()


_pending = select(
    sale, correction.c.record.label("correction"), correction.c.purpose.label("purpose")
).join(correction, correction.c.sale_id == sale.c.id)


def asked_for(view: Connection, connecteam_id: int, limit: int) -> Sequence[CorrectionRow]:
    """What a person asked to be taken back at a location and is still there, oldest first; those
    without an id last, because they may not be allowed to go.
    """
    query = (
        _pending.where(
            # An expression, and a last condition that says nothing new: else SQLite would read all
            # sales of the location, with each poll.
            sale.c.connecteam_id + 0 == connecteam_id,
            sale.c.state == SaleState.POSTED,
            correction.c.purpose.in_(ASKED_FOR),
            sale.c.id.in_(select(correction.c.sale_id)),
        )
        .order_by(sale.c.transaction_id.is_(None), correction.c.seen_ms, sale.c.id)
        .limit(limit)
    )
    return view.execute(query).all()


def span_asked_for(view: Connection, row: CorrectionRow) -> tuple[int, int]:
    """First and last stamp of the sales of one part that a person asked for and that have no id."""
    if row.part_id is None:
        return row.created_at, row.created_at
    query = (
        select(func.min(sale.c.created_at), func.max(sale.c.created_at))
        .join(correction, correction.c.sale_id == sale.c.id)
        .where(
            sale.c.part_id == row.part_id,
            sale.c.transaction_id.is_(None),
            sale.c.state == SaleState.POSTED,
            correction.c.purpose.in_(ASKED_FOR),
        )
    )
    first, last = view.execute(query).one()
    return (row.created_at, row.created_at) if first is None else (int(first), int(last))


def count_asked_for(view: Connection, purpose: Purpose) -> dict[int, int]:
    """How many sales are still to be taken back for this reason, by Connecteam id."""
    query = (
        select(sale.c.connecteam_id, func.count())
        .join(correction, correction.c.sale_id == sale.c.id)
        # The second condition says nothing new, but keeps SQLite from reading every sale for it.
        .where(correction.c.purpose == purpose, sale.c.id.in_(select(correction.c.sale_id)))
        .group_by(sale.c.connecteam_id)
    )
    return {row[0]: row[1] for row in view.execute(query)}


def ask(
    commit: Connection,
    wanted: Mapping[int, Record],
    purpose: Purpose,
    now_ms: int,
    reason: str,
) -> int:
    """Write down that a person wants posted sales taken back.

    Taking out goes before an amendment that still waits; a changed rule comes after it, and can
    be asked for again.

    Args:
        commit: the change; it alone sends nothing.
        wanted: what becomes of each sale afterwards, by the ledger's id.
        purpose: RULES or PURGE.
        now_ms: for the events.
        reason: for the events.

    Returns:
        How many were written down.
    """
    assert purpose in ASKED_FOR
    known = select(correction.c.sale_id).where(correction.c.sale_id.in_(list(wanted)))
    if purpose is Purpose.PURGE:
        known = known.where(correction.c.purpose == Purpose.PURGE)
    rows = commit.execute(
        select(sale.c.id, sale.c.location_id, sale.c.connecteam_id).where(
            sale.c.id.in_(list(wanted)),
            sale.c.state == SaleState.POSTED,
            sale.c.id.not_in(known),
        )
    ).all()
    for row in rows:
        record = wanted[row.id]
        values = record._asdict() | {"digest": record.digest.hex()}
        if purpose is Purpose.PURGE:
            # What Lightspeed last said of it is kept, should an amendment have been waiting.
            kept = {"state": record.state, "reason": record.reason}
            values |= _latest(commit, row.id) | kept
        _forget(commit, row.id)
        commit.execute(
            insert(correction).values(
                sale_id=row.id, purpose=purpose, record=values, seen_ms=now_ms
            )
        )
        events.note(
            commit, now_ms, f"{purpose}_asked", location_id=row.location_id,
            connecteam_id=row.connecteam_id, sale_id=row.id, reason=reason,
        )  # fmt: skip
    return len(rows)


def _latest(view: Connection, sale_id: int) -> dict[str, Any]:
    """What Lightspeed says of a sale, where that waits to be carried out; else nothing."""
    record = view.execute(
        select(correction.c.record).where(correction.c.sale_id == sale_id)
    ).scalar_one_or_none()
    return dict(record or {})


def record_of(row: CorrectionRow) -> Record:
    """The amended sale."""
    values = dict(row.correction)
    return Record(**{**values, "digest": bytes.fromhex(values["digest"])})


def apply_unsent(commit: Connection, now: Moment) -> int:
    """Amend the sales of which nothing is at Connecteam any more.

    Returns:
        How many.
    """
    rows = [row for state in sorted(UNSENT) for row in pending(commit, state)]
    for row in rows:
        _apply(commit, row, now)
    return len(rows)


def _apply(commit: Connection, row: CorrectionRow, now: Moment) -> None:
    sales.replace_content(commit, row.location_id, row, record_of(row), now.wall_ms)
    _forget(commit, row.id)


def _forget(commit: Connection, sale_id: int) -> None:
    commit.execute(delete(correction).where(correction.c.sale_id == sale_id))


def plan_delete(commit: Connection, row: CorrectionRow, purpose: Purpose, now: Moment) -> int:
    """Write the intent to delete a sale's transaction by its id; returns the delete's own id."""
    targets.touch(commit, row.connecteam_id, row.created_at, row.created_at)
    return removals.plan(
        commit, now, RemovalState.PLANNED, purpose, connecteam_id=row.connecteam_id,
        sale_id=row.id, transaction_id=row.transaction_id, total=row.amount, part_id=row.part_id,
    )  # fmt: skip


def acknowledge_delete(
    commit: Connection,
    item: RemovalRow,
    now: Moment,
    request_id: str | None,
    found: Found = Found.THERE,
) -> None:
    """A transaction is gone for certain: its amount leaves E, and the sale goes on without it.

    Args:
        commit: the change.
        item: the delete.
        now: both times.
        request_id: the vendor's.
        found: for a repair, whose base was read just before: what the delete found.
    """
    row = commit.execute(select(sale).where(sale.c.id == item.sale_id)).one()
    assert row.state == SaleState.POSTED, row.state
    assert row.transaction_id == item.transaction_id
    if found is Found.THERE:
        targets.acknowledge(commit, item.connecteam_id, -item.total, now)
    elif found is Found.UNSURE:
        # Whether the base holds it cannot be known: only a new one can be trusted.
        targets.acknowledge(commit, item.connecteam_id, 0, now)
        targets.set_values(commit, item.connecteam_id, base_id=None)
    removals.set_state(
        commit, item, RemovalState.DONE, now, request_id=request_id, reason=str(found)
    )
    if item.purpose == Purpose.SECOND_COPY:
        # The other copy stays; which id it has, nobody can know.
        commit.execute(update(sale).where(sale.c.id == row.id).values(transaction_id=None))
        return
    commit.execute(
        update(sale)
        .where(sale.c.id == row.id)
        .values(state=SaleState.WAITING, transaction_id=None, part_id=None)
    )
    counts.move(commit, counts.shift([row.location_id], SaleState.POSTED, SaleState.WAITING))
    fresh = commit.execute(_pending.where(sale.c.id == row.id)).one_or_none()
    if fresh is not None:  # Lightspeed may have taken it back while the delete was under way
        _apply(commit, fresh, now)


def is_of_a_lost_ledger(view: Connection, item: RemovalRow) -> bool:
    """Whether a delete is for a sale that a ledger which is lost may have posted anew."""
    source = parts.find(view, item.part_id) if item.part_id is not None else None
    return source is not None and source.batch_id <= generation.old_until_batch(view)


def forget_id(commit: Connection, item: RemovalRow, now: Moment) -> None:
    """There is nothing under this id, and that says nothing: the sale may be there under another.
    Its amount stays in E, and what was wanted of it goes on without an id.
    """
    commit.execute(
        update(sale)
        .where(sale.c.id == item.sale_id, sale.c.transaction_id == item.transaction_id)
        .values(transaction_id=None)
    )
    removals.set_state(commit, item, RemovalState.DONE, now, reason=str(Found.ELSEWHERE))


def hold(commit: Connection, row: CorrectionRow, reason: str, now: Moment) -> int:
    """A posted sale was amended and its transaction cannot be taken back: a person must.

    Returns:
        The id of the held part that now stands for this sale alone.
    """
    if row.part_id is not None:
        batch_id = parts.get(commit, row.part_id).batch_id
    else:  # taken over from what totals showed, or by a person's word
        batch_id = parts.add_forgotten_batch(commit, now)
    key = commit.execute(
        insert(part).values(
            batch_id=batch_id, connecteam_id=row.connecteam_id, state=PartState.HELD,
            row_count=1, total=row.amount, currency=row.currency, first_created=row.created_at,
            last_created=row.created_at, sale_ids=[row.id], boot_id=now.boot_id,
            started_boot_s=now.boot_s, ended_boot_s=now.boot_s, reason=reason,
        )
    ).inserted_primary_key  # fmt: skip
    assert key is not None
    commit.execute(
        update(sale)
        .where(sale.c.id == row.id)
        .values(state=SaleState.HELD, part_id=key[0], reason=reason)
    )
    counts.move(
        commit,
        Counter({(row.location_id, SaleState.POSTED): -1, (row.location_id, SaleState.HELD): 1}),
    )
    events.note(
        commit, now.wall_ms, HELD_EVENT, location_id=row.location_id, sale_id=row.id,
        connecteam_id=row.connecteam_id, part_id=key[0], reason=reason,
    )  # fmt: skip
    return int(key[0])


def is_held_for(view: Connection, part_id: int) -> bool:
    """Whether a part is held because one posted sale was amended, and not for its own sake."""
    asked = select(event.c.id).where(event.c.part_id == part_id, event.c.name == HELD_EVENT)
    return view.execute(asked.limit(1)).first() is not None


def withdraw(commit: Connection, part_id: int, now: Moment) -> None:
    """A person says that what was posted stays: if the part is held for a correction, that is
    given up. (A part may be held for its own sake while a correction of one of its sales waits.)
    """
    if not is_held_for(commit, part_id):
        return
    rows = commit.execute(
        select(sale.c.id)
        .join(correction, correction.c.sale_id == sale.c.id)
        .where(sale.c.part_id == part_id)
    ).all()
    for row in rows:
        record = commit.execute(
            select(correction.c.record).where(correction.c.sale_id == row.id)
        ).scalar_one()
        # The digest is taken over, so that the same report does not ask for the same again.
        commit.execute(
            update(sale).where(sale.c.id == row.id).values(digest=bytes.fromhex(record["digest"]))
        )
        _forget(commit, row.id)
        events.note(commit, now.wall_ms, "correction_withdrawn", sale_id=row.id, part_id=part_id)
