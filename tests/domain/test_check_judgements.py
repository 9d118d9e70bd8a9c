"""What a check concludes from facts: writers, places, disk and clock, without asking anybody."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from tillbridge.check.machine import judge_clock, judge_disk
from tillbridge.check.places import Configured, judge_places
from tillbridge.check.report import Report, Verdict, failed, passed, warned
from tillbridge.check.writers import Bucket, Target, judge_writers, unexplained
from tillbridge.matching import Place

BERLIN, ZULU = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
DAY = date(2026, 11, 10)


def at(hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 11, 10, hour, minute, tzinfo=UTC).timestamp())


def sure(amount: int, hour: int = 12) -> Bucket:
    return Bucket(at(hour), None, True, amount)


def totals(amount: int, **others: int) -> dict[date, int]:
    return {DAY: amount, date(2026, 11, 11): others.get("after", 0)}


def target(**more) -> Target:
    base = {"exclusive": True, "zones": (BERLIN, ZULU), "first_day": date(2026, 11, 1)}
    return Target(7, "Bar", "EUR", **(base | more))


def test_what_was_posted_is_explained_and_a_cent_more_or_less_is_not():
    assert unexplained(totals(500), [sure(300), sure(200)], ZULU) == []
    for total in (501, 499, 0):
        (found,) = unexplained(totals(total), [sure(300), sure(200)], ZULU)
        assert (found.day, found.expected, found.excess) == (DAY, 500, total - 500)


def test_requests_that_may_not_show_yet_count_as_a_whole_or_not_at_all():
    buckets = [sure(100), Bucket(at(13), 1, True, 300), Bucket(at(14), 1, True, -50),
               Bucket(at(13), 2, False, 40)]  # fmt: skip
    for total in (100, 350, 140, 390):
        assert unexplained(totals(total), buckets, ZULU) == []
    for total in (400, 50, 349, 0):
        (found,) = unexplained(totals(total), buckets, ZULU)
        assert found.excess == total - 350


def test_of_very_many_open_requests_only_the_bounds_are_known():
    buckets = [Bucket(at(13), number, True, 10) for number in range(40)]
    assert unexplained(totals(395), buckets, ZULU) == []
    assert len(unexplained(totals(401), buckets, ZULU)) == 1


def test_a_sale_before_midnight_is_looked_for_on_the_day_of_either_zone():
    late = sure(100, hour=23)  # the 11th in Berlin
    assert (
        judge_writers(target(), totals(0, after=100), [late], unsettled=False).verdict == "passed"
    )
    assert judge_writers(target(), totals(100), [late], unsettled=False).verdict == "passed"
    known = target(zones=(ZULU,))
    assert judge_writers(known, totals(0, after=100), [late], unsettled=False).verdict == "failed"


def test_what_was_there_before_the_first_day_is_no_business_of_ours():
    later = target(first_day=date(2026, 11, 11))
    assert judge_writers(later, totals(500), [], unsettled=False).verdict is Verdict.PASSED
    assert judge_writers(later, totals(501), [sure(1)], unsettled=False).verdict is Verdict.FAILED


def test_while_sales_are_taken_back_nothing_is_judged():
    assert judge_writers(target(), totals(5), [], unsettled=True).verdict is Verdict.WARNED


def test_where_others_may_write_their_amount_is_told_and_passes():
    item = judge_writers(target(exclusive=False), totals(1234), [], unsettled=False)
    assert item.verdict is Verdict.PASSED
    assert "12.34 EUR" in item.text


@pytest.mark.parametrize(
    ("total", "part"),
    [(1000, "switched on too"), (1005, "switched on too"), (700, "Find out who")],
)
def test_a_total_twice_ours_looks_like_a_second_integration(total, part):
    item = judge_writers(target(), totals(total), [sure(500)], unsettled=False)
    assert part in item.remedy


PLACE = Configured("Bar", 1, 7, "Europe/Berlin", "EUR")
TILL, TEAM = Place(1, "Bar", "Europe/Berlin", "EUR"), Place(7, "BAR")


def verdicts(place=PLACE, till=TILL, team=TEAM) -> list[tuple[str, str]]:
    return [(one.name, str(one.verdict)) for one in judge_places([place], [till], [team])]


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "passed"),
        ({"till": Place(1, "Bar", "Europe/Copenhagen", "EUR")}, "passed"),  # the same time
        ({"till": Place(1, "Bar", "Europe/London", "EUR")}, "warned"),
        ({"till": Place(1, "Bar", "Moon/Base", "EUR")}, "warned"),
        ({"till": Place(1, "Bar", None, None)}, "passed"),
        ({"till": Place(1, "Bar", "Europe/Berlin", "CHF")}, "failed"),
        ({"till": Place(2, "Bar", "Europe/Berlin", "EUR")}, "failed"),
        ({"team": Place(8, "Bar")}, "failed"),
        ({"team": Place(7, "Bar", active=False)}, "warned"),
        ({"team": Place(7, "Another")}, "warned"),
    ],
)
def test_a_location_is_compared_with_both_sides(change, verdict):
    assert verdicts(**change)[0] == ("Location Bar", verdict)


def test_what_could_not_be_listed_is_not_judged():
    assert [str(one.verdict) for one in judge_places([PLACE], None, None)] == ["warned"]


def test_the_worst_failure_gives_the_exit_code_and_warnings_give_none():
    report = Report()
    report.add(passed("a", "."), warned("b", ".", "."))
    assert report.exit_code == 0
    report.add(failed("c", ".", "."))
    assert report.exit_code == 3
    report.add(failed("d", ".", ".", 77), failed("e", ".", ".", 3))
    assert report.exit_code == 77
    assert report.document()["ok"] is False


@pytest.mark.parametrize(("free", "verdict"), [(5e9, "passed"), (5e8, "warned"), (5e7, "failed")])
def test_a_full_disk_is_foreseen(free, verdict):
    assert judge_disk(int(free), "/x").verdict == verdict


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        ({}, "warned"),
        ({"Lightspeed": 1.5}, "passed"),
        ({"Lightspeed": 90.0}, "warned"),
        ({"Lightspeed": -4000.0}, "failed"),
        ({"Lightspeed": -4000.0, "Connecteam": 0.3}, "passed"),  # a vendor's clock is wrong
    ],
)
def test_a_clock_is_wrong_only_if_no_vendor_agrees_with_it(ahead, verdict):
    assert judge_clock(ahead).verdict == verdict
