"""With years of sales in the ledger, a poll, a status and a start do what they did with none.

Not timed: every statement that the real program sends is heard, and none may take more of SQLite's
own steps than with few sales, or read a large table from its first row to its last; nor may there
be more of them.
"""

import re
from datetime import timedelta

import pytest

from hearing import heard, steps_of
from simulation.test_history import HISTORY_DAYS, POLL_S, History
from simulation.test_quota_week import DAY_S, folder
from tillbridge.cli.checkup import Checkup
from tillbridge.cli.unposted import asked_for, unconfirmed
from tillbridge.ledger import counts, quotas
from tillbridge.ledger import status as ledger_status
from tillbridge.states import SaleState

__all__ = ["folder"]

FEW, MANY = 100, 20_000
MORE_STEPS = 100
"""A row that is read costs four to ten: more than ten or twenty of them are noticed."""

LARGE = {"sale", "part", "batch", "event", "reading"}
# An index of the few sales that wait, or need a person, may be read as a whole.
SCAN = re.compile(r"^SCAN (\w+)(?! USING (?:COVERING )?INDEX sale_(?:waiting|attention))\b")
NEWEST = re.compile(r"ORDER BY \w+\.id DESC\s+LIMIT")  # of which the first row is read


class Empty(History):
    """A location that sells nothing any more, but what `sell` brings."""

    sales = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.to_come = [
            sale for many in self.sales.values() for sale in many
            if sale.versions[0].shown_s > HISTORY_DAYS * DAY_S
        ]  # fmt: skip
        for many in self.lightspeed.sales.values():
            many.clear()

    def sell(self) -> None:
        """A few hours of live sales."""
        for many in self.lightspeed.sales.values():
            many.extend(self.to_come)
        self.clock.advance_to(max(sale.versions[0].shown_s for sale in self.to_come) + 60)


def fill(ledger, many: int) -> None:
    """Years of posted sales, a hundred to a request, all before the first live day."""
    with ledger.commit() as commit:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :n) "

        def do(text: str, count: int) -> None:
            commit.exec_driver_sql(f"{numbers.replace(':n', str(count))} {text}")

        do("INSERT INTO batch (id, row_count, started_ms, ended_ms) SELECT i, 100, i, i FROM n",
           many // 100 + 1)  # fmt: skip
        do("INSERT INTO part (id, batch_id, connecteam_id, state, row_count, total, currency, "
           "first_created, last_created, sale_ids, boot_id, started_boot_s) SELECT i, i, 101, "
           "'posted', 100, 100, 'GBP', i * 100, i * 100 + 99, '[]', 'b', 1.0 FROM n",
           many // 100 + 1)  # fmt: skip
        do("INSERT INTO sale (location_id, reference, fisc_id, opened_ms, closed_ms, rules, "
           "connecteam_id, sale_type, created_at, amount, tax_amount, currency, lane, state, "
           "part_id, transaction_id, seen_ms, digest) SELECT 1, 'old' || i, 'A' || i, i, i * 1000, "
           "'1', 101, 'SALE', i, 1, 0, 'GBP', 'live', 'posted', 1 + i / 100, 'tx' || i, i, x'00' "
           "FROM n", many)  # fmt: skip
        do("INSERT INTO event (at_ms, name, sale_id, part_id) SELECT i, 'x', i, 1 + i / 100 FROM n",
           many)  # fmt: skip
        commit.exec_driver_sql(
            f"UPDATE tally SET count = {many} WHERE location_id = 1 AND state = 'posted'"
        )
        commit.exec_driver_sql(f"UPDATE target SET base_part_id = {many // 100}")


def start(world):
    process = world.process()
    process.begin()
    return process


def poll(world):
    process = world.process()
    process.begin()
    process.run_pass()
    return process


def trade(world):
    """Live sales are read and posted, looked for in the totals, and compared with them."""
    process = world.process()
    process.begin()
    world.sell()
    work = process.bridge.make_pass(patient=True)
    for _ in range(8):
        look_s = work.run(post_for_s=POLL_S).next_look_s
        world.clock.advance_to(world.clock.true_s + min(POLL_S, look_s or POLL_S))
    with process.ledger.view() as view:
        assert counts.by_state(view, 1)[SaleState.POSTED] > min(FEW, MANY)
    return process


def look(world):
    process = world.process()
    with process.ledger.view() as view:
        ledger_status.of_locations(view)
        ledger_status.doubts(view)
        quotas.load(view)
        names = {101: "Venue"}
        assert unconfirmed(view, names) + asked_for(view, names) == []
    Checkup(world.config, process.ledger, world.clock).findings()
    return process


DEEDS = {"start": start, "poll": poll, "trade": trade, "status": look}


def steps_taken(world, deed, many):
    """Each statement of a deed, and the steps that it takes."""
    first = world.process()
    first.begin()
    first.run_pass()
    fill(first.ledger, many)
    with heard(first.ledger._engine) as found:  # all processes of the simulation share one engine
        first.end()
        process = deed(world)
    taken = [(one[0], steps_of(process.ledger._raw, *one)) for one in found]
    scans = scanned(process.ledger, found)
    process.end()
    return taken, scans


def scanned(ledger, found):
    """Those that read a large table as a whole, by SQLite's plan."""
    scans = []
    with ledger.view() as view:
        for statement, parameters in found:
            plan = view.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in plan]
            read = {match.group(1) for step in steps if (match := SCAN.match(step))}
            if read & LARGE and not NEWEST.search(statement):
                scans.append(f"{statement}\n  {steps}")
    return scans


def grown(folder, deed):
    """What takes more steps with many sales, and what reads a table of them as a whole."""
    (folder / "few").mkdir()
    (folder / "many").mkdir()
    few, _ = steps_taken(Empty("Expert", 1, folder / "few"), deed, FEW)
    many, scans = steps_taken(Empty("Expert", 1, folder / "many"), deed, MANY)
    assert 0 < len(many) == len(few)
    assert sum(steps for _, steps in many) > 100
    return scans, [
        f"{before} steps, then {after}: {statement}"
        for (_, before), (statement, after) in zip(few, many, strict=True)
        if after > before + MORE_STEPS
    ]


@pytest.mark.parametrize("name", DEEDS)
def test_with_many_sales_as_many_statements_take_as_many_steps(folder, name):
    scans, more = grown(folder, DEEDS[name])
    assert "\n".join(scans) == ""
    assert "\n".join(more) == ""


@pytest.mark.parametrize(("reads", "scan"), [("rules = '1'", 1), ("connecteam_id = 101", 0)])
def test_a_statement_that_reads_every_sale_is_noticed(folder, reads, scan):
    def careless(world):
        process = world.process()
        with process.ledger.view() as view:
            view.exec_driver_sql(f"SELECT sum(amount) FROM sale WHERE {reads}").all()
        return process

    scans, more = grown(folder, careless)
    assert (len(scans), len(more)) == (scan, 1)


def test_the_write_ahead_log_stays_small_while_a_long_history_is_carried(folder):
    world = History("Enterprise", 1, folder)
    world.connecteam.limits = (200, 20_000)
    process = world.process()
    process.begin()
    log = folder / "ledger.db-wal"
    largest = 0
    for _ in process.bridge.make_backfill(world.histories(process)).run():
        largest = max(largest, log.stat().st_size)
    process.end()
    assert world.clock.true_s >= timedelta(days=HISTORY_DAYS).total_seconds()
    assert 100_000 < largest < 8_000_000  # SQLite's thousand pages, and the commit in hand
