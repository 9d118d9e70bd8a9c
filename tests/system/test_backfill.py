"""`backfill`: resumable, repeatable, visible, and polite about what it is asked."""

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from system.conftest import Made
from system.installation import COMMAND, arrived, assert_exactly_once, environment
from tillbridge.lock import PostingLock
from tillbridge.sampling import SAMPLES


def reads(sandbox) -> int:
    return sandbox.counters().get("lightspeed.sales", 0)


def all_read(sandbox) -> bool:
    """Nothing is being read any more: reading goes on beside the posting, and is quicker."""
    before = reads(sandbox)
    time.sleep(0.4)
    return reads(sandbox) == before


def test_killed_in_the_middle_it_goes_on_where_it_was(make: Callable[..., Made]):
    # More slices than are read at once, so that none is read in halves, beyond its cursor.
    sandbox, home = make(days=9, sales_per_day=300, lightspeed_latency_ms=150)
    words = ("backfill", "--from", sandbox.first_day.isoformat())
    elsewhere = PostingLock(home.ledger)  # so that it only reads, and no request is cut off
    assert elsewhere.try_acquire()
    with home.service(*words) as first:
        first.until(lambda: reads(sandbox) >= SAMPLES + 14)  # the first for the estimate
        first.process.kill()
    elsewhere.release()
    before = reads(sandbox)
    done = home.call(*words, "--json")
    assert done.code == 0, done.err
    assert done.json["read_to_the_end"]
    went_on = reads(sandbox) - before
    assert_exactly_once(sandbox)
    # Now that all is done, the same command reads all anew. Four pages may have been under way.
    assert home.call(*words).code == 0
    anew = reads(sandbox) - before - went_on
    assert went_on <= anew - (14 - 4)


def test_killed_while_it_posts_it_neither_reads_nor_posts_again(make: Callable[..., Made]):
    sandbox, home = make(sales_per_day=700, post_latency_ms=400)
    home.write(f'{home.text}\n[doubt]\nwait = "2s"\npatience = "1s"\n')
    words = ("backfill", "--from", sandbox.first_day.isoformat())
    with home.service(*words) as first:
        first.until(lambda: sandbox.counters().get("connecteam.post", 0) >= 2 and all_read(sandbox))
        first.process.kill()
    before = reads(sandbox)
    assert home.call(*words).code == 69  # the request that was cut off is not confirmed yet
    # All had been read, up to that moment.
    assert reads(sandbox) <= before + 1
    with home.service() as service:
        service.until(lambda: arrived(sandbox), 60)
        assert service.end()[0] == 0
    assert home.call(*words).code == 0
    assert_exactly_once(sandbox)


def test_interrupted_it_finishes_the_request_and_goes_on_later(make: Callable[..., Made]):
    sandbox, home = make(sales_per_day=700, post_latency_ms=700)
    words = ("backfill", "--from", sandbox.first_day.isoformat())
    with home.service(*words) as first:
        first.until(lambda: sandbox.counters().get("connecteam.post", 0) >= 2 and all_read(sandbox))
        code, _ = first.end(signal.SIGINT)
        assert code == 130
        assert "the same command goes on from here" in first.log
    place = home.status()["locations"][0]
    assert place["sending"] == place["in_doubt"] == 0
    before = reads(sandbox)
    assert home.call(*words).code == 0
    # All had been read, up to that moment.
    assert reads(sandbox) <= before + 1
    assert_exactly_once(sandbox)


def test_it_can_be_repeated_and_only_does_what_it_is_asked(make: Callable[..., Made]):
    sandbox, home = make(days=3, locations=2, days_back=-9)  # nothing is due live
    one, other = (place for place in sandbox.locations)
    day = sandbox.first_day.isoformat()
    planned = home.call("backfill", "--from", day, "--dry-run", "--json")
    assert planned.code == 0
    assert planned.json["dry_run"]
    assert [place["name"] for place in planned.json["locations"]] == [one.name, other.name]
    assert reads(sandbox) <= 2 * SAMPLES  # a look at a few hours, where the ledger knows none
    assert sandbox.counters().get("connecteam.post", 0) == 0

    words = ("backfill", "--from", day, "--to", day, "--location", one.name, "--json")
    first = home.call(*words)
    assert first.code == 0, first.err
    assert first.json["read"] == first.json["posted"] > 0
    assert home.call(*words).json | {"read": 0, "posted": 0} == first.json | {
        "read": 0, "posted": 0,
    }  # fmt: skip
    counted = {place["name"]: place["posted"] for place in home.status()["locations"]}
    assert counted == {one.name: first.json["posted"], other.name: 0}
    until_ms = one.day_start(sandbox.first_day + timedelta(days=1)).timestamp()
    assert all(row.created_at < until_ms for row in sandbox.connecteam_rows(one.connecteam_id))

    assert home.call("backfill", "--from", day).code == 0
    assert_exactly_once(sandbox)


def test_days_that_make_no_sense_are_refused_in_words(make: Callable[..., Made]):
    _, home = make(signed_in=False)
    ahead = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()
    for words, said in (
        (("--from", ahead), "is in the future"),
        (("--from", "2026-03-02", "--to", "2026-03-01"), "is before --from"),
        (("--from", "yesterday"), "--from"),
        (("--from", "2026-03-01", "--location", "Nowhere"), "no enabled location Nowhere"),
        ((), "--from"),
    ):
        done = home.call("backfill", *words)
        assert done.code == 2, done.err
        assert said in done.err


def test_a_terminal_shows_a_bar(make: Callable[..., Made]):
    sandbox, home = make(sales_per_day=700, lightspeed_latency_ms=100)
    ours, theirs = pty.openpty()
    command = [*COMMAND, "--config", str(home.config), "backfill", "--from",
               sandbox.first_day.isoformat()]  # fmt: skip
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment({"TERM": "xterm"})
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # Linux ends a pty this way
            pass
    os.close(ours)
    text = shown.decode()
    assert process.returncode == 0, text
    assert "Reading" in text
    assert " %" in text
    assert "read," in text
    assert "posted" in text
    assert_exactly_once(sandbox)


def test_the_plan_is_told_before_it_starts_and_without_starting(make: Callable[..., Made]):
    sandbox, home = make(days=3, sales_per_day=300, days_back=-9, plan="expert")
    words = ("backfill", "--from", sandbox.first_day.isoformat())
    truth = sum(total.sales for total in sandbox.lightspeed_truth().values())

    planned = home.call(*words, "--dry-run", "--json").json
    assert planned["plan"] is None  # no answer of Connecteam's has told it yet
    assert 0.5 * truth <= planned["locations"][0]["remaining_sales"] <= 1.5 * truth
    by_name = {each["name"]: each for each in planned["plans"]}
    assert [by_name[name]["for_history_per_day"] for name in ("small business", "Enterprise")] == [
        40, 8000,
    ]  # fmt: skip
    told = home.call(*words, "--dry-run").out
    assert "On the plan Enterprise" in told
    assert "Nothing was posted." in told
    assert sandbox.counters().get("connecteam.post", 0) == 0

    day = sandbox.first_day.isoformat()
    first = home.call("backfill", "--from", day, "--to", day)
    assert "still to be posted" in first.err
    assert first.code == 0
    now_known = home.call(*words, "--dry-run", "--json").json
    assert now_known["plan"] == "Expert"
    left = now_known["locations"][0]
    assert left["known_sales"] > 0
    # Not against the first plan: that looked at other hours of other days, and weekdays differ.
    assert left["remaining_sales"] < left["estimated_sales"]
    assert now_known["requests_today"] == now_known["estimated_requests"] > 0
    assert now_known["done_at"] > datetime.now(UTC).isoformat()[:16]


def test_a_service_that_waits_for_a_backfill_reads_and_the_backfill_posts_that_first(
    make: Callable[..., Made],
):
    sandbox, home = make(days=3, sales_per_day=900, post_latency_ms=600)
    words = ("backfill", "--from", sandbox.first_day.isoformat())
    with home.service(*words) as history:
        history.until(lambda: sandbox.counters().get("connecteam.post", 0) >= 1)
        with home.service() as service:
            service.until(lambda: "waiting_for_lock" in service.log)
            closed = sandbox.close_sale(0)
            place = sandbox.locations[0]
            wanted = sandbox.expected_rows(place.lightspeed_id)[-1]
            service.until(lambda: wanted in sandbox.connecteam_rows(place.connecteam_id), 30)
            assert closed
            assert history.process.poll() is None  # it is still at work
            assert not arrived(sandbox)
            history.process.kill()
            service.until(lambda: "service_started" in service.log)
            assert service.end()[0] == 0
