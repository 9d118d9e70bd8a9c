"""Three figures of a day: every cent between them has a name, whatever the sales are."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbridge.reconcile.causes import Cause, CauseName
from tillbridge.reconcile.figures import BusinessDay, DayFigures, Entry, compare
from tillbridge.reconcile.finality import WORDS, DayState, next_state
from tillbridge.reconcile.remainder import CalendarDay, Posted, Unsent, forgotten, name_rest
from tillbridge.states import SaleState

DAY = date(2026, 10, 25)
NOON = int(datetime(2026, 10, 25, 12, tzinfo=UTC).timestamp())


def stamp_day(epoch_s: int) -> date:
    return datetime.fromtimestamp(epoch_s, UTC).date()


def lightspeed(sales: int, net: int, *, complete: bool = True) -> BusinessDay:
    begins = datetime(2026, 10, 25, 4, tzinfo=UTC)
    return BusinessDay(1, DAY, begins, begins + timedelta(hours=25), complete, sales, net)


def entry(state: SaleState, amount: int, **more: object) -> Entry:
    there = amount if state is SaleState.POSTED else 0
    values: dict[str, object] = {
        "sale_id": 1, "location_id": 1, "business_day": DAY, "created_at": NOON, "state": state,
        "reported": amount, "wanted": amount, "there": there, **more,
    }  # fmt: skip
    return Entry(**values)  # type: ignore[arg-type]


def only(entries: list[Entry], total: int, net: int) -> DayFigures:
    reported = {DAY: [lightspeed(len(entries), net)]}
    (figures,) = compare([DAY], entries, reported, {DAY: total}, {}, stamp_day)
    return figures


@pytest.mark.parametrize(
    ("state", "more", "name"),
    [
        (SaleState.WAITING, {}, CauseName.WAITING),
        (SaleState.WAITING, {"is_late": True}, CauseName.LATE),
        (SaleState.SENDING, {}, CauseName.SENDING),
        (SaleState.IN_DOUBT, {}, CauseName.IN_DOUBT),
        (SaleState.HELD, {}, CauseName.HELD),
        (SaleState.QUARANTINED, {"wanted": 0}, CauseName.QUARANTINED),
        (SaleState.SKIPPED, {"wanted": 0}, CauseName.SKIPPED),
        (SaleState.DROPPED, {"wanted": 0}, CauseName.DROPPED),
        (SaleState.REMOVED, {"wanted": 0}, CauseName.REMOVED),
    ],
)
def test_what_is_not_there_is_named_by_its_state(
    state: SaleState, more: dict[str, object], name: CauseName
):
    figures = only([entry(state, 2450, **more)], 0, 2450)
    assert figures.difference == -2450
    assert [(cause.name, cause.amount) for cause in figures.causes] == [(name, -2450)]


def test_what_closed_after_midnight_leaves_one_day_and_enters_the_next():
    night = NOON + 13 * 3600
    entries = [entry(SaleState.POSTED, 1000), entry(SaleState.POSTED, 500, created_at=night)]
    next_day = DAY + timedelta(days=1)
    reported = {DAY: [lightspeed(2, 1500)], next_day: [lightspeed(0, 0)]}
    totals = {DAY: 1000, next_day: 500}
    one, two = compare([DAY, next_day], entries, reported, totals, {}, stamp_day)
    assert one.causes == (Cause(CauseName.AFTER_MIDNIGHT, -500, 1),)
    assert two.causes == (Cause(CauseName.AFTER_MIDNIGHT, 500, 1),)
    assert not one.needs_look


def test_rules_amendments_and_vanished_sales_are_told_apart():
    entries = [
        entry(SaleState.POSTED, 1000, reported=900),  # a service charge of 1.00 is included
        entry(SaleState.POSTED, 700, wanted=300, reported=300, amended=True),
        entry(SaleState.POSTED, 50, listed=False),
    ]
    for one, wanted in zip(entries, (1000, 300, 50), strict=True):
        assert one.wanted == wanted
    figures = only(entries, 1750, 1200)
    assert {cause.name: cause.amount for cause in figures.causes} == {
        CauseName.RULES: 100, CauseName.AMENDED: 400, CauseName.VANISHED: 50,
    }  # fmt: skip


def test_a_cent_that_no_sale_explains_is_unexplained_and_never_left_out():
    figures = only([entry(SaleState.POSTED, 1000)], 1000, 1001)
    assert [(cause.name, cause.amount) for cause in figures.causes] == [(CauseName.UNEXPLAINED, -1)]
    assert figures.needs_look


entries_of_all_kinds = st.builds(
    entry,
    st.sampled_from(list(SaleState)),
    st.integers(-5000, 5000),
    created_at=st.integers(NOON - 80_000, NOON + 80_000),
    reported=st.integers(-5000, 5000),
    wanted=st.integers(-5000, 5000),
    listed=st.booleans(),
    is_late=st.booleans(),
    amended=st.booleans(),
)


@given(
    st.lists(entries_of_all_kinds, max_size=12),
    st.integers(-20_000, 20_000),
    st.booleans(),
    st.booleans(),
    st.integers(-100, 100),
)
def test_the_causes_always_add_up_to_the_difference(
    entries: list[Entry], total: int, exclusive: bool, mature: bool, foreign: int
):
    listed = [one for one in entries if one.listed]
    net = sum(one.reported for one in listed)
    posted = tuple(
        Posted(1, one.created_at or 0, one.there, has_id=True)
        for one in entries
        if one.there and stamp_day(one.created_at or 0) == DAY
    )
    calendar = CalendarDay(total, posted, known_foreign=foreign)
    rest = name_rest(calendar, exclusive=exclusive, mature=mature, proves=True)
    assert sum(cause.amount for cause in rest) == calendar.rest
    reported = {DAY: [lightspeed(len(listed), net)]}
    (figures,) = compare([DAY], entries, reported, {DAY: total}, {DAY: rest}, stamp_day)
    assert sum(cause.amount for cause in figures.causes) == figures.difference


def test_a_day_that_could_not_be_read_claims_nothing():
    (figures,) = compare([DAY], [entry(SaleState.POSTED, 5)], {}, {DAY: 5}, {}, stamp_day)
    assert figures.lightspeed is None
    assert figures.difference is None
    assert next_state(DayState.CLOSED, figures)[0] is DayState.CLOSED


def figures_of(*causes: Cause, complete: bool = True) -> DayFigures:
    total = sum(cause.amount for cause in causes)
    return DayFigures(DAY, (1, 0), (1, 0), (1, 0), total, complete, causes)


@pytest.mark.parametrize(
    ("before", "causes", "complete", "state"),
    [
        (None, (), False, DayState.OPEN),
        (None, (Cause(CauseName.WAITING, -5, 1),), True, DayState.CLOSING),
        (DayState.CLOSING, (Cause(CauseName.SKIPPED, -5, 1),), True, DayState.CLOSED),
        (DayState.CLOSED, (Cause(CauseName.MISSING, -5, 1),), True, DayState.REOPENED),
        (DayState.REOPENED, (Cause(CauseName.WAITING, -5, 1),), True, DayState.REOPENED),
        (DayState.REOPENED, (), True, DayState.CLOSED),
        (DayState.CLOSED, (Cause(CauseName.FOREIGN, 5),), True, DayState.CLOSED),
    ],
)
def test_a_day_is_open_closing_closed_or_reopened(
    before: DayState | None, causes: tuple[Cause, ...], complete: bool, state: DayState
):
    found, why = next_state(before, figures_of(*causes, complete=complete))
    assert found is state
    assert bool(why) is (state is not DayState.CLOSED)


def test_people_have_a_word_for_every_cause():
    assert WORDS.keys() == set(CauseName)


def test_what_an_old_ledger_forgot_is_all_or_the_first_in_one_way_only():
    waiting = tuple(Unsent(n, 100 * n, amount) for n, amount in enumerate((500, 300, -300, 200)))
    assert forgotten(CalendarDay(700, (), unsent=waiting)) == waiting
    assert forgotten(CalendarDay(800, (), unsent=waiting)) == waiting[:2]
    assert forgotten(CalendarDay(500, (), unsent=waiting)) is None  # one, or three
    assert forgotten(CalendarDay(300, (), unsent=waiting)) is None


def test_whether_sales_of_nothing_were_forgotten_only_the_last_request_can_tell():
    waiting = tuple(Unsent(n, 100 * n, amount) for n, amount in enumerate((500, 0, 0, 300)))
    assert forgotten(CalendarDay(500, (), unsent=waiting)) is None
    assert forgotten(CalendarDay(500, (), unsent=waiting), 150) == waiting[:2]
    assert forgotten(CalendarDay(800, (), unsent=waiting), 150) == waiting
    ends = (*waiting, Unsent(4, 400, 0))
    assert forgotten(CalendarDay(800, (), unsent=ends)) == ends
    assert forgotten(CalendarDay(800, (), unsent=ends), 350) == waiting
