"""Batches and their parts: durable before the first byte, decided one by one afterwards."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    bindparam,
    cast,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from tillbridge.batcher import Batch, Part, is_sound
from tillbridge.ledger import counts, events
from tillbridge.ledger.schema import batch as batch_table
from tillbridge.ledger.schema import location, part, sale
from tillbridge.ledger.statements import Prepared, among, as_json, listed
from tillbridge.states import OPEN_PART_STATES, PartState, SaleState

PartRow = Row[*tuple[Any, ...]]


_open = or_(*(part.c.state == state for state in OPEN_PART_STATES))
_OPEN = select(part).where(_open).order_by(part.c.id)
# An expression: by the index of a location's parts, which are in order, all of them would be read.
_OPEN_HERE = _OPEN.where(part.c.connecteam_id + 0 == bindparam("b_target"))
_OPEN_STATES_HERE = Prepared(
    select(part.c.id, part.c.state).where(_open, part.c.connecteam_id == bindparam("b_target")),
    "b_target",
)
_GET = select(part).where(part.c.id == bindparam("b_part"))
_CHANGE = update(part).where(part.c.id == bindparam("b_part"))
_SEND = Prepared(
    update(sale)
    .where(among(sale.c.id, "b_ids"), sale.c.state == SaleState.WAITING)
    .values(state=SaleState.SENDING, part_id=bindparam("b_part")),
    "b_ids",
    "b_part",
)
_READ_BACK = Prepared(
    select(func.count(), func.sum(sale.c.amount), func.sum(sale.c.revision)).where(
        sale.c.part_id == bindparam("b_part"), sale.c.state == SaleState.SENDING
    ),
    "b_part",
)
_END = Prepared(
    update(batch_table)
    .where(batch_table.c.id == bindparam("b_batch"))
    .values({name: bindparam(f"b_{name}") for name in ("ended_ms", "request_id", "reason")}),
    "b_ended_ms",
    "b_request_id",
    "b_reason",
    "b_batch",
)
_ADD_BATCH = Prepared(insert(batch_table), "row_count", "started_ms")
_PLANNED = (
    "batch_id",
    "connecteam_id",
    "state",
    "row_count",
    "total",
    "currency",
    "first_created",
    "last_created",
    "sale_ids",
    "boot_id",
    "started_boot_s",
)
_ADD_PART = Prepared(insert(part), *_PLANNED)
_POST = Prepared(
    update(part)
    .where(part.c.id == bindparam("b_part"), part.c.state == PartState.SENDING)
    .values(
        state=PartState.POSTED,
        boot_id=bindparam("b_boot_id"),
        ended_boot_s=bindparam("b_ended_boot_s"),
    ),
    "b_boot_id",
    "b_ended_boot_s",
    "b_part",
)
_LAST_STARTED = select(batch_table.c.started_ms).order_by(batch_table.c.id.desc()).limit(1)


class PlanStale(Exception):
    """Another process changed a sale of the plan, or opened a part; plan again."""


class BrokenInvariant(AssertionError):
    """The ledger contradicts itself at one Connecteam location: posting there must stop."""

    def __init__(self, connecteam_id: int, message: str) -> None:
        super().__init__(message)
        self.connecteam_id = connecteam_id


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, in both times: wall milliseconds for people, boot seconds for waits."""

    wall_ms: int
    boot_s: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class Started:
    """A batch that may now be sent."""

    batch_id: int
    part_ids: tuple[int, ...]


def begin(commit: Connection, batch: Batch, now: Moment, *, alone: AbstractSet[int]) -> Started:
    """Write the intent: from here on these rows count as sent until shown otherwise.

    Args:
        commit: must be durable before the socket is touched.
        batch: the plan.
        now: both times.
        alone: Connecteam ids at which no other unfinished write may exist; elsewhere, other
            requests may be under way, but none may be in doubt.

    Raises:
        PlanStale: the plan no longer fits the ledger; nothing was written.
        BrokenInvariant: the plan breaks a rule of the batcher; nothing was written.
    """
    batch_id = _ADD_BATCH.add(commit, len(batch.rows), now.wall_ms)
    part_ids = []
    for piece in batch.parts:
        if not is_sound(piece):
            raise BrokenInvariant(piece.location_id, f"part {piece} breaks a rule of the batcher")
        others = open_states(commit, piece.location_id)
        if others and (piece.location_id in alone or PartState.DOUBT in others.values()):
            raise PlanStale
        part_ids.append(_begin_part(commit, batch_id, piece, now))
    return Started(batch_id, tuple(part_ids))


def add_forgotten_batch(commit: Connection, now: Moment) -> int:
    """A request of which only the sale is known: a ledger that is lost had sent it."""
    batch_id = _ADD_BATCH.add(commit, 1, now.wall_ms)
    end_batch(commit, batch_id, now, None, "sent by a ledger that is lost")
    return batch_id


def _begin_part(commit: Connection, batch_id: int, piece: Part, now: Moment) -> int:
    sale_ids = [row.sale_id for row in piece.rows]
    total, ids = piece.total, listed(sale_ids)
    part_id = _ADD_PART.add(
        commit, batch_id, piece.location_id, str(PartState.SENDING), len(sale_ids), total,
        piece.currency, piece.first_created, piece.last_created, ids, now.boot_id, now.boot_s,
    )  # fmt: skip
    _SEND.run(commit, ids, part_id)
    # Read back what was written: the sum in the part must be the sum of its rows, exactly.
    planned = sum(row.revision for row in piece.rows)
    if _READ_BACK.first(commit, part_id) != (len(sale_ids), total, planned):
        raise PlanStale
    sources = [row.source_id for row in piece.rows]
    counts.move(commit, counts.shift(sources, SaleState.WAITING, SaleState.SENDING))
    events.note(
        commit, now.wall_ms, "part_sending", connecteam_id=piece.location_id, batch_id=batch_id,
        part_id=part_id, rows=len(sale_ids), total=total,
    )  # fmt: skip
    return part_id


def open_parts(view: Connection, connecteam_id: int | None = None) -> Sequence[PartRow]:
    """Parts whose outcome is not known yet, at one Connecteam location or everywhere."""
    if connecteam_id is None:
        return view.execute(_OPEN).all()
    return view.execute(_OPEN_HERE, {"b_target": connecteam_id}).all()


def open_states(view: Connection, connecteam_id: int) -> dict[int, str]:
    """Parts at one Connecteam location whose outcome is not known yet: {id: state}."""
    return dict(_OPEN_STATES_HERE.all(view, connecteam_id))


def undecided_within(
    view: Connection, connecteam_id: int, start_s: int, end_s: int
) -> Sequence[PartRow]:
    """Parts in doubt or held that touch the seconds between, but without, these two."""
    query = select(part).where(
        part.c.connecteam_id == connecteam_id,
        part.c.state.in_((PartState.DOUBT, PartState.HELD)),
        part.c.last_created > start_s,
        part.c.first_created < end_s,
    )
    return view.execute(query).all()


def get(view: Connection, part_id: int) -> PartRow:
    return view.execute(_GET, {"b_part": part_id}).one()


def find(view: Connection, part_id: int) -> PartRow | None:
    return view.execute(select(part).where(part.c.id == part_id)).one_or_none()


def split_posted(
    commit: Connection, part_id: int, posted: Mapping[int, str], total: int, now: Moment
) -> None:
    """A short answer: the echoed sales leave the part for one of their own, which is posted.

    Args:
        commit: the commit that also records the ids.
        part_id: keeps the sales that were not echoed, and their sum.
        posted: {sale id: transaction id} of those that were.
        total: the sum of those.
        now: for the event.
    """
    row = get(commit, part_id)
    rest = [sale_id for sale_id in row.sale_ids if sale_id not in posted]
    values = {name: getattr(row, name) for name in _COPIED} | {
        "state": str(PartState.POSTED),
        "row_count": len(posted),
        "total": total,
        "sale_ids": listed(sale_id for sale_id in row.sale_ids if sale_id in posted),
    }
    posted_id = _ADD_PART.add(commit, *(values[name] for name in _PLANNED))
    commit.execute(update(sale).where(sale.c.id.in_(list(posted))).values(part_id=posted_id))
    commit.execute(
        update(part)
        .where(part.c.id == part_id)
        .values(row_count=len(rest), total=row.total - total, sale_ids=rest)
    )
    if not rest:
        commit.execute(update(part).where(part.c.id == part_id).values(state=PartState.POSTED))
    events.note(
        commit, now.wall_ms, "part_posted", connecteam_id=row.connecteam_id,
        batch_id=row.batch_id, part_id=posted_id, split_from=part_id, rows=len(posted),
    )  # fmt: skip


_COPIED = (
    "batch_id",
    "connecteam_id",
    "currency",
    "first_created",
    "last_created",
    "boot_id",
    "started_boot_s",
)


def sources_of(view: Connection, part_id: int, state: SaleState) -> Counter[int]:
    """How many sales of a part came from each Lightspeed location and are in this state."""
    rows = view.execute(
        select(sale.c.location_id, func.count())
        .where(sale.c.part_id == part_id, sale.c.state == state)
        .group_by(sale.c.location_id)
    )
    return Counter({row[0]: row[1] for row in rows})


_echoed = func.json_each(bindparam("b_ids")).table_valued("key", "value")
_ACCEPT = Prepared(
    update(sale)
    .prefix_with("OR FAIL")  # the commit is undone anyway, without a journal for the statement
    .where(
        sale.c.id == cast(_echoed.c.key, Integer),
        # An expression, so that SQLite looks each sale up by its id. By the index of the part, it
        # would go through the whole answer for each sale of it.
        sale.c.part_id + 0 == bindparam("b_part"),
        sale.c.state == SaleState.SENDING,
    )
    .values(state=SaleState.POSTED, transaction_id=_echoed.c.value, fence=null()),
    "b_ids",
    "b_part",
)
_KNOWN = Prepared(
    select(sale.c.transaction_id).where(among(sale.c.transaction_id, "b_ids")), "b_ids"
)
_NOTE_POSTED = Prepared(
    update(location)
    .where(location.c.id == bindparam("b_id"))
    .values(last_posted_ms=bindparam("b_posted_ms")),
    "b_posted_ms",
    "b_id",
)


def known_ids(view: Connection, transaction_ids: Sequence[str]) -> set[str]:
    """Those of these transaction ids that the ledger has seen before."""
    return {row[0] for row in _KNOWN.all(view, listed(transaction_ids))}


def post_rows(
    commit: Connection, part_id: int, ids: Mapping[int, str], sources: Sequence[int], now: Moment
) -> None:
    """Rows that Connecteam echoed: {sale id: transaction id}; `sources` are their locations."""
    if not ids:
        return
    changed = _ACCEPT.run(commit, as_json(ids), part_id)
    assert changed == len(ids), (changed, len(ids))
    counts.move(commit, counts.shift(sources, SaleState.SENDING, SaleState.POSTED))
    for location_id in sorted(set(sources)):
        _NOTE_POSTED.run(commit, now.wall_ms, location_id)


def move_rows(
    commit: Connection, part_id: int, old: SaleState, new: SaleState, *, reason: str | None = None
) -> int:
    """Move all sales of a part that are in one state to another; back to waiting, they leave it.

    Returns:
        How many there were.
    """
    sources = sources_of(commit, part_id, old)
    values: dict[str, Any] = {"state": new, "reason": reason}
    if new is SaleState.WAITING:
        values["part_id"] = None
    commit.execute(
        update(sale).where(sale.c.part_id == part_id, sale.c.state == old).values(**values)
    )
    counts.move(commit, counts.shift(sources.elements(), old, new))
    if new is SaleState.POSTED:
        posted_ms = select(func.max(batch_table.c.started_ms)).scalar_subquery()
        commit.execute(
            update(location).where(location.c.id.in_(set(sources))).values(last_posted_ms=posted_ms)
        )
    return sources.total()


def set_state(
    commit: Connection,
    row: PartRow,
    state: PartState,
    now: Moment,
    **values: Any,  # noqa: ANN401
) -> None:
    """Change a part's state, with the event that says so."""
    columns = {key: value for key, value in values.items() if key in part.c}
    commit.execute(_CHANGE, {"b_part": row.id, "state": state, **columns})
    events.note(
        commit, now.wall_ms, f"part_{state}", connecteam_id=row.connecteam_id,
        batch_id=row.batch_id, part_id=row.id, before=row.state, **values,
    )  # fmt: skip


def note_posted(
    commit: Connection,
    batch_id: int,
    part_id: int,
    connecteam_id: int,
    now: Moment,
    request_id: str | None,
) -> None:
    """A part on its way was echoed whole; its rows are `post_rows`' business."""
    assert _POST.run(commit, now.boot_id, now.boot_s, part_id) == 1, part_id
    events.note(
        commit, now.wall_ms, "part_posted", connecteam_id=connecteam_id, batch_id=batch_id,
        part_id=part_id, before=PartState.SENDING, request_id=request_id,
        ended_boot_s=now.boot_s, boot_id=now.boot_id,
    )  # fmt: skip


def last_started_ms(view: Connection) -> int:
    """When the newest request was begun, wall time; 0 if there was none."""
    return int(view.execute(_LAST_STARTED).scalar_one_or_none() or 0)


def newest_total(view: Connection, connecteam_id: int) -> int:
    """The sum of the newest part at a location; 0 if there is none."""
    query = (
        select(part.c.total)
        .where(part.c.connecteam_id == connecteam_id)
        .order_by(part.c.id.desc())
        .limit(1)
    )
    return int(view.execute(query).scalar_one_or_none() or 0)


def note_person(commit: Connection, part_id: int, reason: str) -> None:
    """Keep why a person decided a part."""
    commit.execute(update(part).where(part.c.id == part_id).values(person_reason=reason))


def end_batch(
    commit: Connection, batch_id: int, now: Moment, request_id: str | None, reason: str | None
) -> None:
    _END.run(commit, now.wall_ms, request_id, reason, batch_id)
