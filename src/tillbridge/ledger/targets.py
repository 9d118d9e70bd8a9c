"""Connecteam locations in the ledger: bases, readings, what was acknowledged since, and stops."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, null, select, update

from tillbridge.days import utc_date, utc_midnight_s
from tillbridge.ledger import events
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.schema import part, reading, sale, target
from tillbridge.ledger.statements import Prepared
from tillbridge.states import PartState, SaleState

TargetRow = Row[*tuple[Any, ...]]
Totals = Mapping[date, int]
"""Minor units by day; days that were read and had no data are 0."""

ONE_DAY = timedelta(days=1)


_HERE = target.c.connecteam_id == bindparam("b_id")
_GET = select(target).where(_HERE)
_SET = update(target).where(_HERE)
_READING = Prepared(select(reading).where(reading.c.id == bindparam("b_reading")), "b_reading")
_SPAN = Prepared(select(target.c.span_first, target.c.span_last).where(_HERE), "b_id")
_SET_SPAN = Prepared(
    _SET.values(span_first=bindparam("b_first"), span_last=bindparam("b_last")),
    "b_first",
    "b_last",
    "b_id",
)
_ACKNOWLEDGE = Prepared(
    _SET.values(
        acknowledged=target.c.acknowledged + bindparam("b_amount"),
        acked_boot_s=bindparam("b_acked_boot_s"),
        boot_id=bindparam("b_boot_id"),
        verdict=null(),
        verdict_boot_s=null(),
    ),
    "b_amount",
    "b_acked_boot_s",
    "b_boot_id",
    "b_id",
)


def register(commit: Connection, connecteam_id: int) -> None:
    """Make sure that the location has a row."""
    if get(commit, connecteam_id) is None:
        commit.execute(insert(target).values(connecteam_id=connecteam_id))


def get(view: Connection, connecteam_id: int) -> TargetRow | None:
    return view.execute(_GET, {"b_id": connecteam_id}).one_or_none()


def every(view: Connection) -> Sequence[TargetRow]:
    return view.execute(select(target).order_by(target.c.connecteam_id)).all()


def set_values(commit: Connection, connecteam_id: int, **values: Any) -> None:  # noqa: ANN401
    """Change columns to plain values."""
    commit.execute(_SET, {"b_id": connecteam_id, **values})


def touch(commit: Connection, connecteam_id: int, first_created: int, last_created: int) -> None:
    """Widen the span: Connecteam's day differs from the UTC date by at most one, in any zone."""
    first = (utc_date(first_created) - ONE_DAY).isoformat()
    last = (utc_date(last_created) + ONE_DAY).isoformat()
    span_first, span_last = _SPAN.first(commit, connecteam_id)
    wider = min(first, span_first or first), max(last, span_last or last)
    if wider != (span_first, span_last):
        _SET_SPAN.run(commit, *wider, connecteam_id)


def acknowledge(commit: Connection, connecteam_id: int, amount: int, now: Moment) -> None:
    """Count an acknowledged write (a delete is negative), and begin its maturing anew."""
    _ACKNOWLEDGE.run(commit, amount, now.boot_s, now.boot_id, connecteam_id)


def count_shown(
    commit: Connection, connecteam_id: int, amount: int, acted_boot_s: float, now: Moment
) -> None:
    """Count a write that one reading has shown.

    The next reading may come from a copy of the totals that is still behind, and the difference
    must not pass for a stranger's doing: readings mature from when the write may have acted.
    """
    row = _row(commit, connecteam_id)
    if row.boot_id == now.boot_id and row.acked_boot_s is not None:
        acted_boot_s = max(acted_boot_s, row.acked_boot_s)
    set_values(
        commit, connecteam_id, acknowledged=row.acknowledged + amount, acked_boot_s=acted_boot_s,
        boot_id=now.boot_id,
    )  # fmt: skip


def owe(commit: Connection, connecteam_id: int, wrong: Totals) -> None:
    """Days of the base are known to be wrong by these amounts: until somebody puts them right,
    the totals count as not explained.
    """
    row = _row(commit, connecteam_id)
    total = sum(wrong.values())
    set_values(commit, connecteam_id, acknowledged=row.acknowledged - total)
    for day in wrong:
        noon_s = utc_midnight_s(day) + 43_200
        touch(commit, connecteam_id, noon_s, noon_s)


def span_of(row: TargetRow) -> tuple[date, date] | None:
    """The days that writes since the base may have touched; None if there was none."""
    if row.span_first is None:
        return None
    return date.fromisoformat(row.span_first), date.fromisoformat(row.span_last)


def add_reading(commit: Connection, connecteam_id: int, totals: Totals, now: Moment) -> int:
    """Keep a reading; days without data need not be stored, the range says that they were read."""
    key = commit.execute(
        insert(reading).values(
            connecteam_id=connecteam_id,
            taken_ms=now.wall_ms,
            boot_id=now.boot_id,
            boot_s=now.boot_s,
            first_day=min(totals).isoformat(),
            last_day=max(totals).isoformat(),
            totals={day.isoformat(): value for day, value in sorted(totals.items()) if value},
        )
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def base_of(view: Connection, row: TargetRow) -> tuple[TargetRow, Totals] | None:
    """The base reading and its totals for every day that it holds."""
    if row.base_id is None:
        return None
    (base,) = _READING.named(view, row.base_id)
    return base, _totals(base.first_day, base.last_day, base.totals)


@lru_cache(maxsize=8)
def _totals(first_day: str, last_day: str, text: str) -> Totals:
    """Kept for each of the next plans: they ask for the same base, and it may hold a year."""
    first, last = date.fromisoformat(first_day), date.fromisoformat(last_day)
    known = json.loads(text)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return MappingProxyType({day: known.get(day.isoformat(), 0) for day in days})


def set_base(commit: Connection, connecteam_id: int, reading_id: int, now: Moment) -> None:
    """From here on, later readings are compared with this one."""
    newest = commit.execute(select(func.coalesce(func.max(part.c.id), 0))).scalar_one()
    set_values(
        commit,
        connecteam_id,
        base_id=reading_id,
        base_part_id=newest,
        acknowledged=0,
        totals_differ=False,
        span_first=None,
        span_last=None,
        verdict=None,
        verdict_boot_s=None,
    )
    events.note(commit, now.wall_ms, "base_taken", connecteam_id=connecteam_id, reading=reading_id)


def stop(commit: Connection, connecteam_id: int, name: str, reason: str, now: Moment) -> bool:
    """Keep posting from this location until a person or a reading clears it.

    Returns:
        Whether that is new, and so worth an alarm.
    """
    row = _row(commit, connecteam_id)
    if row.stop == name:
        return False
    set_values(commit, connecteam_id, stop=name, stop_reason=reason, stop_ms=now.wall_ms)
    events.note(
        commit,
        now.wall_ms,
        "posting_stopped",
        connecteam_id=connecteam_id,
        stop=name,
        reason=reason,
    )
    return True


def note_strange_writes(commit: Connection, connecteam_id: int, now: Moment) -> None:
    """A ledger that is not this one may have written or deleted until now: what it did may act
    for T yet, and show after L.
    """
    set_values(
        commit, connecteam_id, acked_boot_s=now.boot_s, deleted_boot_s=now.boot_s,
        boot_id=now.boot_id,
    )  # fmt: skip


def clear_stop(commit: Connection, connecteam_id: int, why: str, now: Moment) -> None:
    row = _row(commit, connecteam_id)
    if row.stop is not None:
        set_values(commit, connecteam_id, stop=None, stop_reason=None, stop_ms=None)
        events.note(
            commit, now.wall_ms, "posting_resumed", connecteam_id=connecteam_id, stop=row.stop,
            reason=why,
        )  # fmt: skip


def abandoned(view: Connection, row: TargetRow) -> list[tuple[int, int]]:
    """(part id, sum) of the attempts since the base that were decided as not landed."""
    rows = view.execute(
        select(part.c.id, part.c.total).where(
            part.c.connecteam_id == row.connecteam_id,
            part.c.state == PartState.ABANDONED,
            part.c.id > row.base_part_id,
            part.c.total != 0,
        )
    )
    return [(row[0], row[1]) for row in rows]


def was_attempted(view: Connection, connecteam_id: int, first_s: int, end_s: int) -> bool:
    """Whether tillbridge may have put something into the seconds [first_s, end_s)."""
    sent = select(part.c.id).where(
        part.c.connecteam_id == connecteam_id,
        part.c.first_created < end_s,
        part.c.last_created >= first_s,
    )
    # Sales that a person declared to be there, without any request that the ledger knows of.
    declared = select(sale.c.id).where(
        sale.c.connecteam_id == connecteam_id,
        sale.c.created_at >= first_s,
        sale.c.created_at < end_s,
        sale.c.state == SaleState.POSTED,
        sale.c.part_id.is_(None),
    )
    return any(view.execute(query.limit(1)).first() is not None for query in (sent, declared))


def note_foreign(commit: Connection, connecteam_id: int, days: Sequence[date]) -> None:
    """Remember the days on which somebody else wrote: no window on them is ever deleted."""
    row = _row(commit, connecteam_id)
    known = set(row.foreign_days or ())
    known |= {day.isoformat() for day in days}
    set_values(commit, connecteam_id, foreign_days=sorted(known))


def note_foreign_amounts(commit: Connection, connecteam_id: int, amounts: Totals) -> None:
    """Remember what others were found to have there, by day, in minor units."""
    row = _row(commit, connecteam_id)
    known = dict(row.foreign_amounts or {})
    known |= {day.isoformat(): amount for day, amount in amounts.items()}
    oldest = (max(amounts) - timedelta(days=400)).isoformat() if amounts else ""
    kept = {day: amount for day, amount in sorted(known.items()) if day >= oldest}
    set_values(commit, connecteam_id, foreign_amounts=kept)


def _row(view: Connection, connecteam_id: int) -> TargetRow:
    row = get(view, connecteam_id)
    assert row is not None, connecteam_id
    return row
