"""Deletes, by id or of a window: durable before they are sent, like parts."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update

from tillbridge.ledger import counts, events, parts, targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.schema import part, removal, sale
from tillbridge.ledger.statements import Prepared
from tillbridge.states import PartState, SaleState

RemovalRow = Row[*tuple[Any, ...]]


class RemovalState(StrEnum):
    """Where a delete stands. The first two keep its Connecteam location from being posted to."""

    WANTED = "wanted"
    """A window is to be replaced; Lightspeed has to be read again there first."""
    PLANNED = "planned"
    """It may have been sent, and is sent until it is acknowledged."""
    CLEARED = "cleared"
    """A window is gone for certain; its sales are being sent anew, and a reading must agree."""
    DONE = "done"
    """Finished."""


class Purpose(StrEnum):
    """Why something is deleted."""

    CORRECTION = "correction"
    """A sale was amended; its transaction goes, and the amended one is posted."""
    SECOND_COPY = "second_copy"
    """A request given up as lost was carried out after all; its sales are there twice."""
    REPLACE = "replace"
    """Totals cannot tell what a window holds; it is emptied and posted anew."""
    RULES = "rules"
    """The configuration's rules were changed, and a person asked for them to apply to history."""
    PURGE = "purge"
    """A person asked for it to be taken out; it stays out."""
    REPAIR = "repair"
    """It may be missing: whether it was there or not, it is posted again afterwards."""


_BLOCKS = Prepared(
    select(removal.c.id)
    .where(
        removal.c.connecteam_id == bindparam("b_target"),
        or_(removal.c.state == RemovalState.WANTED, removal.c.state == RemovalState.PLANNED),
    )
    .limit(1),
    "b_target",
)


class Found(StrEnum):
    """What a delete by id found."""

    THERE = "it was there"
    MISSING = "it was not there"
    UNSURE = "it was not there, or an earlier delete without an answer had taken it"
    ELSEWHERE = "not there under this id, but perhaps under one that a lost ledger knew"


ASKED_FOR = (Purpose.RULES, Purpose.PURGE)
"""Asked for by a person, perhaps thousands at once: they come after everything else."""


def blocking(view: Connection, connecteam_id: int | None = None) -> Sequence[RemovalRow]:
    """Deletes that keep their location from being posted to, oldest first."""
    return _in_states(view, connecteam_id, RemovalState.WANTED, RemovalState.PLANNED)


def blocks(view: Connection, connecteam_id: int) -> bool:
    """Whether a delete keeps a location from being posted to."""
    return _BLOCKS.first(view, connecteam_id) is not None


def cleared(view: Connection, connecteam_id: int | None = None) -> Sequence[RemovalRow]:
    """Windows that were emptied and whose reading is still to come."""
    return _in_states(view, connecteam_id, RemovalState.CLEARED)


def _in_states(
    view: Connection, connecteam_id: int | None, *states: RemovalState
) -> Sequence[RemovalRow]:
    query = select(removal).where(removal.c.state.in_(states)).order_by(removal.c.id)
    if connecteam_id is not None:
        query = query.where(removal.c.connecteam_id == connecteam_id)
    return view.execute(query).all()


def plan(
    commit: Connection,
    now: Moment,
    state: RemovalState,
    purpose: Purpose,
    **values: Any,  # noqa: ANN401
) -> int:
    """Write the intent of a delete; see the `removal` table for the columns."""
    key = commit.execute(
        insert(removal).values(
            state=state,
            purpose=purpose,
            boot_id=now.boot_id,
            started_boot_s=now.boot_s,
            **values,
        )
    ).inserted_primary_key
    assert key is not None
    removal_id = int(key[0])
    events.note(
        commit, now.wall_ms, "removal_planned", connecteam_id=values["connecteam_id"],
        sale_id=values.get("sale_id"), part_id=values.get("part_id"), removal=removal_id,
        purpose=purpose, transaction=values.get("transaction_id"),
    )  # fmt: skip
    return removal_id


def set_state(
    commit: Connection,
    row: RemovalRow,
    state: RemovalState,
    now: Moment,
    **values: Any,  # noqa: ANN401
) -> None:
    """Change a delete's state, with the event that says so."""
    columns = {key: value for key, value in values.items() if key in removal.c}
    commit.execute(update(removal).where(removal.c.id == row.id).values(state=state, **columns))
    events.note(
        commit, now.wall_ms, f"removal_{state}", connecteam_id=row.connecteam_id,
        sale_id=row.sale_id, part_id=row.part_id, removal=row.id, **values,
    )  # fmt: skip


def get(view: Connection, removal_id: int) -> RemovalRow:
    return view.execute(select(removal).where(removal.c.id == removal_id)).one()


def note_acknowledged(
    commit: Connection, row: RemovalRow, now: Moment, request_id: str | None
) -> None:
    """The delete was answered. The last attempt is unanswered no more; earlier ones may be."""
    commit.execute(
        update(removal)
        .where(removal.c.id == row.id)
        .values(acknowledged=True, unanswered_boot_s=row.unanswered_boot_s, boot_id=row.boot_id)
    )
    events.note(
        commit, now.wall_ms, "removal_acknowledged", connecteam_id=row.connecteam_id,
        removal=row.id, request_id=request_id,
    )  # fmt: skip


def begin_anew(commit: Connection, row: RemovalRow, now: Moment) -> None:
    """After a reboot: what was being waited for is waited for from now on."""
    if row.transaction_id is None and row.unanswered_boot_s is None:
        return  # a window for which nothing was sent: when it was decided is not known any more
    if row.boot_id != now.boot_id:
        values: dict[str, Any] = {"boot_id": now.boot_id, "started_boot_s": now.boot_s}
        if row.unanswered_boot_s is not None:
            values["unanswered_boot_s"] = now.boot_s
        commit.execute(update(removal).where(removal.c.id == row.id).values(**values))


def begin_old_windows_anew(commit: Connection, connecteam_id: int, now: Moment) -> None:
    """In an old copy of the ledger: the ledger that is lost may have emptied these windows and
    filled them again, so an answer of that time says nothing about what they hold now.
    """
    for row in blocking(commit, connecteam_id):
        if row.purpose == Purpose.REPLACE:
            set_state(commit, row, RemovalState.WANTED, now, acknowledged=False)


def note_attempt(commit: Connection, row: RemovalRow) -> Found:
    """A delete by id is about to be sent: what a 404 to it will mean.

    Earlier attempts without a clear answer may have been the ones that took it.
    """
    clean = row.reason is None or row.reason.startswith("404")
    reason = _SENT if clean else str(Found.UNSURE)
    commit.execute(update(removal).where(removal.c.id == row.id).values(reason=reason))
    return Found.MISSING if clean else Found.UNSURE


_SENT = "sent"


def note_unanswered(commit: Connection, row: RemovalRow, now: Moment, reason: str) -> None:
    """A delete that got no clear answer may still act: its waits begin now."""
    commit.execute(
        update(removal)
        .where(removal.c.id == row.id)
        .values(unanswered_boot_s=now.boot_s, boot_id=now.boot_id, reason=reason)
    )
    targets.set_values(commit, row.connecteam_id, deleted_boot_s=now.boot_s, boot_id=now.boot_id)


def attempted_span(
    view: Connection, connecteam_id: int, first_s: int, last_s: int
) -> tuple[int, int]:
    """[first_s, last_s], widened until no row was ever attempted in the second before it or after
    it, so that it does not matter whether the ends of a deleted window belong to it.

    Parts that are held or in doubt are taken in whole: what a window takes out of them must be
    all of them.
    """
    while True:
        first, last = _touching(view, connecteam_id, first_s, last_s)
        if (first, last) == (first_s, last_s):
            return first_s, last_s
        first_s, last_s = first, last


def _touching(view: Connection, connecteam_id: int, first_s: int, last_s: int) -> tuple[int, int]:
    stamps = view.execute(
        select(func.min(sale.c.created_at), func.max(sale.c.created_at)).where(
            sale.c.connecteam_id == connecteam_id,
            sale.c.created_at >= first_s - 1,
            sale.c.created_at <= last_s + 1,
        )
    ).one()
    undecided = view.execute(
        select(func.min(part.c.first_created), func.max(part.c.last_created)).where(
            part.c.connecteam_id == connecteam_id,
            part.c.state.in_((PartState.HELD, PartState.DOUBT)),
            part.c.first_created <= last_s + 1,
            part.c.last_created >= first_s - 1,
        )
    ).one()
    # Sums of a part that was given up may be applied late, with stamps that are no sale's now.
    given_up = view.execute(
        select(func.min(part.c.first_created), func.max(part.c.last_created)).where(
            part.c.connecteam_id == connecteam_id,
            part.c.state == PartState.ABANDONED,
            or_(
                part.c.first_created.in_((first_s - 1, last_s + 1)),
                part.c.last_created.in_((first_s - 1, last_s + 1)),
            ),
        )
    ).one()
    values = [first_s, *(row[0] for row in (stamps, undecided, given_up) if row[0] is not None)]
    ends = [last_s, *(row[1] for row in (stamps, undecided, given_up) if row[1] is not None)]
    return min(values), max(ends)


def clear_window(commit: Connection, row: RemovalRow, now: Moment) -> int:
    """The window is gone for certain: what was posted there leaves E, and all of it waits again.

    Returns:
        How many sales wait anew.
    """
    inside = (
        (sale.c.connecteam_id == row.connecteam_id)
        & (sale.c.created_at > row.start_s)
        & (sale.c.created_at < row.end_s)
    )
    found = commit.execute(
        select(sale.c.id, sale.c.location_id, sale.c.state, sale.c.amount).where(
            inside,
            sale.c.state.in_((SaleState.POSTED, SaleState.IN_DOUBT, SaleState.HELD)),
        )
    ).all()
    gone = sum(item.amount for item in found if item.state == SaleState.POSTED)
    held = any(item.state == SaleState.HELD for item in found)
    commit.execute(
        update(sale)
        .where(sale.c.id.in_([item.id for item in found]))
        .values(state=SaleState.WAITING, part_id=None, transaction_id=None, reason=None, fence=None)
    )
    for item in found:
        counts.move(
            commit, counts.shift([item.location_id], SaleState(item.state), SaleState.WAITING)
        )
    for undecided in parts.undecided_within(commit, row.connecteam_id, row.start_s, row.end_s):
        parts.set_state(commit, undecided, PartState.REPLACED, now, removal=row.id)
    targets.touch(commit, row.connecteam_id, row.start_s, row.end_s)
    # A repair knows what the window holds beyond, or lacks: it is gone with the rest.
    targets.acknowledge(commit, row.connecteam_id, -gone - row.total, now)
    if held:
        # Whether the base holds what was held is not known: only a new one can be trusted.
        targets.set_values(commit, row.connecteam_id, base_id=None)
    set_state(commit, row, RemovalState.CLEARED, now, sales=len(found), total=gone)
    return len(found)


def finish_cleared(commit: Connection, connecteam_id: int, now: Moment) -> None:
    """A reading agrees: what was replaced is right."""
    for row in cleared(commit, connecteam_id):
        set_state(commit, row, RemovalState.DONE, now)
