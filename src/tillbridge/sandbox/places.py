"""The restaurants of the sandbox: where they are, what they charge, what is on the menu.

Must never read a clock or draw a random number: a place is a fact.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAY_STARTS_AT: Final = time(5, 0)  # the usual cut-off of a business day, local time


@dataclass(frozen=True, slots=True)
class Place:
    """One restaurant, on both sides.

    Attributes:
        minor_digits: decimals of the currency's minor unit (ISO 4217).
        tax_included: whether menu prices contain the tax.
        food_tax, drink_tax: rates in hundredths of a percent (2000 is 20 %).
        unit: what one euro on the menu costs here, in the currency's whole units.
    """

    name: str
    lightspeed_id: int
    connecteam_id: int
    timezone: str
    currency: str
    country: str = "GB"
    minor_digits: int = 2
    tax_included: bool = True
    food_tax: int = 2000
    drink_tax: int = 2000
    unit: int = 1

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def day_start(self, day: date) -> datetime:
        """The moment at which a business day starts here: 05:00 local, given in UTC."""
        return datetime.combine(day, DAY_STARTS_AT, self.zone).astimezone(UTC)

    def business_day(self, moment: datetime) -> date:
        """The business day that a moment belongs to."""
        local = moment.astimezone(self.zone)
        return local.date() if local.time() >= DAY_STARTS_AT else local.date() - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Dish:
    """One item of the menu; `cents` is its price in hundredths of a place's `unit`."""

    name: str
    group: str
    cents: int
    by_weight: bool = False
    extra_of: str = ""


MENU: Final = (
    Dish("Burger", "Food", 1350),
    Dish("Fish and chips", "Food", 1595),
    Dish("Sea bass, by weight", "Food", 4290, by_weight=True),
    Dish("Soup of the day", "Food", 655),
    Dish("Käsespätzle", "Food", 1245),
    Dish("Caesar salad", "Food", 1105),
    Dish("Crème brûlée", "Food", 745),
    Dish("Espresso", "Hot drinks", 295),
    Dish("Flat white", "Hot drinks", 385),
    Dish("Draught beer", "Alcohol", 575),
    Dish("Riesling, glass", "Alcohol", 795),
    Dish("House red, bottle", "Alcohol", 2999),
    Dish("Mineral water", "Soft drinks", 333),
)
EXTRAS: Final = (
    Dish("Extra cheese", "Food", 125),
    Dish("Oat milk", "Hot drinks", 45),
    Dish("Side of chips", "Food", 415),
)

_PLACES: Final = (
    Place("Harbour Street", 45454565682155, 123, "Europe/London", "GBP"),
    # Above 2**53 on purpose: a program that reads ids as floats must fail here.
    Place(
        "Königsallee Düsseldorf",
        9223372036854700007,
        456,
        "Europe/Berlin",
        "EUR",
        country="DE",
        tax_included=False,
        food_tax=700,
        drink_tax=1900,
    ),
    Place(
        "Dōtonbori 道頓堀",
        45454565682401,
        789,
        "Asia/Tokyo",
        "JPY",
        country="JP",
        minor_digits=0,
        food_tax=800,
        drink_tax=1000,
        unit=150,
    ),
    Place(
        "Nyhavn Bådehus",
        45454565682777,
        1011,
        "Europe/Copenhagen",
        "DKK",
        country="DK",
        food_tax=2500,
        drink_tax=2500,
        unit=7,
    ),
)


def places(count: int) -> tuple[Place, ...]:
    """The first `count` restaurants; from the fifth on, branches of the first four."""
    found = []
    for index in range(count):
        branch, model = divmod(index, len(_PLACES))
        place = _PLACES[model]
        if branch:
            place = replace(
                place,
                name=f"{place.name} {branch + 1}",
                lightspeed_id=place.lightspeed_id - 1000 * branch,
                connecteam_id=place.connecteam_id + 10_000 * branch,
            )
        found.append(place)
    return tuple(found)


def last_ended_day(where: tuple[Place, ...], now: datetime) -> date:
    """The latest business day that has already ended at every place."""
    return min(place.business_day(now) for place in where) - timedelta(days=1)
