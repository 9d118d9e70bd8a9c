"""The figures of health, read from a real ledger, a real token file and the disk."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from ledger.tools import HARBOUR, NOON, NOON_MS, NOON_S, STATION, record
from tillbridge import announce
from tillbridge.alarms import Alarm, Level
from tillbridge.gauges import Watched, take
from tillbridge.ledger import alarmed, locations, quotas, sales, targets
from tillbridge.lightspeed.tokens import TokenFile, TokenState
from tillbridge.states import Lane
from tillbridge.windows import Bounds

HOUR_S = 3600


@pytest.fixture
def watched(path):
    places = {HARBOUR.lightspeed_id: Bounds(NOON - timedelta(days=1), None)}
    return Watched(places, 300, 0, 0.8, 100, path.with_name("lightspeed-token.json"))


@pytest.fixture
def look(shop, watched):
    def looked(place=HARBOUR, expected=watched):
        figures = take(shop.ledger, shop.clock, expected, shares_account=False)
        return figures, next(one for one in figures.places if one.name == place.name)

    return looked


def test_the_counts_and_ages_of_a_location(shop, look):
    shop.take(record("R1", closed_ms=NOON_MS), record("Q1", None))
    with shop.ledger.commit() as commit:
        locations.move_cursor(commit, shop.id(), NOON_MS, NOON_MS)
    shop.clock.sleep(2 * HOUR_S)
    _, here = look()
    assert (here.waiting, here.quarantined, here.held) == (1, 1, 0)
    assert here.read_age_s == here.waiting_age_s == 2 * HOUR_S
    assert here.doubt_age_s is None
    assert here.stop is None
    assert here.is_due


def test_a_sale_waits_since_it_was_read_and_not_since_it_was_closed(shop, look):
    # A till was offline for a night; then its sales come all at once.
    shop.clock.sleep(9 * HOUR_S)
    with shop.ledger.commit() as commit:
        late = [record("R1", created_at=NOON_S)]
        sales.take_in(commit, shop.id(), late, Lane.LIVE, shop.clock.moment().wall_ms)
    shop.clock.sleep(60)
    assert look()[1].waiting_age_s == 60


def test_history_may_wait(shop, look):
    shop.take(record("R1"), lane=Lane.BACKFILL)
    shop.clock.sleep(2 * HOUR_S)
    _, here = look()
    assert here.waiting == 1
    assert here.waiting_age_s is None


def test_how_far_connecteam_is_behind(shop, look):
    shop.take(record("R1", created_at=NOON_S))
    shop.post_all()
    assert look()[1].behind_s is None
    shop.take(record("R2", created_at=NOON_S + HOUR_S))
    assert look()[1].behind_s == HOUR_S


def test_a_doubt_ages_from_the_request(shop, look):
    shop.take(record("R1"))
    shop.doubt()
    before = look()[1].doubt_age_s
    shop.clock.sleep(4 * HOUR_S)
    assert look()[1].doubt_age_s == before + 4 * HOUR_S


def test_the_newest_comparison_counts_whatever_its_time_of_day_was(shop, look):
    assert look()[1].compared_age_s is None
    with shop.ledger.commit() as commit:
        locations.note_rescan(commit, shop.id(), "every 3600s back 43200s", NOON_MS)
        locations.note_rescan(commit, shop.id(), "reconcile at 06:00", NOON_MS - 7_200_000)
        locations.note_rescan(commit, shop.id(), "reconcile at 05:00", NOON_MS - 9_000_000)
    assert look()[1].compared_age_s == 2 * HOUR_S


def test_standing_alarms_are_told_unless_a_figure_shows_them_or_they_are_over(shop, look):
    causes = ["health:not_read:1", "held:1", "posting_stopped:1", "quarantined:1", "difference:1"]
    alarms = [Alarm(cause, Level.WARNING, f"{cause}.", "Look.") for cause in causes]
    book = announce.update({}, {alarm.cause: alarm for alarm in alarms}, NOON)
    with shop.ledger.commit() as commit:
        alarmed.save(commit, book)
    assert [item.cause for item in look()[0].standing] == ["difference:1"]
    told = {cause: replace(entry, gone=NOON) for cause, entry in book.items()}
    with shop.ledger.commit() as commit:
        alarmed.save(commit, told)
    assert look()[0].standing == []


def test_a_stop_is_told_with_its_reason(shop, look):
    with shop.ledger.commit() as commit:
        targets.stop(commit, 123, "unexplained", "1.00 too much", shop.clock.moment())
    _, here = look()
    assert (here.stop, here.stop_reason) == ("unexplained", "1.00 too much")


@pytest.mark.parametrize(
    ("begins", "ends", "is_due"),
    [(-1, None, True), (1, None, False), (-2, -1, False), (-2, 1, True)],
)
def test_a_location_is_due_between_its_first_and_its_last_day(
    shop, look, watched, begins, ends, is_due
):
    ended = None if ends is None else NOON + timedelta(days=ends)
    bounds = Bounds(NOON + timedelta(days=begins), ended)
    expected = Watched({HARBOUR.lightspeed_id: bounds}, 300, 0, 0.8, 100, watched.tokens)
    assert look(expected=expected)[1].is_due is is_due
    # One that is in the ledger and not in the configuration any more is not.
    assert not look(STATION, expected)[1].is_due


def test_a_clock_that_was_set_back_makes_no_age_negative(shop, look):
    with shop.ledger.commit() as commit:
        locations.move_cursor(commit, shop.id(), NOON_MS, NOON_MS)
    shop.clock.wall -= timedelta(hours=3)
    assert look()[1].read_age_s == 0


def test_the_sign_in_is_told_from_its_file(shop, look, watched):
    assert "no Lightspeed sign-in" in look()[0].sign_in.trouble
    state = TokenState(
        refresh_token="planted-refresh", issued_at=NOON, issued_boot_s=1.0, boot_id="b",
        obtained_at=NOON, refresh_expires_at=NOON + timedelta(days=40), refreshing=True, lost=1,
    )  # fmt: skip
    TokenFile(watched.tokens).write(state)
    shop.clock.sleep(86_400)
    sign_in = look()[0].sign_in
    assert sign_in.trouble is None
    assert sign_in.ends_in_s == 39 * 86_400
    assert sign_in.lasts_s == 40 * 86_400
    assert sign_in.answer_lost
    watched.tokens.write_text("{")
    assert "damaged" in look()[0].sign_in.trouble


def test_the_quota_of_the_day_is_told_until_the_day_ends(shop, look):
    assert look()[0].quota is None
    row = {"window": "day", "limit": 1000, "remaining": 300, "reset_ms": NOON_MS + 60_000,
           "spent": 100, "seen_ms": NOON_MS}  # fmt: skip
    with shop.ledger.commit() as commit:
        quotas.save(commit, [row])
    quota = look()[0].quota
    assert (quota.left, quota.allowed, quota.reset_in_s) == (300, 800, 60)
    shop.clock.sleep(61)
    assert look()[0].quota is None


def test_the_disk_is_the_one_that_the_ledger_is_on(shop, look):
    disk = look()[0].disk
    assert disk.folder == str(shop.ledger.path.parent)
    assert disk.free_bytes > 0
    assert disk.ledger_bytes == shop.ledger.path.stat().st_size > 0
