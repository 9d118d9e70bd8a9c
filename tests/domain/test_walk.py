"""Going through the pages of a window: nothing is missed, wherever it is read in halves."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.lightspeed.account import Sale
from tillbridge.lightspeed.wire import Page
from tillbridge.walk import RepeatedToken, Walk
from tillbridge.windows import EDGE

SIZE = 5
START = datetime(2026, 3, 1, tzinfo=UTC)
START_MS = epoch_ms(START)


class Lightspeed:
    """Sales that closed so many milliseconds after START; tokens are stamps, or numbers."""

    def __init__(self, offsets_ms: list[int], tokens: str, *, counts_ends: bool) -> None:
        self.sales = [
            Sale(reference=f"R{number}", closed=from_epoch_ms(START_MS + offset))
            for number, offset in enumerate(sorted(offsets_ms))
        ]
        self.tokens, self.counts_ends, self.asked = tokens, counts_ends, 0

    def page(self, start: datetime, end: datetime, token: str | None) -> Page:
        self.asked += 1
        listed = [
            sale for sale in self.sales
            if sale.closed and (
                start <= sale.closed <= end if self.counts_ends else start < sale.closed < end
            )
        ]  # fmt: skip
        begin = 0
        if token is not None:
            told = int(base64.b64decode(token))
            begin = told if self.tokens == "number" else next(
                (n for n, sale in enumerate(listed) if self._is_next(sale, told)), len(listed)
            )  # fmt: skip
        sales = listed[begin : begin + SIZE]
        if begin + SIZE >= len(listed):
            return Page(sales, None, [])
        stamp = epoch_ms(sales[-1].closed) if sales[-1].closed else 0
        number = begin + SIZE if self.tokens == "number" else stamp
        return Page(sales, base64.b64encode(str(number).encode()).decode(), [])

    def _is_next(self, sale: Sale, told_ms: int) -> bool:
        assert sale.closed is not None
        stamp = epoch_ms(sale.closed)
        return stamp >= told_ms if self.tokens == "repeats" else stamp > told_ms

    def answer(self, walk: Walk) -> Page:
        if walk.probe is not None:
            margin = timedelta(milliseconds=1)
            near = [s for s in self.sales if s.closed and abs(s.closed - walk.probe) < margin]
            return Page(near, None, [])
        return self.page(walk.start, walk.end, walk.token)


def read(lightspeed: Lightspeed, end: datetime, halve: list[bool]) -> tuple[set[str | None], int]:
    """The references that came, and in how many pieces the window was read."""
    walks, found, pieces, page_number = [Walk(START - EDGE, end)], set(), 1, 0
    while walks:
        assert page_number < 1000, "the reading does not end"
        walk = walks.pop(0)
        step = walk.step(lightspeed.answer(walk))
        found |= {sale.reference for sale in step.page.sales}
        if step.last:
            continue
        walks.append(walk)
        if step.tells_reach and halve[page_number % len(halve)]:
            other = walk.halve(step.page)
            if other is not None:
                assert other.ahead
                assert other.start + EDGE == walk.end
                walks.append(other)
                pieces += 1
        page_number += 1
    return found, pieces


# Few enough of one millisecond for a page to hold them: more, and a stamp cannot tell them apart.
OFFSETS = st.lists(st.integers(0, 400_000), min_size=0, max_size=120, unique=True)


@given(
    OFFSETS,
    st.sampled_from(["number", "repeats"]),
    st.booleans(),
    st.lists(st.booleans(), min_size=1),
)
def test_every_sale_of_a_window_comes_however_often_it_is_halved(offsets, tokens, ends, halve):
    lightspeed = Lightspeed(offsets, tokens, counts_ends=ends)
    found, _ = read(lightspeed, START + timedelta(seconds=401), halve)
    assert found == {sale.reference for sale in lightspeed.sales}


@given(
    st.lists(st.integers(0, 300), max_size=60).filter(
        lambda some: all(some.count(one) < SIZE for one in some)
    ),
    st.lists(st.booleans(), min_size=1),
)
def test_sales_that_closed_together_come_where_tokens_leave_them_out(seconds, halve):
    lightspeed = Lightspeed([1000 * one for one in seconds], "leaves out", counts_ends=True)
    found, _ = read(lightspeed, START + timedelta(seconds=401), halve)
    assert found == {sale.reference for sale in lightspeed.sales}


@pytest.mark.parametrize("end_s", [1, 2, 3, 400])
def test_sales_that_were_all_closed_at_once_do_not_make_halves_without_end(end_s):
    # As a till's closing would. Each half used to begin with all of them, and was halved again.
    offsets = [10 * n for n in range(4 * SIZE)]
    lightspeed = Lightspeed(offsets, "repeats", counts_ends=False)
    found, _ = read(lightspeed, START + timedelta(seconds=end_s), [True])
    assert found == {sale.reference for sale in lightspeed.sales}
    assert lightspeed.asked <= 6


def test_a_long_window_is_halved_and_a_short_one_is_not():
    dense = Lightspeed([1000 * n for n in range(400)], "repeats", counts_ends=True)
    assert read(dense, START + timedelta(seconds=400), [True])[1] > 4
    short = Lightspeed([1000 * n for n in range(15)], "repeats", counts_ends=True)
    assert read(short, START + timedelta(seconds=16), [True])[1] == 1


def test_a_page_whose_order_tells_nothing_is_no_place_to_halve_at():
    stamps = [START + timedelta(seconds=n) for n in (3, 1, 2)]
    page = Page([Sale(closed=stamp) for stamp in stamps], "next", [])
    assert Walk(START, START + timedelta(days=1)).halve(page) is None
    nameless = Page([Sale(closed=stamps[0]), Sale()], "next", [])
    assert Walk(START, START + timedelta(days=1)).halve(nameless) is None
    assert Walk(START, START + timedelta(days=1)).halve(Page([], "next", [])) is None


def test_a_token_that_comes_again_ends_the_walk():
    walk = Walk(START, START + timedelta(days=1))
    walk.step(Page([Sale(closed=START)], "same", []))
    with pytest.raises(RepeatedToken):
        walk.step(Page([Sale(closed=START)], "same", []))
