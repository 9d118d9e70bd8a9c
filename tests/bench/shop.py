"""Any number of believable sales, without keeping them: a thousand drawn ones, repeated in time.

Owns what the benchmark's Lightspeed sells. Pages are cut from prepared bytes, so that serving one
costs next to nothing beside reading it.
"""

import copy
import json
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from tillbridge.sandbox.places import places
from tillbridge.sandbox.trade import trade_of_day

DRAWN = 1000
_CENT = Decimal("0.01")
_MARKS = ("@reference@", "@account@", "@opened@", "@closed@")


@dataclass(frozen=True)
class Drawn:
    """A sale with holes for what must differ from repetition to repetition, and its net in cents."""

    pieces: tuple[bytes, ...]
    cents: int


def draw(bytes_a_sale: int) -> list[Drawn]:
    """The sales that are repeated, the average weighing so much as JSON."""
    place = places(1)[0]
    closed = trade_of_day(place, datetime(2026, 3, 3, tzinfo=UTC).date(), seed=1, sales=DRAWN)
    found = [_fatten(copy.deepcopy(one.sale), bytes_a_sale) for one in closed[:DRAWN]]
    return [Drawn(_pieces(sale), _cents(sale)) for sale in found]


def _fatten(sale: dict[str, Any], wanted: int) -> dict[str, Any]:
    """More lines of the same kind, as a larger table would have: amounts stay what lines say."""
    lines = sale.get("salesLines") or []
    number = 0
    while lines and len(_encoded(sale)) < wanted:
        sale["salesLines"].append({**lines[number], "id": f"{lines[number]['id']}.{number}"})
        number += 1
    return sale


def _encoded(sale: dict[str, Any]) -> bytes:
    return json.dumps(sale, ensure_ascii=False, separators=(",", ":")).encode()


def _pieces(sale: dict[str, Any]) -> tuple[bytes, ...]:
    sale = {**sale, "accountReference": _MARKS[0], "accountFiscId": _MARKS[1],
            "timeOfOpening": _MARKS[2], "timeClosed": _MARKS[3]}  # fmt: skip
    for key in ("receiptId", "source"):
        sale.pop(key, None)
    rest, found = _encoded(sale), []
    places_ = sorted((rest.index(mark.encode()), mark) for mark in _MARKS)
    assert [mark for _, mark in places_] == [_MARKS[0], _MARKS[1], _MARKS[2], _MARKS[3]]
    for mark in _MARKS:
        before, _, rest = rest.partition(mark.encode())
        found.append(before)
    return (*found, rest)


def _cents(sale: dict[str, Any]) -> int:
    lines = sale.get("salesLines") or []
    net = sum((Decimal(line["totalNetAmountWithoutTax"]) for line in lines), Decimal(0))
    return int(net.quantize(_CENT, ROUND_HALF_EVEN).scaleb(2))


@dataclass
class Shop:
    """`count` sales, one every `step_ms` from `start_ms` on, and those that close live."""

    drawn: list[Drawn]
    count: int
    start_ms: int
    step_ms: int
    live: list[int] = field(default_factory=list)

    def close_one(self, now_ms: int) -> tuple[int, int]:
        """A sale closes now; its second and its cents."""
        self.live.append(max(now_ms, self.live[-1] + 1 if self.live else 0))
        number = self.count + len(self.live) - 1
        return self.live[-1] // 1000, self.drawn[number % len(self.drawn)].cents

    def stamp_ms(self, number: int) -> int:
        if number < self.count:
            return self.start_ms + number * self.step_ms
        return self.live[number - self.count]

    def first_at(self, moment_ms: int) -> int:
        """The number of the first sale that closed at this moment or later."""
        number = -(-(moment_ms - self.start_ms) // self.step_ms)
        if number < self.count:
            return max(0, number)
        return self.count + bisect_left(self.live, moment_ms)

    def sale(self, number: int) -> bytes:
        one = self.drawn[number % len(self.drawn)].pieces
        closed_ms = self.stamp_ms(number)
        texts = (b"R%09d" % number, b"A1.%d" % number, _iso(closed_ms - 60_000), _iso(closed_ms))
        return b"".join(
            (one[0], texts[0], one[1], texts[1], one[2], texts[2], one[3], texts[3], one[4])
        )

    def cents(self) -> int:
        """The net of all sales."""
        whole, rest = divmod(self.count + len(self.live), len(self.drawn))
        every = sum(one.cents for one in self.drawn)
        return whole * every + sum(one.cents for one in self.drawn[:rest])


def _iso(epoch_ms: int) -> bytes:
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z".encode()
