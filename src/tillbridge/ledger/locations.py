"""Lightspeed locations in the ledger: who they feed, how far they have been read, backfills."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from tillbridge.errors import ConfigError, Problem
from tillbridge.ledger import counts, events, targets
from tillbridge.ledger.schema import backfill, correction, location, part, removal, rescan, sale
from tillbridge.ledger.statements import Prepared
from tillbridge.states import OPEN_PART_STATES, UNSENT, PartState, SaleState

LocationRow = Row[*tuple[Any, ...]]

_GET = select(location).where(location.c.id == bindparam("b_id"))
_EVERY = select(location).order_by(location.c.id)
_PAUSED = Prepared(select(location.c.id).where(location.c.paused))
_MOVE_BACKFILL = Prepared(
    update(backfill)
    .where(backfill.c.id == bindparam("b_id"))
    .values(cursor_ms=bindparam("b_cursor_ms"), done=bindparam("b_done")),
    "b_cursor_ms",
    "b_done",
    "b_id",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A location as configured; see the configuration for the meaning of each."""

    name: str
    lightspeed_id: int
    connecteam_id: int
    currency: str


def register(commit: Connection, wanted: Sequence[Identity], now_ms: int) -> dict[int, int]:
    """Make the ledger know the configured locations.

    Returns:
        The ledger's id of each, by Lightspeed id.

    Raises:
        ConfigError: a location with history now points at another Connecteam location.
    """
    ids = {}
    problems = []
    for place in wanted:
        row = by_lightspeed_id(commit, place.lightspeed_id)
        if row is None:
            ids[place.lightspeed_id] = _add(commit, place, now_ms)
            continue
        ids[place.lightspeed_id] = row.id
        if row.connecteam_id != place.connecteam_id and _has_history(commit, row.id):
            problems.append(_moved(place, row))
            continue
        targets.register(commit, place.connecteam_id)
        if row.connecteam_id != place.connecteam_id:
            commit.execute(
                update(sale)
                .where(sale.c.location_id == row.id)
                .values(connecteam_id=place.connecteam_id)
            )
        commit.execute(
            update(location)
            .where(location.c.id == row.id)
            .values(name=place.name, currency=place.currency, connecteam_id=place.connecteam_id)
        )
    if problems:
        raise ConfigError("The configuration does not fit the ledger.", problems=problems)
    return ids


def _add(commit: Connection, place: Identity, now_ms: int) -> int:
    key = commit.execute(
        insert(location).values(
            lightspeed_id=place.lightspeed_id,
            connecteam_id=place.connecteam_id,
            name=place.name,
            currency=place.currency,
        )
    ).inserted_primary_key
    assert key is not None
    location_id = int(key[0])
    counts.begin(commit, location_id)
    targets.register(commit, place.connecteam_id)
    events.note(
        commit, now_ms, "location_added", location_id=location_id,
        connecteam_id=place.connecteam_id,
    )  # fmt: skip
    return location_id


def _moved(place: Identity, row: LocationRow) -> Problem:
    return Problem(
        f"locations ({place.name}).connecteam_id",
        f"was {row.connecteam_id} and is now {place.connecteam_id}, but sales of this location "
        f"have already been carried to {row.connecteam_id}.",
        f"Put {row.connecteam_id} back; or stop the service and see with `tillbridge rules` what "
        "moving it means, and move it with `tillbridge rules --apply`.",
    )


def move(commit: Connection, place: Identity, now_ms: int) -> bool:
    """Let a location feed another Connecteam location from now on, at a person's word.

    What is not at Connecteam yet goes there; what is stays where it is, until it is taken back.

    Returns:
        Whether that changed anything.
    """
    row = by_lightspeed_id(commit, place.lightspeed_id)
    if row is None or row.connecteam_id == place.connecteam_id:
        return False
    targets.register(commit, place.connecteam_id)
    commit.execute(
        update(sale)
        .where(sale.c.location_id == row.id, sale.c.state.in_(UNSENT))
        .values(connecteam_id=place.connecteam_id)
    )
    commit.execute(
        update(location).where(location.c.id == row.id).values(connecteam_id=place.connecteam_id)
    )
    events.note(
        commit, now_ms, "location_moved", location_id=row.id,
        connecteam_id=place.connecteam_id, before=row.connecteam_id,
    )  # fmt: skip
    return True


def left_behind(view: Connection) -> set[tuple[int, int]]:
    """(Connecteam id, Lightspeed id) of what is still to be done or decided: more than the
    configured pairs, after a location moved to another Connecteam location.
    """
    undecided = (*OPEN_PART_STATES, PartState.HELD)
    of_sales = select(sale.c.connecteam_id, location.c.lightspeed_id).join(
        location, location.c.id == sale.c.location_id
    )
    conditions = (
        sale.c.id.in_(select(correction.c.sale_id)),
        sale.c.part_id.in_(select(part.c.id).where(part.c.state.in_(undecided))),
        sale.c.state == SaleState.WAITING,
        sale.c.id.in_(select(removal.c.sale_id).where(removal.c.state != "done")),
    )
    return {
        (row[0], row[1])
        for condition in conditions
        for row in view.execute(of_sales.where(condition).distinct())
    }


def _has_history(view: Connection, location_id: int) -> bool:
    """Whether something of this location may be at Connecteam."""
    carried = [state for state in SaleState if state not in UNSENT]
    query = (
        select(sale.c.id)
        .where(sale.c.location_id == location_id)
        .where(or_(sale.c.state.in_(carried), sale.c.part_id.is_not(None)))
        .limit(1)
    )
    return view.execute(query).first() is not None


def by_lightspeed_id(view: Connection, lightspeed_id: int) -> LocationRow | None:
    return view.execute(
        select(location).where(location.c.lightspeed_id == lightspeed_id)
    ).one_or_none()


def get(view: Connection, location_id: int) -> LocationRow:
    return view.execute(_GET, {"b_id": location_id}).one()


def every(view: Connection) -> Sequence[LocationRow]:
    return view.execute(_EVERY).all()


def paused(view: Connection) -> set[int]:
    """Ids of the locations whose sales are left alone."""
    return {row[0] for row in _PAUSED.all(view)}


def move_cursor(commit: Connection, location_id: int, to_ms: int, now_ms: int) -> None:
    """The window that ends at `to_ms` has been read to its last page.

    Never moves backwards, except from the future, where a wrong clock had put it.
    """
    row = get(commit, location_id)
    if row.cursor_ms is not None and row.cursor_ms <= now_ms:
        to_ms = max(to_ms, row.cursor_ms)
    commit.execute(
        update(location)
        .where(location.c.id == location_id)
        .values(
            cursor_ms=to_ms,
            last_read_ms=now_ms,
            last_error=None,
            last_error_ms=None,
        )
    )


def note_error(commit: Connection, location_id: int, sentence: str, now_ms: int) -> None:
    commit.execute(
        update(location)
        .where(location.c.id == location_id)
        .values(last_error=sentence, last_error_ms=now_ms)
    )


def set_paused(commit: Connection, location_id: int, now_ms: int, *, paused: bool) -> bool:
    """Stop reading and posting of a location, or go on.

    Returns:
        Whether that changed anything.
    """
    here = (location.c.id == location_id) & (location.c.paused != paused)
    if commit.execute(update(location).where(here).values(paused=paused)).rowcount == 0:
        return False
    name = "location_paused" if paused else "location_resumed"
    events.note(commit, now_ms, name, location_id=location_id)
    return True


def set_earliest(commit: Connection, location_id: int, earliest_ms: int) -> None:
    commit.execute(
        update(location).where(location.c.id == location_id).values(earliest_ms=earliest_ms)
    )


def rescans_done(view: Connection, location_id: int) -> dict[str, int]:
    """When each re-read was last done, by its name."""
    rows = view.execute(
        select(rescan.c.name, rescan.c.done_ms).where(rescan.c.location_id == location_id)
    )
    return {row[0]: row[1] for row in rows}


def note_rescan(commit: Connection, location_id: int, name: str, now_ms: int) -> None:
    here = (rescan.c.location_id == location_id) & (rescan.c.name == name)
    if commit.execute(update(rescan).where(here).values(done_ms=now_ms)).rowcount == 0:
        commit.execute(insert(rescan).values(location_id=location_id, name=name, done_ms=now_ms))


def begin_backfill(commit: Connection, location_id: int, start_ms: int, end_ms: int) -> LocationRow:
    """The backfill of this period; one that was interrupted goes on where it was."""
    query = select(backfill).where(
        backfill.c.location_id == location_id,
        backfill.c.start_ms == start_ms,
        backfill.c.end_ms == end_ms,
    )
    row = commit.execute(query).one_or_none()
    if row is None:
        commit.execute(
            insert(backfill).values(
                location_id=location_id, start_ms=start_ms, end_ms=end_ms, cursor_ms=start_ms
            )
        )
    return commit.execute(query).one()


def begin_again(commit: Connection, row: LocationRow) -> LocationRow:
    """Read a period once more: sales may have reached Lightspeed late; known ones stay as they are.

    Args:
        commit: the change.
        row: of `begin_backfill`.
    """
    move_backfill(commit, row.id, row.start_ms, done=False)
    return begin_backfill(commit, row.location_id, row.start_ms, row.end_ms)


def move_backfill(commit: Connection, backfill_id: int, cursor_ms: int, *, done: bool) -> None:
    _MOVE_BACKFILL.run(commit, cursor_ms, done, backfill_id)
