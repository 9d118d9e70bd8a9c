"""The day that the sandbox trades: believable, complete, repeatable."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import pytest

from tillbridge.sandbox import SandboxOptions
from tillbridge.sandbox.amounts import expected_row, read_micros, round_half_even, write_micros
from tillbridge.sandbox.archive import Archive
from tillbridge.sandbox.places import last_ended_day, places
from tillbridge.sandbox.trade import SALE_TYPES, Closed, sale_closing_at, trade_of_day
from tillbridge.sandbox.vendors import Vendors

DAY = date(2026, 11, 12)
LONDON, DUSSELDORF, OSAKA, COPENHAGEN = places(4)


def traded(place=LONDON, *, day=DAY, seed=1, sales=620) -> list[Closed]:
    return trade_of_day(place, day, seed=seed, sales=sales)


def all_lines(found: list[Closed]) -> list[dict]:
    return [line for item in found for line in item.sale.get("salesLines") or []]


def test_the_same_seed_and_day_give_the_same_trade_to_the_byte():
    first = json.dumps([item.sale for item in traded()])
    assert first == json.dumps([item.sale for item in traded()])
    assert first != json.dumps([item.sale for item in traded(seed=2)])
    assert first != json.dumps([item.sale for item in traded(day=DAY + timedelta(days=1))])


@pytest.mark.parametrize("seed", range(4))
def test_any_day_holds_all_eleven_types_at_each_location(seed):
    for place in (LONDON, DUSSELDORF):
        kinds = Counter(item.sale["type"] for item in traded(place, seed=seed))
        assert set(kinds) == set(SALE_TYPES)
        assert kinds["SALE"] > 500


def test_the_default_sandbox_trades_more_than_a_thousand_sales_on_the_quietest_day():
    truth = Vendors(SandboxOptions(day=date(2026, 11, 10))).lightspeed_truth()
    assert len(truth) == 2
    assert sum(total.sales for total in truth.values()) > 1000


def test_sales_are_sorted_unique_and_inside_their_business_day():
    # The second day has 23 hours in Europe, the third 25.
    for day in (DAY, date(2026, 3, 28), date(2026, 10, 24)):
        for place in (LONDON, DUSSELDORF, OSAKA):
            found = traded(place, day=day)
            stamps = [item.closed_ms for item in found]
            assert stamps == sorted(stamps)
            assert place.day_start(day).timestamp() * 1000 <= stamps[0]
            assert stamps[-1] < place.day_start(day + timedelta(days=1)).timestamp() * 1000
            for name in ("accountReference", "accountFiscId"):
                assert len({item.sale[name] for item in found}) == len(found)


def test_the_kitchen_is_busy_at_lunch_and_dinner_and_some_guests_leave_after_midnight():
    hours = Counter(
        datetime.fromtimestamp(item.closed_ms / 1000, LONDON.zone).hour for item in traded()
    )
    assert min(hours[13], hours[20]) > 2 * hours[16]
    assert hours[0] + hours[1] + hours[2] > 10
    assert hours[6] == hours[9] == 0


def test_equal_closing_times_lie_across_the_edges_of_full_pages():
    found = traded()
    for edge in range(100, len(found), 100):
        assert found[edge - 1].closed_ms == found[edge].closed_ms


def test_the_stamp_in_the_sale_says_the_moment_with_a_varying_number_of_digits():
    found = traded()
    for item in found:
        moment = datetime.fromisoformat(item.sale["timeClosed"])
        assert moment == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=item.closed_ms)
    assert len({len(item.sale["timeClosed"]) for item in found}) >= 3


def test_tax_is_included_in_london_and_added_in_dusseldorf():
    for place, included in ((LONDON, True), (DUSSELDORF, False)):
        lines = all_lines(traded(place))
        for line in lines:
            paid, net, tax = (
                Decimal(line[name])
                for name in ("totalNetAmountWithTax", "totalNetAmountWithoutTax", "taxAmount")
            )
            assert net + (tax if included else 0) == paid
            assert line["taxLines"][0]["taxIncluded"] is included
        assert max(len(line["totalNetAmountWithoutTax"].partition(".")[2]) for line in lines) >= (
            6 if included else 3
        )


def test_refunds_and_voids_are_negative_and_point_to_what_they_correct():
    found = traded()
    known = {item.sale["accountFiscId"] for item in found}
    for item in found:
        if item.sale["type"] in ("REFUND", "VOID", "RECALL"):
            net = sum(Decimal(it["totalNetAmountWithoutTax"]) for it in item.sale["salesLines"])
            assert net <= 0
            assert item.sale["source"]["previousAccountId"] in known


def test_there_are_voided_lines_children_discounts_service_charges_and_gaps():
    found = traded()
    lines = all_lines(found)
    ids = {line["id"] for line in lines}
    assert any(line.get("voidReason") and line["quantity"].startswith("-") for line in lines)
    children = [line for line in lines if "parentLineId" in line]
    assert children
    assert any(Decimal(line["totalNetAmountWithoutTax"]) > 0 for line in children)
    assert {line["parentLineId"] for line in children} <= ids
    assert any(Decimal(line["discountAmount"]) > 0 for line in lines)
    assert any(line["serviceCharge"] == "1.00" for line in lines)
    assert any("receiptId" not in item.sale for item in found)
    assert any(item.sale.get("dineIn", True) is None for item in found)
    assert not any("payments" in item.sale or "staffName" in item.sale for item in found)


def test_expected_amounts_agree_with_exact_decimals_rounded_once():
    cents = {"GBP": "0.01", "EUR": "0.01", "JPY": "1", "DKK": "0.01"}
    ties = 0
    for place in (LONDON, DUSSELDORF, OSAKA, COPENHAGEN):
        cent = Decimal(cents[place.currency])
        for item in traded(place):
            row = expected_row(
                item.sale,
                closed_ms=item.closed_ms,
                connecteam_id=place.connecteam_id,
                currency=place.currency,
                minor_digits=place.minor_digits,
            )
            lines = item.sale.get("salesLines") or []
            net = sum((Decimal(it["totalNetAmountWithoutTax"]) for it in lines), Decimal(0))
            tax = sum((Decimal(it["taxAmount"]) for it in lines), Decimal(0))
            assert row.amount == net.quantize(cent, ROUND_HALF_EVEN)
            assert row.tax == tax.quantize(cent, ROUND_HALF_EVEN)
            assert row.created_at == item.closed_ms // 1000
            ties += abs(net % cent) * 2 == cent
    assert ties, "a day without a tie cannot show how ties are rounded"


@pytest.mark.parametrize(
    ("micros", "digits", "rounded"),
    [
        (8_325_000, 2, "8.32"),
        (8_335_000, 2, "8.34"),
        (-8_325_000, 2, "-8.32"),
        (-8_335_000, 2, "-8.34"),
        (8_325_001, 2, "8.33"),
        (500_000, 0, "0"),
        (1_500_000, 0, "2"),
        (1_234_500, 3, "1.234"),
    ],
)
def test_ties_go_to_the_even_neighbour(micros, digits, rounded):
    assert round_half_even(micros, digits) == Decimal(rounded)


def test_amounts_are_written_and_read_without_loss():
    for micros in (0, 1, -1, 8_333_333, -8_333_330, 12_000_000, 120_000):
        assert read_micros(write_micros(micros)) == micros
    assert write_micros(8_330_000) == "8.33"
    assert write_micros(-8_333_333) == "-8.333333"


def test_days_that_were_forgotten_come_back_the_same(monkeypatch):
    archive = Archive(LONDON, 1, DAY - timedelta(days=4), DAY, 30)
    window = (0, 2_000_000_000_000)
    archive.add(sale_closing_at(LONDON, 1_794_300_000_000, seed=1, number=1))
    everything = archive.page(*window, skip=0, limit=10_000)
    monkeypatch.setattr("tillbridge.sandbox.archive._SALES_KEPT", 1)
    again = [archive.page(*window, skip=at, limit=7) for at in range(0, len(everything), 7)]
    assert [pair for page in again for pair in page] == everything
    assert archive.totals(until_ms=window[1]).sales == len(everything)


def test_live_sales_differ_from_each_other_and_from_the_day():
    closed = [sale_closing_at(LONDON, 1_794_500_000_000, seed=1, number=n) for n in range(5)]
    names = {item.sale["accountReference"] for item in closed}
    assert len(names) == len({item.sale["accountFiscId"] for item in closed}) == 5
    assert names.isdisjoint(item.sale["accountReference"] for item in traded())


def test_the_default_day_has_ended_at_every_location():
    # 04:30 in Berlin on the 20th still belongs to the business day of the 19th.
    now = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)
    assert last_ended_day((LONDON, DUSSELDORF), now) == date(2026, 11, 18)
    assert last_ended_day((DUSSELDORF,), now + timedelta(hours=1)) == date(2026, 11, 19)
    assert last_ended_day((LONDON, DUSSELDORF), now + timedelta(hours=1)) == date(2026, 11, 18)


def test_more_locations_have_their_own_names_and_ids():
    many = places(9)
    assert len({place.name for place in many}) == 9
    assert len({place.lightspeed_id for place in many}) == 9
    assert len({place.connecteam_id for place in many}) == 9
