"""What runs on every poll, every batch and every start asks indices, however large the ledger is.

Not timed: SQLite says how it would run each statement that the program really sends, and none may
read a large table from its first row to its last, nor as much of it by an index.
"""

import re
from datetime import date
from pathlib import Path

import pytest

from hearing import heard, steps_of
from ledger.tools import CITY, HARBOUR, NOON_MS, NOON_S, STATION, Shop, record
from tillbridge import gauges
from tillbridge.ledger import (
    comparing,
    corrections,
    locations,
    parts,
    removals,
    sales,
    status,
    targets,
    verdicts,
)
from tillbridge.ledger.removals import Purpose
from tillbridge.states import Lane, PartState, SaleState

NOON_DAY = date(2026, 11, 1)
WATCHED = gauges.Watched({}, 300, 0, 0.8, 10_000, Path("no-tokens"))
LARGE = {"sale", "part", "batch", "event", "reading"}
SCAN = re.compile(r"^SCAN (\w+)")
MOST_STEPS = 20_000
"""Of SQLite's machine, for one statement: health looks at two thousand sales, and nothing at all thirty
thousand."""


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """Many posted sales in many parts, and a few of whatever needs work."""
    shop = Shop(tmp_path_factory.mktemp("years") / "ledger.db")
    with shop.ledger.commit() as commit:
        commit.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
            "INSERT INTO batch (id, row_count, started_ms) SELECT i, 100, i FROM n"
        )
        commit.exec_driver_sql(
            "INSERT INTO part (id, batch_id, connecteam_id, state, row_count, total, currency, "
            "first_created, last_created, sale_ids, boot_id, started_boot_s) "
            "SELECT id, id, 123, 'posted', 100, 100, 'GBP', id, id, '[]', 'b', 1.0 FROM batch"
        )
        commit.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) "
            "INSERT INTO sale (location_id, reference, fisc_id, opened_ms, rules, connecteam_id, "
            "sale_type, created_at, amount, tax_amount, currency, lane, state, part_id, "
            "transaction_id, seen_ms, digest) "
            "SELECT 1, 'old' || i, 'A' || i, i, '1', 123, 'SALE', i, 1, 0, 'GBP', 'live', "
            "'posted', 1 + i / 101, 'tx' || i, i, x'00' FROM n"
        )
        commit.exec_driver_sql(
            "UPDATE tally SET count = 30000 WHERE location_id = 1 AND state = 'posted'"
        )
        key = targets.add_reading(commit, 123, {NOON_DAY: 1}, shop.clock.moment())
        targets.set_base(commit, 123, key, shop.clock.moment())
    shop.take(record("D1"), record("Q1", None))
    shop.doubt()
    shop.take(record("W1", 5), record("W2", -5))
    shop.check()
    yield shop
    shop.ledger.close()


def scans(shop, statements):
    """Those that read too much, and how."""
    found = []
    with shop.ledger.view() as view:
        for statement, parameters in statements:
            plan = view.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in plan]
            tables = {match.group(1) for step in steps if (match := SCAN.match(step))}
            if tables & LARGE:
                found.append(f"{statement}\n  {steps}")
    for statement, parameters in statements:
        taken = steps_of(shop.ledger._raw, statement, parameters)
        if taken > MOST_STEPS:
            found.append(f"{statement}\n  {taken} steps")
    return found


def needs_only_indices(shop, deed, *, writes=False):
    """Run it, then ask how each of its statements is run; a write is undone."""

    class Undo(Exception):
        pass

    def write():
        with shop.ledger.commit() as commit:
            deed(commit)
            raise Undo

    with heard(shop.ledger._engine) as statements:
        if writes:
            with pytest.raises(Undo):
                write()
        else:
            with shop.ledger.view() as view:
                deed(view)
    assert statements
    assert "\n".join(scans(shop, statements)) == ""


READS = {
    "planning": lambda view: sales.waiting(view, 123, Lane.LIVE, 1000),
    "an idle poll: open parts": parts.open_parts,
    "an idle poll: open parts of one": lambda view: parts.open_parts(view, 123),
    "an idle poll: deletes": lambda view: (removals.blocking(view), removals.cleared(view, 123)),
    "an idle poll: corrections": corrections.pending,
    "an idle poll: the target": lambda view: targets.base_of(view, targets.get(view, 123)),
    "status": status.of_locations,
    "health": lambda view: gauges.of_places(view, WATCHED, NOON_MS),
    "quarantine list": status.quarantined,
    "doubts list": status.doubts,
    "given up": lambda view: targets.abandoned(view, targets.get(view, 123)),
    "attempted": lambda view: targets.was_attempted(view, 123, NOON_S, NOON_S + 60),
    "known ids": lambda view: parts.known_ids(view, ["a", "b"]),
    "undecided": lambda view: parts.undecided_within(view, 123, NOON_S, NOON_S + 60),
    "newest": lambda view: parts.newest_total(view, 123),
    "asked for": lambda view: corrections.asked_for(view, 123, 50),
    "a night's comparison": lambda view: comparing.fingerprint(view, 123, NOON_DAY, NOON_DAY),
    "counted, asked for": lambda view: corrections.count_asked_for(view, Purpose.PURGE),
    "sums since": lambda view: sales.sums_by_type(view, 123, 299),
    "posted since": lambda view: sales.posted_since(view, 123, 299, 100),
    "posted since the beginning": lambda view: sales.posted_since(view, 123, 0, 100),
    "count between": lambda view: sales.count_between(view, 123, NOON_S, NOON_S + 60),
    "a window": lambda view: removals.attempted_span(view, 123, NOON_S, NOON_S + 60),
}


@pytest.mark.parametrize("name", READS)
def test_reading_asks_indices(years, name):
    needs_only_indices(years, READS[name])


def _begin(shop):
    with shop.ledger.commit() as commit:  # nothing is sent where a doubt is open
        for row in parts.open_parts(commit):
            parts.set_state(commit, row, PartState.HELD, shop.clock.moment())
    (batch, *_) = [b for b in shop.planned() if b.rows]

    def deed(commit):
        now = shop.clock.moment()
        started = parts.begin(commit, batch, now, alone=frozenset())
        part_id = started.part_ids[0]
        rows = batch.parts[0].rows
        ids = {row.sale_id: f"new-{row.sale_id}" for row in rows}
        parts.post_rows(commit, part_id, ids, [row.source_id for row in rows], now)
        parts.set_state(commit, parts.get(commit, part_id), PartState.POSTED, now)
        parts.move_rows(commit, part_id, SaleState.POSTED, SaleState.HELD)
        parts.end_batch(commit, started.batch_id, now, None, None)
        targets.acknowledge(commit, 123, 5, now)

    return deed


def _page(shop):
    page = [record(f"old{n}", fisc_id=f"A{n}", opened_ms=n) for n in range(1, 50)]
    page += [record(f"new{n}", fisc_id=f"B{n}") for n in range(50)]
    page += [record(f"fisc:C{n}@1", fisc_id=f"C{n}", opened_ms=1) for n in range(50)]
    key = shop.id()
    return lambda commit: sales.take_in(commit, key, page, Lane.LIVE, NOON_MS)


WRITES = {
    "a page": _page,
    "a batch": _begin,
    "corrections": lambda shop: (
        lambda commit: corrections.apply_unsent(commit, shop.clock.moment())
    ),
    "starting": lambda _shop: (
        lambda commit: locations.register(commit, [HARBOUR, STATION, CITY], NOON_MS)
    ),
    "after a reboot": lambda shop: (
        lambda commit: verdicts.begin_waits_anew(
            commit, parts.Moment(NOON_MS, 5.0, f"after-{shop.clock.boot_id}")
        )
    ),
}


@pytest.mark.parametrize("name", WRITES)
def test_writing_asks_indices(years, name):
    needs_only_indices(years, WRITES[name](years), writes=True)


def test_a_query_that_reads_everything_is_noticed(years):
    by_table, by_steps = scans(years, [("SELECT * FROM sale WHERE rules = ?", ("1",))])
    assert "SCAN sale" in by_table
    assert by_steps.endswith(" steps")
    by_index = "SELECT max(amount) FROM sale WHERE connecteam_id = ?"
    assert len(scans(years, [(by_index, (123,))])) == 1


def test_the_largest_plan_is_read_in_order_without_sorting(years):
    with heard(years.ledger._engine) as statements, years.ledger.view() as view:
        sales.waiting(view, 123, Lane.LIVE, 1000)
    ((statement, parameters),) = statements
    with years.ledger.view() as view:
        plan = [
            row[3] for row in view.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert "SEARCH sale USING INDEX sale_waiting (connecteam_id=? AND lane=?)" in plan
    assert not any("B-TREE" in step for step in plan)


@pytest.mark.parametrize("name", ["a page", "a batch"])
def test_a_list_handed_over_as_a_text_is_read_once_and_not_once_for_each_row(years, name):
    """A hundred times a hundred steps stay hidden as long as nobody looks at the order."""
    deed = WRITES[name](years)
    with heard(years.ledger._engine) as statements, years.ledger.commit() as commit:
        deed(commit)
    listed = [(text, values) for text, values in statements if "json_each" in text]
    assert listed
    with years.ledger.view() as view:
        for text, values in listed:
            plan = view.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
            first = {parent: key for key, parent, _, _ in reversed(plan)}
            inner = [step for key, up, _, step in plan if "VIRTUAL" in step and key != first[up]]
            assert inner == [], text
