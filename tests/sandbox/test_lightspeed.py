"""Lightspeed's double over real HTTP: windows, pages, words of refusal."""

from collections import Counter
from datetime import timedelta

import pytest

FROM, TO = "2026-10-16T00:00:00Z", "2026-10-18T00:00:00Z"


def references(pages):
    return [sale["accountReference"] for page in pages for sale in page]


@pytest.mark.parametrize(("style", "repeats"), [("offset", False), ("stamp-inclusive", True)])
def test_all_sales_come_and_only_stamps_repeat_them(serve, style, repeats):
    caller = serve(token_style=style)
    place = caller.sandbox.locations[0]
    found = references(caller.pages(from_=FROM, to=TO, pageSize=100))
    assert len(set(found)) == caller.sandbox.lightspeed_truth()[place.lightspeed_id].sales
    assert (len(found) > len(set(found))) is repeats


def test_an_exclusive_stamp_skips_equal_stamps_at_the_edges(serve):
    caller = serve(token_style="stamp-exclusive")
    place = caller.sandbox.locations[0]
    # A window that starts with the trade: then the edges of its pages are the trade's.
    found = references(caller.pages(from_=FROM, to=TO, pageSize=100))
    sales = caller.sandbox.lightspeed_truth()[place.lightspeed_id].sales
    assert len(found) == len(set(found))
    assert len(found) < sales


def test_pages_are_sorted_by_closing_time_and_never_above_a_hundred(serve):
    caller = serve(token_style="offset")
    pages = caller.pages(from_=FROM, to=TO, pageSize=100)
    assert [len(page) for page in pages[:-1]] == [100] * (len(pages) - 1)
    closed = [sale["timeClosed"].rstrip("Z") for page in pages for sale in page]
    assert closed == sorted(closed)
    assert len(caller.sales(from_=FROM, to=TO).json()["sales"]) == 50
    assert caller.sales(from_=FROM, to=TO, pageSize=101).status_code == 400
    assert caller.sales(from_=FROM, to=TO, pageSize=0).status_code == 400


def test_a_token_belongs_to_its_window(serve):
    caller = serve(token_style="offset")
    token = caller.sales(from_=FROM, to=TO).json()["nextPageToken"]
    other = caller.sales(from_="2026-10-15T00:00:00Z", to=TO, nextPageToken=token)
    assert other.status_code == 400
    assert caller.sales(from_=FROM, to=TO, nextPageToken="no token").status_code == 400


def test_windows_hold_their_ends_or_not_as_told(serve):
    inclusive, exclusive = serve(), serve(from_ends="exclusive", to_ends="exclusive")
    sales = inclusive.pages(from_=FROM, to=TO)[0]
    one = sales[3]["timeClosed"]
    same = [sale for sale in sales if sale["timeClosed"] == one]
    assert inclusive.pages(from_=one, to=one) == [same]
    assert exclusive.pages(from_=one, to=one) == [[]]
    following = exclusive.sales(from_=one, to=TO).json()["sales"][0]
    assert following["timeClosed"] > one


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "Required request parameter 'from' for method parameter type OffsetDateTime"),
        ({"from_": "12/12/2023"}, "Invalid date format: 12/12/2023"),
        ({"from_": "2026-10-16T00:00:00"}, "Invalid date format: 2026-10-16T00:00:00"),
        ({"from_": TO, "to": FROM}, "Invalid date range: 'from' date 2026-10-18T"),
        ({"from_": "2025-10-01T00:00:00Z", "to": TO}, "Invalid date range"),
    ],
)
def test_what_is_wrong_with_a_window_is_said_in_the_vendors_words(untouched, query, words):
    answer = untouched.sales(**query)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_a_plus_that_was_not_encoded_is_a_blank_and_refused(untouched):
    caller = untouched
    caller.sign_in()
    place = caller.sandbox.locations[0]
    url = f"{caller.sandbox.lightspeed_url}/f/v2/business-location/{place.lightspeed_id}/sales"
    headers = {"Authorization": f"Bearer {caller.access}"}
    bare = caller.http.get(f"{url}?from=2026-10-16T00:00:00+01:00", headers=headers)
    encoded = caller.http.get(f"{url}?from=2026-10-16T00:00:00%2B01:00", headers=headers)
    assert (bare.status_code, encoded.status_code) == (400, 200)


def test_before_it_existed_the_answer_names_the_earliest_date(untouched):
    caller = untouched
    answer = caller.sales(1, from_="2026-09-01T00:00:00Z")
    assert answer.status_code == 400
    words = answer.json()["error"]
    assert "was not operational on the provided date" in words
    earliest = words.split("after: ")[1].split(", which")[0]
    assert earliest == "2026-10-09T00:00:00+02:00"
    assert caller.sales(1, from_=earliest).status_code == 200


def test_a_business_day_comes_whole_with_the_start_of_the_next(untouched):
    caller = untouched
    place = caller.sandbox.locations[1]
    path = f"/f/v2/business-location/{place.lightspeed_id}/sales-daily"
    body = caller.lightspeed(path, date="2026-10-16").json()
    assert len(body["sales"]) == caller.sandbox.lightspeed_truth()[place.lightspeed_id].sales
    assert body["nextStartOfDayAsIso8601"] == "2026-10-17T05:00:00+02:00"
    assert body["dataComplete"] is True
    assert caller.lightspeed(path, date="2026-10-15").json()["sales"] == []
    assert caller.lightspeed(path, date="16.10.2026").status_code == 400


def test_businesses_name_locations_with_ids_of_64_bits_zones_and_currency(untouched):
    body = untouched.lightspeed("/f/data/businesses").json()
    found = [
        (business["currencyCode"], location["blID"], location["timezone"])
        for business in body["_embedded"]["businessList"]
        for location in business["businessLocations"]
    ]
    assert found == [
        ("GBP", 45454565682155, "Europe/London"),
        ("EUR", 9223372036854700007, "Europe/Berlin"),
    ]


def test_a_sale_that_closes_now_appears_and_is_part_of_the_truth(serve):
    caller = serve()
    place = caller.sandbox.locations[0]
    before = caller.sandbox.lightspeed_truth()[place.lightspeed_id]
    start = "2026-10-17T04:00:00Z"
    assert caller.pages(from_=start) == [[]]
    live = caller.sandbox.close_sale(0)
    late = caller.sandbox.close_sale(0, ago=timedelta(hours=1))
    assert caller.pages(from_=start) == [[late, live]]
    after = caller.sandbox.lightspeed_truth()[place.lightspeed_id]
    assert after.sales == before.sales + 2
    assert len(caller.sandbox.expected_rows(place.lightspeed_id)) == after.sales


def test_history_is_made_day_by_day_and_sums_up(serve):
    caller = serve(days=40, sales_per_day=20, locations=1)
    place = caller.sandbox.locations[0]
    found = references(caller.pages(from_="2026-09-01T12:00:00Z", to=TO, pageSize=100))
    truth = caller.sandbox.lightspeed_truth()[place.lightspeed_id]
    assert len(set(found)) == truth.sales > 40 * 15
    rows = caller.sandbox.expected_rows(place.lightspeed_id)
    assert sum(row.amount for row in rows) == truth.net
    assert Counter(row.currency for row in rows) == {"GBP": truth.sales}
