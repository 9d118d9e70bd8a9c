"""The truth about the sales: what the tills did, when Lightspeed shows it, what it must become.

`expected` is written anew from the vendors' pages and shares no code with the mapper.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any, NamedTuple

BAD_AMOUNT = 5_000_000
"""Connecteam of this world refuses rows of more than this, in minor units."""

_TYPES = ("SALE", "SALE", "SALE", "SALE", "SPLIT", "UPDATE", "TRANSITORY", "RECALL", "CROSS_BL")
_DIGITS = {"GBP": 2, "EUR": 2, "JPY": 0}


class Value(NamedTuple):
    """What Connecteam holds of a sale; amounts in minor units."""

    location_id: int
    sale_type: str
    created_at: int
    amount: int
    tax: int
    currency: str


@dataclass(slots=True)
class Version:
    """What Lightspeed says of a sale from `shown_s` (true seconds) on."""

    shown_s: float
    payload: dict[str, Any]
    value: Value | None  # None: it cannot be sent
    skipped: bool = False


@dataclass(slots=True)
class Sale:
    """One account at one Lightspeed location."""

    lightspeed_id: int
    fisc_id: str
    closed: datetime
    versions: list[Version]

    def at(self, true_s: float) -> Version | None:
        """What Lightspeed shows now; None before it shows anything."""
        shown = [version for version in self.versions if version.shown_s <= true_s]
        return shown[-1] if shown else None


@dataclass(frozen=True, slots=True)
class Venue:
    """A Lightspeed location and where its sales belong."""

    lightspeed_id: int
    connecteam_id: int
    currency: str
    timezone: str


@dataclass(slots=True)
class Trade:
    """How a venue trades; shares are between 0 and 1, and most sales come in bursts, spread like
    a bell around a moment. `retold` is the share of the amended sales whose amount stays, `kept`
    that of those whose lines stay, `nothing` that of the sales whose lines add up to zero,
    `steady` that of the sales outside of bursts.
    """

    sales: int
    until_s: float
    late: float = 0.0
    amended: float = 0.0
    refused: float = 0.0
    unmappable: float = 0.0
    nameless: float = 0.0
    losses: float = 0.12
    zeros: float = 0.08
    nothing: float = 0.03
    spread_s: float = 2400.0
    retold: float = 0.0
    kept: float = 0.2
    steady: float = 0.3
    amended_within_s: float = 20_000.0
    bursts: list[float] = field(default_factory=list)


def expected(venue: Venue, payload: dict[str, Any]) -> Value | None:
    """What a payload must become at Connecteam; None if it can become nothing."""
    digits = _DIGITS[venue.currency]
    step = Decimal(1).scaleb(-digits)
    net = tax = Decimal(0)
    for line in payload.get("salesLines") or []:
        try:
            net += Decimal(line["totalNetAmountWithoutTax"])
            tax += Decimal(line["taxAmount"])
        except ArithmeticError:
            return None
    if payload["type"] == "NOVELTY":
        return None
    closed = datetime.fromisoformat(payload["timeClosed"])
    return Value(
        venue.connecteam_id,
        payload["type"],
        int(closed.timestamp() // 1),
        int(net.quantize(step, ROUND_HALF_EVEN).scaleb(digits)),
        int(tax.quantize(step, ROUND_HALF_EVEN).scaleb(digits)),
        venue.currency,
    )


def make_sales(rng: Random, start: datetime, venue: Venue, trade: Trade) -> list[Sale]:
    """All sales of a venue, in the order of their closing."""
    sales: list[Sale] = []
    moments = sorted(_moments(rng, trade))
    for number, closed_s in enumerate(moments):
        sales.append(_one_sale(rng, start, venue, trade, number, closed_s))
    return sales


def _moments(rng: Random, trade: Trade) -> list[float]:
    found: list[float] = []
    while len(found) < trade.sales:
        moment = round(rng.uniform(1.0, trade.until_s), 3)
        if found and rng.random() < 0.08:
            moment = rng.choice(found)  # the very same millisecond
        elif rng.random() < 1 - trade.steady:
            moment = round(rng.gauss(rng.choice(trade.bursts), trade.spread_s), 3)
        # More in one millisecond than a page holds, no till can do.
        if 1.0 <= moment <= trade.until_s and found.count(moment) < 3:
            found.append(moment)
    return found


def _one_sale(
    rng: Random, start: datetime, venue: Venue, trade: Trade, number: int, closed_s: float
) -> Sale:
    closed = start + timedelta(seconds=closed_s)
    fisc = f"A{venue.lightspeed_id % 100}.{number}"
    reference = f"ref-{venue.lightspeed_id}-{number}"
    payload: dict[str, Any] = {
        "accountReference": reference,
        "accountFiscId": fisc,
        "timeOfOpening": _stamp(closed - timedelta(minutes=30)),
        "timeClosed": _stamp(closed),
        **_content(rng, venue, trade),
    }
    if rng.random() < trade.nameless:
        del payload["accountReference"]
    late = rng.random() < trade.late
    shown_s = closed_s + (rng.uniform(1800, 60_000) if late else rng.uniform(0, 90))
    versions = [Version(shown_s, payload, expected(venue, payload))]
    if rng.random() < trade.amended:
        again = {**payload, "accountReference": reference}
        if trade.retold and rng.random() < trade.retold:
            again["type"] = "SALE" if payload["type"] == "UPDATE" else "UPDATE"
        elif rng.random() < 1 - trade.kept:
            again |= _content(rng, venue, trade)
        if rng.random() < 0.2:
            again["timeClosed"] = _stamp(closed + timedelta(seconds=rng.randint(-1500, 1500)))
        moment = shown_s + rng.uniform(60, trade.amended_within_s)
        versions.append(Version(moment, again, expected(venue, again)))
    return Sale(venue.lightspeed_id, fisc, closed, versions)


def _content(rng: Random, venue: Venue, trade: Trade) -> dict[str, Any]:
    kind = rng.random()
    losses, zeros = trade.losses, trade.losses + trade.zeros
    sign = -1 if kind < losses else 1
    sale_type = rng.choice(("REFUND", "VOID")) if sign < 0 else rng.choice(_TYPES)
    lines = [_line(rng, venue, sign) for _ in range(rng.choice((1, 1, 2, 3)))]
    if losses <= kind < zeros:
        sale_type, lines = rng.choice(("FLOAT", "TRANSFER", "CANCEL")), []
    elif zeros <= kind < zeros + trade.nothing:
        first = _line(rng, venue, 1)
        lines = [first, {**first, **{k: f"-{first[k]}" for k in _AMOUNTS}}]
    elif rng.random() < trade.refused:
        lines = [{**_line(rng, venue, sign), "totalNetAmountWithoutTax": f"{sign * 7_000_000}.25"}]
    elif rng.random() < trade.unmappable:
        if rng.random() < 0.5:
            sale_type = "NOVELTY"
        else:
            lines[0]["totalNetAmountWithoutTax"] = "1,50"
    return {"type": sale_type, "salesLines": lines}


_AMOUNTS = ("totalNetAmountWithoutTax", "taxAmount")


def _line(rng: Random, venue: Venue, sign: int) -> dict[str, str]:
    places = rng.choice((0, 2, 2, 2, 4, 6))
    net = Decimal(rng.randint(100, 20_000) * 10**4 + rng.randint(0, 9_999)).scaleb(-6)
    net = (net * sign).quantize(Decimal(1).scaleb(-places))
    tax = (net / 5).quantize(Decimal("0.01"))
    return {
        "totalNetAmountWithoutTax": str(net),
        "taxAmount": str(tax),
        "currency": venue.currency,
    }


def _stamp(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
