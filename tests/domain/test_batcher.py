"""Every waiting sale goes in one request, in parts that totals can tell the fate of."""

import math
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillbridge.batcher import (
    MAX_GAP_S,
    MAX_ROWS,
    MAX_SPAN_S,
    Part,
    Row,
    halves,
    is_sound,
    plan,
)
from tillbridge.sale import Transaction
from tillbridge.states import Lane

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

DAY_S = 86_400
MONDAY = 1_793_577_600


def row(sale_id, amount=100, *, at=MONDAY, location=1, lane=Lane.LIVE, fence=None):
    transaction = Transaction(location, "SALE", at, amount, 0, "GBP")
    return Row(sale_id, 10 * location, transaction, lane, fence=fence)


def rows_of(count, amount=100, *, step_s=60, start=0, **keywords):
    at = keywords.pop("at", MONDAY)
    return [row(start + n, amount, at=at + n * step_s, **keywords) for n in range(count)]


amounts = st.one_of(st.just(0), st.integers(-20_000, 20_000), st.sampled_from([1, -1]))
stamps = st.one_of(
    st.integers(MONDAY, MONDAY + DAY_S),
    st.integers(MONDAY - 40 * DAY_S, MONDAY),
    st.sampled_from([MONDAY + n * (MAX_GAP_S - 1) for n in range(8)]),
)
worlds = st.lists(
    st.tuples(
        amounts,
        stamps,
        st.integers(1, 3),
        st.sampled_from(Lane),
        st.sampled_from([None, None, None, None, 1, 2]),
    ),
    max_size=260,
).map(
    lambda facts: [
        row(n, amount, at=at, location=location, lane=lane, fence=fence)
        for n, (amount, at, location, lane, fence) in enumerate(facts)
    ]
)


@unhurried
@given(worlds)
def test_every_row_is_in_exactly_one_batch(rows):
    planned = [each for batch in plan(rows) for each in batch.rows]
    assert Counter(each.sale_id for each in planned) == Counter(each.sale_id for each in rows)
    assert set(planned) == set(rows)


@unhurried
@given(worlds, st.sets(st.sampled_from(Lane)))
def test_every_batch_keeps_the_rules(rows, only_full):
    for batch in plan(rows, only_full=frozenset(only_full)):
        assert 1 <= len(batch.rows) <= MAX_ROWS
        assert len(batch.location_ids) == len(batch.parts)
        assert all(is_sound(part) for part in batch.parts)
        assert all(part.total or not any(r.transaction.amount for r in part.rows)
                   for part in batch.parts)  # fmt: skip
        if any(each.fence is not None for each in batch.rows):
            assert len(batch.parts) == 1
            assert len({(each.lane, each.fence) for each in batch.rows}) == 1


@unhurried
@given(worlds)
def test_no_batch_without_live_sales_goes_before_one_with_them(rows):
    live = [any(each.lane is Lane.LIVE for each in batch.rows) for batch in plan(rows)]
    assert live == sorted(live, reverse=True)


@unhurried
@given(worlds)
def test_a_plan_is_the_same_for_the_same_rows_in_any_order(rows):
    assert plan(rows) == plan(sorted(rows, key=lambda each: -each.sale_id))


@unhurried
@given(worlds)
def test_only_incomplete_parts_of_the_lane_that_is_told_to_wait_stay_back(rows):
    planned = [each for batch in plan(rows, only_full=frozenset({Lane.BACKFILL}))
               for each in batch.rows]  # fmt: skip
    left = Counter(rows) - Counter(planned)
    assert not Counter(planned) - Counter(rows)
    assert all(each.lane is Lane.BACKFILL and each.fence is None for each in left)


@unhurried
@given(st.integers(0, 350), st.integers(0, 350), st.integers(0, 30))
def test_rows_of_a_sign_go_in_full_hundreds(gains, losses, zeros):
    rows = rows_of(gains) + rows_of(losses, -100, start=1000) + rows_of(zeros, 0, start=2000)
    sizes = Counter(len(batch.rows) for batch in plan(rows))
    host, other = max(gains, losses) + zeros, min(gains, losses)
    if max(gains, losses) >= zeros + 2:  # enough others in each hundred to enclose the zeros
        assert sizes[MAX_ROWS] >= max(gains, losses) // MAX_ROWS
        assert sum(sizes.values()) <= math.ceil(host / MAX_ROWS) + math.ceil(other / MAX_ROWS) + 1


def test_full_batches_are_of_the_oldest_rows():
    first, second, rest = plan(rows_of(230)[::-1])
    assert [each.sale_id for each in first.rows] == list(range(100))
    assert [each.sale_id for each in second.rows] == list(range(100, 200))
    assert [each.sale_id for each in rest.rows] == list(range(200, 230))


@unhurried
@given(
    st.dictionaries(
        st.integers(1, 12), st.tuples(st.integers(0, 250), st.integers(0, 60)), max_size=12
    )
)
def test_the_number_of_requests_is_close_to_the_least_possible(venues):
    rows, chunks = [], {}
    for location, (gains, losses) in venues.items():
        rows += rows_of(gains, location=location, start=len(rows))
        rows += rows_of(losses, -100, location=location, start=len(rows))
        chunks[location] = math.ceil(gains / MAX_ROWS) + math.ceil(losses / MAX_ROWS)
    # Full hundreds go alone; the rests share requests, one of each location in a request.
    full = sum(size // MAX_ROWS for pair in venues.values() for size in pair)
    rests = sum(size % MAX_ROWS for pair in venues.values() for size in pair)
    least = max(full + math.ceil(rests / MAX_ROWS), max(chunks.values(), default=0))
    assert least <= len(plan(rows)) <= max(least, full + math.ceil(1.7 * rests / MAX_ROWS)) + 1


def test_locations_share_a_request_where_that_saves_one():
    rows = [each for location in range(1, 6) for each in rows_of(20, location=location)]
    (batch,) = plan(rows)
    assert batch.location_ids == {1, 2, 3, 4, 5}
    assert len(batch.rows) == 100


def test_backfilled_rows_fill_up_a_live_request():
    (batch,) = plan(rows_of(3, location=1) + rows_of(3, location=2, lane=Lane.BACKFILL, start=9))
    assert [each.lane for each in batch.rows] == [Lane.LIVE] * 3 + [Lane.BACKFILL] * 3


def test_live_goes_first_even_when_it_is_younger():
    old = rows_of(100, lane=Lane.BACKFILL, start=500, at=MONDAY - 20 * DAY_S)
    first, second = plan(old + rows_of(100))
    assert {each.lane for each in first.rows} == {Lane.LIVE}
    assert {each.lane for each in second.rows} == {Lane.BACKFILL}


def test_fenced_rows_go_together_and_alone():
    fenced = rows_of(4, fence=7)
    batches = plan(rows_of(5, start=100) + fenced + rows_of(5, location=2, start=200))
    (alone,) = [batch for batch in batches if batch.rows[0].fence == 7]
    assert set(alone.rows) == set(fenced)
    assert len(batches) == 2


def test_fenced_rows_do_not_wait_for_a_full_part():
    rows = rows_of(2, fence=3, lane=Lane.BACKFILL)
    assert len(plan(rows, only_full=frozenset(Lane))) == 1


def test_gains_and_losses_of_a_location_never_share_a_request():
    batches = plan(rows_of(10) + rows_of(2, -100, start=50))
    assert [len(batch.rows) for batch in batches] == [10, 2]


def test_zeros_stand_between_others():
    (batch,) = plan([row(1, 0), row(2, 500, at=MONDAY + 5), row(3, 500, at=MONDAY + 9)])
    assert [each.transaction.amount for each in batch.rows] == [500, 0, 500]


def test_one_sale_with_zeros_goes_apart_from_them():
    batches = plan([row(1, 0), row(2, 500, at=MONDAY + 5), row(3, 0, at=MONDAY + 9)])
    assert sorted([each.transaction.amount for each in b.rows] for b in batches) == [[0, 0], [500]]


def test_zeros_that_only_another_sale_held_together_are_cut_where_it_is_gone():
    gap_s = MAX_GAP_S - 1
    rows = [row(1, 0), row(2, 500, at=MONDAY + gap_s), row(3, 0, at=MONDAY + 2 * gap_s)]
    assert all(is_sound(part) for batch in plan(rows) for part in batch.parts)


def test_one_late_sale_does_not_stretch_a_part():
    late = row(99, at=MONDAY - 30 * DAY_S)
    first, second = plan([*rows_of(5), late])
    assert [each.sale_id for each in first.rows] == [99]
    assert len(second.rows) == 5


@pytest.mark.parametrize("step_s", [DAY_S, MAX_GAP_S])
def test_a_quiet_place_is_cut_into_fortnights(step_s):
    for batch in plan(rows_of(40, step_s=step_s)):
        (part,) = batch.parts
        assert part.last_created - part.first_created <= MAX_SPAN_S


@pytest.mark.parametrize(
    ("why", "rows"),
    [
        ("nothing", []),
        ("too many", rows_of(101)),
        ("both signs", [row(1, 100), row(2, -100)]),
        ("both signs around a zero", [row(1, 100), row(2, 0), row(3, -1)]),
        ("a zero first", [row(1, 0), row(2, 100)]),
        ("a zero last", [row(1, -100), row(2, 0)]),
        ("a gap", [row(1), row(2, at=MONDAY + MAX_GAP_S + 1)]),
        ("too long", rows_of(6, step_s=MAX_GAP_S)),
        ("another location", [row(1), row(2, location=2)]),
    ],
)
def test_a_part_that_breaks_a_rule_is_not_sound(why, rows):
    assert not is_sound(Part(1, tuple(rows))), why


@pytest.mark.parametrize(
    "rows",
    [
        [row(1)],
        [row(1, 0)],
        [row(1, 0), row(2, 0)],
        [row(1, -5), row(2, 0), row(3, -5)],
        [row(1), row(2, at=MONDAY + MAX_GAP_S)],
        [row(1, at=MONDAY + 5), row(2, at=MONDAY)],
        rows_of(100),
    ],
)
def test_a_part_that_keeps_the_rules_is_sound(rows):
    assert is_sound(Part(1, tuple(rows)))


def test_a_part_knows_its_sum_and_its_ends():
    part = Part(1, (row(1, 5, at=MONDAY + 9), row(2, 0, at=MONDAY + 20), row(3, 7, at=MONDAY)))
    assert (part.total, part.first_created, part.last_created) == (12, MONDAY, MONDAY + 20)


@pytest.mark.parametrize("count", [1, 2, 3, 99, 100])
def test_halves_hold_every_row_once_and_come_to_an_end(count):
    rows = rows_of(count)
    assert [each for half in halves(rows) for each in half] == rows
    assert max(len(half) for half in halves(rows)) <= max(1, math.ceil(count / 2))
    assert all(halves(rows))


@unhurried
@given(worlds)
def test_a_partly_applied_part_cannot_look_whole(rows):
    for batch in plan(rows):
        for part in batch.parts:
            running, seen = 0, defaultdict(int)
            for each in part.rows:
                seen[running] += 1
                running += each.transaction.amount
            assert running == part.total
            assert not (part.total and seen[part.total]), "a first part equals the whole"
