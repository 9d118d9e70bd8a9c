"""Golden answers of Lightspeed: odd but legal ones are read, broken ones cost only themselves."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tillbridge import log, sale
from tillbridge.errors import TryLater
from tillbridge.http import Answer
from tillbridge.lightspeed.account import Sale
from tillbridge.lightspeed.complaints import earliest_date, error_text, retry_after_s
from tillbridge.lightspeed.oddities import BrokenSale
from tillbridge.lightspeed.wire import (
    decode_businesses,
    decode_day,
    decode_page,
    decode_token,
)

GOLDEN = Path(__file__).parent / "golden" / "lightspeed"


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def test_an_odd_but_legal_page_is_read_whole():
    page = decode_page(golden("odd_but_legal.json"))
    assert page.broken == []
    assert page.next_token == "MTc5MzUzNTMwMDEyMw=="
    assert [sold.reference for sold in page.sales] == [
        "0P1fXHn2QLmgVh0rQm3l0g==",
        "equal-stamp",
        "no-lines",
        "all-null",
        "new-type",
        None,
    ]


def test_the_fields_of_a_sale_come_as_written():
    first = decode_page(golden("odd_but_legal.json")).sales[0]
    assert (first.fisc_id, first.receipt_id, first.type) == ("A65315.17", "R65315.12", "SALE")
    assert first.source is not None
    assert first.source.initial_account_id == "A65315.17"
    assert first.source.previous_account_id is None
    assert first.lines is not None
    line, child = first.lines
    assert (line.net, line.gross, line.tax) == ("8.333333", "10.00", "1.666667")
    assert (line.service_charge, line.currency) == ("0.00", "GBP")
    assert line.group is not None
    assert (line.group.id, line.group.name, line.group.code) == (9007199254740993, "Καφές", "K1")
    assert (child.net, child.tax, child.group) == ("-0.416667", "-0.083333", None)


def test_stamps_keep_their_moment_whatever_their_offset_and_fraction():
    sales = decode_page(golden("odd_but_legal.json")).sales
    moment = datetime(2026, 11, 1, 12, 15, 0, 123000, tzinfo=UTC)
    assert sales[0].closed == moment
    assert sales[1].closed == moment
    assert sales[2].closed == moment + timedelta(microseconds=456)
    assert sales[4].closed == datetime(2026, 11, 1, 12, 15, tzinfo=UTC)


def test_absent_and_null_read_the_same():
    *_, null, _, empty = decode_page(golden("odd_but_legal.json")).sales
    assert msgspec.structs.replace(null, reference=None) == empty


def _maybe(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """An object of Lightspeed's; each field may be absent or null, and others may be there."""
    known = {name: st.none() | values for name, values in fields.items()}
    return st.fixed_dictionaries({}, optional=known | {"notOurs": st.text() | st.integers()})


_texts = st.text(max_size=8)
_stamps = st.sampled_from(
    (
        "2026-11-01T12:15:00.123Z",
        "2026-11-01t12:15:00z",
        "2026-11-01 13:15:00.5+01:00",
        "2026-11-01T12:15:00.99999999Z",
        "2026-11-01T12:15Z",
        "2026-11-01T17:45:00+05:30",
        "2026-11-01T12:15:00.1234567Z",
        "2026-11-01T12:15:00.123",
        "20261101T121500Z",
    )
)
_sold = _maybe(
    accountReference=_texts,
    accountFiscId=_texts,
    receiptId=_texts,
    source=_maybe(initialAccountId=_texts, previousAccountId=_texts),
    timeOfOpening=_stamps,
    timeClosed=_stamps,
    type=_texts,
    cancelled=st.booleans(),
    salesLines=st.lists(
        _maybe(
            totalNetAmountWithTax=_texts,
            totalNetAmountWithoutTax=_texts,
            taxAmount=_texts,
            serviceCharge=_texts,
            currency=_texts,
            accountingGroup=_maybe(accountingGroupId=st.integers(), name=_texts, code=_texts),
        ),
        max_size=3,
    ),
)


@settings(max_examples=150, deadline=None)
@given(_sold)
def test_a_sale_reads_the_same_in_good_company_and_beside_a_broken_one(written):
    # A broken neighbour makes the whole page go the careful way.
    broken = {"accountReference": "broken", "type": 7, "salesLines": "none"}
    alone = decode_page(json.dumps({"sales": [written]}).encode())
    beside = decode_page(json.dumps({"sales": [written, broken]}).encode())
    assert alone.sales == beside.sales
    assert [fault.place for fault in alone.broken] == [fault.place for fault in beside.broken][:-1]
    day = decode_day(json.dumps({"sales": [written]}).encode())
    assert day.sales == alone.sales


def test_the_wire_sale_is_what_the_mapper_reads():
    sold: sale.Sale = decode_page(b'{"sales": [{"accountReference": "a"}]}').sales[0]
    assert isinstance(sold, Sale)
    assert sold.reference == "a"


def test_amounts_that_came_as_numbers_are_kept_exactly_as_written():
    page = decode_page(golden("numbers.json"))
    assert page.broken == []
    assert page.next_token == "1793535300123"
    assert page.sales[0].lines is not None
    line = page.sales[0].lines[0]
    assert (line.net, line.tax, line.service_charge) == ("8.10", "1", "0.1234567890123456789")
    assert line.group is not None
    assert line.group.id == 77
    assert page.sales[1].lines is not None
    assert page.sales[1].lines[0].net == "1.00"


def test_broken_sales_cost_only_themselves():
    page = decode_page(golden("broken.json"))
    assert [sold.reference for sold in page.sales] == ["good-1", "good-2"]
    assert page.next_token == "next"
    assert [(b.index, b.reference, b.place, b.reason) for b in page.broken] == [
        (1, "naive", "sales[1].timeClosed", "the time has no offset, so it names no moment"),
        (2, "epoch", "sales[2].timeClosed", "this is not a date and time"),
        (3, "words", "sales[3].type", "a text was expected"),
        (
            4,
            "amount",
            "sales[4].salesLines[1].totalNetAmountWithoutTax",
            "a text was expected",
        ),
        (5, None, "sales[5]", "an object was expected"),
        (6, "cancelled", "sales[6].cancelled", "true or false was expected"),
    ]
    assert page.broken[0].fisc_id == "A1.2"


def test_what_is_kept_of_a_broken_sale_is_what_we_name_and_nothing_personal():
    broken = decode_page(golden("broken.json")).broken
    assert broken[0].kept == {
        "accountReference": "naive",
        "accountFiscId": "A1.2",
        "timeClosed": "2026-11-01T12:00:00",
        "type": "SALE",
        "salesLines": [
            {"totalNetAmountWithoutTax": "2.50", "taxAmount": "0.50", "currency": "EUR"}
        ],
    }
    assert "Planted" not in json.dumps([b.kept for b in broken])


def test_an_odd_field_that_decides_nothing_does_not_hold_up_a_sale():
    sold = decode_page(golden("broken.json")).sales[1]
    assert (sold.opened, sold.receipt_id, sold.source) == (None, None, None)
    assert sold.closed == datetime(2026, 11, 1, 12, 0, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-01",
        "1793535300",
        "yesterday",
        "",
        "2026-13-01T00:00:00Z",
        "2026-11-01T12:00:00Z[UTC]",
        [],
    ],
)
def test_nothing_but_a_whole_stamp_is_taken_for_a_time(stamp):
    page = decode_page(json.dumps({"sales": [{"timeClosed": stamp}]}).encode())
    assert page.sales == []
    assert [b.place for b in page.broken] == ["sales[0].timeClosed"]


@pytest.mark.parametrize("body", [b"{}", b'{"sales":null}', b'{"sales":[],"nextPageToken":""}'])
def test_an_empty_page_has_no_sales_and_is_the_last(body):
    page = decode_page(body)
    assert (page.sales, page.broken, page.next_token) == ([], [], None)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>Down for repair", "not JSON (it begins with: <html>Down for repair)"),
        (b"", "not JSON (it is empty)"),
        (b'{"sales":[', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'{"sales":{}}', "sales: a list was expected"),
        (b'{"sales":"none"}', "sales: a list was expected"),
        (b'{"sales":[],"nextPageToken":{}}', "nextPageToken: a text was expected"),
    ],
)
def test_a_body_that_is_no_page_says_what_it_is(body, says):
    with pytest.raises(TryLater) as error:
        decode_page(body)
    assert says in error.value.message
    assert len(error.value.message) < 200


def test_a_secret_in_a_body_is_hidden_before_it_is_cut(monkeypatch):
    monkeypatch.setattr(log, "_secrets", {})
    log.keep_secret("s3cr3t-" * 20)
    with pytest.raises(TryLater) as error:
        decode_page(b"sent: " + b"s3cr3t-" * 20)
    assert "s3cr3t" not in error.value.message


def test_damaged_text_in_an_unused_field_does_not_hold_up_the_page():
    page = decode_page(b'{"sales":[{"accountReference":"a","table":"caf\xe9"}]}')
    assert [sold.reference for sold in page.sales] == ["a"]


def test_half_a_character_never_reaches_the_ledger():
    page = decode_page(rb'{"sales":[{"accountReference":"a\ud83d"},{"type":["\ud83d"]}]}')
    assert page.sales[0].reference == "a?"
    json.dumps(page.broken[0].kept, ensure_ascii=False).encode()


def test_a_page_full_of_unknown_fields_is_read():
    unknown = {f"field{n}": {"text": "x" * 50, "list": list(range(20))} for n in range(50)}
    sales = [
        {"accountReference": f"r{n}", "salesLines": [{"taxAmount": "1", **unknown}], **unknown}
        for n in range(100)
    ]
    page = decode_page(json.dumps({"sales": sales, **unknown}).encode())
    assert [sold.reference for sold in page.sales] == [f"r{n}" for n in range(100)]


def test_a_business_day_is_read():
    day = decode_day(golden("day.json"))
    assert [sold.reference for sold in day.sales] == ["a"]
    assert day.next_start_of_day == datetime(2026, 11, 2, 4, tzinfo=UTC)
    assert day.next_start_of_day.utcoffset() == timedelta(hours=1)
    assert (day.data_complete, day.broken) == (True, [])


def test_a_broken_sale_does_not_break_its_day():
    day = decode_day(b'{"sales":[{"timeClosed":"x"},{"type":"SALE"}],"dataComplete":false}')
    assert ([s.type for s in day.sales], len(day.broken), day.data_complete) == (["SALE"], 1, False)


def test_businesses_are_read_with_ids_of_64_bits_under_either_spelling():
    page = decode_businesses(golden("businesses.json"))
    business, empty = page.businesses
    assert (business.name, business.id, business.currency) == (
        "Hafen & Söhne",
        45454565682000,
        "EUR",
    )
    assert [(found.id, found.timezone) for found in business.locations or []] == [
        (45454565682155, "Europe/Berlin"),
        (9223372036854775807, "Asia/Tokyo"),
    ]
    assert empty.locations is None
    assert page.total_pages == 1
    assert decode_businesses(b"{}").businesses == []


def test_an_odd_lifetime_does_not_cost_the_refresh_token_beside_it():
    granted = decode_token(b'{"access_token":"a","refresh_token":"r","expires_in":"soon"}')
    assert granted is not None
    assert (granted.access_token, granted.refresh_token, granted.expires_in) == ("a", "r", None)
    assert "refresh_token" not in repr(granted)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"access_token":""}', b"null"])
def test_a_grant_without_an_access_token_is_none(body):
    assert decode_token(body) is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"error": "Invalid date format: 12/12/2023"}', "Invalid date format: 12/12/2023"),
        (
            b'{"error":"invalid_grant","error_description":"Token is not active"}',
            "invalid_grant: Token is not active",
        ),
        (
            b'{"timestamp":"2026","path":"/f","status":500,"error":"Internal Server Error","requestId":"ab-1"}',
            "Internal Server Error (request id ab-1)",
        ),
        (b'{"requestId":"ab-1"}', "(request id ab-1)"),
        (b'{"error":{"message":"nested"}}', "nested"),
        (b'{"error":[{"message":"listed."}]}', "listed"),
        (b'{"error":null,"path":7}', "without an explanation"),
        (b"<html><title>502 Bad\nGateway</title>", "a web page titled '502 Bad Gateway'"),
        (b"<html>", "a web page"),
        (b"  upstream\n\ttimed out. ", "upstream timed out"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", "without an explanation"),
        (b"[]", "without an explanation"),
        (b"3", "without an explanation"),
    ],
)
def test_every_shape_of_error_body_becomes_one_line(body, says):
    assert error_text(Answer(500, {}, body)) == says


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("2023-05-02T00:00:00+02:00", datetime(2023, 5, 1, 22, tzinfo=UTC)),
        ("2023-05-02T00:00Z", datetime(2023, 5, 2, tzinfo=UTC)),
        ("2023-05-02T00:00:00.5-03:00[America/Bahia]", datetime(2023, 5, 2, 3, 0, 0, 500000, UTC)),
        ("2023-05-02", None),
        ("2023-05-02T00:00:00", None),
        ("2023-15-02T00:00:00Z", None),
        ("{earliest_date}", None),
    ],
)
def test_the_earliest_date_is_found_in_the_refusal(stamp, moment):
    text = (
        "Invalid 'from' date query parameter. The requested business location was not operational "
        f"on the provided date.\nPlease specify a date and time after: {stamp}, which is the "
        "earliest available date for this location.\n"
    )
    assert earliest_date(text) == moment
    body = json.dumps({"error": text}).encode()
    assert earliest_date(error_text(Answer(400, {}, body))) == moment


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("Sun, 01 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_a_wait_is_understood_as_seconds_or_as_a_date(written, seconds):
    answer = Answer(429, {"retry-after": written}, b"")
    assert retry_after_s(answer, datetime(2026, 11, 1, 12, tzinfo=UTC)) == seconds


def test_a_broken_sale_says_how_many_more_things_are_wrong():
    page = decode_page(b'{"sales":[{"type":[],"cancelled":"x"}]}')
    assert [b.reason for b in page.broken] == ["a text was expected (and 1 more)"]
    assert isinstance(page.broken[0], BrokenSale)
