"""A ledger kept from each released version opens with this one, and nothing in it is lost.

The files are made by scripts/make-ledger-fixture. The one of the version at hand has to be made
again whenever the schema changes before the release; those of earlier versions are never touched.
"""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

import tillbridge
from ledger.showcase import RULES, fill
from ledger.tools import HARBOUR, Shop, StillClock, record
from tillbridge.ledger import (
    alarmed,
    attention,
    corrections,
    counts,
    generation,
    history,
    locations,
    parts,
    quotas,
    removals,
    sales,
    status,
    targets,
    verdicts,
)
from tillbridge.ledger.schema import part, sale
from tillbridge.ledger.store import HEAD, Ledger
from tillbridge.states import Lane, PartState, SaleState

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
KEPT = sorted(FIXTURES.glob("ledger-*.sql.gz"))
CURRENT = FIXTURES / f"ledger-{tillbridge.__version__}.sql.gz"
AGAIN = "Run scripts/make-ledger-fixture and commit what it writes."


def unpack(packed, path):
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(gzip.decompress(packed.read_bytes()).decode())
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def tables(path):
    """Every CREATE statement of a ledger, by name."""
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


@pytest.fixture(params=KEPT, ids=lambda packed: packed.name)
def kept(request, path):
    unpack(request.param, path)
    ledger = Ledger(path, StillClock())
    yield ledger
    ledger.close()


def test_there_is_a_ledger_of_this_version_with_this_schema(path, tmp_path):
    assert CURRENT.exists(), f"There is no {CURRENT.name}. {AGAIN}"
    Shop(path).ledger.close()
    kept = tables(unpack(CURRENT, tmp_path / "kept.db"))
    assert kept == tables(path), f"{CURRENT.name} has not the schema of {HEAD}. {AGAIN}"


def test_the_same_code_makes_the_same_ledger(tmp_path):
    texts = []
    for name in ("one", "two"):
        fill(tmp_path / name / "ledger.db")
        with closing(sqlite3.connect(tmp_path / name / "ledger.db")) as connection:
            texts.append(list(connection.iterdump()))
    assert texts[0] == texts[1]


def test_the_kept_ledgers_are_small():
    assert sum(packed.stat().st_size for packed in KEPT) < 200_000


def test_it_has_sales_and_parts_in_every_state_and_its_counts_are_right(kept):
    with kept.view() as view:
        assert set(view.execute(select(sale.c.state)).scalars()) == {str(s) for s in SaleState}
        assert set(view.execute(select(part.c.state)).scalars()) >= {
            str(state) for state in PartState if state is not PartState.REPLACED
        }
        truth = counts.recount(view)
        told = {
            (row.id, state): count
            for row in locations.every(view)
            for state, count in counts.by_state(view, row.id).items()
            if count
        }
        foreign_keys = view.exec_driver_sql("PRAGMA foreign_key_check").all()
    assert told == truth
    assert foreign_keys == []


def test_every_part_that_is_not_given_up_has_its_sales_and_their_sum(kept):
    gone = ("refused", "not_sent", "abandoned", "replaced")
    with kept.view() as view:
        rows = view.execute(select(part).where(part.c.state.not_in(gone))).all()
        for row in rows:
            mine = view.execute(select(sale.c.amount).where(sale.c.part_id == row.id)).scalars()
            assert sum(mine) == row.total


def test_what_is_unfinished_is_found_again(kept):
    with kept.view() as view:
        assert {row.state for row in parts.open_parts(view)} == {"sending", "doubt"}
        assert {row["state"] for row in status.doubts(view)} == {"doubt", "held"}
        assert {row.state for row in removals.blocking(view)} == {"wanted", "planned"}
        assert [row.state for row in removals.cleared(view)] == ["cleared"]
        (row,) = corrections.pending(view)
        assert corrections.record_of(row).amount == 111
        assert targets.abandoned(view, targets.get(view, 123))
        assert targets.get(view, 456).stop == "foreign"
        base = targets.base_of(view, targets.get(view, 123))
    assert base is not None
    assert len(base[1]) == 3


def test_everything_that_was_read_is_remembered(kept):
    with kept.view() as view:
        assert generation.read(view) == 3
        assert [row["window"] for row in quotas.load(view)] == ["day", "minute"]
        harbour, station, city = locations.every(view)
        assert harbour.cursor_ms is not None
        assert station.earliest_ms is not None
        assert city.last_error == "Lightspeed answered 500."
        assert city.paused
        assert set(locations.rescans_done(view, harbour.id)) == {"every 3600s back 43200s"}
        (story,) = history.story_of(view, "P2")
        assert story["state"] == "posted"
        assert [each["name"] for each in story["events"]].count("part_sending") >= 3
        assert status.of_locations(view)[2]["in_doubt"] == 0


def test_what_people_were_told_is_remembered(kept):
    with kept.view() as view:
        book = alarmed.load(view)
    stands, over = book["posting_stopped:456"], book["held:9"]
    assert (stands.told_count, stands.gone) == (2, None)
    assert over.gone is not None


def test_work_goes_on_in_it(kept):
    """Known sales are known, what was set aside can be tried again, and what waits can be sent."""
    with kept.commit() as commit:
        ids = locations.register(commit, [HARBOUR], 0)
        known = record("P2", 200, closed_ms=record().closed_ms)
        taken = sales.take_in(commit, ids[HARBOUR.lightspeed_id], [known], Lane.LIVE, 0)
        assert (taken.new, taken.known) == (0, 1)
        retried = attention.retry(commit, [], {HARBOUR.lightspeed_id: RULES}, 0)
        assert (retried.waiting, retried.still) == (0, 2)
        assert [row.transaction.amount for row in sales.waiting(commit, 123, Lane.LIVE, 9)] == [5]


def test_a_reboot_begins_every_wait_anew(kept):
    now = parts.Moment(0, 7.0, "another boot")
    with kept.commit() as commit:
        verdicts.begin_waits_anew(commit, now)
    with kept.view() as view:
        assert {row.boot_id for row in parts.open_parts(view)} == {"another boot"}
