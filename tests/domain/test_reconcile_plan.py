"""Which action makes a day right: the smallest, and none where nothing can be told or is allowed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tillbridge.reconcile.plan import (
    CHEAPER_TO_REPLACE,
    Adopt,
    DropCopies,
    Leave,
    Permit,
    PutBack,
    ReplaceDay,
    TakeOut,
    plan,
)
from tillbridge.reconcile.remainder import Amended, CalendarDay, Posted, Unsent
from tillbridge.reconcile.zones import is_doubtful, likeliest

DAY = date(2026, 11, 19)
HOLD = Permit(exclusive=True, may_replace=False, by_person=True)
REPLACE = Permit(exclusive=True, may_replace=True, by_person=True)
SHARED = Permit(exclusive=False, may_replace=False, by_person=True)


def day(difference: int, *amounts: int, ids: bool = True, **more: object) -> CalendarDay:
    rows = tuple(Posted(n, 1000 + 60 * n, amount, ids) for n, amount in enumerate(amounts))
    return CalendarDay(sum(amounts) + difference, rows, **more)  # type: ignore[arg-type]


def step(calendar: CalendarDay, permit: Permit) -> object:
    found = plan({DAY: calendar}, permit)
    assert len(found) <= 1
    return found[0] if found else None


def test_a_day_that_is_right_is_left_in_peace():
    assert step(day(0, 100, 200), HOLD) is None
    assert step(day(77, 100, 200, known_foreign=77), SHARED) is None


def test_one_missing_sale_is_taken_out_and_put_back():
    for permit in (HOLD, REPLACE, SHARED):
        assert step(day(-200, 100, 200, 300), permit) == TakeOut(DAY, (1,), 200)


def test_a_missing_refund_makes_a_day_too_large():
    assert step(day(50, 100, -50, 300), HOLD) == TakeOut(DAY, (1,), -50)


def test_two_missing_sales_are_looked_for_in_the_pairs_that_fit():
    assert step(day(-500, 100, 200, 300, 1000), HOLD) == TakeOut(DAY, (1, 2), 500)


def test_many_missing_sales_are_looked_for_in_all_unless_the_day_may_be_emptied():
    amounts = [101 * n for n in range(1, CHEAPER_TO_REPLACE + 3)]
    found = step(day(-sum(amounts), *amounts), HOLD)
    assert isinstance(found, TakeOut)
    assert len(found.sale_ids) == len(amounts)
    assert isinstance(step(day(-sum(amounts), *amounts), REPLACE), ReplaceDay)


def test_sales_without_ids_are_put_back_only_if_they_are_all_that_is_missing():
    assert step(day(-300, 100, 200, ids=False), HOLD) == PutBack(DAY, (0, 1))
    assert isinstance(step(day(-200, 100, 200, ids=False), HOLD), Leave)


def test_a_doubled_sale_goes_by_the_id_that_is_known():
    assert step(day(200, 100, 200), HOLD) == DropCopies(DAY, (1,), None)
    # Of two sales of this amount, nobody can tell which is there twice.
    assert not isinstance(step(day(200, 200, 200), HOLD), DropCopies)


def test_a_request_that_arrived_after_all_goes_before_any_guess():
    calendar = day(300, 100, 200, 300, abandoned=((7, 300),))
    assert step(calendar, SHARED) == DropCopies(DAY, (), 7)
    tried = Permit(exclusive=True, may_replace=False, by_person=True, tried_parts=frozenset({7}))
    assert step(calendar, tried) == DropCopies(DAY, (2,), None)


def test_others_rows_are_left_where_others_may_write():
    found = step(day(1234, 100, 200), SHARED)
    assert isinstance(found, Leave)


def test_where_others_write_too_a_person_can_have_all_of_ours_looked_for():
    by_night = Permit(exclusive=False, may_replace=False, by_person=False)
    assert isinstance(step(day(-33, 100, 200), by_night), Leave)
    assert step(day(-33, 100, 200), SHARED) == TakeOut(DAY, (0, 1), 33)
    tried = Permit(False, False, by_person=True, tried_sales=frozenset({0, 1}))
    assert isinstance(step(day(-33, 100, 200), tried), Leave)


def test_no_window_is_emptied_for_more_than_the_days_sales_can_explain():
    assert isinstance(step(day(301, 100, 200), REPLACE), Leave)
    assert isinstance(step(day(299, 100, 200), REPLACE), ReplaceDay)
    empty = CalendarDay(500, ())
    assert isinstance(step(empty, REPLACE), Leave)


def test_no_round_repeats_one_before():
    permit = Permit(
        exclusive=True, may_replace=True, by_person=True, tried_sales=frozenset({0, 1}),
        tried_copies=frozenset({0, 1}), tried_days=frozenset({DAY}),
    )  # fmt: skip
    for difference in (-200, 200, 55):
        assert isinstance(step(day(difference, 100, 200), permit), Leave)


def test_more_deletes_than_allowed_are_left_for_another_time():
    amounts = [101 * n for n in range(1, 12)]
    few = Permit(exclusive=True, may_replace=False, by_person=True, most_deletes=5)
    found = step(day(-sum(amounts), *amounts), few)
    assert isinstance(found, Leave)
    assert "more requests" in found.reason


def test_waiting_sales_are_adopted_only_by_a_person_and_at_a_stop_of_an_old_ledger():
    waiting = (Unsent(8, 1, 300), Unsent(9, 2, 400))
    calendar = day(700, 100, unsent=waiting)
    old = Permit(exclusive=True, may_replace=False, by_person=True, stop="old_ledger")
    assert step(calendar, old) == Adopt(DAY, (8, 9), (), 700)
    nights = [Permit(True, False, by_person=False, stop=s) for s in ("old_ledger", "unexplained")]
    for permit in (HOLD, *nights):
        assert not isinstance(step(calendar, permit), Adopt)


def test_what_was_amended_after_the_copy_is_adopted_with_the_rest():
    old = Permit(exclusive=True, may_replace=False, by_person=True, stop="old_ledger")
    calendar = day(170, 100, unsent=(Unsent(8, 1, 120),), amended=(Amended(0, 50),))
    assert step(calendar, old) == Adopt(DAY, (8,), (0,), 170)


def _month(zone: str) -> tuple[list[tuple[int, int]], dict[date, int]]:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [(int((start + timedelta(hours=n)).timestamp()), 100 + n) for n in range(24, 240)]
    totals: dict[date, int] = {}
    for stamp, amount in rows:
        local = datetime.fromtimestamp(stamp, ZoneInfo(zone)).date()
        totals[local] = totals.get(local, 0) + amount
    return rows, totals


def test_the_zone_of_days_is_found_near_and_far():
    near = [ZoneInfo("Europe/London"), ZoneInfo("UTC"), ZoneInfo("Asia/Tokyo")]
    for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
        found = likeliest(*_month(zone), near)
        here, there = ZoneInfo(zone), found
        moment = datetime(2026, 11, 5, tzinfo=UTC)
        assert moment.astimezone(here).utcoffset() == moment.astimezone(there).utcoffset()


def test_one_wrong_day_is_no_reason_to_doubt_the_zone():
    assert not is_doubtful([(10, 0), (10, 0), (10, -500), (0, 0)])
    assert is_doubtful([(10, 5), (10, -5), (10, 7), (10, 0)])


def test_an_old_ledger_is_told_nothing_by_ids_and_some_stops_are_ended_by_no_repair():
    old = Permit(exclusive=True, may_replace=False, by_person=True, stop="old_ledger")
    assert isinstance(step(day(-200, 100, 200), old), Leave)
    replacing = Permit(exclusive=True, may_replace=True, by_person=True, stop="old_ledger")
    waiting = (Unsent(8, 1, 300, 9_000), Unsent(9, 2, -20, 9_060))
    calendar = day(170, 100, unsent=waiting)
    assert step(calendar, replacing) == ReplaceDay(DAY, 1000, 9_060, 170)
    for stop in ("not_empty", "location_refused"):
        permit = Permit(exclusive=True, may_replace=True, by_person=True, stop=stop)
        assert isinstance(step(day(-200, 100, 200), permit), Leave)
    by_night = Permit(exclusive=True, may_replace=True, by_person=False, stop="old_ledger")
    assert isinstance(step(calendar, by_night), Leave)


def test_an_old_ledgers_day_is_emptied_even_if_it_remembers_nothing_of_it():
    waiting = (Unsent(8, 1, 300, 9_000), Unsent(9, 2, 400, 9_060))
    calendar = day(650, unsent=waiting)
    old = Permit(exclusive=True, may_replace=True, by_person=True, stop="old_ledger")
    assert step(calendar, old) == ReplaceDay(DAY, 9_000, 9_060, 650)
    assert isinstance(step(calendar, REPLACE), Leave)  # else it may all be somebody else's
    assert isinstance(step(day(650_000, unsent=waiting), old), Leave)


def test_a_day_from_which_all_was_taken_out_is_still_known_to_be_ours():
    taken_out = (Unsent(8, 1, 300, 9_000), Unsent(9, 2, 400, 9_060))
    permit = Permit(True, True, by_person=True, tried_sales=frozenset({8, 9}))
    assert step(day(300, unsent=taken_out, attempted=True), permit) == ReplaceDay(
        DAY, 9_000, 9_060, 300
    )
    left = step(day(300, unsent=taken_out, attempted=True), HOLD)
    assert isinstance(left, Leave)
    assert "none of tillbridge's own" in left.reason
    assert isinstance(step(day(300, unsent=taken_out), permit), Leave)  # never sent there


def test_what_was_not_found_under_an_old_id_goes_back_only_if_just_that_is_missing():
    tried = Permit(exclusive=True, may_replace=False, by_person=True, tried_sales=frozenset({1}))
    rows = (Posted(0, 1000, 100, has_id=True), Posted(1, 1060, 250, has_id=False))
    assert step(CalendarDay(100, rows), tried) == PutBack(DAY, (1,))
    assert not isinstance(step(CalendarDay(250, rows), tried), PutBack)


def test_a_sale_of_nothing_that_closed_after_the_last_request_is_not_taken_over():
    old = Permit(True, False, by_person=True, stop="old_ledger", last_request_ms=250)
    waiting = (Unsent(7, 100, 300), Unsent(8, 200, 0), Unsent(9, 300, 0))
    assert step(day(300, 100, unsent=waiting), old) == Adopt(DAY, (7, 8), (), 300)
    amended = (Amended(0, 50),)
    calendar = day(350, 100, unsent=waiting, amended=amended)
    assert step(calendar, old) == Adopt(DAY, (7, 8), (0,), 350)
