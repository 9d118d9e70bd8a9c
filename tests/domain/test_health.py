"""What counts as healthy, late, or in need of a person: tables."""

import re

import pytest

from tillbridge.alarms import Level as AlarmLevel
from tillbridge.findings import Level, exit_code, headline, is_healthy
from tillbridge.health import HANG_S, alarms_of, hangs, judge, span
from tillbridge.vitals import Disk, Figures, PlaceFigures, Quota, SignIn, Standing

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
MB = 1024 * 1024
NOTE, LATE, PERSON = Level.NOTE, Level.LATE, Level.PERSON


def place(**values):
    return PlaceFigures(**{"key": 1, "name": "Harbour Street", "read_age_s": 60.0, **values})


def judged(figures):
    return {(item.code, item.level) for item in judge(figures)}


def of_place(**values):
    return judged(Figures([place(**values)]))


def test_a_location_that_was_read_a_minute_ago_and_has_nothing_to_send_is_well():
    found = judge(Figures([place()], SignIn(None, 30 * DAY, 40 * DAY), Quota(7000, 8000, HOUR)))
    assert found == []
    assert is_healthy(found)
    assert exit_code(found) == 0
    assert headline(found) == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # Reading: half an hour, then a day.
        ({"read_age_s": 29 * MINUTE}, set()),
        ({"read_age_s": 31 * MINUTE}, {("not_read", LATE)}),
        ({"read_age_s": 31 * MINUTE, "is_due": False}, set()),
        ({"read_age_s": 31 * MINUTE, "paused": True}, {("paused", NOTE)}),
        ({"read_age_s": 25 * HOUR}, {("not_read", PERSON)}),
        ({"read_age_s": None}, {("not_read", NOTE)}),
        ({"read_age_s": None, "error": "status 500"}, {("not_read", LATE)}),
        # Posting: an hour, then a day.
        ({"waiting": 5, "waiting_age_s": 59 * MINUTE}, set()),
        ({"waiting": 5, "waiting_age_s": 61 * MINUTE}, {("not_posted", LATE)}),
        ({"waiting": 5, "waiting_age_s": 25 * HOUR}, {("not_posted", PERSON)}),
        ({"waiting": 5}, set()),  # only a backfill waits
        # A doubt: the hour of patience and its confirmation are no cause for alarm.
        ({"doubt_age_s": 2 * HOUR}, set()),
        ({"doubt_age_s": 4 * HOUR}, {("not_confirmed", LATE)}),
        ({"doubt_age_s": 25 * HOUR}, {("not_confirmed", PERSON)}),
        # Comparing: a night may fail, three may not.
        ({"compared_age_s": 2.9 * DAY}, set()),
        ({"compared_age_s": 3.1 * DAY}, {("not_compared", LATE)}),
        # Decisions.
        ({"quarantined": 1}, {("quarantined", PERSON)}),
        ({"held": 1}, {("held", PERSON)}),
        ({"held": 1, "paused": True}, {("held", PERSON), ("paused", NOTE)}),
        # A stop says why sales wait; that they wait need not be said as well.
        (
            {"stop": "unexplained", "stop_reason": "x", "waiting": 5, "waiting_age_s": 30 * HOUR},
            {("stopped", PERSON)},
        ),
    ],
)
def test_a_location(values, expected):
    assert of_place(**values) == expected


def test_late_is_told_in_polls_where_they_are_far_apart():
    rare = {"poll_every_s": 2 * HOUR}
    assert judged(Figures([place(read_age_s=5 * HOUR)], **rare)) == set()
    assert judged(Figures([place(read_age_s=7 * HOUR)], **rare)) == {("not_read", LATE)}
    waits = place(waiting=1, waiting_age_s=5 * HOUR)
    assert judged(Figures([waits], **rare)) == set()
    assert judged(Figures([waits], batch_age_s=3 * HOUR)) == set()
    assert judged(Figures([waits], batch_age_s=2 * HOUR)) == {("not_posted", LATE)}


@pytest.mark.parametrize(
    ("sign_in", "expected"),
    [
        (SignIn(), set()),
        (SignIn(trouble="There is none."), {("sign_in", PERSON)}),
        (SignIn(None, -DAY, 40 * DAY), {("sign_in", PERSON)}),
        (SignIn(None, 2 * DAY, 40 * DAY), {("sign_in_ends", PERSON)}),
        (SignIn(None, 4 * DAY, 40 * DAY), set()),
        # One that lasts half an hour and is renewed all the time is never near its end.
        (SignIn(None, 20 * MINUTE, 30 * MINUTE), set()),
        (SignIn(None, 5 * MINUTE, 30 * MINUTE), {("sign_in_ends", PERSON)}),
        (SignIn(answer_lost=True), {("sign_in_unsure", NOTE)}),
    ],
)
def test_the_sign_in(sign_in, expected):
    assert judged(Figures([], sign_in)) == expected


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        (Quota(800, 8000, HOUR), set()),
        (Quota(799, 8000, HOUR), {("quota_low", NOTE)}),
        (Quota(0, 80, HOUR), {("quota_low", NOTE)}),
    ],
)
def test_the_quota(quota, expected):
    assert judged(Figures([], quota=quota)) == expected


@pytest.mark.parametrize(
    ("free", "ledger", "expected"),
    [
        (63 * MB, MB, {("disk_full", PERSON)}),
        (65 * MB, MB, {("disk_low", NOTE)}),
        (257 * MB, MB, set()),
        (900 * MB, 1000 * MB, {("disk_low", NOTE)}),  # no room for the copy of an upgrade
    ],
)
def test_the_disk(free, ledger, expected):
    assert judged(Figures([], disk=Disk("/var/lib/tillbridge", free, ledger))) == expected


def test_an_account_that_two_installations_share_is_noted():
    assert judged(Figures([], shares_account=True)) == {("account_shared", NOTE)}


def test_what_the_service_knows_to_stand_is_told_and_not_alarmed_once_more():
    standing = Standing("connecteam_credentials", "Connecteam refused the key.", "Replace it.")
    (item,) = found = judge(Figures([], standing=[standing]))
    assert (item.code, item.level) == ("alarm", PERSON)
    assert item.text() == "Connecteam refused the key. Replace it."
    assert alarms_of(found) == []


EVERYTHING = Figures(
    [
        place(held=2, quarantined=1),
        place(key=2, name="Station", stop="location_refused", stop_reason="unknown there"),
        place(key=3, name="O'Hara [bar]", paused=True, waiting=3),
        place(key=4, name="City", read_age_s=2 * HOUR, error="status 500", waiting=9,
              waiting_age_s=2 * HOUR, behind_s=3 * HOUR, doubt_age_s=5 * HOUR, compared_age_s=9 * DAY),
    ],
    SignIn(None, DAY, 40 * DAY, answer_lost=True),
    Quota(3, 80, 5 * HOUR),
    Disk("/var/lib/tillbridge", 10 * MB, MB),
    shares_account=True,
)  # fmt: skip


def test_what_is_most_urgent_comes_first_and_decides():
    found = judge(EVERYTHING)
    levels = [item.level for item in found]
    assert levels == sorted(levels, key=[PERSON, LATE, NOTE].index)
    assert set(levels) == {PERSON, LATE, NOTE}
    assert not is_healthy(found)
    assert exit_code(found) == 3
    late = [item for item in found if item.level is not PERSON]
    assert exit_code(late) == 69
    assert not is_healthy(late)
    notes = [item for item in found if item.level is NOTE]
    assert exit_code(notes) == 0
    assert is_healthy(notes)
    assert headline(notes) == ""
    assert headline(found).startswith("Harbour Street: ")
    assert headline(found).endswith(f"(and {len(found) - len(notes) - 1} more)")


def test_every_finding_says_where_and_what_helps():
    for item in judge(EVERYTHING):
        assert re.match(r"[A-Z0-9].*\.$", item.sentence), item.sentence
        assert item.place is None or item.sentence.startswith(f"{item.place}: ")
        if item.level is PERSON:
            assert item.remedy or item.command, item.code
        if item.command:
            assert f"`tillbridge --instance a {item.command}`" in item.text(
                "tillbridge --instance a"
            )


def test_two_locations_never_share_an_alarm():
    both = Figures([place(read_age_s=DAY), place(key=2, name="Station", read_age_s=DAY)])
    assert len({alarm.cause for alarm in alarms_of(judge(both))}) == 2


def test_alarms_are_raised_for_what_is_late_and_not_again_for_what_has_its_own():
    alarms = {alarm.cause: alarm for alarm in alarms_of(judge(EVERYTHING))}
    assert set(alarms) == {
        "not_read:4", "not_posted:4", "not_confirmed:4", "not_compared:4", "sign_in_ends:lightspeed",
        "disk_full:/var/lib/tillbridge",
    }  # fmt: skip
    assert alarms["not_read:4"].level is AlarmLevel.WARNING
    assert alarms["sign_in_ends:lightspeed"].level is AlarmLevel.CRITICAL
    assert "tillbridge authorize" in alarms["sign_in_ends:lightspeed"].remedy


@pytest.mark.parametrize(
    ("quiet_s", "in_pass", "expected"),
    [
        (HANG_S - 1, True, False),
        (HANG_S + 1, True, True),
        (HANG_S + 1, False, False),
        (HANG_S + 299, False, False),
        (HANG_S + 301, False, True),  # the clock of the polls itself has died
    ],
)
def test_a_program_hangs(quiet_s, in_pass, expected):
    assert hangs(quiet_s, 300, in_pass=in_pass) is expected


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "less than a minute"), (60, "1 minute"), (7199, "1 hour"), (7200, "2 hours"),
     (200_000, "2 days")],
)  # fmt: skip
def test_a_span_in_words(seconds, words):
    assert span(seconds) == words
