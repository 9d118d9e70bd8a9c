"""A year without anybody there, but for one person who signs in again when told to."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest

from ledger.tools import raw
from simulation.process import SCRATCH
from simulation.year import Year

MOST_LINES_A_DAY = 75
"""Of level info and above; on the two days that are looked at closely for a quarter."""

MOST_BYTES_A_SALE = 900
"""Most requests of this year carry one sale, so that each needs a request's rows too."""


def setting(vendor, name, value):
    """Something changes at a vendor, or at the machine."""

    def act(year):
        owner = getattr(year, vendor) if vendor else year
        setattr(owner, name, value)

    return act


def expire(year):
    """The sign-in is withdrawn at Lightspeed; the next renewal is refused."""
    year.lightspeed.refresh = "withdrawn"
    year.lightspeed.forget()


EVENTS = {
    20.2: setting("lightspeed", "away", True),
    22.3: setting("lightspeed", "away", False),
    50.2: setting("connecteam", "away", True),
    51.6: setting("connecteam", "away", False),
    80.1: expire,
    81.0: Year.sign_in,
    110.0: Year.upgrade,
    140.3: setting("", "disk_full", True),
    140.9: setting("", "disk_full", False),
    170.0: lambda year: year.clock.set_wall(-3 * 3600.0),
    170.8: lambda year: year.clock.set_wall(0.0),
    175.0: lambda year: year.clock.set_wall(6 * 3600.0),
    175.9: lambda year: year.clock.set_wall(0.0),
    200.1: Year.reboot,
    200.5: Year.end_process,
    230.0: Year.upgrade,
    260.0: setting("connecteam", "loses", 0.4),
    263.0: setting("connecteam", "loses", 0.0),
    300.0: setting("lightspeed", "away", True),
    300.01: setting("connecteam", "away", True),
    302.5: setting("lightspeed", "away", False),
    302.51: setting("connecteam", "away", False),
}
CLOSE = ((20.2, 20.45), (50.2, 50.45))
"""A quarter of a day of each outage is lived through with polls every five minutes."""


@pytest.fixture(scope="module")
def year():
    with tempfile.TemporaryDirectory(prefix="tillbridge-", dir=SCRATCH) as folder:
        year = Year(Path(folder))
        year.close = CLOSE
        year.play(EVENTS)
        yield year


def test_every_sale_of_the_year_is_there_exactly_once(year):
    assert sum(year.wanted.values()) == 365 * 6 * 2
    assert year.connecteam.rows == year.wanted


def test_the_ledger_says_so_too_and_its_counts_add_up(year):
    assert year.by_state == {"posted": 365 * 6 * 2}
    assert year.adds_up
    assert raw(year.path, "PRAGMA integrity_check") == [("ok",)]


def test_each_trouble_was_told_and_its_end_too(year):
    latest = {cause: kind for kind, cause in year.pigeon.told}
    assert set(latest.values()) == {"resolved"}, "an end was not told"
    assert raw(year.path, "SELECT count(*) FROM alarm") == [(0,)]
    begun = Counter(cause for kind, cause in year.pigeon.told if kind == "raised")
    assert begun["lightspeed_credentials"] == 1
    assert begun["health:not_read:9001"] >= 2, "two outages of Lightspeed"
    assert begun["health:not_confirmed:9001"] >= 1, "two outages of Connecteam"
    # A warning that has become critical counts as begun anew.
    assert sum(begun.values()) <= 30, year.pigeon.told


def test_the_log_stays_short_even_on_the_worst_day(year):
    lines = year.lines_a_day()
    assert max(lines) < MOST_LINES_A_DAY, year.lines[lines.index(max(lines))]
    assert sum(lines) / len(lines) < 20


def test_the_ledger_stays_as_small_as_documented(year):
    size = year.path.stat().st_size
    assert size < 365 * 6 * 2 * MOST_BYTES_A_SALE
    assert year.largest_wal < 16 * 1024 * 1024
    (oldest,) = raw(year.path, "SELECT min(at_ms) FROM event")[0]
    newest = raw(year.path, "SELECT max(at_ms) FROM event")[0][0]
    assert (newest - oldest) / 86_400_000 < 63, "older events should have been forgotten"
    assert raw(year.path, "SELECT count(*) FROM reading")[0][0] < 200


def test_both_upgrades_were_made_each_with_a_copy_of_the_ledger_before(year):
    copies = sorted(file.name for file in year.path.parent.glob("ledger.db.before-*"))
    version = raw(year.path, "SELECT version_num FROM alembic_version")[0][0]
    assert len(copies) == 2
    assert copies[-1].startswith(f"ledger.db.before-{version}-was-")
