"""Sales in the ledger: taken in once, corrected when they come back changed, read for planning."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Row,
    Select,
    Text,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from tillbridge.batcher import Row as WaitingRow
from tillbridge.ledger import counts, events, identity
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.schema import correction, part, sale
from tillbridge.ledger.statements import Prepared
from tillbridge.record import FISC_PREFIX, Record
from tillbridge.states import UNSENT, Lane, SaleState

KnownRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Taken:
    """What a page brought: sales never seen, sales that changed, sales known as they are."""

    new: int
    changed: int
    known: int
    quarantined: int


def take_in(
    commit: Connection, location_id: int, records: Sequence[Record], lane: Lane, now_ms: int
) -> Taken:
    """Add the sales of a page; a sale that is there already is compared, never added twice."""
    by_reference = {record.reference: record for record in records}
    known = identity.find_known(commit, location_id, by_reference)
    new: list[Record] = []
    changed = 0
    for record in by_reference.values():
        row = known.get(record.reference)
        if row is None:
            new.append(record)
        else:
            changed += _compare(commit, location_id, row, record, now_ms)
    new = _set_aside_unclear(commit, location_id, new, now_ms)
    _insert(commit, location_id, new, lane, now_ms)
    quarantined = [record.state for record in new].count(SaleState.QUARANTINED)
    return Taken(len(new), changed, len(by_reference) - len(new) - changed, quarantined)


_INSERT = Prepared(insert(sale), *Record._fields, "location_id", "lane", "seen_ms")


def _insert(
    commit: Connection, location_id: int, records: Sequence[Record], lane: Lane, now_ms: int
) -> None:
    if not records:
        return
    extra = (location_id, str(lane), now_ms)
    rows = [
        (*record[:-1], None if record.kept is None else json.dumps(record.kept), *extra)
        for record in records
    ]
    _INSERT.run_each(commit, rows)
    by_state = Counter([record.state for record in records])
    counts.move(commit, Counter({(location_id, state): n for state, n in by_state.items()}))


def _set_aside_unclear(
    commit: Connection, location_id: int, new: Sequence[Record], now_ms: int
) -> list[Record]:
    """Of two reports that may or may not be one sale, neither is sent until a person says so."""
    unclear = identity.unclear(commit, location_id, new)
    if not unclear:
        return list(new)
    reason = "it may be the same sale as another one: the till's number is the same"
    aside = {
        row.id: (location_id, reason)
        for rows in unclear.values()
        for row in rows
        if row.state == SaleState.WAITING
    }
    if aside:
        quarantine(commit, aside, now_ms)
    return [
        record._replace(state=SaleState.QUARANTINED, reason=reason)
        if record.reference in unclear
        else record
        for record in new
    ]


def _compare(
    commit: Connection, location_id: int, row: KnownRow, record: Record, now_ms: int
) -> bool:
    """Whether a known sale came back changed; if so, replace its content or note a correction."""
    if row.digest == record.digest:
        _withdraw_correction(commit, location_id, row, now_ms, only_amended=True)
        return False
    state = SaleState(row.state)
    if _is_purged(commit, row.id):
        # A person wants it out, and that stays so, whatever it says now.
        return _note_correction(
            commit, location_id, row, record._replace(state=SaleState.REMOVED), now_ms
        )
    as_sent = state is SaleState.POSTED and record.transaction == _transaction_of(row)
    if state in UNSENT or (state is SaleState.HELD and row.part_id is None):
        replace_content(commit, location_id, row, record, now_ms)
    elif state is SaleState.REMOVED or as_sent:
        # A person took it back, and so it stays; or it changed in nothing that Connecteam is told.
        _refresh(commit, row.id, record)
    else:
        return _note_correction(commit, location_id, row, record, now_ms)
    _withdraw_correction(commit, location_id, row, now_ms)  # what it asked for is past
    return True


def _transaction_of(row: KnownRow) -> tuple[Any, ...]:
    return (True, row.sale_type, row.created_at, row.amount, row.tax_amount, row.currency)


_NOTED = Prepared(
    select(correction.c.sale_id).where(correction.c.sale_id == bindparam("b_sale")), "b_sale"
)


def replace_content(
    commit: Connection, location_id: int, row: KnownRow, record: Record, now_ms: int
) -> None:
    """Give a sale of which nothing is at Connecteam the content and the state of a record."""
    values = record._asdict()
    if record.reference.startswith(FISC_PREFIX):
        values["reference"] = row.reference  # a sale that has been named keeps its name
    commit.execute(
        update(sale)
        .where(sale.c.id == row.id)
        .values(**values, revision=sale.c.revision + 1, fence=None)
    )
    if row.state != record.state:
        counts.move(commit, Counter({(location_id, row.state): -1, (location_id, record.state): 1}))
    # The old stamp and target lead to the requests in which the sale travelled before.
    events.note(
        commit, now_ms, "sale_changed", location_id=location_id, sale_id=row.id,
        before=row.state, now=record.state, amount_before=row.amount, amount=record.amount,
        created_before=row.created_at, target_before=row.connecteam_id,
    )  # fmt: skip


def _refresh(commit: Connection, sale_id: int, record: Record) -> None:
    seen = ("closed_ms", "source_type", "net", "tax", "service_charge", "digest", "receipt_id")
    values = {name: getattr(record, name) for name in seen}
    commit.execute(update(sale).where(sale.c.id == sale_id).values(**values))


def _is_purged(commit: Connection, sale_id: int) -> bool:
    asked = select(correction.c.sale_id).where(
        correction.c.sale_id == sale_id, correction.c.purpose == Purpose.PURGE
    )
    return commit.execute(asked).first() is not None


def _note_correction(
    commit: Connection, location_id: int, row: KnownRow, record: Record, now_ms: int
) -> bool:
    values = record._asdict() | {"digest": record.digest.hex()}
    kept = commit.execute(
        select(correction.c.record).where(correction.c.sale_id == row.id)
    ).scalar_one_or_none()
    if kept is not None and kept["digest"] == values["digest"]:
        return False
    purged = record.state == SaleState.REMOVED
    commit.execute(delete(correction).where(correction.c.sale_id == row.id))
    commit.execute(
        insert(correction).values(
            sale_id=row.id, purpose=Purpose.PURGE if purged else Purpose.CORRECTION,
            record=values, seen_ms=now_ms,
        )
    )  # fmt: skip
    events.note(
        commit, now_ms, "correction_seen", location_id=location_id, sale_id=row.id,
        amount_before=row.amount, amount=record.amount,
    )  # fmt: skip
    return True


def _withdraw_correction(
    commit: Connection,
    location_id: int,
    row: KnownRow,
    now_ms: int,
    *,
    only_amended: bool = False,
) -> None:
    """Lightspeed no longer says what was noted, so it must not be carried out.

    Args:
        commit: the change.
        location_id: for the event.
        row: the sale.
        now_ms: for the event.
        only_amended: leave what a person asked for: it does not rest on what Lightspeed says.
    """
    if _NOTED.first(commit, row.id) is None:  # as nearly always: pages overlap
        return
    noted = correction.c.sale_id == row.id
    if only_amended:
        noted &= correction.c.purpose == Purpose.CORRECTION
    gone = commit.execute(delete(correction).where(noted)).rowcount
    if gone:
        events.note(commit, now_ms, "correction_withdrawn", location_id=location_id, sale_id=row.id)


_SENT = ("connecteam_id", "sale_type", "created_at", "amount", "tax_amount", "currency")
"""What a `Transaction` is made of, in its order."""


def _together(query: Select[Any]) -> Select[Any]:
    rows = query.subquery()
    joined = func.coalesce(func.group_concat(rows.c.row, type_=Text), "")
    return select(literal_column("'['", Text) + joined + literal_column("']'", Text))


_waiting = (
    select(
        # In the shape of a `WaitingRow`; so many come at once that they are decoded in one go.
        func.json_array(
            sale.c.id,
            sale.c.location_id,
            func.json_array(*(sale.c[name] for name in _SENT)),
            sale.c.lane,
            sale.c.revision,
            sale.c.fence,
        ).label("row")
    )
    .where(
        sale.c.state == "waiting",
        sale.c.connecteam_id == bindparam("b_target"),
        sale.c.lane == bindparam("b_lane"),
    )
    .order_by(sale.c.created_at, sale.c.id)
    .limit(bindparam("b_limit"))
)
_WAITING = Prepared(_together(_waiting), "b_target", "b_lane", "b_limit")
_ROWS = msgspec.json.Decoder(list[WaitingRow])


def waiting(
    view: Connection,
    connecteam_id: int,
    lane: Lane,
    limit: int,
    *,
    without: Collection[int] = (),
) -> list[WaitingRow]:
    """The oldest sales that wait for one Connecteam location, at most `limit`.

    Args:
        view: the ledger.
        connecteam_id: the location.
        lane: live sales or history.
        limit: most rows.
        without: locations of Lightspeed's, by the ledger's id, whose sales are left out.
    """
    # Left out here and not afterwards: a thousand sales of a paused location must not stand in
    # the way of another one that feeds the same.
    if without:
        values = {"b_target": connecteam_id, "b_lane": str(lane), "b_limit": limit}
        query = _together(_waiting.where(sale.c.location_id.not_in(without)))
        text = view.execute(query, values).scalar_one()
    else:
        (text,) = _WAITING.first(view, connecteam_id, str(lane), limit)
    return _ROWS.decode(text)


def quarantine(commit: Connection, reasons: dict[int, tuple[int, str]], now_ms: int) -> None:
    """Set waiting sales aside: {sale id: (location, reason)}."""
    for sale_id, (location_id, reason) in reasons.items():
        commit.execute(
            update(sale)
            .where(sale.c.id == sale_id, sale.c.state == SaleState.WAITING)
            .values(state=SaleState.QUARANTINED, reason=reason, fence=None)
        )
        events.note(
            commit, now_ms, "sale_quarantined", location_id=location_id, sale_id=sale_id,
            reason=reason,
        )  # fmt: skip
    sources = [location_id for location_id, _ in reasons.values()]
    counts.move(commit, counts.shift(sources, SaleState.WAITING, SaleState.QUARANTINED))


def count_between(view: Connection, connecteam_id: int, first_s: int, last_s: int) -> int:
    """How many sales stamped within [first_s, last_s] a Connecteam location has."""
    query = select(func.count()).where(
        sale.c.connecteam_id == connecteam_id, sale.c.created_at.between(first_s, last_s)
    )
    return int(view.execute(query).scalar_one())


def posted_total(view: Connection, connecteam_id: int, first_s: int, end_s: int) -> int:
    """The sum of what counts as posted at a Connecteam location, stamped in [first_s, end_s)."""
    query = select(func.coalesce(func.sum(sale.c.amount), 0)).where(
        sale.c.connecteam_id == connecteam_id,
        sale.c.created_at >= first_s,
        sale.c.created_at < end_s,
        sale.c.state == SaleState.POSTED,
    )
    return int(view.execute(query).scalar_one())


def posted_since(
    view: Connection, connecteam_id: int, part_id: int, limit: int
) -> list[tuple[int, int]]:
    """(stamp, amount) of the sales posted in parts newer than `part_id`, in order of stamps; none
    if they are more than `limit`, as after a backfill.
    """
    newer = select(part.c.row_count).where(
        part.c.connecteam_id == connecteam_id, part.c.id > part_id
    )
    if sum(view.execute(newer.limit(limit + 1)).scalars()) > limit:
        return []
    query = (
        select(sale.c.created_at, sale.c.amount)
        .where(
            # An expression, so that SQLite goes by the part: few are that new.
            sale.c.connecteam_id + 0 == connecteam_id,
            sale.c.part_id > part_id,
            sale.c.state == SaleState.POSTED,
        )
        .order_by(sale.c.created_at)
    )
    return [(row[0], row[1]) for row in view.execute(query)]


def sums_by_type(view: Connection, connecteam_id: int, part_id: int) -> list[int]:
    """What was posted in parts newer than `part_id`, added up by type of sale."""
    query = (
        select(func.sum(sale.c.amount))
        .where(
            sale.c.connecteam_id + 0 == connecteam_id,
            sale.c.part_id > part_id,
            sale.c.state == SaleState.POSTED,
        )
        .group_by(sale.c.sale_type)
    )
    return [int(row[0]) for row in view.execute(query)]


def post_waiting(commit: Connection, connecteam_id: int, until_ms: int) -> int:
    """A person says that the sales that wait for a location are there already.

    Args:
        commit: the change.
        connecteam_id: the location.
        until_ms: only those closed before this moment; later ones cannot be there.

    Returns:
        How many there were.
    """
    here = (
        (sale.c.connecteam_id == connecteam_id)
        & (sale.c.state == SaleState.WAITING)
        & (sale.c.closed_ms < until_ms)
    )
    rows = commit.execute(select(sale.c.location_id).where(here)).all()
    commit.execute(update(sale).where(here).values(state=SaleState.POSTED, fence=None))
    counts.move(commit, counts.shift([row[0] for row in rows], SaleState.WAITING, SaleState.POSTED))
    return len(rows)


def fence(commit: Connection, groups: Sequence[Sequence[int]], first: int) -> None:
    """Let each group of sales go alone: {first, first + 1, ...} become their fences."""
    for offset, group in enumerate(groups):
        commit.execute(update(sale).where(sale.c.id.in_(group)).values(fence=first + offset))
