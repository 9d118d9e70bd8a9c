"""Connecteam's double over real HTTP: what it takes, refuses, adds up and removes."""

import time
from decimal import Decimal

import pytest

from sandbox.caller import item
from tillbridge.sandbox import Row

NOON = 1792152000  # 2026-10-16T12:00:00Z


def test_without_a_key_and_with_a_wrong_one(untouched):
    caller = untouched
    bare = caller.http.get(f"{caller.sandbox.connecteam_url}/sales/v1/locations")
    assert bare.status_code == 401
    wrong = caller.connecteam("GET", "/locations", key="wrong")
    assert (wrong.status_code, wrong.json()) == (403, {"detail": "Invalid API key"})


def test_client_credentials_give_a_token_for_the_scopes_asked(untouched):
    caller = untouched
    sandbox = caller.sandbox
    auth = (sandbox.connecteam_client_id, sandbox.connecteam_client_secret)
    url = f"{sandbox.connecteam_url}/oauth/v1/token"
    assert caller.http.post(url, auth=("who", "knows")).status_code == 401
    assert caller.http.post(url, auth=auth, data={"scope": "everything"}).status_code == 403
    assert caller.http.post(url, auth=auth, data={"grant_type": "password"}).status_code == 400
    body = caller.http.post(url, auth=auth, data={"scope": "sales_data.read"}).json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 86_400)
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    locations = f"{sandbox.connecteam_url}/sales/v1/locations"
    assert caller.http.get(locations, headers=headers).status_code == 200
    assert caller.http.post(locations, headers=headers, json={"name": "x"}).status_code == 403
    granted = caller.http.post(url, auth=auth).json()["scope"]
    assert granted == "sales_data.read sales_data.write sales_data.delete"


def test_locations_come_in_pages_and_can_be_created_once(serve):
    caller = serve()
    first = caller.connecteam("GET", "/locations", params={"limit": 1}).json()
    assert first["data"]["locations"] == [{"id": 123, "name": "Harbour Street", "isActive": True}]
    offset = first["paging"]["offset"]
    last = caller.connecteam("GET", "/locations", params={"limit": 1, "offset": offset}).json()
    assert last["data"]["locations"][0]["name"] == "Königsallee Düsseldorf"
    assert "paging" not in last
    made = caller.connecteam("POST", "/locations", json={"name": "Café Zoë"})
    assert made.json()["data"]["name"] == "Café Zoë"
    assert made.json()["requestId"] == made.headers["x-request-id"]
    assert caller.connecteam("POST", "/locations", json={"name": "Café Zoë"}).status_code == 409
    assert caller.connecteam("POST", "/locations", json={}).status_code == 422
    query = {"locationIds": [made.json()["data"]["id"], 123]}
    assert (
        len(caller.connecteam("GET", "/locations", params=query).json()["data"]["locations"]) == 2
    )


def test_accepted_rows_are_echoed_with_their_own_ids_digit_for_digit(serve):
    caller = serve(echo_shuffled=False)
    answer = caller.post(item(), item(finalSaleAmount=-0.1, taxAmount=None), item(locationId=456))
    rows = answer.json()["data"]["transactions"]
    assert len({row["transactionId"] for row in rows}) == 3
    assert [row["locationId"] for row in rows] == [123, 123, 456]
    assert '"finalSaleAmount":-0.1,' in answer.text
    assert caller.sandbox.connecteam_rows(123) == [
        Row(123, "SALE", NOON, Decimal("8.33"), Decimal("1.67"), "GBP"),
        Row(123, "SALE", NOON, Decimal("-0.1"), None, "GBP"),
    ]
    assert caller.sandbox.connecteam_ids(456) == [rows[2]["transactionId"]]


def test_the_echo_comes_in_another_order_unless_told_otherwise(serve):
    items = [item(createdAt=NOON + index) for index in range(60)]
    rows = serve().post(*items).json()["data"]["transactions"]
    stamps = [row["createdAt"] for row in rows]
    assert sorted(stamps) == [it["createdAt"] for it in items]
    assert stamps != sorted(stamps)


def test_a_hundred_rows_are_taken_and_a_hundred_and_one_refused(serve):
    caller = serve()
    assert caller.post(*[item()] * 100).status_code == 200
    much = caller.post(*[item()] * 101)
    assert much.status_code == 422
    assert much.json()["detail"][0] == {
        "loc": ["body", "transactionsCreateRequest"],
        "msg": "ensure this value has at most 100 items",
        "type": "value_error.list.max_items",
        "ctx": {"limit_value": 100},
    }
    assert caller.post().status_code == 422
    assert caller.sandbox.connecteam_truth()[123].sales == 100


@pytest.mark.parametrize(
    ("change", "field", "kind"),
    [
        ({"saleType": "GIFT"}, "saleType", "type_error.enum"),
        ({"createdAt": "noon"}, "createdAt", "type_error.integer"),
        ({"createdAt": NOON * 1000}, "createdAt", "value_error.timestamp"),
        ({"finalSaleAmount": "much"}, "finalSaleAmount", "type_error.float"),
        ({"finalSaleAmount": None}, "finalSaleAmount", "type_error.none.not_allowed"),
        ({"taxAmount": []}, "taxAmount", "type_error.float"),
        ({"currency": {}}, "currency", "type_error.str"),
    ],
)
def test_a_wrong_item_is_named_by_its_place_and_nothing_is_written(untouched, change, field, kind):
    caller = untouched
    answer = caller.post(item(), item(), item(**change))
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == ["body", "transactionsCreateRequest", 2, field]
    assert problem["type"] == kind
    assert caller.sandbox.connecteam_truth()[123].sales == 0


def test_every_wrong_item_is_named_at_once(untouched):
    lacking = item()
    del lacking["createdAt"]
    answer = untouched.post(lacking, item(saleType="?", finalSaleAmount="?"), 5)
    places = [tuple(problem["loc"][2:]) for problem in answer.json()["detail"]]
    assert places == [(0, "createdAt"), (1, "saleType"), (1, "finalSaleAmount"), (2,)]


def test_what_is_not_json_is_named_so(untouched):
    caller = untouched
    answer = caller.connecteam("POST", "/transactions", content=b'{"a": nope')
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["type"] == "value_error.jsondecode"


def test_an_unknown_location_refuses_the_whole_request(untouched):
    caller = untouched
    answer = caller.post(item(), item(locationId=999))
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"].startswith("LOCATION_NOT_FOUND: ")
    assert body["path"] == "/sales/v1/transactions"
    assert body["request_id"] == answer.headers["x-request-id"]
    assert caller.sandbox.connecteam_truth()[123].sales == 0


def test_daily_totals_are_exact_and_days_without_data_are_absent(serve):
    caller = serve()
    caller.post(
        *[item(finalSaleAmount=0.1)] * 3, item(createdAt=NOON + 86_400), item(locationId=456)
    )
    totals = caller.totals("2026-10-15", "2026-10-31", locationIds=123)
    assert [(it["date"], it["totalSales"], it["projectedSales"]) for it in totals] == [
        ("2026-10-16", 0.3, None),
        ("2026-10-17", 8.33, None),
    ]
    assert {it["locationId"] for it in caller.totals("2026-10-15", "2026-10-31")} == {123, 456}
    for query in ({"startDate": "2026-10-17", "endDate": "2026-10-16"}, {"locationIds": 9}):
        asked = {"startDate": "2026-10-16", "endDate": "2026-10-16", **query}
        assert caller.connecteam("GET", "/daily-sales", params=asked).status_code == 400
    missing = caller.connecteam("GET", "/daily-sales", params={"startDate": "2026-10-16"})
    assert missing.json()["detail"][0]["loc"] == ["query", "endDate"]


def test_days_follow_the_zone_that_was_chosen(serve):
    late = item(createdAt=NOON + 11 * 3600)  # 23:00 UTC, the next morning in Tokyo
    for zone, day in (("UTC", "2026-10-16"), ("Asia/Tokyo", "2026-10-17")):
        caller = serve(day_zone=zone)
        caller.post(late)
        assert [it["date"] for it in caller.totals("2026-10-01", "2026-10-31")] == [day]


def test_totals_lag_behind_the_writes(serve):
    caller = serve(totals_lag_s=0.4)
    caller.post(item())
    assert caller.totals("2026-10-16", "2026-10-16") == []
    time.sleep(0.5)
    assert caller.totals("2026-10-16", "2026-10-16")[0]["totalSales"] == 8.33


@pytest.mark.parametrize(
    ("ends", "left"), [("inclusive", [NOON + 2]), ("exclusive", [NOON + 1, NOON + 2])]
)
def test_a_window_delete_holds_its_end_or_not(serve, ends, left):
    caller = serve(delete_ends=ends)
    caller.post(*[item(createdAt=NOON + second) for second in range(3)], item(locationId=456))
    window = {"locationId": 123, "startTime": NOON, "endTime": NOON + 1}
    answer = caller.connecteam("DELETE", "/transactions", params=window)
    assert (answer.status_code, answer.json()["data"]) == (200, {})
    assert [row.created_at for row in caller.sandbox.connecteam_rows(123)] == left
    assert len(caller.sandbox.connecteam_rows(456)) == 1
    assert (
        caller.connecteam("DELETE", "/transactions", params={"locationId": 123}).status_code == 422
    )


def test_a_single_delete_works_once_and_leaves_the_totals(serve):
    caller = serve()
    name = caller.post(item()).json()["data"]["transactions"][0]["transactionId"]
    assert caller.connecteam("DELETE", f"/transactions/{name}").status_code == 200
    again = caller.connecteam("DELETE", f"/transactions/{name}")
    assert again.status_code == 404
    assert again.json()["error"].startswith("TRANSACTION_NOT_FOUND")
    assert caller.totals("2026-10-16", "2026-10-16") == []


def test_projections_are_set_replaced_and_refused_twice_for_a_day(serve):
    caller = serve()
    path = "/locations/123/daily-sales"
    day = {"date": "2026-10-20", "projectedSales": 1200.5}
    first = caller.connecteam("PUT", path, json={"updates": [day]}).json()["data"]
    assert first["daysAffected"] == 1
    assert first["updatedDays"][0]["totalSales"] is None
    changed = day | {"projectedSales": 900}
    caller.connecteam("PUT", path, json={"updates": [changed]})
    assert caller.totals("2026-10-20", "2026-10-20")[0]["projectedSales"] == 900
    assert caller.connecteam("PUT", path, json={"updates": [day, day]}).status_code == 400
    assert caller.connecteam("PUT", path, json={"updates": []}).status_code == 422
    elsewhere = caller.connecteam("PUT", "/locations/9/daily-sales", json={"updates": [day]})
    assert elsewhere.status_code == 400


def test_the_small_plan_takes_five_requests_a_minute_and_says_how_many_are_left(serve):
    caller = serve(plan="small")
    while time.time() % 60 > 55:  # a new minute must not begin within the test
        time.sleep(0.5)
    answers = [caller.connecteam("GET", "/locations") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    left = [answer.headers["x-ratelimit-minute-remaining"] for answer in answers]
    assert left == ["4", "3", "2", "1", "0", "0"]
    refused = answers[-1]
    assert refused.json() == {"detail": "Too many requests"}
    assert refused.headers["x-ratelimit-day-limit"] == "100"
    assert refused.headers["x-ratelimit-day-remaining"] == "95"
    assert 0 < int(refused.headers["x-ratelimit-minute-reset"]) - time.time() <= 60
    assert caller.sandbox.counters()["connecteam.throttled"] == 1


def test_throttling_can_come_as_a_success_and_a_plan_can_have_no_limit(serve):
    polite = serve(plan="small", throttle_as_200=True)
    answers = [polite.post(item()) for _ in range(11)]  # more than two minutes' worth
    refused = [it for it in answers if it.json() == {"detail": "Too many requests"}]
    assert refused
    assert all(it.status_code == 200 for it in answers)
    assert polite.sandbox.connecteam_truth()[123].sales == 11 - len(refused)
    free = serve(plan="none").connecteam("GET", "/locations")
    assert not [name for name in free.headers if name.startswith("x-ratelimit")]
