"""What a decision about a part does to its sales, and what a reboot does to waits."""

from sqlalchemy import Connection, update

from tillbridge.batcher import halves
from tillbridge.ledger import corrections, events, parts, removals, sales, targets
from tillbridge.ledger.parts import Moment, PartRow
from tillbridge.ledger.schema import part as part_table
from tillbridge.states import PartState, SaleState


def open_doubt(
    commit: Connection, row: PartRow, now: Moment, reason: str, **values: object
) -> None:
    """The outcome of a part is unknown: its waits begin now."""
    parts.move_rows(commit, row.id, SaleState.SENDING, SaleState.IN_DOUBT)
    parts.set_state(
        commit, row, PartState.DOUBT, now, reason=reason, ended_boot_s=now.boot_s,
        boot_id=now.boot_id, **values,
    )  # fmt: skip


def landed(
    commit: Connection, row: PartRow, now: Moment, *, wait_s: float = 0.0, **why: str
) -> None:
    """The sales of a part are in Connecteam; their ids are not known.

    A doubt counts as acknowledged from now on; a held part is already inside the base.

    Args:
        commit: the change.
        row: the part.
        now: for the event.
        wait_s: T, the longest that the request may have acted after its end.
        why: who says so.
    """
    was_doubt = row.state == PartState.DOUBT
    state = SaleState.IN_DOUBT if was_doubt else SaleState.HELD
    if not was_doubt:
        corrections.withdraw(commit, row.id, now)
    parts.move_rows(commit, row.id, state, SaleState.POSTED)
    parts.set_state(commit, row, PartState.POSTED, now, **why)
    if was_doubt:
        acted_boot_s = _acted_boot_s(row, now, wait_s)
        targets.count_shown(commit, row.connecteam_id, row.total, acted_boot_s, now)


def _acted_boot_s(row: PartRow, now: Moment, wait_s: float) -> float:
    """By when a request that totals have shown must have acted."""
    if row.boot_id != now.boot_id or row.ended_boot_s is None:
        return now.boot_s
    return min(now.boot_s, float(row.ended_boot_s) + wait_s)


def not_landed(commit: Connection, row: PartRow, now: Moment, **why: str) -> None:
    """The sales of a part wait again; its sum is remembered, should it be applied after all."""
    state = SaleState.IN_DOUBT if row.state == PartState.DOUBT else SaleState.HELD
    parts.move_rows(commit, row.id, state, SaleState.WAITING)
    amended = corrections.is_held_for(commit, row.id)
    parts.set_state(commit, row, PartState.REPLACED if amended else PartState.ABANDONED, now, **why)
    if amended:
        # The person has deleted what E still counts.
        targets.acknowledge(commit, row.connecteam_id, -row.total, now)
    corrections.apply_unsent(commit, now)
    if row.refusal:
        # It was probably refused for one of its rows; smaller groups will show for which. A single
        # row goes alone: with rows of other locations it would be refused again, for ever.
        sales.fence(commit, halves(row.sale_ids), first=2 * row.id)


def hold(commit: Connection, row: PartRow, now: Moment, reason: str) -> None:
    """Only a person can decide a part."""
    parts.move_rows(commit, row.id, SaleState.IN_DOUBT, SaleState.HELD, reason=reason)
    parts.set_state(commit, row, PartState.HELD, now, reason=reason)


def begin_waits_anew(commit: Connection, now: Moment) -> None:
    """Boot times of an earlier boot mean nothing; whatever was being waited for begins now."""
    for row in targets.every(commit):
        if row.boot_id in (None, now.boot_id):
            continue
        events.note(commit, now.wall_ms, "reboot_seen", connecteam_id=row.connecteam_id)
        targets.set_values(
            commit,
            row.connecteam_id,
            boot_id=now.boot_id,
            acked_boot_s=None if row.acked_boot_s is None else now.boot_s,
            deleted_boot_s=None if row.deleted_boot_s is None else now.boot_s,
            verdict=None,
            verdict_boot_s=None,
        )
    for item in parts.open_parts(commit):
        if item.boot_id != now.boot_id:
            commit.execute(
                update(part_table)
                .where(part_table.c.id == item.id)
                .values(ended_boot_s=now.boot_s, boot_id=now.boot_id)
            )
    for delete in removals.blocking(commit):
        removals.begin_anew(commit, delete, now)
