"""A believable day of restaurant trade, drawn from a seed: same seed and day, same trade.

Owns what is sold, when, and how accounts correct each other. Knows nothing of HTTP or of the
bridge, and must never read a clock.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from tillbridge.sandbox.places import Place
from tillbridge.sandbox.till import Till, stamp

Json = dict[str, Any]

SALE_TYPES: Final = (
    "SALE",
    "VOID",
    "RECALL",
    "REFUND",
    "SPLIT",
    "UPDATE",
    "TRANSFER",
    "FLOAT",
    "TRANSITORY",
    "CROSS_BL",
    "CANCEL",
)
_PAGE: Final = 100  # the largest page; runs of equal stamps are laid across its edges
_OPENS_S: Final = 6 * 3600  # first guests at 11:00, counted from 05:00
_LAST_S: Final = 78_000  # 02:40; a day of 23 hours still holds it and what follows it
_LUNCH_S: Final = 8 * 3600 + 900
_DINNER_S: Final = 15 * 3600
_MIDNIGHT_S: Final = 19 * 3600
_BUSY: Final = (0.92, 0.9, 0.95, 1.0, 1.22, 1.3, 1.08)  # Monday to Sunday


@dataclass(frozen=True, slots=True)
class Closed:
    """A sale and the moment at which it closed, in epoch milliseconds."""

    closed_ms: int
    sale: Json


def trade_of_day(place: Place, day: date, *, seed: int, sales: int) -> list[Closed]:
    """Every sale of a business day, sorted by closing time.

    Args:
        place: where.
        day: the business day, from 05:00 local to 05:00 local.
        seed: draws the trade.
        sales: about how many tables are served on an ordinary day; corrections come on top.
    """
    rng = Random(f"{seed}/{place.lightspeed_id}/{day.isoformat()}")
    start_ms = int(place.day_start(day).timestamp()) * 1000
    tables = math.ceil(sales * _BUSY[day.weekday()])
    # The numbers go on from day to day, far enough apart that two days never meet.
    first_number = (day.toordinal() - 730_000) * max(20_000, 40 * tables)
    tills = [Till(place, rng, _device(place, number), first_number) for number in range(3)]
    forced = dict(
        zip(rng.sample(range(tables), min(tables, len(_STORIES))), _STORIES, strict=False)
    )
    found = list(_floats(tills[0], start_ms))
    for index in range(tables):
        closed_ms = start_ms + _closing_time_ms(rng)
        story = forced.get(index) or _draw_story(rng)
        found.extend(story(rng.choice(tills), closed_ms, start_ms))
    found.sort(key=lambda item: item.closed_ms)
    return _lay_equal_stamps(found, rng)


def sale_closing_at(place: Place, closed_ms: int, *, seed: int, number: int) -> Closed:
    """One fresh sale for live trade. `number` tells apart the live sales of one place."""
    rng = Random(f"{seed}/{place.lightspeed_id}/live/{closed_ms}/{number}")
    till = Till(place, rng, device=_device(place, 9), number=closed_ms // 1000 % 10**9 * 100)
    till.number += number * 40  # room for the lines of one account
    return next(iter(_plain(till, closed_ms, closed_ms)))


def _device(place: Place, number: int) -> int:
    return 65_000 + place.connecteam_id % 1000 * 10 + number


def _closing_time_ms(rng: Random) -> int:
    """Milliseconds after the start of the business day: lunch, dinner, and a late bar."""
    while True:
        kind = rng.random()
        if kind < 0.36:
            after_s = rng.gauss(_LUNCH_S, 3000)
        elif kind < 0.93:
            after_s = rng.gauss(_DINNER_S, 5000)
        else:
            after_s = _MIDNIGHT_S + rng.expovariate(1 / 2700)
        if _OPENS_S <= after_s <= _LAST_S:
            return int(after_s * 1000)


def _plain(till: Till, closed_ms: int, _start_ms: int) -> Iterator[Closed]:
    open_for_s = till.rng.randint(300, 7000)
    lines = till.order(at_ms=closed_ms - open_for_s * 900)
    yield Closed(closed_ms, till.account("SALE", lines, closed_ms=closed_ms, open_for_s=open_for_s))


def _then(
    first: Closed, till: Till, kind: str, lines: list[Json], *, after_s: tuple[int, int]
) -> Closed:
    later_ms = first.closed_ms + till.rng.randint(*after_s) * 1000 + till.rng.randrange(1000)
    sale = till.account(kind, lines, closed_ms=later_ms, open_for_s=60, previous=first.sale)
    return Closed(later_ms, sale)


def _refund(till: Till, closed_ms: int, start_ms: int) -> Iterator[Closed]:
    """Part of a receipt comes back."""
    first = next(_plain(till, closed_ms, start_ms))
    yield first
    back = [till.reverse(line) for line in first.sale["salesLines"][:2]]
    yield _then(first, till, "REFUND", back, after_s=(60, 3000))


def _void(till: Till, closed_ms: int, start_ms: int) -> Iterator[Closed]:
    """A whole receipt is taken back."""
    first = next(_plain(till, closed_ms, start_ms))
    yield first
    back = [till.reverse(line, void_reason="Wrong table") for line in first.sale["salesLines"]]
    voided = _then(first, till, "VOID", back, after_s=(30, 600))
    voided.sale["voidReason"] = "Wrong table"
    yield voided


def _recall(till: Till, closed_ms: int, start_ms: int) -> Iterator[Closed]:
    """A receipt is opened again (its amount goes back) and closed with one item more."""
    first = next(_plain(till, closed_ms, start_ms))
    yield first
    lines = first.sale["salesLines"]
    recalled = _then(
        first, till, "RECALL", [till.reverse(line) for line in lines], after_s=(60, 900)
    )
    yield recalled
    more = [till.again(line) for line in lines] + till.order(at_ms=recalled.closed_ms)[:1]
    yield _then(recalled, till, "SALE", more, after_s=(60, 900))


def _split(till: Till, closed_ms: int, _start_ms: int) -> Iterator[Closed]:
    """One table pays in two parts, often within the same second."""
    lines = till.order(at_ms=closed_ms) + till.order(at_ms=closed_ms)
    half = len(lines) // 2
    first = Closed(closed_ms, till.account("SPLIT", lines[:half], closed_ms=closed_ms))
    yield first
    yield _then(first, till, "SPLIT", lines[half:], after_s=(0, 2))


def _update(till: Till, closed_ms: int, start_ms: int) -> Iterator[Closed]:
    """A closed account is changed: one item is exchanged for another."""
    first = next(_plain(till, closed_ms, start_ms))
    yield first
    change = [till.reverse(first.sale["salesLines"][0]), *till.order(at_ms=closed_ms)[:1]]
    yield _then(first, till, "UPDATE", change, after_s=(60, 1800))


def _transitory(till: Till, _closed_ms: int, start_ms: int) -> Iterator[Closed]:
    """A table that sits over midnight is carried over as it stands, and pays later."""
    midnight_ms = start_ms + _MIDNIGHT_S * 1000 + till.rng.randrange(60_000)
    carried = till.account("TRANSITORY", till.order(at_ms=midnight_ms), closed_ms=midnight_ms)
    first = Closed(midnight_ms, carried)
    yield first
    yield _then(first, till, "SALE", till.order(at_ms=midnight_ms), after_s=(600, 3000))


def _cross(till: Till, closed_ms: int, _start_ms: int) -> Iterator[Closed]:
    """An order that was taken at another of the group's places."""
    lines = till.order(at_ms=closed_ms)
    yield Closed(closed_ms, till.account("CROSS_BL", lines, closed_ms=closed_ms))


def _cancel(till: Till, closed_ms: int, _start_ms: int) -> Iterator[Closed]:
    """An account whose lines were all voided before anyone paid."""
    lines = till.order(at_ms=closed_ms)
    lines += [till.reverse(line, void_reason="Guests left") for line in lines]
    sale = till.account("CANCEL", lines, closed_ms=closed_ms)
    sale["cancelled"] = True
    yield Closed(closed_ms, sale)


def _transfer(till: Till, closed_ms: int, _start_ms: int) -> Iterator[Closed]:
    """Money moved between accounts: a payment without lines."""
    yield Closed(closed_ms, _without_lines(till, "TRANSFER", closed_ms))


def _floats(till: Till, start_ms: int) -> Iterator[Closed]:
    """The change put into the drawer before opening, and taken out after closing."""
    for after_s in (_OPENS_S - 1200, _LAST_S + 1500):
        closed_ms = start_ms + after_s * 1000
        yield Closed(closed_ms, _without_lines(till, "FLOAT", closed_ms))


def _without_lines(till: Till, kind: str, closed_ms: int) -> Json:
    sale = till.account(kind, [], closed_ms=closed_ms, open_for_s=1)
    chance = till.rng.random()
    if chance < 0.3:
        del sale["salesLines"]
    elif chance < 0.5:
        sale["salesLines"] = None
    return sale


_Story = Callable[[Till, int, int], Iterator[Closed]]
_STORIES: Final[tuple[_Story, ...]] = (
    _refund,
    _void,
    _recall,
    _split,
    _update,
    _transitory,
    _cross,
    _cancel,
    _transfer,
)
_WEIGHTS: Final = (12, 8, 5, 10, 5, 1, 2, 3, 4)  # per thousand tables; the rest are plain sales


def _draw_story(rng: Random) -> _Story:
    weights = (*_WEIGHTS, 1000 - sum(_WEIGHTS))
    return rng.choices((*_STORIES, _plain), weights=weights)[0]


def _lay_equal_stamps(found: list[Closed], rng: Random) -> list[Closed]:
    """Give some neighbours the same closing time, always so at the edges of full pages."""
    runs = [(edge - 2, edge + 2) for edge in range(_PAGE, len(found), _PAGE)]
    runs += [(at, at + rng.randint(2, 4)) for at in range(7, len(found), 61)]
    for first, end in runs:
        same_ms = found[first].closed_ms
        for index in range(first, min(end, len(found))):
            if found[index].closed_ms != same_ms:
                found[index].sale["timeClosed"] = stamp(same_ms)
                found[index] = Closed(same_ms, found[index].sale)
    # A run may have moved a stamp below that of an earlier, overlapping run.
    return sorted(found, key=lambda item: item.closed_ms)


def days_between(first: date, last: date) -> Iterator[date]:
    """Every date from the first to the last, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
