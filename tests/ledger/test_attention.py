"""What is set aside can be tried again or given up, and any sale can tell its story."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from ledger.tools import CITY, HARBOUR, NOON_MS, NOON_S, STATION, record
from tillbridge.errors import UsageError
from tillbridge.ledger import attention, events, history, parts, sales, status, sums
from tillbridge.ledger.schema import event
from tillbridge.mapper import Rules
from tillbridge.record import Undecodable, record_of, record_of_undecodable
from tillbridge.states import PartState, SaleState

RULES = Rules(connecteam_id=123, currency="GBP", zone=ZoneInfo("Europe/London"))
MANUAL = replace(RULES, unknown_as_manual=True)
ALL = {place.lightspeed_id: MANUAL for place in (HARBOUR, STATION)}


@dataclass(frozen=True)
class Group:
    name: str | None = "Food"
    code: str | None = "F"
    id: int | None = 3


@dataclass(frozen=True)
class Line:
    net: str | None = "8.330000"
    gross: str | None = "10.00"
    tax: str | None = "1.67"
    service_charge: str | None = "0.50"
    currency: str | None = "GBP"
    group: Group | None = field(default_factory=Group)


@dataclass(frozen=True)
class Till:
    reference: str | None = "R1"
    fisc_id: str | None = "A1.1"
    receipt_id: str | None = "7"
    opened: datetime | None = datetime(2026, 11, 1, 11, 59, tzinfo=UTC)
    closed: datetime | None = datetime(2026, 11, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    type: str | None = "LOYALTY"
    lines: tuple[Line, ...] = (Line(), Line(group=None))


def retry(shop, references=(), rules=ALL):
    with shop.ledger.commit() as commit:
        return attention.retry(commit, references, rules, NOON_MS)


def drop(shop, references=(), reason="a training sale"):
    with shop.ledger.commit() as commit:
        return attention.drop(commit, references, reason, NOON_MS)


def test_a_sale_of_an_unknown_type_waits_once_a_rule_allows_it(shop):
    shop.take(record_of(Till(), RULES))
    assert shop.row().state == "quarantined"
    done = retry(shop)
    assert (done.waiting, done.skipped, done.still) == (1, 0, 0)
    row = shop.row()
    assert (row.state, row.sale_type, row.amount, row.tax_amount) == (
        "waiting",
        "MANUAL",
        1666,
        334,
    )
    assert (row.created_at, row.reason, row.kept, row.revision) == (NOON_S, None, None, 1)
    assert row.digest == record_of(Till(), MANUAL).digest
    assert shop.events()[-1] == "quarantine_retried"
    assert shop.take(record_of(Till(), MANUAL)).known == 1
    shop.post_all()


def test_it_is_left_out_if_the_rules_say_so(shop):
    shop.take(record_of(Till(), RULES))
    rules = replace(RULES, skip_types=frozenset({"LOYALTY"}))
    done = retry(shop, rules={HARBOUR.lightspeed_id: rules})
    assert (done.skipped, shop.row().state) == (1, "skipped")


def test_it_stays_if_nothing_has_changed(shop):
    shop.take(record_of(Till(), RULES))
    done = retry(shop, rules={HARBOUR.lightspeed_id: RULES})
    assert (done.still, shop.row().state) == (1, "quarantined")
    assert "LOYALTY" in shop.row().reason


def test_what_could_never_be_read_stays_until_lightspeed_mends_it(shop):
    broken = Undecodable(
        place="sales[3].timeClosed",
        reason="is not a time",
        reference="R1",
        fisc_id="A1.1",
        kept={"timeClosed": "x"},
    )
    shop.take(record_of_undecodable(broken, RULES))
    assert retry(shop).still == 1
    assert shop.row().reason == "sales[3].timeClosed: is not a time"
    assert shop.take(record_of(Till(type="SALE"), RULES)).changed == 1
    assert shop.row().state == "waiting"


def test_what_connecteam_refused_waits_again_as_it_is(shop):
    shop.take(record("R1"), record("R2"))
    refused = {shop.row("R1").id: (shop.id(), "Connecteam refused it: no")}
    with shop.ledger.commit() as commit:
        sales.quarantine(commit, refused, NOON_MS)
    assert retry(shop).waiting == 1
    assert (shop.row("R1").state, shop.row("R1").reason) == ("waiting", None)
    shop.post_all()
    assert [row.state for row in shop.rows()] == ["posted", "posted"]


def test_only_those_that_are_named_are_tried_again(shop):
    shop.take(record_of(Till(), RULES), record_of(Till(reference="R2", fisc_id="A1.2"), RULES))
    assert retry(shop, ["R2"]).waiting == 1
    assert [row.state for row in shop.rows()] == ["quarantined", "waiting"]


def test_a_sale_of_a_location_that_is_not_configured_stays(shop):
    shop.take(record_of(Till(), RULES), place=CITY)
    assert retry(shop).still == 1


@pytest.mark.parametrize("deed", [retry, drop])
def test_what_is_not_in_quarantine_is_named_and_nothing_is_done(shop, deed):
    shop.take(record("R1", None), record("R2"))
    with pytest.raises(UsageError, match=r"Not in quarantine: R2, R9\."):
        deed(shop, ["R1", "R2", "R9"])
    assert [row.state for row in shop.rows()] == ["quarantined", "waiting"]


def test_what_is_given_up_is_counted_as_such_with_the_reason(shop):
    shop.take(record("R1", None), record("R2", None), record("R3"))
    assert drop(shop, ["R1"]) == 1
    assert (shop.row("R1").state, shop.row("R1").reason) == ("dropped", "a training sale")
    assert drop(shop) == 1
    assert [row.state for row in shop.rows()] == ["dropped", "dropped", "waiting"]
    assert drop(shop) == 0
    assert shop.events().count("sale_dropped") == 2


def test_the_list_names_each_with_its_place_and_its_reason(shop):
    shop.take(record("R1", None), place=STATION)
    shop.take(record_of(Till(reference="R2"), RULES))
    with shop.ledger.view() as view:
        first, second = status.quarantined(view)
    assert (first["reference"], first["location"]) == ("R1", "Station")
    assert second == {
        "reference": "R2",
        "fisc_id": "A1.1",
        "receipt_id": "7",
        "location": "Harbour Street",
        "closed_at": "2026-11-01T12:00:00.000Z",
        "type": "LOYALTY",
        "reason": "the type 'LOYALTY' is not one that Connecteam knows",
    }


# -- the story of a sale -------------------------------------------------------------------------


def story(shop, key):
    with shop.ledger.view() as view:
        return history.story_of(view, key)


def test_a_sale_tells_everything_that_happened_to_it_in_order(shop):
    shop.take(record("R1", fisc_id="A1.7", receipt_id="42"))
    part_id = shop.doubt()
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.WAITING, PartState.ABANDONED)
    shop.take(record("R1", 900, fisc_id="A1.7", receipt_id="42"))
    shop.post_all()
    (told,) = story(shop, "R1")
    assert [each["name"] for each in told["events"]] == [
        "part_sending",
        "part_doubt",
        "part_abandoned",
        "sale_changed",
        "part_sending",
        "part_posted",
    ]
    assert told["events"][3]["detail"]["amount_before"] == 833
    assert told["events"][0]["at"] == "2026-11-01T12:00:00.000Z"
    assert (told["location"], told["state"], told["amount"]) == ("Harbour Street", "posted", 900)
    json.dumps(told)
    for key in ("A1.7", "42", shop.row().transaction_id):
        assert story(shop, key) == [told]


def test_nobody_elses_parts_are_in_it(shop):
    """Sale 1 is not in a part of the sales 11 and 12."""
    shop.take(*(record(f"R{n}", state=SaleState.SKIPPED, reason="x") for n in range(1, 11)))
    shop.take(record("R11"), record("R12"))
    _, started = shop.begin()
    numbers = {row.reference: row.id for row in shop.rows()}
    assert (numbers["R1"], numbers["R11"]) == (1, 11)
    for reference, parts_of_it in (("R1", []), ("R11", [*started.part_ids]),
                                   ("R12", [*started.part_ids])):  # fmt: skip
        (told,) = story(shop, reference)
        assert [request["part"] for request in told["requests"]] == parts_of_it
    (told,) = story(shop, "R1")
    assert told["events"] == []


def test_a_till_that_was_reset_may_have_used_a_number_twice(shop):
    shop.take(record("R1", fisc_id="A1.7", opened_ms=1), record("R2", fisc_id="A1.7", opened_ms=2))
    assert [each["reference"] for each in story(shop, "A1.7")] == ["R1", "R2"]
    assert story(shop, "nobody") == []


def test_what_has_no_column_of_its_own_is_kept_as_the_detail_of_an_event(shop):
    with shop.ledger.commit() as commit:
        events.note(commit, 1, "tried", sale_id=5, request_id="req-9", soup="leek", count=2)
        events.note(commit, 2, "tried", part_id=6)
    with shop.ledger.view() as view:
        first, second = view.execute(select(event).where(event.c.name == "tried")).all()
        assert [row["part_id"] for row in events.of_sale(view, 5, [6])] == [None, 6]
    assert (first.request_id, first.detail) == ("req-9", {"soup": "leek", "count": 2})
    assert second.detail is None


def test_what_is_posted_adds_up_exactly_by_lightspeed_location(shop):
    shop.take(record("R1", 10, tax_amount=1), record("R2", -3, tax_amount=-1))
    shop.take(record("R3", 20), place=STATION)
    shop.take(record("R4", 500, connecteam_id=456, currency="JPY"), place=CITY)
    shop.post_all()
    while shop.planned():  # gains and losses go in parts of their own
        shop.post_all()
    shop.take(record("R5", 9999))
    with shop.ledger.view() as view:
        found = sums.posted_by_location(view)
        assert parts.open_parts(view) == []
    assert {key: (count, str(net), str(tax)) for key, (count, net, tax) in found.items()} == {
        HARBOUR.lightspeed_id: (2, "0.07", "0.00"),
        STATION.lightspeed_id: (1, "0.20", "0.00"),
        CITY.lightspeed_id: (1, "500", "0"),
    }
