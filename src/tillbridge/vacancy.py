"""What of an exclusive location's totals tillbridge cannot have put there.

Only looks and compares; what follows from it is for `bases` to do. Nothing here writes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import combinations
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from tillbridge.days import from_epoch_ms, local_date, utc_midnight_s
from tillbridge.doubt import MAX_DOUBTS
from tillbridge.ledger import parts, sales, targets
from tillbridge.ledger.targets import ONE_DAY, Totals

_QUARTER_S = 900
"""Zones differ from UTC by whole quarters of an hour, so a quarter lies in one day of each."""

_EAST_S, _WEST_S = 14 * 3600, 12 * 3600
"""A date begins first where clocks are 14 hours ahead of UTC, and ends last where 12 behind."""


def days_not_ours(
    view: Connection,
    key: int,
    zones: Sequence[ZoneInfo],
    stamps: Iterable[int],
    totals: Totals,
    tried: set[date],
) -> list[date]:
    """Days of these stamps that hold sales although tillbridge never tried to put any there.

    Args:
        view: the ledger.
        key: Connecteam's id.
        zones: those that Connecteam's day may be in; a sale's day is looked for in each of them
            until the totals have shown in which one it is.
        stamps: epoch seconds of the sales that wait.
        totals: a reading, or a base.
        tried: days of which it is known already that something was tried there, which never
            changes; added to, since to look is not cheap in a large ledger.
    """
    filled = {day for day, total in totals.items() if total}
    if not filled:
        return []
    row = targets.get(view, key)
    if row is not None and row.day_zone is not None:
        zones = [ZoneInfo(row.day_zone)]
    moments = [from_epoch_ms(n * _QUARTER_S * 1000) for n in {s // _QUARTER_S for s in stamps}]
    days = {local_date(moment, where) for where in zones for moment in moments}
    asked = sorted((days & filled) - tried)
    tried |= {day for day in asked if _was_attempted(view, key, day)}
    return [day for day in asked if day not in tried]


def _was_attempted(view: Connection, key: int, day: date) -> bool:
    """Whether something of tillbridge's may show on a day, whatever zone its date is of."""
    first_s = utc_midnight_s(day) - _EAST_S
    end_s = utc_midnight_s(day + ONE_DAY) + _WEST_S
    return targets.was_attempted(view, key, first_s, end_s)


def days_unexplained(view: Connection, key: int, totals: Totals) -> list[date]:
    """The days that must count as others' when a base is taken without an earlier one.

    Sales of tillbridge's own must not: a window on their days could never be replaced again. Days
    are looked at in runs with two days without sales between them, since only the sum of a run is
    the same in every zone. A run is explained if it holds what was posted there, with or
    without what is held, each part of it whole; a stranger's amount must not pass for some rows.
    """
    strange = [run for run in _runs(totals) if not _is_explained(view, key, run, totals)]
    return [day for run in strange for day in run]


def _runs(totals: Mapping[date, int]) -> list[list[date]]:
    """Days with sales, in runs between which at least two days have none."""
    runs: list[list[date]] = []
    for day in sorted(day for day, total in totals.items() if total):
        if runs and day - runs[-1][-1] <= 2 * ONE_DAY:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _is_explained(
    view: Connection, key: int, run: Sequence[date], totals: Mapping[date, int]
) -> bool:
    first_s = utc_midnight_s(run[0] - ONE_DAY)
    end_s = utc_midnight_s(run[-1] + 2 * ONE_DAY)
    rest = sum(totals[day] for day in run) - sales.posted_total(view, key, first_s, end_s)
    held = [part.total for part in parts.undecided_within(view, key, first_s - 1, end_s)]
    sizes = range(min(len(held), MAX_DOUBTS) + 1)
    return any(sum(some) == rest for size in sizes for some in combinations(held, size))
