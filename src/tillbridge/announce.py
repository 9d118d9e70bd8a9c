"""Who is told of an alarm, and when: once, again at growing intervals, and of its end. Pure.

The *book* is what people have been told so far. It changes by `update` (what stands now) and by
`handed_over` (what was given to the messengers); `due` says what is to be told at a moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from tillbridge.alarms import Alarm, Level

MOST_BETWEEN_S = 7 * 86_400.0
"""Reminders never come more seldom than that: an alarm that stands must not be forgotten."""


class Habits(Struct, frozen=True):
    """When people want to hear what.

    Attributes:
        zone: of the quiet hours, and of the times in messages.
        remind_after_s: from the first message to the first reminder; then it doubles.
        quiet: first and last moment of the quiet hours, or None.
    """

    zone: tzinfo
    remind_after_s: float
    quiet: tuple[time, time] | None = None

    def is_quiet(self, now: datetime) -> bool:
        """Whether it is night there."""
        if self.quiet is None:
            return False
        clock = now.astimezone(self.zone).time()
        begins, ends = self.quiet
        if begins < ends:
            return begins <= clock < ends
        return clock >= begins or clock < ends


class Entry(Struct, frozen=True):
    """An alarm in the book.

    Attributes:
        alarm: with its newest words.
        raised: when it began.
        told: when it was last handed to the messengers; None if never.
        told_count: how often.
        gone: when its cause went, if it has; the end is still to be told then.
    """

    alarm: Alarm
    raised: datetime
    told: datetime | None = None
    told_count: int = 0
    gone: datetime | None = None


Book = Mapping[str, Entry]


class Kind(StrEnum):
    """What an announcement says."""

    RAISED = "raised"
    REMINDER = "reminder"
    RESOLVED = "resolved"


class Announcement(Struct, frozen=True):
    """One alarm in a message; `entry` is as it was before it was handed over."""

    kind: Kind
    entry: Entry


def update(book: Book, standing: Mapping[str, Alarm], now: datetime) -> dict[str, Entry]:
    """The book, given what stands now.

    What went before anybody was told of it is left out. What comes back before anybody was told
    of its end goes on as if it had stood all the time.
    """
    changed: dict[str, Entry] = {}
    for cause, entry in book.items():
        # A clock that was set back must not keep the next reminder waiting for years.
        entry = replace(entry, told=min(entry.told, now) if entry.told else None)  # noqa: PLW2901
        alarm = standing.get(cause)
        if alarm is not None:
            louder = alarm.level is Level.CRITICAL and entry.alarm.level is not Level.CRITICAL
            entry = replace(entry, alarm=alarm, gone=None)  # noqa: PLW2901
            changed[cause] = replace(entry, told=None, told_count=0) if louder else entry
        elif entry.told_count:
            changed[cause] = replace(entry, gone=entry.gone or now)
    for cause, alarm in standing.items():
        if cause not in book:
            changed[cause] = Entry(alarm, now)
    return changed


def due(book: Book, habits: Habits, now: datetime) -> list[Announcement]:
    """What is to be told now, the most urgent first."""
    quiet = habits.is_quiet(now)
    found = []
    for entry in book.values():
        kind = _kind(entry, habits, now)
        urgent = entry.alarm.level is Level.CRITICAL and kind is not Kind.REMINDER
        if kind is not None and (urgent or not quiet):
            found.append(Announcement(kind, entry))
    return sorted(found, key=lambda one: (one.kind is Kind.RESOLVED, one.entry.alarm.level))


def _kind(entry: Entry, habits: Habits, now: datetime) -> Kind | None:
    if entry.gone is not None:
        return Kind.RESOLVED
    if entry.told is None:
        return Kind.RAISED
    doublings = min(entry.told_count - 1, 20)
    wait_s = min(habits.remind_after_s * 2**doublings, MOST_BETWEEN_S)
    return Kind.REMINDER if now - entry.told >= timedelta(seconds=wait_s) else None


def handed_over(book: Book, told: Iterable[Announcement], now: datetime) -> dict[str, Entry]:
    """The book once these are with the messengers.

    It is written down before they are sent: a crash in between then costs a message, which the
    reminder makes good, instead of repeating one with every start.
    """
    changed = dict(book)
    for one in told:
        cause = one.entry.alarm.cause
        if one.kind is Kind.RESOLVED:
            del changed[cause]
        else:
            entry = changed[cause]
            changed[cause] = replace(entry, told=now, told_count=entry.told_count + 1)
    return changed


def not_delivered(book: Book, failed: Iterable[Announcement]) -> dict[str, Entry]:
    """The book once it is known that these reached nobody; they become due again."""
    changed = dict(book)
    for one in failed:
        cause = one.entry.alarm.cause
        now = changed.get(cause)
        if now is None:
            # Told as gone, or raised and gone meanwhile: if people ever heard of it, they must
            # hear of its end.
            if one.kind is Kind.RESOLVED:
                changed[cause] = one.entry
        else:
            before = one.entry
            changed[cause] = replace(now, told=before.told, told_count=before.told_count)
    return changed


class Message(Struct, frozen=True):
    """What people read.

    Attributes:
        title: one line.
        body: a paragraph for each announcement, plain text.
        level: the most urgent of them.
        is_end: nothing in it needs anybody any more.
        told: what it announces.
    """

    title: str
    body: str
    level: Level
    is_end: bool = False
    told: tuple[Announcement, ...] = ()


def compose(name: str, told: Sequence[Announcement], zone: tzinfo) -> Message:
    """One message for everything that is due: a bad night is one message, not ten.

    Args:
        name: of the installation.
        told: at least one.
        zone: in which times are written.
    """
    is_end = all(one.kind is Kind.RESOLVED for one in told)
    first = told[0].entry.alarm.sentence
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    critical = any(one.entry.alarm.level is Level.CRITICAL for one in told)
    return Message(
        f"[{name}] {'Over: ' if is_end else ''}{_short(first)}{more}",
        "\n\n".join(_paragraph(one, zone) for one in told),
        Level.CRITICAL if critical else Level.WARNING,
        is_end,
        tuple(told),
    )


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= 120 else sentence[:117] + "..."


def _paragraph(one: Announcement, zone: tzinfo) -> str:
    entry = one.entry
    since = entry.raised.astimezone(zone).strftime("%d %B %Y %H:%M")
    match one.kind:
        case Kind.RAISED:
            return f"{entry.alarm.sentence}\n{entry.alarm.remedy}".strip()
        case Kind.REMINDER:
            return f"Still, since {since}: {entry.alarm.sentence}\n{entry.alarm.remedy}".strip()
        case Kind.RESOLVED:
            return f"Over, since {since} and now gone: {entry.alarm.sentence}"
