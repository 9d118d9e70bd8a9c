"""Money: exact decimals in, whole minor units out, rounded in one place.

Amounts arrive as decimal strings, are added as `Decimal`, and are rounded once per sale,
half-even, to the currency's minor unit of ISO 4217. From then on they are integers of minor
units (cents, pence), so that sums over thousands of sales stay exact.
"""

import re
from decimal import Decimal
from functools import lru_cache

from iso4217 import Currency

# Up to twelve digits before the point: more is no restaurant's bill in any currency. With up to
# twelve after it, ten thousand lines still add up within the 28 digits that Decimal keeps exactly.
_AMOUNT = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})")

_MOST_REMEMBERED = 8192

_round = Decimal.__round__
"""To an integer: half-even, whatever the context says. `round` itself takes half as long again."""

_POWERS = [Decimal(10) ** digits for digits in range(5)]
"""No currency of ISO 4217 has more than four digits after the point."""


class UnreadableAmount(ValueError):
    """The text is not a plain decimal number."""


class UnknownCurrency(ValueError):
    """The code is not a currency of ISO 4217 that has a minor unit."""


class _Amounts(dict[str, Decimal]):
    """Remembers what it has read: a menu has few prices, and each of them comes again and again.

    A text that is known costs one look into a dict, half of what `lru_cache` takes.
    """

    def __missing__(self, text: str) -> Decimal:
        if not _AMOUNT.fullmatch(text):
            raise UnreadableAmount(text[:40])
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        amount = self[text] = Decimal(text)
        return amount


AMOUNTS = _Amounts()
"""`AMOUNTS[text]` is `parse_amount(text)`, without the call, for whoever reads very many."""


def parse_amount(text: str) -> Decimal:
    """A decimal string as Lightspeed sends it, exactly.

    Raises:
        UnreadableAmount: exponents, separators, blanks, NaN and the like are not amounts.
    """
    return AMOUNTS[text]


@lru_cache(maxsize=256)
def minor_digits(currency: str) -> int:
    """Digits after the point in this currency (2 for EUR, 0 for JPY, 3 for KWD), by ISO 4217.

    Raises:
        UnknownCurrency: no such code, or one without a minor unit (gold, test codes).
    """
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        raise UnknownCurrency(currency) from None
    if exponent is None:
        raise UnknownCurrency(currency)
    return int(exponent)


def to_minor(amount: Decimal, digits: int) -> int:
    """Round half-even to whole minor units. The only place where money is rounded."""
    return _round(amount * _POWERS[digits])


def from_minor(minor: int, digits: int) -> Decimal:
    """The exact amount of so many minor units."""
    return Decimal(minor).scaleb(-digits)


def plain_text(amount: Decimal) -> str:
    """An exact amount without an exponent, a plus or idle zeros: one text for equal amounts."""
    if not amount:
        return "0"
    text = str(amount)
    if "E" in text:
        text = format(amount, "f")
    if text[-1] != "0":
        return text
    return text.rstrip("0").rstrip(".") if "." in text else text


def minor_text(minor: int, digits: int) -> str:
    """The amount as a plain decimal number, `-8.30`; also valid as a JSON number."""
    if digits == 0:
        return str(minor)
    whole, fraction = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{fraction:0{digits}d}"
