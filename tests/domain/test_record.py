"""What the ledger keeps of a sale: enough to send it, to compare it and to try it again."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tillbridge.mapper import Rules
from tillbridge.record import FISC_PREFIX, Undecodable, record_of, record_of_undecodable
from tillbridge.states import SaleState

NOON = datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC)
NOON_MS = 1_793_534_400_250
RULES = Rules(connecteam_id=123, currency="GBP", zone=ZoneInfo("Europe/London"))


@dataclass(frozen=True)
class Line:
    net: str | None = "8.330000"
    gross: str | None = "10.00"
    tax: str | None = "1.67"
    service_charge: str | None = "0.50"
    currency: str | None = "GBP"
    group: None = None


@dataclass(frozen=True)
class Till:
    reference: str | None = "R1"
    fisc_id: str | None = "A1.1"
    receipt_id: str | None = "7"
    opened: datetime | None = NOON
    closed: datetime | None = NOON
    type: str | None = "SALE"
    lines: tuple[Line, ...] | None = field(default_factory=lambda: (Line(),))


def test_a_sale_is_kept_as_it_came_and_as_it_will_go():
    record = record_of(Till(), RULES)
    assert record.reference == "R1"
    assert (record.opened_ms, record.closed_ms) == (NOON_MS, NOON_MS)
    assert (record.net, record.tax, record.service_charge) == ("8.33", "1.67", "0.5")
    assert (record.sale_type, record.created_at) == ("SALE", NOON_MS // 1000)
    assert (record.amount, record.tax_amount, record.currency) == (833, 167, "GBP")
    assert (record.state, record.reason, record.kept) == (SaleState.WAITING, None, None)
    assert record.rules == RULES.version


def test_names_are_kept_such_that_they_can_be_looked_up_again():
    sale = Till(reference="R\x0001", fisc_id="A\x0001", receipt_id="7\x0008")
    record = record_of(sale, RULES)
    assert (record.reference, record.fisc_id, record.receipt_id) == ("R�01", "A�01", "7�08")
    assert record_of(replace(sale, reference=None), RULES).reference.startswith("fisc:A�01@")
    unread = record_of_undecodable(Undecodable("p", "r", "R\x0001", "A\x0001", {}), RULES)
    assert (unread.reference, unread.fisc_id) == ("R�01", "A�01")


def test_nothing_of_a_sale_that_goes_out_is_kept_but_sums():
    record = record_of(Till(lines=(Line(),) * 3), RULES)
    assert (record.net, record.amount, record.kept) == ("24.99", 2499, None)


@pytest.mark.parametrize(
    ("sale", "state"),
    [
        (Till(), SaleState.WAITING),
        (Till(type="FLOAT"), SaleState.SKIPPED),
        (Till(type="LAYAWAY"), SaleState.QUARANTINED),
        (Till(closed=None), SaleState.QUARANTINED),
        (Till(lines=(Line(net="1e2"),)), SaleState.QUARANTINED),
        (Till(lines=(Line(), Line(currency="EUR"))), SaleState.QUARANTINED),
    ],
)
def test_every_sale_gets_one_state_and_a_reason_unless_it_goes_out(sale, state):
    record = record_of(sale, replace(RULES, skip_types=frozenset({"FLOAT"})))
    assert record.state == state
    assert (record.reason is None) == (state is SaleState.WAITING)
    assert (record.amount is None) == (state is not SaleState.WAITING)
    assert (record.kept is None) == (state is not SaleState.QUARANTINED)


def test_a_sale_in_quarantine_keeps_its_lines_so_that_it_can_be_tried_again():
    record = record_of(Till(lines=(Line(net="1,20"),)), RULES)
    kept = json.loads(json.dumps(record.kept))
    assert kept["lines"][0]["net"] == "1,20"
    assert kept["closed"] == NOON.isoformat()
    assert "1,20" in record.reason


@pytest.mark.parametrize(
    ("sale", "key"),
    [
        (Till(), "R1"),
        (Till(reference=None), f"{FISC_PREFIX}A1.1@{NOON_MS}"),
        (Till(reference=""), f"{FISC_PREFIX}A1.1@{NOON_MS}"),
        (Till(reference=None, opened=None), f"{FISC_PREFIX}A1.1@?"),
    ],
)
def test_the_key_is_the_reference_else_the_fiscal_number_with_its_opening(sale, key):
    assert record_of(sale, RULES).reference == key


def test_a_till_that_was_reset_gives_another_key_for_the_same_number():
    later = replace(Till(reference=None), opened=NOON.replace(hour=14))
    assert record_of(later, RULES).reference != record_of(Till(reference=None), RULES).reference


@pytest.mark.parametrize("sale_type", ["SALE", "LAYAWAY"])
def test_a_sale_without_any_number_needs_a_person(sale_type):
    record = record_of(Till(reference=None, fisc_id=None, type=sale_type), RULES)
    assert record.state == SaleState.QUARANTINED
    assert record.reference == f"digest:{record.digest.hex()}"
    assert record.transaction[1:] == (None,) * 5
    assert record.kept is not None


def test_the_digest_is_that_of_the_content_under_any_rules():
    other = replace(
        RULES,
        currency="EUR",
        connecteam_id=5,
        service_charge=True,
        evening_date=True,
        unknown_as_manual=True,
        skip_types=frozenset({"SALE"}),
    )
    for sale in (Till(), Till(type="LAYAWAY"), Till(closed=None), Till(lines=(Line(net="x"),))):
        assert record_of(sale, other).digest == record_of(sale, RULES).digest
    assert record_of(Till(), other).rules != record_of(Till(), RULES).rules


def test_two_unreadable_sales_have_the_same_digest_only_if_they_are_the_same():
    first = record_of(Till(lines=(Line(net="x"),)), RULES)
    assert first.digest == record_of(Till(lines=(Line(net="x"),)), RULES).digest
    assert first.digest != record_of(Till(lines=(Line(net="y"),)), RULES).digest


def test_records_say_the_same_to_connecteam_if_nothing_that_it_sees_differs():
    plain = record_of(Till(), RULES)
    assert record_of(Till(lines=(Line(net="8.3301"),)), RULES).transaction == plain.transaction
    assert record_of(Till(lines=(Line(net="8.34"),)), RULES).transaction != plain.transaction
    assert record_of(Till(closed=None), RULES).transaction != plain.transaction


@pytest.mark.parametrize(
    ("reference", "fisc_id", "key"),
    [("R9", "A1.1", "R9"), (None, "A1.1", f"{FISC_PREFIX}A1.1@?"), (None, None, "digest:")],
)
def test_a_sale_that_could_not_be_decoded_keeps_its_place_and_what_was_read(
    reference, fisc_id, key
):
    broken = Undecodable("sales[3]", "timeClosed is no time", reference, fisc_id, {"type": "SALE"})
    record = record_of_undecodable(broken, RULES)
    assert record.reference.startswith(key)
    assert record.state == SaleState.QUARANTINED
    assert record.reason == "sales[3]: timeClosed is no time"
    assert record.kept == {"type": "SALE"}
    assert record.transaction[1:] == (None,) * 5
