"""How a long period is cut into what is read side by side."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tillbridge.batcher import MAX_SPAN_S
from tillbridge.windows import Period, slices

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


@given(st.integers(2, 800))
def test_there_is_always_something_to_read_side_by_side_and_never_much_for_nothing(days: int):
    found = slices(whole(24 * days))
    assert 8 <= len(found) <= max(64, days / 4 + 1)


def test_what_four_neighbours_bring_first_fits_into_one_window_that_may_be_replaced():
    for days in (1, 8, 9, 64, 65, 364, 3650):
        starts = [each.start for each in slices(whole(24 * days))[:4]]
        assert (starts[-1] - starts[0]).total_seconds() < MAX_SPAN_S


def test_a_period_that_grows_by_a_day_keeps_its_slices_on_all_but_two_days_of_ten_years():
    changed = 0
    for days in range(1, 3650):
        before, after = (slices(whole(24 * each)) for each in (days, days + 1))
        changed += before[:-1] != after[: len(before) - 1]
    assert changed == 2
