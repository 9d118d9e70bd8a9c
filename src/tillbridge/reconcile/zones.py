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


def likeliest(
    posted: Iterable[tuple[int, int]],
    totals: Mapping[date, int],
    zones: Sequence[ZoneInfo],
) -> ZoneInfo:
    """The zone whose days leave the least unexplained; of equals, the first.

    Args:
        posted: (epoch seconds, minor units) of what the ledger believes to be there.
        totals: by day, of whole days on which the ledger knows all that it posted.
        zones: the candidates, the likeliest first.
    """
    rows = list(posted)
    best, least = zones[0], None
    for zone in zones:
        day_of = stamp_days(zone)
        sums: dict[date, int] = defaultdict(int)
        for stamp, amount in rows:
            sums[day_of(stamp)] += amount
        rest = sum(abs(total - sums[day]) for day, total in totals.items())
        if least is None or rest < least:
            best, least = zone, rest
    return best
