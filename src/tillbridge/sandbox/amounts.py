"""Exact amounts of the sandbox: whole millionths, never a float.

The sandbox must not share the bridge's arithmetic: a mistake there would else hide itself here.
So this module adds integers and rounds by division, where the bridge uses decimals.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_MICRO_DIGITS: Final = 6
MICRO: Final = 10**_MICRO_DIGITS


@dataclass(frozen=True, slots=True)
class Row:
    """What one sale is at Connecteam: the values by which rows are compared.

    Attributes:
        location_id: Connecteam's id of the location.
        sale_type: Lightspeed's word, unchanged.
        created_at: UTC epoch seconds.
        amount: net of tax, in the currency's units.
        tax: in the currency's units; None where it was not sent.
        currency: three letters; None where it was not sent.
    """

    location_id: int
    sale_type: str
    created_at: int
    amount: Decimal
    tax: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """How many sales, and the sums of their rounded net amounts and taxes."""

    sales: int = 0
    net: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)

    def plus(self, row: Row) -> "Totals":
        tax = Decimal(0) if row.tax is None else row.tax
        return Totals(self.sales + 1, self.net + row.amount, self.tax + tax)

    def join(self, other: "Totals") -> "Totals":
        return Totals(self.sales + other.sales, self.net + other.net, self.tax + other.tax)


def write_micros(micros: int, *, least_digits: int = 2) -> str:
    """Millionths as a decimal string without needless zeros: 8333333 -> "8.333333"."""
    whole, rest = divmod(abs(micros), MICRO)
    digits = f"{rest:06d}".rstrip("0").ljust(least_digits, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{digits}"


def read_micros(text: str) -> int:
    """The inverse of `write_micros`; at most six decimals are allowed."""
    sign = -1 if text.startswith("-") else 1
    whole, _, rest = text.lstrip("+-").partition(".")
    if len(rest) > _MICRO_DIGITS:
        raise ValueError(f"more than six decimals: {text}")
    return sign * (int(whole) * MICRO + int(rest.ljust(_MICRO_DIGITS, "0")))


def round_half_even(micros: int, minor_digits: int) -> Decimal:
    """Millionths to the minor unit of a currency; a tie goes to the even neighbour."""
    step = 10 ** (_MICRO_DIGITS - minor_digits)
    units, rest = divmod(micros, step)
    if 2 * rest > step or (2 * rest == step and units % 2):
        units += 1
    return Decimal(units).scaleb(-minor_digits)


def expected_row(
    sale: dict[str, Any], *, closed_ms: int, connecteam_id: int, currency: str, minor_digits: int
) -> Row:
    """The transaction that a right bridge creates for a sale with the default rules."""
    lines = sale.get("salesLines") or []
    net = sum(read_micros(line["totalNetAmountWithoutTax"]) for line in lines)
    tax = sum(read_micros(line["taxAmount"]) for line in lines)
    return Row(
        location_id=connecteam_id,
        sale_type=sale["type"],
        created_at=closed_ms // 1000,
        amount=round_half_even(net, minor_digits),
        tax=round_half_even(tax, minor_digits),
        currency=currency,
    )
