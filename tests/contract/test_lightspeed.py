"""What the bridge relies on of Lightspeed, tried on every simulated one with the real client."""

from datetime import timedelta

from contract.backends import LightspeedSide
from tillbridge.lightspeed.account import Sale
from tillbridge.lightspeed.wire import Page
from tillbridge.mapper import summarise
from tillbridge.sale import Summary


def pages(side: LightspeedSide) -> list[Page]:
    found = [side.client.sales_page(side.location, *side.window, None)]
    while found[-1].next_token:
        assert len(found) < 20
        token = found[-1].next_token
        found.append(side.client.sales_page(side.location, *side.window, token))
    return found


def sales(side: LightspeedSide) -> list[Sale]:
    return [sale for page in pages(side) for sale in page.sales]


def test_the_pages_of_a_window_hold_every_sale(lightspeed: LightspeedSide):
    found = pages(lightspeed)
    assert all(len(page.sales) + len(page.broken) <= 100 for page in found)
    assert len(found) >= 3
    references = {sale.reference for sale in sales(lightspeed)}
    assert len(references) == lightspeed.count


def test_sales_come_in_the_order_in_which_they_closed(lightspeed: LightspeedSide):
    stamps = [sale.closed for sale in sales(lightspeed)]
    assert stamps == sorted(stamp for stamp in stamps if stamp)


def test_a_window_bounds_the_time_of_closing(lightspeed: LightspeedSide):
    everything = sales(lightspeed)
    start, end = everything[20].closed, everything[70].closed
    assert start is not None
    assert end is not None
    # Whether the ends belong to it is not documented; a second more on each side decides it.
    second = timedelta(seconds=1)
    page = lightspeed.client.sales_page(lightspeed.location, start - second, end + second, None)
    assert all(sale.closed and start - second <= sale.closed <= end + second for sale in page.sales)
    wanted = {sale.reference for sale in everything[20:71]}
    assert wanted <= {sale.reference for sale in page.sales}


def test_an_empty_window_is_an_empty_page(lightspeed: LightspeedSide):
    start = lightspeed.window[0]
    page = lightspeed.client.sales_page(
        lightspeed.location, start, start + timedelta(seconds=1), None
    )
    assert (page.sales, page.next_token) == ([], None)


def test_every_sale_can_be_summed_exactly(lightspeed: LightspeedSide):
    for sale in sales(lightspeed):
        assert isinstance(summarise(sale), Summary)


def test_reading_twice_gives_the_same(lightspeed: LightspeedSide):
    assert sales(lightspeed) == sales(lightspeed)
