"""What a person asks to be taken back: kept over re-reads, amendments and kills, and found fast."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hearing import heard
from ledger.tools import HARBOUR, NOON_MS, NOON_S, STATION, Shop, raw, record
from tillbridge import takeback
from tillbridge.ledger import corrections, history, locations, removals, rulebook
from tillbridge.ledger.removals import Purpose, RemovalState
from tillbridge.mapper import Rules
from tillbridge.record import Record
from tillbridge.states import PartState, SaleState

DAY = (NOON_S - 43_200, NOON_S + 43_200)


def allowed(_key: int, _stamp_s: int) -> None:
    return None


def ask_for_all(shop: Shop, reason: str = "for a test") -> int:
    plan = takeback.plan(shop.ledger, shop.id(), *DAY, allowed)
    return takeback.ask(shop.ledger, plan.sale_ids, NOON_MS, reason)


def asked(shop: Shop, connecteam_id: int = 123) -> list[str]:
    with shop.ledger.view() as view:
        return [row.reference for row in corrections.asked_for(view, connecteam_id, 100)]


def delete(shop: Shop, reference: str) -> None:
    """As the corrector does: intent, DELETE, acknowledgement."""
    with shop.ledger.commit() as commit:
        (row,) = [r for r in corrections.asked_for(commit, 123, 100) if r.reference == reference]
        corrections.plan_delete(commit, row, row.purpose, shop.clock.moment())
    with shop.ledger.commit() as commit:
        (item,) = removals.blocking(commit)
        corrections.acknowledge_delete(commit, item, shop.clock.moment(), "req-9")
    shop.check()


def ask_rules(shop: Shop, records: dict[str, Record]) -> int:
    wanted = {shop.row(reference).id: one for reference, one in records.items()}
    with shop.ledger.commit() as commit:
        return corrections.ask(commit, wanted, Purpose.RULES, NOON_MS, "rules")


def changed_rules(row: Record, **values: object) -> Record:
    """The same report under other rules: the digest stays."""
    return row._replace(rules="2-other", **values)


def test_a_sale_that_is_taken_out_is_removed_and_stays_so(shop: Shop):
    shop.take(record("R1"), record("R2"))
    shop.post_all()
    assert ask_for_all(shop) == 2
    delete(shop, "R1")
    gone = shop.row("R1")
    assert (gone.state, gone.transaction_id, gone.amount) == ("removed", None, 833)
    assert gone.reason == "for a test"
    assert asked(shop) == ["R2"]
    shop.take(record("R1"), record("R1", amount=900))
    assert shop.row("R1").state == SaleState.REMOVED


def test_asking_a_second_time_asks_for_nothing_twice(shop: Shop):
    shop.take(record("R1"))
    shop.post_all()
    assert ask_for_all(shop) == 1
    plan = takeback.plan(shop.ledger, shop.id(), *DAY, allowed)
    assert (plan.sale_ids, plan.already) == ([], 1)
    assert takeback.ask(shop.ledger, [shop.row("R1").id], NOON_MS, "again") == 0


def test_a_report_that_says_the_same_as_before_does_not_end_what_was_asked(shop: Shop):
    shop.take(record("R1"))
    shop.post_all()
    ask_for_all(shop)
    shop.take(record("R1"))
    assert asked(shop) == ["R1"]


def test_an_amendment_neither_ends_nor_outruns_a_purge(shop: Shop):
    shop.take(record("R1"), record("R2"))
    shop.post_all()
    shop.take(record("R1", amount=900))  # amended first, purged then
    ask_for_all(shop)
    shop.take(record("R2", amount=700))  # purged first, amended then
    assert asked(shop) == ["R1", "R2"]
    delete(shop, "R1")
    delete(shop, "R2")
    assert [(row.state, row.amount) for row in shop.rows()] == [("removed", 900), ("removed", 700)]


def test_an_amendment_outruns_a_changed_rule(shop: Shop):
    shop.take(record("R1"))
    shop.post_all()
    other = changed_rules(record("R1"), amount=1000)
    ask_rules(shop, {"R1": other})
    shop.take(record("R1", amount=900))
    assert asked(shop) == []
    with shop.ledger.view() as view:
        (row,) = corrections.pending(view)
        assert corrections.record_of(row).amount == 900
    assert ask_rules(shop, {"R1": other}) == 0  # and it is not overwritten by one


def test_a_changed_rule_is_carried_out_by_deleting_and_waiting_anew(shop: Shop):
    shop.take(record("R1"), record("R2"))
    shop.post_all()
    other = changed_rules(record("R1"), amount=1000)
    left_out = changed_rules(
        record("R2"), state=SaleState.SKIPPED, amount=None, sale_type=None, created_at=None,
        tax_amount=None, currency=None, reason="left out",
    )  # fmt: skip
    assert ask_rules(shop, {"R1": other, "R2": left_out}) == 2
    delete(shop, "R1")
    delete(shop, "R2")
    first, second = shop.rows()
    assert (first.state, first.amount, first.rules) == ("waiting", 1000, "2-other")
    assert (second.state, second.reason) == ("skipped", "left out")
    shop.post_all()
    assert shop.row("R1").state == SaleState.POSTED
    with shop.ledger.view() as view:
        assert corrections.count_asked_for(view, Purpose.RULES) == {}


def test_a_kill_between_intent_and_answer_leaves_the_intent(shop: Shop):
    shop.take(record("R1"))
    shop.post_all()
    ask_for_all(shop)
    with shop.ledger.commit() as commit:
        (row,) = corrections.asked_for(commit, 123, 9)
        corrections.plan_delete(commit, row, row.purpose, shop.clock.moment())
    shop.reopen()
    with shop.ledger.view() as view:
        (item,) = removals.blocking(view)
    assert (item.state, item.purpose) == (RemovalState.PLANNED, Purpose.PURGE)
    assert item.transaction_id == shop.row("R1").transaction_id


def test_only_what_is_there_and_of_this_location_and_period_is_planned(shop: Shop):
    late = NOON_S + 86_400
    shop.take(record("in"), record("late", created_at=late, closed_ms=late * 1000))
    shop.take(record("other shop"), place=STATION)
    shop.post_all()
    shop.take(record("waits", amount=5))
    plan = takeback.plan(shop.ledger, shop.id(), *DAY, allowed)
    assert plan.sale_ids == [shop.row("in").id]
    assert plan.amount == {"GBP": 833}
    assert plan.waiting == 1


def test_a_sale_without_an_id_goes_only_by_an_allowed_window(shop: Shop):
    shop.take(record("R1"))
    part_id = shop.doubt()
    undecided = takeback.plan(shop.ledger, shop.id(), *DAY, allowed)
    assert (undecided.undecided, undecided.sale_ids) == (1, [])
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.POSTED, PartState.POSTED)
    assert shop.row("R1").transaction_id is None
    asked_about = []

    def refused(key: int, stamp_s: int) -> str:
        asked_about.append((key, stamp_s))
        return "the location is not exclusive"

    left = takeback.plan(shop.ledger, shop.id(), *DAY, refused)
    assert (left.sale_ids, dict(left.left)) == ([], {"the location is not exclusive": 1})
    assert asked_about == [(123, NOON_S)]
    by_window = takeback.plan(shop.ledger, shop.id(), *DAY, allowed)
    assert (len(by_window.sale_ids), by_window.by_window) == (1, 1)


# -- moving a location ------------------------------------------------------------------------


def test_a_moved_location_takes_along_what_waits_and_leaves_what_was_posted(shop: Shop):
    shop.take(record("posted"))
    shop.post_all()
    shop.take(record("waits"))
    moved = locations.Identity(HARBOUR.name, HARBOUR.lightspeed_id, 999, "GBP")
    with shop.ledger.commit() as commit:
        assert locations.move(commit, moved, NOON_MS)
        assert not locations.move(commit, moved, NOON_MS)
    assert shop.row("posted").connecteam_id == 123
    assert shop.row("waits").connecteam_id == 999
    with shop.ledger.commit() as commit:
        locations.register(commit, [moved], NOON_MS)
    with shop.ledger.view() as view:
        assert locations.left_behind(view) == {(999, HARBOUR.lightspeed_id)}
    ask_for_all(shop)
    with shop.ledger.view() as view:
        assert (123, HARBOUR.lightspeed_id) in locations.left_behind(view)


# -- what explain looks up --------------------------------------------------------------------


def statements(shop: Shop, key: str) -> list[str]:
    """How SQLite answers each question that telling a sale's story asks."""
    with heard(shop.ledger._engine) as seen, shop.ledger.view() as view:
        assert history.story_of(view, key)
    with shop.ledger.view() as view:
        return [
            str(row[3])
            for text, values in seen
            for row in view.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
        ]


def test_a_story_is_found_by_any_name_without_reading_every_sale_or_part(shop: Shop):
    shop.take(record("R1", fisc_id="A1.1", receipt_id="X1"), record("R2", fisc_id="A1.2"))
    shop.post_all()
    for name in ("reference", "fisc_id", "receipt_id", "transaction_id"):
        steps = statements(shop, getattr(shop.row("R1"), name))
        assert len(steps) > 5
        large = ("sale", "part", "batch", "event", "removal", "correction")
        assert [
            step for step in steps if step.startswith("SCAN") and step.split()[1] in large
        ] == []
        # All sales of a location, or all parts of a target, are as many as all there are.
        whole = ("(location_id=?)", "(connecteam_id=?)", "(state=?)")
        assert [step for step in steps if step.endswith(whole)] == []


def test_a_deleted_transaction_id_still_leads_to_its_sale(shop: Shop):
    shop.take(record("R1"))
    shop.post_all()
    key = shop.row("R1").transaction_id
    ask_for_all(shop)
    delete(shop, "R1")
    with shop.ledger.view() as view:
        (story,) = history.story_of(view, key)
    assert story["reference"] == "R1"
    assert any((e["detail"] or {}).get("transaction") == key for e in story["events"])


def test_the_requests_of_a_sale_that_was_dated_anew_are_all_told(shop: Shop):
    shop.take(record("R1"))
    batch, started = shop.begin()
    shop.accept(batch, started)
    month = NOON_S + 30 * 86_400
    other = changed_rules(record("R1"), created_at=month)
    ask_rules(shop, {"R1": other})
    delete(shop, "R1")
    shop.accept(*shop.begin(), prefix="second")
    with shop.ledger.view() as view:
        (story,) = history.story_of(view, "R1")
    assert [request["batch"] for request in story["requests"]] == [1, 2]
    assert [request["request_id"] for request in story["requests"]] == ["req-1", "req-1"]


def test_a_request_that_never_left_is_told_even_if_the_sale_was_dated_anew_since(shop: Shop):
    shop.take(record("R1"))
    _, started = shop.begin()
    (part_id,) = started.part_ids
    shop.decide(part_id, SaleState.SENDING, SaleState.WAITING, PartState.NOT_SENT)
    month = NOON_S + 30 * 86_400
    shop.take(record("R1", created_at=month, closed_ms=month * 1000))
    shop.post_all()
    with shop.ledger.view() as view:
        (story,) = history.story_of(view, "R1")
    assert [request["state"] for request in story["requests"]] == ["not_sent", "posted"]


def test_a_period_holds_what_closed_in_it_and_what_is_stamped_into_it(shop: Shop):
    start = datetime(2026, 11, 1, tzinfo=UTC)
    end_ms = int((start + timedelta(days=1)).timestamp() * 1000)
    evening = end_ms // 1000 - 1
    shop.take(
        record("in"),
        record("after midnight", closed_ms=end_ms + 3_600_000, created_at=evening),
        record("next day", closed_ms=end_ms + 3_600_000, created_at=end_ms // 1000 + 3600),
        record("before", closed_ms=NOON_MS - 86_400_000, created_at=NOON_S - 86_400),
    )
    with shop.ledger.view() as view:
        rows = list(history.in_period(view, shop.id(), int(start.timestamp() * 1000), end_ms))
    assert [row.reference for row in rows] == ["in", "after midnight"]


def test_rules_of_long_ago_are_remembered_as_they_were(shop: Shop):
    old = Rules(
        123, "GBP", ZoneInfo("Europe/London"), evening_date=True,
        skip_groups=frozenset({"gift cards"}),
    )  # fmt: skip
    new = Rules(123, "GBP", ZoneInfo("Europe/London"))
    for _ in range(2):
        with shop.ledger.commit() as commit:
            rulebook.remember(commit, [old, new])
    with shop.ledger.view() as view:
        assert rulebook.find(view, old.version) == old
        assert rulebook.find(view, new.version) == new
        assert rulebook.find(view, "1-never") is None
    assert raw(shop.path, "select count(*) from meta where key like 'rules:%'") == [(2,)]
