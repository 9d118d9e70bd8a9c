"""What Connecteam is told, digit by digit, and what is made of its answers."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillbridge.connecteam import wire
from tillbridge.connecteam.client import ConnecteamClient, NoEvidence, Totals
from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.http import Answer, Http, Timeouts
from tillbridge.log import keep_secret
from tillbridge.money import from_minor, minor_digits
from tillbridge.outcome import Accepted, Echo, OtherAnswer, ValidationError, judge
from tillbridge.sale import SaleType, Transaction

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

GOLDEN = Path(__file__).parent / "golden" / "connecteam"
TYPES = [*map(str, SaleType), "MANUAL"]
NOV_1, NOV_2, NOV_3 = (date(2026, 11, day) for day in (1, 2, 3))


def golden(name):
    return (GOLDEN / f"{name}.json").read_bytes()


def answer(status, body=b"", **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, headers, content)


class Connecteam:
    """Gives the prepared answers in turn, the last one for ever; keeps the requests."""

    def __init__(self, *answers):
        self.requests: list[httpx.Request] = []
        self._answers = list(answers)
        http = Http(
            "https://api.example.test",
            timeouts=Timeouts(connect_s=5, total_s=90),
            max_connections=1,
            user_agent="tillbridge-tests",
            transport=httpx.MockTransport(self._handle),
        )
        self.client = ConnecteamClient(http, lambda: {"X-API-KEY": "ct-key"})

    def _handle(self, request):
        self.requests.append(request)
        assert request.headers["x-api-key"] == "ct-key"
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def asked(self):
        return [(request.method, str(request.url)) for request in self.requests]


def said(status, body=b""):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content)


# -- what goes out -----------------------------------------------------------------------------

transactions = st.builds(
    Transaction,
    location_id=st.integers(1, 2**53),
    sale_type=st.sampled_from(TYPES),
    created_at=st.integers(0, 2**33),
    amount=st.integers(-(10**14), 10**14),
    tax=st.integers(-(10**14), 10**14),
    currency=st.sampled_from(["GBP", "EUR", "JPY", "KWD", "CLF"]),
)


def items_of(body):
    document = json.loads(body, parse_float=Decimal)
    assert list(document) == ["transactionsCreateRequest"]
    return document["transactionsCreateRequest"]


@unhurried
@given(st.lists(transactions, min_size=1, max_size=100))
def test_the_body_says_exactly_what_was_meant(rows):
    body = wire.encode_transactions(rows)
    for row, item in zip(rows, items_of(body), strict=True):
        digits = minor_digits(row.currency)
        assert item == {
            "locationId": row.location_id,
            "saleType": row.sale_type,
            "createdAt": row.created_at,
            "finalSaleAmount": from_minor(row.amount, digits),
            "taxAmount": from_minor(row.tax, digits),
            "currency": row.currency,
        }


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (833, "GBP", b"8.33"),
        (-833, "GBP", b"-8.33"),
        (-5, "GBP", b"-0.05"),
        (0, "GBP", b"0.00"),
        (10, "GBP", b"0.10"),
        (10**14 + 1, "GBP", b"1000000000000.01"),
        (10**11, "JPY", b"100000000000"),
        (1, "KWD", b"0.001"),
    ],
)
def test_an_amount_leaves_digit_by_digit_without_exponent_or_artefact(minor, currency, text):
    body = wire.encode_transactions([Transaction(1, "SALE", 1, minor, minor, currency)])
    assert b'"finalSaleAmount":' + text + b',"taxAmount":' + text + b"," in body


def test_a_post_of_a_hundred_rows_keeps_the_published_contract():
    """TransactionCreateRequest: 1 to 100 items; required fields, types and enumeration."""
    rows = [
        Transaction(123 + n % 2, TYPES[n % 12], 1_793_534_400 + n, n * 7 - 300, n, "GBP")
        for n in range(100)
    ]
    vendor = Connecteam(said(200, {"data": {"transactions": []}}))
    vendor.client.post(rows)
    (request,) = vendor.requests
    assert (request.method, request.url.path) == ("POST", "/sales/v1/transactions")
    assert request.headers["content-type"] == "application/json"
    items = json.loads(request.content)["transactionsCreateRequest"]
    assert len(items) == 100
    for item in items:
        assert set(item) == {
            "locationId", "saleType", "createdAt", "finalSaleAmount", "taxAmount", "currency",
        }  # fmt: skip
        assert type(item["locationId"]) is int
        assert type(item["createdAt"]) is int
        assert item["saleType"] in TYPES
        assert isinstance(item["finalSaleAmount"], int | float)
        assert isinstance(item["taxAmount"], int | float)
        assert isinstance(item["currency"], str)
    assert [item["createdAt"] for item in items] == [row.created_at for row in rows]


@pytest.mark.parametrize(
    ("sale_type", "currency"),
    [('SALE","x":"', "GBP"), ("SALE", 'GBP"'), ("", "GBP"), ("sale", "GBP")],
)
def test_a_word_that_could_break_the_request_never_leaves(sale_type, currency):
    with pytest.raises(AssertionError):
        wire.encode_transactions([Transaction(1, sale_type, 1, 1, 1, currency)])


# -- answers to a POST -------------------------------------------------------------------------


def test_an_odd_but_legal_answer_is_understood():
    shape, _ = wire.decode_post(answer(200, golden("created_odd_but_legal")))
    assert isinstance(shape, Echo)
    sent = [
        Transaction(123, "SALE", 1_793_534_400, 1000, 200, "GBP"),
        Transaction(124, "CROSS_BL", 1_793_534_401, 0, 0, "GBP"),
        Transaction(123, "REFUND", 1_793_534_402, -833, -167, "GBP"),
    ]
    assert judge(sent, shape) == Accepted(("665f1a", "42", "665f1c"))


ROW = {"transactionId": "t", "locationId": 1, "saleType": "SALE", "createdAt": 1,
       "finalSaleAmount": 1}  # fmt: skip


def created(*rows):
    return {"data": {"transactions": list(rows)}}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"OK", b"null", b"[]", b"{}", b"<html>", b"\xff\xfe", b'{"data":',
        {"detail": "Too many requests"}, {"data": None}, {"data": []}, {"data": {}},
        {"data": {"transactions": None}}, {"data": {"transactions": {}}},
        {"data": {"transactions": ["t1"]}}, {"transactions": [ROW]},
        created({**ROW, "finalSaleAmount": None}), created({**ROW, "finalSaleAmount": "much"}),
        created({**ROW, "finalSaleAmount": "1e999999"}), created({**ROW, "finalSaleAmount": 1e300}),
        created({**ROW, "finalSaleAmount": "NaN"}), created({**ROW, "createdAt": "2026-11-01"}),
        created({**ROW, "transactionId": None}), created({**ROW, "locationId": None}),
        created(ROW, {}),
    ],
)  # fmt: skip
def test_a_200_with_any_other_body_is_no_echo(body):
    shape, _ = wire.decode_post(answer(200, body))
    assert isinstance(shape, OtherAnswer)
    assert shape.status == 200
    assert shape.text


odd = st.sampled_from([
    None, True, 0, -1, 5.0, 8.33, -0.0, 1e15, -1e15, 999_999_999_999_999.9, 1e300, 2**63, "", "0",
    "8.33", " 8.33", "1_0", "1e3", "1E999999", "NaN", "-sNaN", "Infinity", "\0", "é", "SALE", [], {},
])  # fmt: skip
echoed = st.fixed_dictionaries({
    "transactionId": st.text(max_size=3),
    "locationId": st.integers(1, 9),
    "saleType": st.sampled_from(TYPES),
    "createdAt": st.integers(0, 2**33),
    "finalSaleAmount": st.decimals(-999, 999, places=2).map(float),
    "taxAmount": st.one_of(st.none(), st.decimals(-999, 999, places=2).map(float)),
    "currency": st.one_of(st.none(), st.just("GBP")),
})  # fmt: skip
oddly_echoed = st.builds(
    lambda row, name, value: {**row, name: value},
    echoed,
    st.sampled_from([*ROW, "taxAmount", "currency", "more"]),
    odd,
)
ids = st.fixed_dictionaries({}, optional={"requestId": odd, "request_id": odd})


@unhurried
@given(
    st.lists(echoed | oddly_echoed, max_size=3),
    ids,
    st.sampled_from([{}, {"x-request-id": "rq-3"}]),
)
def test_the_quick_way_reads_an_echo_as_the_careful_one_does(rows, told, headers):
    found = answer(200, {**created(*rows), **told}, **headers)
    quick = wire._decode_quickly(found)
    assert quick in (None, (wire._decode_carefully(found), wire.request_id(found)))


def test_an_echo_as_documented_is_read_quickly():
    full = {**ROW, "taxAmount": 0.17, "currency": "GBP"}
    assert wire._decode_quickly(answer(200, {"requestId": "rq-1", **created(ROW, full)}))


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_only_a_200_is_an_echo(status):
    shape, _ = wire.decode_post(answer(status, created(ROW)))
    assert isinstance(shape, OtherAnswer)


def test_a_validation_error_names_rows_and_fields():
    shape, _ = wire.decode_post(answer(422, golden("validation_error")))
    assert isinstance(shape, ValidationError)
    assert [(fault.position, fault.field) for fault in shape.faults] == [
        (17, "saleType"), (0, None), (None, None), (None, None), (None, None), (None, None),
    ]  # fmt: skip
    assert shape.faults[0].message.startswith("value is not a valid enumeration member")
    assert shape.faults[4].message == "not valid"


@pytest.mark.parametrize(
    "body", [{"detail": "nope"}, {"detail": []}, {"detail": {"x": 1}}, {"error": "VALIDATION: no"}]
)
def test_a_422_of_another_form_is_a_validation_error_that_names_no_row(body):
    shape, _ = wire.decode_post(answer(422, body))
    assert isinstance(shape, ValidationError)
    assert [fault.position for fault in shape.faults] == [None]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"422", {"message": "x"}])
def test_a_422_that_is_not_connecteam_s_is_not_one(body):
    assert isinstance(wire.decode_post(answer(422, body))[0], OtherAnswer)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "RATE: slow down", "path": "/x"}, "RATE: slow down"),
        ({"detail": "Invalid API key"}, "Invalid API key"),
        ({"message": "no route"}, "no route"),
        ({"error": {"code": 7}}, '{"code": 7}'),
        ({"body.x.0.y": "field required"}, "field required"),
        (b"<!doctype html><p>x", "a web page"),
        (b"", "an empty answer"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ({"detail": "x" * 5000}, "x" * 200),
    ],
)
def test_an_answer_is_told_in_a_few_words(body, words):
    text = wire.error_text(answer(400, body))
    assert words in text
    assert len(text) <= 200


def test_no_secret_is_repeated_from_an_answer():
    keep_secret("ct-very-secret-key")
    body = {"detail": [{"loc": ["body", 0], "msg": "bad key ct-very-secret-key"}]}
    for text in (
        wire.error_text(answer(403, {"detail": "bad key ct-very-secret-key"})),
        wire.error_text(answer(400, {"odd": "ct-very-secret-key"})),
        wire.decode_post(answer(422, body))[0].faults[0].message,
    ):
        assert "very-secret" not in text


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (answer(200, {"requestId": "rq-1"}), "rq-1"),
        (answer(400, {"error": "x", "request_id": "rq-2"}), "rq-2"),
        (answer(502, b"<html>", **{"x-request-id": "rq-3"}), "rq-3"),
        (answer(200, {"requestId": 5}), None),
        (answer(200, b""), None),
    ],
)
def test_the_id_of_a_request_is_found_wherever_it_stands(found, expected):
    assert wire.request_id(found) == expected


# -- totals ------------------------------------------------------------------------------------


def test_totals_of_several_locations_are_read_in_one_request():
    vendor = Connecteam(said(200, golden("totals_odd_but_legal")))
    found = vendor.client.totals({123: "GBP", 124: "EUR", 125: "JPY"}, NOV_1, NOV_3)
    assert isinstance(found, Totals)
    assert found.by_location == {
        123: {NOV_1: 0, NOV_2: 0, NOV_3: 123_456},
        124: {NOV_1: 0, NOV_2: -500, NOV_3: 0},
        125: {NOV_1: 0, NOV_2: 1200, NOV_3: 0},
    }
    (request,) = vendor.requests
    assert request.url.path == "/sales/v1/daily-sales"
    assert request.url.query == (
        b"startDate=2026-11-01&endDate=2026-11-03&locationIds=123&locationIds=124&locationIds=125"
    )


def test_days_without_data_are_zero():
    vendor = Connecteam(said(200, {"data": {"dailySales": []}}))
    found = vendor.client.totals({123: "GBP"}, NOV_1, NOV_2)
    assert found.by_location == {123: {NOV_1: 0, NOV_2: 0}}


@pytest.mark.parametrize(
    ("status", "body", "throttled"),
    [
        (200, {"detail": "Too many requests"}, False),
        (200, b"<html>", False),
        (200, b"", False),
        (200, {"data": None}, False),
        (200, {"data": {"dailySales": None}}, False),
        (200, {"data": {"dailySales": [{"date": "soon", "locationId": 1}]}}, False),
        (200, {"data": {"dailySales": [{"date": "2026-11-01", "locationId": 1,
                                        "totalSales": "1e999999"}]}}, False),
        (429, {"detail": "Too many requests"}, True),
        (429, {"data": {"dailySales": []}}, True),
        (500, {"data": {"dailySales": []}}, False),
        (302, b"", False),
        (401, {"error": "UNAUTHORIZED: x"}, False),
    ],
)  # fmt: skip
def test_anything_else_is_no_evidence(status, body, throttled):
    found = Connecteam(said(status, body)).client.totals({1: "GBP"}, NOV_1, NOV_1)
    assert isinstance(found, NoEvidence)
    assert found.throttled is throttled
    assert found.reason


def test_a_lost_answer_is_no_evidence():
    vendor = Connecteam(httpx.ReadTimeout("late"))
    assert isinstance(vendor.client.totals({1: "GBP"}, NOV_1, NOV_1), NoEvidence)


def test_headers_come_along_with_a_reading():
    response = said(200, {"data": {"dailySales": []}})
    response.headers["x-ratelimit-day-remaining"] = "17"
    found = Connecteam(response).client.totals({1: "GBP"}, NOV_1, NOV_1)
    assert found.headers["x-ratelimit-day-remaining"] == "17"


# -- deletes -----------------------------------------------------------------------------------


def test_a_delete_by_id_names_the_one_transaction():
    vendor = Connecteam(said(200, {"requestId": "rq-1", "data": {}}))
    assert (found := vendor.client.delete_one("665f1c")).status == 200
    assert found.request_id == "rq-1"
    assert vendor.asked == [
        ("DELETE", "https://api.example.test/sales/v1/transactions/665f1c"),
    ]


@pytest.mark.parametrize(
    "odd", ["a/b", "?locationId=1&startTime=0&endTime=9", "../x", "a b", "#x", "é"]
)
def test_an_odd_id_cannot_become_another_delete(odd):
    vendor = Connecteam(said(404, {"error": "NOT_FOUND: x"}))
    vendor.client.delete_one(odd)
    (request,) = vendor.requests
    assert request.url.query == b""
    assert request.url.raw_path.startswith(b"/sales/v1/transactions/")
    assert request.url.raw_path.count(b"/") == 4
    assert len(request.url.raw_path) > len(b"/sales/v1/transactions/")


@pytest.mark.parametrize("empty", ["", ".", ".."])
def test_a_delete_without_an_id_never_leaves(empty):
    vendor = Connecteam(said(200, {"data": {}}))
    with pytest.raises(AssertionError):
        vendor.client.delete_one(empty)
    assert vendor.requests == []


def test_a_delete_of_a_window_names_its_place_and_its_ends():
    vendor = Connecteam(said(200, {"data": {}}))
    assert vendor.client.delete_window(123, 1_793_534_400, 1_793_534_460).status == 200
    (request,) = vendor.requests
    assert request.url.path == "/sales/v1/transactions"
    assert request.url.query == b"locationId=123&startTime=1793534400&endTime=1793534460"


@pytest.mark.parametrize(
    ("response", "status", "not_sent"),
    [
        (said(200, {"data": {}}), 200, False),
        (said(200, {"data": None}), 200, False),
        (said(200, {"detail": "Too many requests"}), 0, False),
        (said(200, b"<html>"), 0, False),
        (said(200, b""), 0, False),
        (said(404, {"error": "NOT_FOUND: x"}), 404, False),
        (said(429, {"detail": "Too many requests"}), 429, False),
        (said(502, b"<html>"), 502, False),
        (httpx.ReadTimeout("late"), 0, False),
        (httpx.RemoteProtocolError("cut"), 0, False),
        (httpx.ConnectError("no"), 0, True),
    ],
)
def test_a_delete_counts_as_done_only_if_it_is_acknowledged(response, status, not_sent):
    found = Connecteam(response).client.delete_one("t1")
    assert (found.status, found.not_sent) == (status, not_sent)
    assert found.reason


# -- locations ---------------------------------------------------------------------------------


def page(ids):
    return said(200, {"data": {"locations": [{"id": n, "name": str(n)} for n in ids]}})


def test_locations_are_listed_as_they_are_named():
    found = Connecteam(said(200, golden("locations_odd_but_legal"))).client.locations()
    assert [(place.id, place.name, place.is_active) for place in found] == [
        (123, "Harbour Street", True), (9_007_199_254_740_993, "東京の店", False), (125, "", True),
    ]  # fmt: skip


def test_every_page_of_locations_is_read():
    vendor = Connecteam(page(range(1000)), page(range(1000, 2000)), page(range(2000, 2007)))
    assert [place.id for place in vendor.client.locations()] == list(range(2007))
    queries = [request.url.query for request in vendor.requests]
    assert queries == [b"limit=1000&offset=%d" % offset for offset in (0, 1000, 2000)]


def test_a_server_that_repeats_its_first_page_is_not_asked_for_ever():
    vendor = Connecteam(page(range(1000)))
    assert len(vendor.client.locations()) == 1000
    assert len(vendor.requests) == 2


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (said(401, {"error": "UNAUTHORIZED: no key"}), CredentialsRefused),
        (said(403, {"detail": "Invalid API key"}), CredentialsRefused),
        (said(429, {"detail": "Too many requests"}), TryLater),
        (said(500, b""), TryLater),
        (said(200, {"detail": "Too many requests"}), TryLater),
        (said(200, b"<html>"), TryLater),
        (httpx.ConnectError("no"), TryLater),
    ],
)
def test_locations_that_cannot_be_listed_say_why(response, error):
    with pytest.raises(error) as caught:
        Connecteam(response).client.locations()
    assert "api.example.test" in caught.value.message
    assert caught.value.remedy
    assert "ct-key" not in str(caught.value)
