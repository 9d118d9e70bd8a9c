"""How a long period is cut into what is read side by side."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tillbridge.batcher import MAX_GAP_S, MAX_SPAN_S
from tillbridge.windows import SLICE, Period, slices

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def whole(hours: int) -> Period:
    return Period(FIRST, FIRST + hours * HOUR)


@given(st.integers(1, 24 * 800))
def test_slices_hold_every_moment_of_their_period_once(hours: int):
    found = slices(whole(hours))
    assert (found[0].start, found[-1].end) == (FIRST, FIRST + hours * HOUR)
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(one.start < one.end for one in found)


def test_what_is_left_of_neighbours_may_share_a_request():
    assert SLICE.total_seconds() <= MAX_GAP_S


def test_what_four_neighbours_bring_fits_into_one_window_that_may_be_replaced():
    assert (4 * SLICE).total_seconds() <= MAX_SPAN_S


@given(st.integers(1, 3650))
def test_a_period_that_grows_by_a_day_keeps_its_slices(days: int):
    before, after = (slices(whole(24 * each)) for each in (days, days + 1))
    assert before[:-1] == after[: len(before) - 1]
