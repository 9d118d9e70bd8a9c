"""The estimate of a day's sales: close enough for a plan, whatever the trade, and cheap."""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from tillbridge.backfill import History
from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.lightspeed.client import NotOperationalBefore
from tillbridge.lightspeed.wire import Page, Sale
from tillbridge.mapper import Rules
from tillbridge.reader import Source
from tillbridge.sampling import SAMPLES, sales_per_day
from tillbridge.sandbox.places import places
from tillbridge.sandbox.trade import trade_of_day
from tillbridge.windows import Period

PAGE = 100
LONDON = places(1)[0]
ZONE = ZoneInfo("Europe/London")
SOURCE = Source(1, LONDON.lightspeed_id, "London", Rules(123, "GBP", ZONE))


@cache
def _stamps(per_day: int, first: date, days: int) -> list[int]:
    """When the sales of these days and of one on either side closed."""
    return sorted(
        sale.closed_ms
        for number in range(-1, days + 1)
        for sale in trade_of_day(LONDON, first + timedelta(number), seed=number, sales=per_day)
    )


class Shop:
    """Lightspeed, with nothing but closing times; counts what it is asked."""

    def __init__(self, stamps: list[int]) -> None:
        self.stamps = stamps
        self.asked = 0

    def between(self, start: datetime, end: datetime) -> list[int]:
        low, high = (bisect_left(self.stamps, epoch_ms(moment)) for moment in (start, end))
        return self.stamps[low:high]

    def sales_page(
        self, location_id: int, start: datetime, end: datetime, token: str | None
    ) -> Page:
        assert (location_id, token) == (LONDON.lightspeed_id, None)
        self.asked += 1
        found = self.between(start, end)
        page = [Sale(closed=from_epoch_ms(stamp)) for stamp in found[:PAGE]]
        return Page(page, "more" if len(found) > PAGE else None, [])


@pytest.mark.parametrize("per_day", [60, 300, 1000])
@pytest.mark.parametrize("days", [1, 3, 10])
@pytest.mark.parametrize("week", [1, 43])
def test_a_day_is_put_together_from_its_hours(per_day, days, week):
    first = date.fromisocalendar(2026, week, 1 + week % 7)
    shop = Shop(_stamps(per_day, first, days))
    start = datetime.combine(first, datetime.min.time(), ZONE).astimezone(UTC)
    history = History(SOURCE, Period(start, start + timedelta(days)), start + timedelta(days))
    truth = len(shop.between(start, start + timedelta(days))) / days
    assert 0.6 * truth <= sales_per_day(shop, history, 4) <= 1.55 * truth
    assert shop.asked == SAMPLES


def test_a_location_that_was_not_operational_yet_had_no_sales():
    class Later(Shop):
        def sales_page(self, *_: object) -> Page:
            raise NotOperationalBefore("nothing before", end)

    start, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
    assert sales_per_day(Later([]), History(SOURCE, Period(start, end), end), 2) == 0
