"""In which zone are Connecteam's days? Where nobody observed it, totals suggest it. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from tillbridge.days import from_epoch_ms, local_date

_QUARTER_S = 900
"""Zones differ from UTC by whole quarters of an hour, so a quarter is in one day."""


def stamp_days(zone: ZoneInfo) -> Callable[[int], date]:
    """A function from epoch seconds to the calendar day of a zone, quick for many of a day."""
    known: dict[int, date] = {}

    def day_of(epoch_s: int) -> date:
        quarter = epoch_s // _QUARTER_S
        if quarter not in known:
            known[quarter] = local_date(from_epoch_ms(quarter * _QUARTER_S * 1000), zone)
        return known[quarter]

    return day_of


ELSEWHERE = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Halifax", "America/Sao_Paulo", "Europe/London", "Europe/Paris", "Europe/Athens",
    "Asia/Jerusalem", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo",
    "Australia/Brisbane", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip
"""Zones in which an account may have been opened, though nothing of it is there."""

_DOUBTFUL_DAYS = 3


def is_doubtful(rests: Iterable[tuple[int, int]]) -> bool:
    """Whether the zone of these days seems to be none that was tried: most days differ, as they do
    when midnight is elsewhere.

    Args:
        rests: of each day, how many sales were posted there, and what the total is beyond them.
    """
    days = [rest for sales, rest in rests if sales]
    wrong = sum(rest != 0 for rest in days)
    return wrong >= _DOUBTFUL_DAYS and 2 * wrong > len(days)


def likeliest(
    posted: Iterable[tuple[int, int]],
    totals: Mapping[date, int],
    near: Sequence[ZoneInfo],
) -> ZoneInfo:
    """The zone whose days leave the least unexplained; of equals, the first. One elsewhere in the
    world only where most days differ in all that are near, and not in that one.

    Args:
        posted: (epoch seconds, minor units) of what the ledger believes to be there.
        totals: by day, of days on which the ledger knows all that it posted.
        near: the zones that are likely, the likeliest first.
    """
    rows = list(posted)
    best = _best(rows, totals, near)
    if not _is_doubtful_in(rows, totals, best):
        return best
    other = _best(rows, totals, [ZoneInfo(name) for name in ELSEWHERE])
    return best if _is_doubtful_in(rows, totals, other) else other


def _best(
    rows: Sequence[tuple[int, int]], totals: Mapping[date, int], zones: Sequence[ZoneInfo]
) -> ZoneInfo:
    return min(zones, key=lambda zone: sum(abs(rest) for _, rest in _rests(rows, totals, zone)))


def _is_doubtful_in(
    rows: Sequence[tuple[int, int]], totals: Mapping[date, int], zone: ZoneInfo
) -> bool:
    return is_doubtful(_rests(rows, totals, zone))


def _rests(
    rows: Sequence[tuple[int, int]], totals: Mapping[date, int], zone: ZoneInfo
) -> list[tuple[int, int]]:
    """Of each day, how many sales a zone puts there, and what the total is beyond them."""
    day_of = stamp_days(zone)
    sums: dict[date, int] = defaultdict(int)
    sales: dict[date, int] = defaultdict(int)
    for stamp, amount in rows:
        sums[day_of(stamp)] += amount
        sales[day_of(stamp)] += 1
    return [(sales[day], total - sums[day]) for day, total in totals.items()]
