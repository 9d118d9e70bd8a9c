"""Does somebody else write there? Connecteam's daily totals beside what the ledger can explain.

Connecteam's day may be UTC's or the location's; where the totals have not shown which, the one in
which more days fit is taken. What was posted moments ago may or may not show yet, and a request in
doubt may or may not have landed: each, as a whole, may be in a total or not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from tillbridge.check.report import Item, failed, passed, warned
from tillbridge.money import minor_digits, minor_text

_MOST_DAYS_NAMED = 5
_MOST_TRIED = 14  # requests whose combinations are all looked at
_DOUBLE = 0.02  # how near an excess must be to our own amount to look like a second integration


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sales of one request that are stamped within one quarter of an hour.

    Attributes:
        start_s: epoch seconds.
        part: which request, where it is not sure that the totals show it; None where it is.
        posted: Connecteam has said that it took them.
        amount: their sum, in minor units.
    """

    start_s: int
    part: int | None
    posted: bool
    amount: int


@dataclass(frozen=True, slots=True)
class Target:
    """A Connecteam location, as the check needs it."""

    connecteam_id: int
    name: str
    currency: str
    exclusive: bool
    zones: tuple[ZoneInfo, ...]
    first_day: date


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A day whose total the ledger cannot explain: `expected` is what was posted, `excess` what is
    there beyond it.
    """

    day: date
    total: int
    expected: int
    excess: int


def judge_writers(
    target: Target, totals: Mapping[date, int], buckets: Sequence[Bucket], *, unsettled: bool
) -> Item:
    """Whether all that a location shows is ours.

    Args:
        target: the location.
        totals: by day, of all days that were read.
        buckets: what the ledger has of these days and of a day more on each side.
        unsettled: sales are being taken back just now, so the totals prove nothing.
    """
    name = f"Other writers: {target.name}"
    if unsettled:
        return warned(
            name,
            "Not judged: sales are being taken back there just now.",
            "Run the check again in an hour.",
        )
    found = min((unexplained(totals, buckets, zone) for zone in target.zones), key=len)
    # What was there before the first day to carry over is no business of ours.
    found = [one for one in found if one.day >= target.first_day or one.expected]
    if not found:
        return passed(name, f"The ledger explains every total since {min(totals).isoformat()}.")
    told = _told(found, target.currency)
    if not target.exclusive:
        return passed(name, f"Others enter sales there too, as the configuration says: {told}.")
    return failed(name, f"Totals that tillbridge did not make: {told}.", _remedy(found))


def unexplained(
    totals: Mapping[date, int], buckets: Iterable[Bucket], zone: ZoneInfo
) -> list[Unexplained]:
    """The days whose totals the ledger does not allow, in one zone."""
    sure: dict[date, int] = defaultdict(int)
    likely: dict[date, int] = defaultdict(int)
    unsure: dict[date, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for bucket in buckets:
        day = datetime.fromtimestamp(bucket.start_s, zone).date()
        if bucket.posted:
            likely[day] += bucket.amount
        if bucket.part is None:
            sure[day] += bucket.amount
        else:
            unsure[day][bucket.part] += bucket.amount
    return [
        Unexplained(day, total, likely[day], total - likely[day])
        for day, total in sorted(totals.items())
        if not _allowed(total - sure[day], list(unsure[day].values()))
    ]


def _allowed(rest: int, unsure: Sequence[int]) -> bool:
    """Whether some of the unsure requests, each whole or not at all, make up the rest."""
    if len(unsure) > _MOST_TRIED:
        return sum(min(0, one) for one in unsure) <= rest <= sum(max(0, one) for one in unsure)
    sums = {0}
    for amount in unsure:
        sums |= {one + amount for one in sums}
    return rest in sums


def _told(found: Sequence[Unexplained], currency: str) -> str:
    digits = minor_digits(currency)

    def money(minor: int) -> str:
        return f"{minor_text(minor, digits)} {currency}"

    parts = [
        f"{one.day.isoformat()} shows {money(one.total)}, of which {money(one.excess)} "
        f"{'are not' if one.excess > 0 else 'are missing from what is'} tillbridge's"
        for one in found[:_MOST_DAYS_NAMED]
    ]
    more = len(found) - _MOST_DAYS_NAMED
    return "; ".join(parts) + (f"; and {more} more days" if more > 0 else "")


def _remedy(found: Sequence[Unexplained]) -> str:
    end = (
        "Find out who enters or deletes sales there and undo it, or set exclusive = false. "
        "`tillbridge reconcile` shows each day."
    )
    if any(_looks_doubled(one) for one in found):
        return (
            "Most likely Connecteam's own Lightspeed integration is switched on too, and every "
            f"sale is there twice: switch one of the two off. {end}"
        )
    if any(one.expected == 0 and one.excess > 0 for one in found):
        return f"Perhaps Connecteam's own Lightspeed integration is switched on. {end}"
    return end


def _looks_doubled(one: Unexplained) -> bool:
    return one.expected > 0 and abs(one.excess - one.expected) <= one.expected * _DOUBLE
