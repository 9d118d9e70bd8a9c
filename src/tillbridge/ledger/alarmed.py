"""The book of alarms on disk, and what the ledger itself knows of causes that stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from tillbridge.alarms import Alarm, Level
from tillbridge.announce import Book, Entry
from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.ledger import locations, targets
from tillbridge.ledger.schema import alarm, correction, part, removal, tally
from tillbridge.states import PartState, SaleState
from tillbridge.stops import STOP_REMEDIES


def load(view: Connection) -> dict[str, Entry]:
    """What people have been told so far, by cause."""
    return {
        row.cause: Entry(
            Alarm(row.cause, Level(row.level), row.sentence, row.remedy),
            from_epoch_ms(row.raised_ms),
            _moment(row.told_ms),
            row.told_count,
            _moment(row.gone_ms),
        )
        for row in view.execute(select(alarm).order_by(alarm.c.raised_ms, alarm.c.cause))
    }


def save(commit: Connection, book: Book) -> None:
    """Replace the book; it has a handful of rows."""
    commit.execute(delete(alarm))
    rows = [_row(entry) for entry in book.values()]
    if rows:
        commit.execute(insert(alarm), rows)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "cause": entry.alarm.cause,
        "level": str(entry.alarm.level),
        "sentence": entry.alarm.sentence,
        "remedy": entry.alarm.remedy,
        "raised_ms": epoch_ms(entry.raised),
        "told_ms": _ms(entry.told),
        "told_count": entry.told_count,
        "gone_ms": _ms(entry.gone),
    }


def _moment(moment_ms: int | None) -> datetime | None:
    return None if moment_ms is None else from_epoch_ms(moment_ms)


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else epoch_ms(moment)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the ledger says about causes of alarms.

    Attributes:
        stand: sentence and remedy of each cause that certainly stands.
        gone: of the causes asked about, those that certainly stand no more.
    """

    stand: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()


def facts(view: Connection, raised: frozenset[str]) -> Facts:
    """Compare the ledger with the causes that were raised.

    A command beside the service, or a crash between a deed and its alarm, may have changed what
    stands; the ledger knows.

    Args:
        view: the ledger.
        raised: the causes that count as standing.
    """
    stand = {**_held(view), **_stopped(view), **_quarantined(view)}
    gone = {cause for cause in raised if cause.startswith(_DERIVED) and cause not in stand}
    open_deletes = {
        f"delete_refused:{key}"
        for key in view.execute(select(removal.c.id).where(removal.c.state != "done")).scalars()
    }
    unread = {f"unreadable:{key}" for key in view.execute(select(correction.c.sale_id)).scalars()}
    for prefix, still in (("delete_refused:", open_deletes), ("unreadable:", unread)):
        gone |= {cause for cause in raised if cause.startswith(prefix) and cause not in still}
    return Facts(stand, frozenset(gone))


_DERIVED = ("held:", "posting_stopped:", "quarantined:")


def _held(view: Connection) -> dict[str, tuple[str, str]]:
    names = _names(view)
    rows = view.execute(
        select(part.c.id, part.c.row_count, part.c.connecteam_id, part.c.reason).where(
            part.c.state == PartState.HELD
        )
    )
    return {
        f"held:{row.id}": (
            (
                f"{row.row_count} sales of {names.get(row.connecteam_id, row.connecteam_id)} may "
                f"or may not be in Connecteam: {row.reason}."
            ),
            (
                f"Look at those days in Connecteam, then run `tillbridge settle {row.id} --landed "
                "--reason ...` or `--not-landed`."
            ),
        )
        for row in rows
    }


def _stopped(view: Connection) -> dict[str, tuple[str, str]]:
    names = _names(view)
    return {
        f"posting_stopped:{row.connecteam_id}": (
            (
                f"Nothing is posted to {names.get(row.connecteam_id, row.connecteam_id)}: "
                f"{row.stop_reason}."
            ),
            STOP_REMEDIES.get(row.stop, "See `tillbridge status`."),
        )
        for row in targets.every(view)
        if row.stop is not None
    }


def _quarantined(view: Connection) -> dict[str, tuple[str, str]]:
    names = {row.id: row.name for row in locations.every(view)}
    rows = view.execute(
        select(tally.c.location_id, tally.c.count).where(
            tally.c.state == SaleState.QUARANTINED, tally.c.count > 0
        )
    )
    return {
        f"quarantined:{row.location_id}": (
            (
                f"{names[row.location_id]}: {row[1]} sales are set aside because they cannot be "
                "sent as they are."
            ),
            "See `tillbridge quarantine list`; then retry them or give them up.",
        )
        for row in rows
    }


def _names(view: Connection) -> dict[int, str]:
    names: dict[int, str] = {}
    for row in locations.every(view):
        known = names.get(row.connecteam_id)
        names[row.connecteam_id] = row.name if known is None else f"{known} and {row.name}"
    return names
