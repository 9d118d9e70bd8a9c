"""With years of sales in the ledger, a poll, a status and a start do what they did with none.

Not timed: every statement that the real program sends is heard, SQLite says how it runs each, and
none may read a large table from its first row to its last, nor take more of SQLite's own steps than
with few sales; nor may there be more of them.
"""

import re
from datetime import timedelta

import pytest

from hearing import heard, steps_of
from simulation.test_history import HISTORY_DAYS, History
from simulation.test_quota_week import folder
from tillbridge.cli.checkup import Checkup
from tillbridge.cli.unposted import asked_for, unconfirmed
from tillbridge.ledger import quotas
from tillbridge.ledger import status as ledger_status

__all__ = ["folder"]

FEW, MANY = 100, 20_000
LARGE = {"sale", "part", "batch", "event", "reading"}
# An index of the few sales that wait, or need a person, may be read as a whole.
SCAN = re.compile(r"^SCAN (\w+)(?! USING (?:COVERING )?INDEX sale_(?:waiting|attention))\b")


class Empty(History):
    """A location that sells nothing any more."""

    sales = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for many in self.lightspeed.sales.values():
            many.clear()


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
        commit.exec_driver_sql("DELETE FROM tally")
        commit.exec_driver_sql(f"INSERT INTO tally VALUES (1, 'posted', {many})")
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


DEEDS = {"start": start, "poll": poll, "status": look}


def statements_of(world, deed, many):
    first = world.process()
    first.begin()
    first.run_pass()
    fill(first.ledger, many)
    with heard(first.ledger._engine) as found:  # all processes of the simulation share one engine
        first.end()
        process = deed(world)
    scans = []
    with process.ledger.view() as view:
        for statement, parameters in found:
            steps = [row[3] for row in view.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {statement}", parameters)]  # fmt: skip
            read = {match.group(1) for step in steps if (match := SCAN.match(step))}
            if read & LARGE:
                scans.append(f"{statement}\n  {steps}")
    steps = [(statement, steps_of(process.ledger._raw, *one)) for one in found
             for statement in one[:1]]  # fmt: skip
    process.end()
    return steps, scans


@pytest.mark.parametrize("name", DEEDS)
def test_a_filled_ledger_is_asked_by_its_indices_and_no_more_often(folder, name):
    (folder / "few").mkdir()
    (folder / "many").mkdir()
    few, _ = statements_of(Empty("Expert", 1, folder / "few"), DEEDS[name], FEW)
    many, scans = statements_of(Empty("Expert", 1, folder / "many"), DEEDS[name], MANY)
    assert "\n".join(scans) == ""
    assert 0 < len(many) == len(few)
    assert sum(steps for _, steps in many) > 100
    # A sale costs about ten: more than a hundred of them are not read that were not before.
    grown = [f"{before} steps, then {after}: {statement}"
             for (_, before), (statement, after) in zip(few, many, strict=True)
             if after > before + 1000]  # fmt: skip
    assert "\n".join(grown) == ""


def test_a_statement_that_reads_every_sale_is_noticed(folder):
    def careless(world):
        process = world.process()
        with process.ledger.view() as view:
            view.exec_driver_sql("SELECT count(*) FROM sale WHERE rules = ?", ("1",)).all()
        return process

    _, scans = statements_of(Empty("Expert", 1, folder), careless, 100)
    assert len(scans) == 1


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
