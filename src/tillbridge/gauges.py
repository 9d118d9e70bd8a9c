"""Reading the figures that health is judged by: the ledger, the sign-in's file, the disk.

It asks no vendor, writes nothing and decides nothing (`health` does), so that it can run after
each pass, and in `status` while both vendors are away.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from tillbridge.clock import Clock
from tillbridge.days import epoch_ms
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import alarmed, counts, locations, quotas, targets
from tillbridge.ledger.schema import batch, part, sale
from tillbridge.ledger.store import Ledger
from tillbridge.lightspeed.tokens import TokenFile
from tillbridge.states import Lane, PartState, SaleState
from tillbridge.vitals import Disk, Figures, PlaceFigures, Quota, SignIn, Standing
from tillbridge.windows import Bounds

_LOOK_AT = 2000
"""Sales looked at per location: with a million that wait, a status must still cost next to nothing.
The oldest that wait come first, so that what is left out has waited for less long."""


_COMPARING = "reconcile at "
_SHOWN = ("health:", "held:", "posting_stopped:", "quarantined:")


@dataclass(frozen=True, slots=True)
class Watched:
    """What the configuration says about what is to be expected.

    Attributes:
        places: first and last moment of each location that is read, by Lightspeed's id.
        poll_every_s: between polls.
        batch_age_s: how long a sale may wait for company; 0 where that is not configured.
        quota_share: of the day's requests, that this installation may use.
        day_limit: of the account, as long as Connecteam has not named it.
        tokens: where the sign-in is kept.
    """

    places: Mapping[int, Bounds]
    poll_every_s: float
    batch_age_s: float
    quota_share: float
    day_limit: int
    tokens: Path


def take(ledger: Ledger, clock: Clock, watched: Watched, *, shares_account: bool) -> Figures:
    """The figures as of now.

    Args:
        ledger: open.
        clock: the wall clock; ages that a wrong clock makes negative count as 0.
        watched: what is to be expected.
        shares_account: another installation on this machine uses the same Connecteam account.

    Raises:
        TillbridgeError: the ledger cannot be read now.
    """
    now_ms = epoch_ms(clock.now())
    with ledger.view() as view:
        places = of_places(view, watched, now_ms)
        quota = _quota(view, watched, now_ms)
        standing = _standing(view)
    is_any_due = any(place.is_due and not place.paused for place in places) or not places
    return Figures(
        places,
        _sign_in(watched.tokens, clock) if is_any_due else None,
        quota,
        _disk(ledger.path),
        watched.poll_every_s,
        watched.batch_age_s,
        shares_account,
        standing,
    )


def of_places(view: Connection, watched: Watched, now_ms: int) -> list[PlaceFigures]:
    """The ledger's figures of each location that it knows, also of such as are read no more."""
    return [_place(view, row, watched, now_ms) for row in locations.every(view)]


def _place(
    view: Connection, row: locations.LocationRow, watched: Watched, now_ms: int
) -> PlaceFigures:
    numbers = counts.by_state(view, row.id)
    target = targets.get(view, row.connecteam_id)
    bounds = watched.places.get(row.lightspeed_id)
    waiting = numbers.get(SaleState.WAITING, 0)
    return PlaceFigures(
        row.lightspeed_id,
        row.name,
        is_due=bounds is not None and _is_open(bounds, now_ms),
        paused=bool(row.paused),
        stop=target.stop if target else None,
        stop_reason=target.stop_reason if target else None,
        waiting=waiting,
        held=numbers.get(SaleState.HELD, 0),
        quarantined=numbers.get(SaleState.QUARANTINED, 0),
        read_age_s=_age_s(row.last_read_ms, now_ms),
        error=None if row.last_error is None else row.last_error.rstrip("."),
        waiting_age_s=_age_s(_oldest_waiting_ms(view, row), now_ms) if waiting else None,
        behind_s=_behind_s(view, row.connecteam_id) if waiting else None,
        doubt_age_s=_age_s(_oldest_doubt_ms(view, row.connecteam_id), now_ms),
        compared_age_s=_age_s(_compared_ms(view, row.id), now_ms),
    )


def _is_open(bounds: Bounds, now_ms: int) -> bool:
    ended = bounds.ends is not None and epoch_ms(bounds.ends) <= now_ms
    return epoch_ms(bounds.begins) <= now_ms and not ended


def _oldest_waiting_ms(view: Connection, row: locations.LocationRow) -> int | None:
    """When the live sale was read that has been waiting longest. Not when it was closed: a till
    that was offline for a night brings old sales that have just been read.
    """
    front = (
        select(sale.c.seen_ms)
        .where(
            sale.c.connecteam_id == row.connecteam_id,
            sale.c.lane == Lane.LIVE,
            sale.c.location_id == row.id,
            # Written out, because SQLite uses an index of some rows only for the same condition.
            sale.c.state == SaleState.WAITING,
        )
        .order_by(sale.c.created_at)
        .limit(_LOOK_AT)
        .subquery()
    )
    found: int | None = view.execute(select(func.min(front.c.seen_ms))).scalar_one()
    return found


def _behind_s(view: Connection, connecteam_id: int) -> float | None:
    """By how much the newest sale posted is older than the newest known; at least so much, where
    more sales than are looked at wait in between.
    """
    newest = (
        select(sale.c.created_at, sale.c.state)
        .where(sale.c.connecteam_id == connecteam_id)
        .order_by(sale.c.created_at.desc())
        .limit(_LOOK_AT)
    )
    rows = [row for row in view.execute(newest) if row.created_at is not None]
    if not rows:
        return None
    posted = next((row for row in rows if row.state == SaleState.POSTED), rows[-1])
    return float(rows[0].created_at - posted.created_at)


def _oldest_doubt_ms(view: Connection, connecteam_id: int) -> int | None:
    query = (
        select(func.min(batch.c.started_ms))
        .join(part, part.c.batch_id == batch.c.id)
        .where(part.c.state == PartState.DOUBT, part.c.connecteam_id == connecteam_id)
    )
    found: int | None = view.execute(query).scalar_one()
    return found


def _compared_ms(view: Connection, location_id: int) -> int | None:
    """When a night's comparison was last done; its name holds the time that is configured."""
    done = locations.rescans_done(view, location_id)
    return max((at for name, at in done.items() if name.startswith(_COMPARING)), default=None)


def _standing(view: Connection) -> list[Standing]:
    """What the service last knew to stand and the figures here do not show by themselves."""
    return [
        Standing(cause, entry.alarm.sentence, entry.alarm.remedy)
        for cause, entry in alarmed.load(view).items()
        if entry.gone is None and not cause.startswith(_SHOWN)
    ]


def _quota(view: Connection, watched: Watched, now_ms: int) -> Quota | None:
    for row in quotas.load(view):
        if row["window"] == "day" and row["reset_ms"] > now_ms:
            allowed = max(1, int((row["limit"] or watched.day_limit) * watched.quota_share))
            left = allowed - row["spent"]
            if row["remaining"] is not None:
                left = min(left, row["remaining"])
            return Quota(max(0, left), allowed, (row["reset_ms"] - now_ms) / 1000)
    return None


def _sign_in(path: Path, clock: Clock) -> SignIn:
    try:
        state = TokenFile(path).read()
    except TillbridgeError as error:
        return SignIn(trouble=str(error))
    if state is None:
        return SignIn(trouble="There is no Lightspeed sign-in yet.")
    ends_in_s = lasts_s = None
    if state.refresh_expires_at is not None:
        ends_in_s = (state.refresh_expires_at - clock.now()).total_seconds()
        lasts_s = (state.refresh_expires_at - state.obtained_at).total_seconds()
    return SignIn(None, ends_in_s, lasts_s, state.refreshing and state.lost > 0)


def _disk(path: Path) -> Disk | None:
    try:
        disk, size = os.statvfs(path.parent), path.stat().st_size
    except OSError:
        return None  # no figure: the ledger itself says what is wrong with its folder
    return Disk(str(path.parent), disk.f_bavail * disk.f_frsize, size)


def _age_s(moment_ms: int | None, now_ms: int) -> float | None:
    return None if moment_ms is None else max(0.0, (now_ms - moment_ms) / 1000)
