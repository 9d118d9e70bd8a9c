"""From the tills to Connecteam: what the configuration decides, refusals, windows, sign-ins."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from system.conftest import Made
from system.installation import assert_exactly_once
from system.odd_vendors import OddVendors, install_at

HERE = 77
PLACES = {HERE: (123, "Europe/London", "GBP")}
BEGIN = (datetime.now(UTC) - timedelta(days=3)).replace(microsecond=0)


def sale(number: int, net: str = "1.00", **more: Any) -> dict[str, Any]:
    closed = BEGIN + timedelta(seconds=number)
    return {
        "accountReference": f"ref-{number}", "accountFiscId": f"A1.{number}", "type": "SALE",
        "timeClosed": f"{closed:%Y-%m-%dT%H:%M:%S}.5Z",
        "salesLines": [{"totalNetAmountWithoutTax": net, "taxAmount": "0.20"}],
        **more,
    }  # fmt: skip


@pytest.mark.parametrize("names_rows", [True, False])
def test_refused_rows_are_set_aside_and_the_rest_is_sent(tmp_path: Path, names_rows: bool):
    sales = [sale(n, "5000.00" if n in {17, 90} else f"{n + 1}.00") for n in range(120)]
    with OddVendors({HERE: sales}) as vendors:
        vendors.refuses, vendors.names_rows = Decimal(5000), names_rows
        home = install_at(vendors, tmp_path, PLACES)
        done = home.call("once")
        listed = home.call("quarantine", "list", "--json").json["sales"]
    assert done.code == 3, done.err
    assert {found["reference"] for found in listed} == {"ref-17", "ref-90"}
    assert all("Connecteam refused it" in found["reason"] for found in listed)
    wanted = Counter(Decimal(n + 1) for n in range(120) if n not in {17, 90})
    assert Counter(row[3] for row in vendors.posted) == wanted
    # Named, they cost one request each time; unnamed, each is found by halving.
    assert vendors.requests["post"] <= (4 if names_rows else 30)


def test_a_row_that_was_set_aside_is_sent_on_request_and_can_be_given_up(tmp_path: Path):
    with OddVendors({HERE: [sale(1, "5000.00"), sale(2, "6000.00"), sale(3)]}) as vendors:
        vendors.refuses = Decimal(5000)
        home = install_at(vendors, tmp_path, PLACES)
        assert home.call("once").code == 3
        vendors.refuses = None
        assert home.call("quarantine", "drop", "ref-2").code == 2  # without a reason
        assert home.call("quarantine", "drop", "ref-2", "--reason", "a test").code == 0
        assert home.call("quarantine", "retry").code == 0
        assert home.call("once").code == 0
        place = home.status()["locations"][0]
    assert sorted(row[3] for row in vendors.posted) == [1, 5000]
    assert (place["posted"], place["dropped"], place["seen"]) == (2, 1, 3)


MAPPING = """
[mapping]
service_charge = "include"
unknown_type = "manual"
[mapping.sale_types]
FLOAT = "skip"
[mapping.accounting_groups]
"Gift cards" = "skip"
"""


def test_the_configuration_decides_what_is_left_out_and_what_is_added(tmp_path: Path):
    gift = {"totalNetAmountWithoutTax": "50", "taxAmount": "0", "accountingGroup": {
        "name": "GIFT CARDS"}}  # fmt: skip
    food = {"totalNetAmountWithoutTax": "10", "taxAmount": "2", "serviceCharge": "1.25"}
    sales = [
        sale(1, type="FLOAT", salesLines=[]),
        sale(2, type="HAPPY_HOUR"),
        sale(3, salesLines=[food, gift]),
    ]
    with OddVendors({HERE: sales}) as vendors:
        home = install_at(vendors, tmp_path, PLACES, MAPPING)
        assert home.call("once").code == 0
        place = home.status()["locations"][0]
    assert Counter((row[1], row[3]) for row in vendors.posted) == Counter([
        ("MANUAL", Decimal("1.00")), ("SALE", Decimal("11.25")),
    ])  # fmt: skip
    assert place["skipped"] == 1


def test_years_are_read_in_windows_that_lightspeed_allows(tmp_path: Path):
    old = sale(1) | {"timeClosed": f"{BEGIN - timedelta(days=700):%Y-%m-%dT%H:%M:%S}Z"}
    with OddVendors({HERE: [old, sale(2)]}) as vendors:
        home = install_at(vendors, tmp_path, PLACES)
        first = (BEGIN - timedelta(days=800)).date().isoformat()
        done = home.call("backfill", "--from", first, "--json")
        assert done.code == 0, done.err
        assert done.json["posted"] == 2
    # Weeks of their own; no window is longer than a year, the vendor asserts it.
    assert len(vendors.window) > 800 / 7


@pytest.mark.parametrize("auth", ["v1", "v2"])
def test_the_access_token_is_kept_over_restarts(make: Callable[..., Made], auth: str):
    sandbox, home = make(auth=auth)
    for _ in range(2):
        assert home.call("once").code == 0
    assert sandbox.counters()["lightspeed.token"] == 1  # the one of the import
    sandbox.end_access_tokens()
    assert home.call("once").code == 0
    assert sandbox.counters()["lightspeed.token"] == 2
    assert_exactly_once(sandbox)


def test_locations_are_read_side_by_side_but_no_more_than_allowed(make: Callable[..., Made]):
    sandbox, home = make(locations=4, sales_per_day=200, lightspeed_latency_ms=300)
    assert home.call("once").code == 0
    assert sandbox.counters()["lightspeed.most_in_flight"] == 2
    assert_exactly_once(sandbox)


def test_odd_answers_of_connecteam_are_read_by_value(make: Callable[..., Made]):
    sandbox, home = make(sales_per_day=400, locations=2, echo_shuffled=True, day_zone="Asia/Tokyo")
    assert home.call("once").code == 0
    assert_exactly_once(sandbox)
    for place in home.status()["locations"]:
        assert place["posted"] == place["seen"]
    for place in sandbox.locations:
        ids = sandbox.connecteam_ids(place.connecteam_id)
        for number in (0, len(ids) // 2, -1):
            row = sandbox.connecteam_rows(place.connecteam_id)[number]
            told = home.call("explain", ids[number], "--json").json["sales"]
            assert len(told) == 1
            assert Decimal(told[0]["amount"]) == row.amount
            assert told[0]["created_at"] == row.created_at


def test_a_lost_answer_is_settled_by_the_totals(make: Callable[..., Made]):
    sandbox, home = make(sales_per_day=250)
    home.write(f'{home.text}\n[doubt]\nwait = "2s"\npatience = "1s"\n')
    sandbox.fail_next("post", "lost-after")
    first = home.call("once")
    assert first.code == 69
    assert "not confirmed by Connecteam yet" in first.words
    assert home.call("status").code == 0
    with home.service() as service:
        service.until(lambda: home.status()["locations"][0]["in_doubt"] == 0, 60)
        service.until(lambda: home.status()["locations"][0]["waiting"] == 0, 60)
        assert service.end()[0] == 0
    assert_exactly_once(sandbox)
