"""A sale is taken in once, however often and in whatever order Lightspeed reports it."""

import itertools

import pytest
from sqlalchemy import insert, select, update

from ledger.tools import CITY, HARBOUR, NOON_MS, NOON_S, STATION, record
from tillbridge.ledger import sales
from tillbridge.ledger.schema import correction, sale
from tillbridge.states import Lane, PartState, SaleState


def corrections(shop):
    with shop.ledger.view() as view:
        return {row.sale_id: row.record for row in view.execute(select(correction))}


def test_a_sale_never_seen_waits(shop):
    taken = shop.take(record("R1"), record("R2", state=SaleState.SKIPPED, reason="left out"))
    assert (taken.new, taken.changed, taken.known, taken.quarantined) == (2, 0, 0, 0)
    assert [(row.reference, row.state) for row in shop.rows()] == [
        ("R1", "waiting"),
        ("R2", "skipped"),
    ]
    assert (shop.row().seen_ms, shop.row().lane, shop.row().revision) == (NOON_MS, "live", 0)


def test_a_sale_that_cannot_be_sent_is_counted_and_kept(shop):
    taken = shop.take(record("R1", None))
    assert (taken.new, taken.quarantined) == (1, 1)
    assert (shop.row().state, shop.row().kept) == ("quarantined", {"lines": []})


def test_the_same_sale_again_changes_nothing(shop):
    shop.take(record())
    before = shop.row()
    taken = shop.take(record(), lane=Lane.BACKFILL)
    assert (taken.new, taken.changed, taken.known) == (0, 0, 1)
    assert shop.row() == before
    assert shop.events() == ["location_added"] * 3


def test_a_page_that_holds_a_sale_twice_brings_it_once(shop):
    taken = shop.take(record(), record(), record("R2"))
    assert (taken.new, taken.known) == (2, 0)
    assert len(shop.rows()) == 2


def test_the_same_reference_at_two_locations_is_two_sales(shop):
    shop.take(record(), place=HARBOUR)
    taken = shop.take(record(), place=STATION)
    assert taken.new == 1
    assert len(shop.rows()) == 2


def test_an_empty_page_changes_nothing(shop):
    assert shop.take() == sales.Taken(0, 0, 0, 0)


@pytest.mark.parametrize("state", ["waiting", "quarantined", "skipped", "dropped"])
def test_what_never_went_out_is_simply_replaced(shop, state):
    shop.take(record())
    if state != "waiting":
        shop.force("R1", SaleState(state))
    taken = shop.take(record(amount=900))
    assert (taken.new, taken.changed, taken.known) == (0, 1, 0)
    row = shop.row()
    assert (row.amount, row.net, row.state, row.revision) == (900, "9.00", "waiting", 1)
    assert "sale_changed" in shop.events()
    assert corrections(shop) == {}


def test_a_waiting_sale_may_become_one_that_is_set_aside_or_left_out(shop):
    shop.take(record("R1"), record("R2"))
    shop.take(record("R1", None), record("R2", 5, state=SaleState.SKIPPED, reason="left out"))
    assert [row.state for row in shop.rows()] == ["quarantined", "skipped"]
    assert shop.row("R1").amount is None


def test_a_replaced_sale_leaves_the_fence_that_looked_for_a_refused_row(shop):
    shop.take(record())
    key = shop.row().id
    with shop.ledger.commit() as commit:
        sales.fence(commit, [[key]], first=8)
    assert shop.row().fence == 8
    shop.take(record(amount=900))
    assert shop.row().fence is None


def test_a_posted_sale_that_changes_is_noted_once_and_stays_as_it_was_sent(shop):
    shop.take(record())
    shop.post_all()
    before = shop.row()
    taken = shop.take(record(amount=900))
    assert (taken.new, taken.changed, taken.known) == (0, 1, 0)
    assert shop.row() == before
    again = shop.take(record(amount=900))
    assert (again.new, again.changed, again.known) == (0, 0, 1)
    assert shop.events().count("correction_seen") == 1
    noted = corrections(shop)[before.id]
    assert (noted["amount"], noted["net"]) == (900, "9.00")


def test_a_correction_is_replaced_by_a_newer_one(shop):
    shop.take(record())
    shop.post_all()
    shop.take(record(amount=900))
    shop.take(record(amount=901))
    assert corrections(shop)[shop.row().id]["amount"] == 901
    assert shop.events().count("correction_seen") == 2


def test_a_correction_is_withdrawn_when_the_sale_comes_back_as_before(shop):
    shop.take(record())
    shop.post_all()
    shop.take(record(amount=900))
    taken = shop.take(record())
    assert (taken.changed, taken.known) == (0, 1)
    assert corrections(shop) == {}
    assert shop.events()[-1] == "correction_withdrawn"


def test_a_posted_sale_that_changes_in_nothing_connecteam_is_told_is_only_refreshed(shop):
    shop.take(record())
    shop.post_all()
    taken = shop.take(record(net="8.331", service_charge="0.40"))
    assert taken.changed == 1
    row = shop.row()
    assert (row.net, row.service_charge, row.amount, row.state) == ("8.331", "0.40", 833, "posted")
    assert corrections(shop) == {}
    assert shop.take(record(net="8.331", service_charge="0.40")).known == 1


def test_a_correction_is_withdrawn_when_the_newest_report_asks_for_none(shop):
    shop.take(record())
    shop.post_all()
    shop.take(record(amount=900))
    shop.take(record(net="8.331"))
    assert corrections(shop) == {}
    assert shop.row().amount == 833


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (None, None),
        (SaleState.IN_DOUBT, PartState.DOUBT),
        (SaleState.HELD, PartState.HELD),
    ],
)
def test_a_sale_that_may_be_under_way_waits_for_its_correction(shop, rows, part):
    shop.take(record())
    _, started = shop.begin()
    if rows:
        shop.decide(started.part_ids[0], SaleState.SENDING, rows, part)
    before = shop.row()
    taken = shop.take(record(amount=900))
    assert taken.changed == 1
    assert shop.row() == before
    assert corrections(shop)[before.id]["amount"] == 900


def test_what_was_noted_while_in_doubt_is_past_once_the_sale_waits_and_is_replaced(shop):
    shop.take(record())
    part_id = shop.doubt()
    shop.take(record(amount=900))
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.WAITING, PartState.ABANDONED)
    shop.take(record(amount=900))
    assert (shop.row().amount, shop.row().state) == (900, "waiting")
    assert corrections(shop) == {}


def test_a_removed_sale_stays_removed_however_it_changes(shop):
    shop.take(record())
    shop.post_all()
    shop.force("R1", SaleState.REMOVED)
    assert shop.take(record(amount=900)).changed == 1
    assert (shop.row().state, shop.row().net) == ("removed", "9.00")
    assert corrections(shop) == {}
    assert shop.take(record(amount=900)).known == 1


def test_a_changed_rule_does_not_rewrite_what_did_not_change_at_lightspeed(shop):
    """The digest is of the sale as it came: other rules map it to something else, same digest."""
    first = record()
    shop.take(first)
    again = first._replace(rules="2-other", amount=1, state=SaleState.SKIPPED, reason="rule")
    assert shop.take(again).known == 1
    assert (shop.row().rules, shop.row().amount, shop.row().state) == ("1-test", 833, "waiting")


NAMELESS = record("fisc:A1.7@60", fisc_id="A1.7", opened_ms=60)
NAMED = record("R7", fisc_id="A1.7", opened_ms=60)


@pytest.mark.parametrize("order", [(NAMELESS, NAMED), (NAMED, NAMELESS)])
def test_a_sale_without_a_reference_is_known_by_till_number_and_opening_time(shop, order):
    for each in order:
        shop.take(each)
    (row,) = shop.rows()
    assert row.reference == "R7"
    assert shop.take(NAMELESS).known == shop.take(NAMED).known == 1


@pytest.mark.parametrize("order", list(itertools.permutations(["nameless", "named", "changed"])))
def test_no_order_of_names_and_changes_makes_a_second_sale(shop, order):
    forms = {
        "nameless": NAMELESS,
        "named": NAMED,
        "changed": record("fisc:A1.7@60", 900, fisc_id="A1.7", opened_ms=60),
    }
    for name in order:
        shop.take(forms[name])
    (row,) = shop.rows()
    assert row.amount == forms[order[-1]].amount
    shop.take(NAMED)
    assert shop.row("R7").id == row.id


def test_a_named_sale_that_comes_back_nameless_and_changed_keeps_its_name(shop):
    shop.take(NAMED)
    shop.take(record("fisc:A1.7@60", 900, fisc_id="A1.7", opened_ms=60))
    assert shop.row("R7").amount == 900


@pytest.mark.parametrize("first", [NAMELESS, NAMED])
@pytest.mark.parametrize(
    "second",
    [
        record("fisc:A1.7@99", fisc_id="A1.7", opened_ms=99),
        record("R8", fisc_id="A1.7", opened_ms=99),
    ],
)
def test_a_known_till_number_with_another_opening_time_is_a_new_sale(shop, first, second):
    shop.take(first)
    assert shop.take(second).new == 1
    assert len(shop.rows()) == 2


def test_two_sales_of_a_reset_till_on_one_page_each_find_themselves(shop):
    later = record("fisc:A1.7@99", 500, fisc_id="A1.7", opened_ms=99)
    shop.take(NAMELESS, later)
    taken = shop.take(NAMED, record("R8", 500, fisc_id="A1.7", opened_ms=99))
    assert (taken.new, taken.known) == (0, 2)
    assert {row.reference: row.amount for row in shop.rows()} == {"R7": 833, "R8": 500}


UNTIMED = record("fisc:A1.7@?", fisc_id="A1.7", opened_ms=None)


@pytest.mark.parametrize("order", [(UNTIMED, NAMED), (NAMED, UNTIMED), (NAMELESS, UNTIMED)])
def test_two_reports_that_nobody_can_tell_apart_are_both_set_aside(shop, order):
    for each in order:
        shop.take(each)
    assert [row.state for row in shop.rows()] == ["quarantined", "quarantined"]
    assert "may be the same sale" in shop.rows()[0].reason
    assert shop.take(*order).known == 2


def test_of_such_two_the_one_that_is_posted_stays_posted(shop):
    shop.take(NAMED)
    shop.post_all()
    taken = shop.take(UNTIMED)
    assert (taken.new, taken.quarantined) == (1, 1)
    assert [row.state for row in shop.rows()] == ["posted", "quarantined"]


def test_two_named_sales_are_two_sales_whatever_their_numbers_and_times(shop):
    untimed = record("R8", fisc_id="A1.7", opened_ms=None)
    shop.take(NAMED)
    shop.take(untimed)
    assert [row.state for row in shop.rows()] == ["waiting", "waiting"]


def test_the_till_numbers_of_another_location_are_its_own(shop):
    shop.take(NAMELESS, place=HARBOUR)
    assert shop.take(NAMED, place=CITY).new == 1
    assert [row.reference for row in shop.rows()] == ["fisc:A1.7@60", "R7"]


def test_waiting_sales_are_read_oldest_first_by_lane_and_connecteam_location(shop):
    shop.take(record("late", created_at=NOON_S + 60), record("early", created_at=NOON_S))
    shop.take(record("old"), lane=Lane.BACKFILL)
    shop.take(record("beside", created_at=NOON_S + 30), place=STATION)
    shop.take(record("far", connecteam_id=456, currency="JPY"), place=CITY)
    names = {row.id: row.reference for row in shop.rows()}
    with shop.ledger.view() as view:
        live = sales.waiting(view, 123, Lane.LIVE, 10)
        assert [names[row.sale_id] for row in live] == ["early", "beside", "late"]
        assert [row.source_id for row in live] == [
            shop.id(HARBOUR),
            shop.id(STATION),
            shop.id(HARBOUR),
        ]
        assert [names[row.sale_id] for row in sales.waiting(view, 123, Lane.LIVE, 1)] == ["early"]
        (old,) = sales.waiting(view, 123, Lane.BACKFILL, 10)
        assert (names[old.sale_id], old.lane) == ("old", Lane.BACKFILL)
        (far,) = sales.waiting(view, 456, Lane.LIVE, 10)
    assert (far.transaction.location_id, far.transaction.currency) == (456, "JPY")
    assert (far.transaction.amount, far.transaction.tax) == (833, 0)


def test_refused_sales_are_set_aside_with_the_reason(shop):
    shop.take(record("R1"), record("R2"))
    reasons = {shop.row("R1").id: (shop.id(), "Connecteam refused it: too small")}
    with shop.ledger.commit() as commit:
        sales.quarantine(commit, reasons, NOON_MS)
    assert (shop.row("R1").state, shop.row("R1").reason) == (
        "quarantined",
        "Connecteam refused it: too small",
    )
    assert shop.row("R2").state == "waiting"
    assert shop.events()[-1] == "sale_quarantined"


def test_a_waiting_sale_without_an_amount_is_refused_by_the_database(shop):
    with pytest.raises(Exception, match="waiting_has_amount"), shop.ledger.commit() as commit:
        commit.execute(
            insert(sale).values(
                location_id=shop.id(),
                reference="R9",
                rules="1",
                lane="live",
                state="waiting",
                seen_ms=NOON_MS,
            )
        )


def test_a_transaction_id_belongs_to_one_sale_for_ever(shop):
    shop.take(record("R1"), record("R2"))
    with pytest.raises(Exception, match="transaction_id"), shop.ledger.commit() as commit:
        commit.execute(update(sale).values(transaction_id="tx-1"))
