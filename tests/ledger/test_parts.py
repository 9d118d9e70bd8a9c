"""The intent is durable before the request, and a plan that no longer fits is not sent."""

from collections import Counter

import pytest
from sqlalchemy import select, update

from ledger.tools import CITY, NOON_S, STATION, record
from tillbridge.batcher import Batch, Part
from tillbridge.ledger import counts, parts, status
from tillbridge.ledger.parts import BrokenInvariant, PlanStale
from tillbridge.ledger.schema import batch as batch_table
from tillbridge.ledger.schema import part, sale
from tillbridge.states import PartState, SaleState


def part_row(shop, part_id):
    with shop.ledger.view() as view:
        return parts.get(view, part_id)


def states(shop):
    return [row.state for row in shop.rows()]


def nothing_began(shop):
    with shop.ledger.view() as view:
        assert view.execute(select(batch_table)).all() == []
        assert view.execute(select(part)).all() == []
    assert set(states(shop)) <= {"waiting"}
    assert "part_sending" not in shop.events()


def test_what_is_about_to_be_sent_is_written_first(shop):
    shop.take(record("R1", 100, created_at=NOON_S), record("R2", 200, created_at=NOON_S + 9))
    shop.take(record("R3", 5, connecteam_id=456, currency="JPY"), place=CITY)
    batch, started = shop.begin()
    assert states(shop) == ["sending"] * 3
    assert len(batch.parts) == len(started.part_ids) == 2
    first = part_row(shop, started.part_ids[0])
    assert (first.state, first.total, first.row_count) == ("sending", 300, 2)
    assert (first.first_created, first.last_created) == (NOON_S, NOON_S + 9)
    assert (first.boot_id, first.started_boot_s) == ("boot-1", 1000.0)
    assert first.sale_ids == [shop.row("R1").id, shop.row("R2").id]
    assert {row.part_id for row in shop.rows()} == set(started.part_ids)
    assert shop.events().count("part_sending") == 2


def test_it_survives_a_crash_right_after_the_commit(shop):
    shop.take(record())
    shop.begin()
    shop.reopen()
    with shop.ledger.view() as view:
        (found,) = parts.open_parts(view)
    assert (found.state, states(shop)) == ("sending", ["sending"])


def test_a_plan_made_before_a_sale_changed_is_not_sent(shop):
    shop.take(record("R1"), record("R2"))
    (batch,) = shop.planned()
    shop.take(record("R2", 900))
    with pytest.raises(PlanStale):
        shop.begin(batch)
    nothing_began(shop)


def test_a_plan_is_not_sent_if_only_the_tax_of_a_sale_changed(shop):
    """The sum is the same; the revision tells."""
    shop.take(record())
    (batch,) = shop.planned()
    shop.take(record(tax="1.00", tax_amount=100))
    with pytest.raises(PlanStale):
        shop.begin(batch)
    nothing_began(shop)


def test_a_plan_with_a_sale_that_another_process_took_is_not_sent(shop):
    shop.take(record("R1", connecteam_id=123))
    shop.take(record("R2", connecteam_id=456, currency="JPY"), place=CITY)
    (both,) = shop.planned()
    (only_city,) = shop.planned([456])
    shop.begin(only_city)
    with pytest.raises(PlanStale):
        shop.begin(both)
    assert states(shop) == ["waiting", "sending"]


@pytest.mark.parametrize("outcome", ["sending", "doubt"])
def test_one_unfinished_write_per_connecteam_location(shop, outcome):
    shop.take(record("R1"))
    if outcome == "doubt":
        shop.doubt()
    else:
        shop.begin()
    shop.take(record("R2"), place=STATION)
    with pytest.raises(PlanStale):
        shop.begin()
    assert shop.row("R2").state == "waiting"


def test_a_doubt_at_one_location_keeps_no_other_from_being_posted_to(shop):
    shop.take(record("R1"))
    shop.doubt()
    shop.take(record("R2", connecteam_id=456, currency="JPY"), place=CITY)
    shop.begin()
    assert shop.row("R2").state == "sending"


def test_where_several_may_be_under_way_only_the_rows_must_be_free(shop):
    shop.take(record("R1"))
    shop.begin()
    shop.take(record("R2"))
    (batch,) = shop.planned()
    with shop.ledger.commit() as commit:
        parts.begin(commit, batch, shop.clock.moment(), alone=frozenset())
    assert states(shop) == ["sending", "sending"]


def mixed_signs(rows):
    return (rows[0], rows[1]._replace(transaction=_with(rows[1], amount=-5)))


def a_zero_in_front(rows):
    return (rows[0]._replace(transaction=_with(rows[0], amount=0)), rows[1])


def far_apart(rows):
    return (rows[0], rows[1]._replace(transaction=_with(rows[1], created_at=NOON_S + 9**8)))


def of_another_location(rows):
    return (rows[0], rows[1]._replace(transaction=_with(rows[1], location_id=456)))


def no_rows(_rows):
    return ()


def _with(row, **values):
    fields = ("location_id", "sale_type", "created_at", "amount", "tax", "currency")
    known = {name: getattr(row.transaction, name) for name in fields}
    return type(row.transaction)(**{**known, **values})


@pytest.mark.parametrize(
    "spoil", [mixed_signs, a_zero_in_front, far_apart, of_another_location, no_rows]
)
def test_a_part_that_totals_could_not_tell_the_fate_of_is_never_begun(shop, spoil):
    shop.take(record("R1"), record("R2"))
    rows = shop.planned()[0].rows
    batch = Batch((Part(123, spoil(rows)),))
    with pytest.raises(BrokenInvariant) as caught:
        shop.begin(batch)
    assert caught.value.connecteam_id == 123
    nothing_began(shop)


def test_a_part_with_the_same_sale_twice_is_never_begun(shop):
    shop.take(record())
    (row,) = shop.planned()[0].rows
    with pytest.raises(PlanStale):
        shop.begin(Batch((Part(123, (row, row)),)))
    nothing_began(shop)


def test_accepted_rows_carry_their_transaction_ids(shop):
    shop.take(record("R1"), record("R2"))
    batch, started = shop.begin()
    shop.clock.sleep(2)
    shop.accept(batch, started)
    assert [(row.state, row.transaction_id) for row in shop.rows()] == [
        ("posted", f"tx-{started.part_ids[0]}-{row.id}") for row in shop.rows()
    ]
    assert part_row(shop, started.part_ids[0]).state == "posted"
    known = shop.row("R1").transaction_id
    with shop.ledger.view() as view:
        assert parts.open_parts(view) == []
        assert parts.known_ids(view, [known, "tx-new"]) == {known}
        ended = view.execute(select(batch_table)).one()
        (harbour, *_) = status.of_locations(view)
    assert (ended.request_id, ended.ended_ms - ended.started_ms) == ("req-1", 2000)
    assert harbour["last_posted_at"] == "2026-11-01T12:00:02.000Z"


def test_an_answer_cannot_be_recorded_twice(shop):
    shop.take(record())
    batch, started = shop.begin()
    shop.accept(batch, started)
    with pytest.raises(AssertionError):
        shop.accept(batch, started, prefix="other")
    assert shop.row().transaction_id.startswith("tx-")


def test_an_answer_for_rows_of_another_part_is_a_bug_and_changes_nothing(shop):
    shop.take(record("R1"))
    _, first = shop.begin()
    shop.take(record("R2", connecteam_id=456, currency="JPY"), place=CITY)
    shop.begin()
    ids = {shop.row("R1").id: "a", shop.row("R2").id: "b"}
    sources = [shop.id(), shop.id(CITY)]
    with pytest.raises(AssertionError), shop.ledger.commit() as commit:
        parts.post_rows(commit, first.part_ids[0], ids, sources, shop.clock.moment())
    assert states(shop) == ["sending", "sending"]


def short_answer(shop, echoed):
    """Of three rows (100, 200, 300), those at these places were echoed."""
    shop.take(*(record(f"R{n}", 100 * n, created_at=NOON_S + n) for n in (1, 2, 3)))
    batch, started = shop.begin()
    (part_id,) = started.part_ids
    rows = [batch.parts[0].rows[place] for place in echoed]
    ids = {row.sale_id: f"tx-{row.sale_id}" for row in rows}
    total = sum(row.transaction.amount for row in rows)
    with shop.ledger.commit() as commit:
        now = shop.clock.moment()
        parts.post_rows(commit, part_id, ids, [row.source_id for row in rows], now)
        parts.split_posted(commit, part_id, ids, total, now)
        if len(rows) < 3:
            parts.move_rows(commit, part_id, SaleState.SENDING, SaleState.IN_DOUBT)
            parts.set_state(commit, parts.get(commit, part_id), PartState.DOUBT, now)
    return part_id


def test_a_short_answer_leaves_only_the_rest_in_doubt(shop):
    part_id = short_answer(shop, [0, 2])
    rest = part_row(shop, part_id)
    assert (rest.state, rest.total, rest.row_count) == ("doubt", 200, 1)
    assert rest.sale_ids == [shop.row("R2").id]
    assert states(shop) == ["posted", "in_doubt", "posted"]
    posted = part_row(shop, shop.row("R1").part_id)
    assert (posted.state, posted.total, posted.row_count) == ("posted", 400, 2)
    assert posted.sale_ids == [shop.row("R1").id, shop.row("R3").id]
    assert posted.batch_id == rest.batch_id


def test_an_answer_that_was_whole_after_all_leaves_no_doubt(shop):
    part_id = short_answer(shop, [0, 1, 2])
    assert part_row(shop, part_id).state == "posted"
    with shop.ledger.view() as view:
        assert parts.open_parts(view) == []


@pytest.mark.parametrize(
    ("new", "state"),
    [
        (SaleState.POSTED, PartState.POSTED),
        (SaleState.WAITING, PartState.ABANDONED),
        (SaleState.HELD, PartState.HELD),
    ],
)
def test_a_doubt_ends_for_all_its_rows_at_once(shop, new, state):
    shop.take(record("R1"), record("R2"))
    shop.take(record("R3"), place=STATION)
    part_id = shop.doubt()
    assert shop.decide(part_id, SaleState.IN_DOUBT, new, state) == 3
    assert states(shop) == [str(new)] * 3
    expected = None if new is SaleState.WAITING else part_id
    assert {row.part_id for row in shop.rows()} == {expected}
    assert part_row(shop, part_id).state == str(state)
    assert shop.events()[-1] == f"part_{state}"


def test_rows_that_wait_again_go_out_in_a_new_part(shop):
    shop.take(record())
    part_id = shop.doubt()
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.WAITING, PartState.ABANDONED)
    _, again = shop.begin()
    assert again.part_ids[0] != part_id
    assert part_row(shop, part_id).sale_ids == [shop.row().id]


def test_moving_rows_that_are_in_another_state_moves_none(shop):
    shop.take(record())
    part_id = shop.doubt()
    with shop.ledger.commit() as commit:
        assert parts.move_rows(commit, part_id, SaleState.HELD, SaleState.POSTED) == 0
    assert states(shop) == ["in_doubt"]


def test_the_parts_of_one_location_are_found_among_all(shop):
    shop.take(record("R1"))
    shop.take(record("R2", connecteam_id=456, currency="JPY"), place=CITY)
    _, started = shop.begin()
    with shop.ledger.view() as view:
        assert [row.id for row in parts.open_parts(view)] == list(started.part_ids)
        assert [row.connecteam_id for row in parts.open_parts(view, 456)] == [456]
        assert parts.find(view, 10**6) is None


def test_a_count_can_never_go_below_zero(shop):
    shop.take(record())
    change = counts.shift([shop.id()], SaleState.POSTED, SaleState.HELD)
    with pytest.raises(Exception, match="not_negative"), shop.ledger.commit() as commit:
        counts.move(commit, change)


def test_a_count_of_a_location_that_does_not_exist_is_a_bug(shop):
    with pytest.raises(AssertionError), shop.ledger.commit() as commit:
        counts.move(commit, Counter({(999, "waiting"): 1}))


def test_the_check_of_these_tests_sees_a_wrong_count(shop):
    shop.take(record())
    key = shop.row().id
    with shop.ledger.commit() as commit:
        commit.execute(update(sale).where(sale.c.id == key).values(state="posted"))
    with pytest.raises(AssertionError):
        shop.check()
    with shop.ledger.commit() as commit:
        commit.execute(update(sale).where(sale.c.id == key).values(state="waiting"))
