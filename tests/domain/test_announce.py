"""Who is told of an alarm, and when: once, again at growing intervals, of its end, not at night."""

import itertools
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbridge.alarms import Alarm, Alarms, Level
from tillbridge.announce import (
    MOST_BETWEEN_S,
    Habits,
    Kind,
    compose,
    due,
    handed_over,
    not_delivered,
    update,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
HABITS = Habits(LONDON, 4 * 3600.0)
NIGHTLY = Habits(LONDON, 4 * 3600.0, (time(22), time(7)))
STOP = Alarm("posting_stopped:123", Level.CRITICAL, "Nothing is posted.", "Look there.")
HELD = Alarm("held:7", Level.WARNING, "12 sales are held.", "Decide.")


def after(hours, start=NOON):
    return start + timedelta(hours=hours)


def live(hours, standing_at, habits=HABITS, step=0.5, start=NOON):
    """What is told, by hour, if every message arrives; `standing_at` maps hours to alarms."""
    book, told = {}, []
    for number in range(int(hours / step)):
        hour = number * step
        now = after(hour, start)
        book = update(book, {alarm.cause: alarm for alarm in standing_at(hour)}, now)
        found = due(book, habits, now)
        book = handed_over(book, found, now)
        told += [(hour, one.kind, one.entry.alarm.cause) for one in found]
    return told


def test_an_alarm_is_told_once_then_at_growing_intervals_and_then_its_end():
    told = live(40, lambda hour: [HELD] if hour < 38 else [])
    assert [(hour, kind) for hour, kind, _ in told] == [
        (0, Kind.RAISED),
        (4, Kind.REMINDER),
        (12, Kind.REMINDER),
        (28, Kind.REMINDER),
        (38, Kind.RESOLVED),
    ]


def test_reminders_never_come_more_seldom_than_weekly():
    hours = [
        hour for hour, kind, _ in live(24 * 40, lambda _: [HELD], step=4) if kind == "reminder"
    ]
    gaps = [(b - a) * 3600 for a, b in itertools.pairwise(hours)]
    assert max(gaps) == MOST_BETWEEN_S
    assert gaps == sorted(gaps)


def test_what_comes_and_goes_before_anybody_was_told_is_never_told():
    evening = datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert live(10, lambda hour: [HELD] if hour < 2 else [], NIGHTLY, start=evening) == []


def test_at_night_a_warning_and_every_reminder_wait_and_a_critical_alarm_does_not():
    evening = datetime(2026, 11, 20, 23, tzinfo=UTC)
    told = live(10, lambda _: [STOP, HELD], NIGHTLY, start=evening)
    assert told == [
        (0, Kind.RAISED, STOP.cause),
        (8, Kind.REMINDER, STOP.cause),
        (8, Kind.RAISED, HELD.cause),
    ]


def test_quiet_hours_may_lie_within_a_day_and_are_those_of_the_zone():
    noon_in_tokyo = Habits(ZoneInfo("Asia/Tokyo"), 60.0, (time(11), time(13)))
    assert noon_in_tokyo.is_quiet(datetime(2026, 11, 20, 3, tzinfo=UTC))
    assert not noon_in_tokyo.is_quiet(NOON)


def test_a_cause_that_comes_back_before_its_end_was_told_is_told_neither_way():
    book = handed_over(update({}, {HELD.cause: HELD}, NOON), [], NOON)
    book = handed_over(book, due(book, HABITS, NOON), NOON)
    gone = update(book, {}, after(1))
    assert due(gone, HABITS, after(1))[0].kind is Kind.RESOLVED
    assert due(update(gone, {HELD.cause: HELD}, after(1)), HABITS, after(1)) == []


def test_a_warning_that_becomes_critical_is_told_anew():
    book = update({}, {HELD.cause: HELD}, NOON)
    book = handed_over(book, due(book, HABITS, NOON), NOON)
    worse = Alarm(HELD.cause, Level.CRITICAL, "Worse.", "Now.")
    (one,) = due(update(book, {worse.cause: worse}, after(0.1)), HABITS, after(0.1))
    assert (one.kind, one.entry.alarm.sentence) == (Kind.RAISED, "Worse.")


@pytest.mark.parametrize("kind", [Kind.RAISED, Kind.REMINDER, Kind.RESOLVED])
def test_what_did_not_arrive_is_due_again(kind):
    book = update({}, {HELD.cause: HELD}, NOON)
    now = NOON
    if kind is not Kind.RAISED:
        book = handed_over(book, due(book, HABITS, now), now)
        now = after(5)
    if kind is Kind.RESOLVED:
        book = update(book, {}, now)
    told = due(book, HABITS, now)
    assert [one.kind for one in told] == [kind]
    later = handed_over(book, told, now)
    assert due(later, HABITS, now) == []
    assert [one.kind for one in due(not_delivered(later, told), HABITS, now)] == [kind]


def test_the_end_of_an_alarm_that_never_reached_anybody_is_not_told():
    book = update({}, {HELD.cause: HELD}, NOON)
    told = due(book, HABITS, NOON)
    book = not_delivered(handed_over(book, told, NOON), told)
    assert update(book, {}, after(1)) == {}


def test_a_clock_set_back_by_years_does_not_silence_reminders():
    book = update({}, {HELD.cause: HELD}, after(24 * 365 * 3))
    book = handed_over(book, due(book, HABITS, after(24 * 365 * 3)), after(24 * 365 * 3))
    book = update(book, {HELD.cause: HELD}, NOON)
    assert due(book, HABITS, after(3)) == []
    assert [one.kind for one in due(book, HABITS, after(5))] == [Kind.REMINDER]


def test_a_bad_night_is_one_message_and_the_most_urgent_comes_first():
    book = update({}, {HELD.cause: HELD, STOP.cause: STOP}, NOON)
    message = compose("Harbour", due(book, HABITS, NOON), LONDON)
    assert message.title == "[Harbour] Nothing is posted. (and 1 more)"
    assert message.body == "Nothing is posted.\nLook there.\n\n12 sales are held.\nDecide."
    assert message.level is Level.CRITICAL
    assert not message.is_end


def test_an_end_says_that_it_is_one_and_since_when_it_was():
    book = update({}, {HELD.cause: HELD}, NOON)
    book = update(handed_over(book, due(book, HABITS, NOON), NOON), {}, after(2))
    message = compose("Harbour", due(book, HABITS, after(2)), LONDON)
    assert message.is_end
    assert message.title == "[Harbour] Over: 12 sales are held."
    assert message.body == "Over, since 20 November 2026 12:00 and now gone: 12 sales are held."


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_people_are_told_of_beginnings_and_ends_in_turn(steps):
    """Whatever comes, goes and fails to arrive: never two beginnings without an end between."""
    book, heard = {}, []
    for number, (stands, arrives) in enumerate(steps):
        now = after(number * 5)
        book = update(book, {HELD.cause: HELD} if stands else {}, now)
        told = due(book, HABITS, now)
        book = handed_over(book, told, now)
        if arrives:
            heard += [one.kind for one in told if one.kind is not Kind.REMINDER]
        else:
            book = not_delivered(book, told)
    assert heard[::2] == [Kind.RAISED] * len(heard[::2])
    assert heard[1::2] == [Kind.RESOLVED] * len(heard[1::2])


class Heard:
    """A logger that keeps the names of the events."""

    def __init__(self, said):
        self._said = said

    def __getattr__(self, level):
        return lambda event, **_: self._said.append(event)


def test_what_stood_before_a_restart_is_not_said_again_but_resolved(monkeypatch):
    said = []
    monkeypatch.setattr("tillbridge.alarms._log", Heard(said))
    alarms = Alarms([HELD])
    alarms.raise_(HELD.cause, "12 sales are held.", "Decide.")
    assert alarms.standing == {HELD.cause: HELD}
    alarms.resolve(HELD.cause)
    assert said == ["alarm_resolved"]  # and no alarm
