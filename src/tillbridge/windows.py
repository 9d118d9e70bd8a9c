"""Which periods are read now, and how they are cut. Pure.

Lightspeed lists sales by `timeClosed`. A live read begins a little before the cursor, because
sales may appear late; re-reads reach further back, because tills work offline. Lightspeed allows
365 days in one request; integrators stay at 364.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from tillbridge.days import epoch_ms, from_epoch_ms

MAX_WINDOW = timedelta(days=364)
EDGE = timedelta(seconds=1)
"""Whether Lightspeed's `from` is inclusive is not documented; asking a second earlier makes it
not matter, since sales outside the period are left out on arrival."""

SLICE = timedelta(days=2)
"""In such pieces history is read, several side by side. What is left at the end of each, less than
a full request, waits for company: the next slice's rest is near enough (`batcher.MAX_GAP_S`), and
what four neighbours bring fits into one window that may be replaced. A shorter one costs more half
pages; four days left a rest behind with each, until all that may wait was such rests.
"""


class Period(Struct, frozen=True):
    """From `start` up to, but without, `end`; both aware."""

    start: datetime
    end: datetime


class Rescan(Struct, frozen=True):
    """A re-read, every so many seconds or daily at a local time; it reaches back `back_s`."""

    name: str
    back_s: float
    every_s: float | None = None
    at: time | None = None


class Bounds(Struct, frozen=True):
    """What a location's live sync covers.

    Attributes:
        begins: the first moment; sales closed before are left to backfills.
        ends: sales closed then or later are left out; None if it goes on.
    """

    begins: datetime
    ends: datetime | None = None


def live_period(
    now: datetime, cursor: datetime | None, overlap: timedelta, bounds: Bounds
) -> Period | None:
    """What a poll reads; None if there is nothing to read (not begun yet, or ended long ago)."""
    end = now if bounds.ends is None else min(now, bounds.ends)
    # A cursor in the future comes from a clock that was wrong; it must not hide anything.
    start = bounds.begins if cursor is None else max(bounds.begins, min(cursor, now) - overlap)
    return Period(start, end) if start < end else None


def due_rescans(
    now: datetime, rescans: Sequence[Rescan], done_ms: Mapping[str, int], zone: ZoneInfo
) -> list[Rescan]:
    """Re-reads whose time has come. One that was never done is not due: the first read of a
    location covers everything.
    """
    return [
        rescan
        for rescan in rescans
        if rescan.name in done_ms
        and _is_due(now, rescan, from_epoch_ms(done_ms[rescan.name]), zone)
    ]


def _is_due(now: datetime, rescan: Rescan, done: datetime, zone: ZoneInfo) -> bool:
    if rescan.every_s is not None:
        # A time of completion in the future comes from a clock that was wrong.
        return not timedelta(0) <= now - done < timedelta(seconds=rescan.every_s)
    assert rescan.at is not None
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), rescan.at, tzinfo=zone)
    latest = today if today <= local else today - timedelta(days=1)
    return done < latest or done > now


def rescan_period(
    now: datetime, due: Sequence[Rescan], bounds: Bounds, live: Period | None
) -> Period | None:
    """One period for all re-reads that are due, up to where the live read begins."""
    if not due:
        return None
    start = max(bounds.begins, now - timedelta(seconds=max(rescan.back_s for rescan in due)))
    end = live.start if live else min(now, bounds.ends or now)
    return Period(start, end) if start < end else None


def cut(period: Period, most: timedelta = MAX_WINDOW) -> list[Period]:
    """The period in pieces that Lightspeed allows, or in smaller ones, oldest first."""
    pieces = []
    start = period.start
    while period.end - start > most:
        pieces.append(Period(start, start + most))
        start += most
    return [*pieces, Period(start, period.end)]


def slices(period: Period) -> list[Period]:
    """The period in pieces that are read side by side, oldest first.

    They follow from the period alone, so that an interrupted backfill finds its own again, also
    where it ends today, and so grows by a day each day.
    """
    return cut(period, SLICE)


def covers(period: Period, closed_ms: int | None) -> bool:
    """Whether a sale belongs to the period; one without a closing time belongs to any."""
    if closed_ms is None:
        return True
    return epoch_ms(period.start) <= closed_ms < epoch_ms(period.end)
