"""What "healthy" means, said once: figures in, findings out. Pure.

Health is business truth: are the day's sales in Connecteam, and will they be tomorrow? A process
that runs says nothing about that. `status`, the alarms, the line for systemd and the exit codes
all ask this module, so that none of them can think differently. It reads no clock, no file, no
setting: ages come in seconds, and what they are measured with is the business of `gauges`.
"""

from collections.abc import Iterator, Sequence

from tillbridge.alarms import Alarm
from tillbridge.alarms import Level as AlarmLevel
from tillbridge.findings import Finding, Level
from tillbridge.stops import STOP_REMEDIES
from tillbridge.vitals import Disk, Figures, PlaceFigures, Quota, SignIn

_MINUTE_S = 60.0
_HOUR_S = 3600.0
_DAY_S = 86_400.0

READ_LATE_S = 30 * _MINUTE_S
"""A location that has not been read for so long is late; or for three polls, if that is longer."""

POST_LATE_S = _HOUR_S
"""The same for a sale that has been read and waits: even on the smallest plan, one that shares the
day's requests out evenly, a sale waits for company for some twenty minutes."""

DOUBT_LATE_S = 3 * _HOUR_S
"""Settling takes an hour and some minutes at worst, where totals behave as they ever did."""

PERSON_AFTER_S = _DAY_S
"""What goes on by itself, but has not for a day, needs somebody to look."""

NOT_COMPARED_S = 3 * _DAY_S
"""Past days are compared every night; one night may fail for an outage."""

SIGN_IN_ENDS_S = 3 * _DAY_S
"""A sign-in that is used is renewed, so an end that comes near means that it is not used."""

HANG_S = 15 * _MINUTE_S
"""No step of a pass takes so long: a request is given up after two minutes at most."""

DISK_FULL_BYTES = 64 * 1024 * 1024
DISK_LOW_BYTES = 256 * 1024 * 1024


def judge(figures: Figures) -> list[Finding]:
    """What is to be said about these figures, the most urgent first."""
    found = [item for place in figures.places for item in _of_place(place, figures)]
    if figures.sign_in is not None:
        found += _of_sign_in(figures.sign_in)
    if figures.quota is not None:
        found += _of_quota(figures.quota)
    if figures.disk is not None:
        found += _of_disk(figures.disk)
    if figures.shares_account:
        found.append(_SHARED)
    found += [
        Finding("alarm", Level.PERSON, None, item.cause, item.sentence, item.remedy)
        for item in figures.standing
    ]
    order = [Level.PERSON, Level.LATE, Level.NOTE]
    return sorted(found, key=lambda item: order.index(item.level))


def hangs(quiet_s: float, poll_every_s: float, *, in_pass: bool) -> bool:
    """Whether the program itself stands still, and only starting it anew can help.

    An attempt that failed is an attempt that ended: vendors and lines that are away never make
    this true.

    Args:
        quiet_s: since a step of the pass was begun, or, between passes, since the last one ended.
        poll_every_s: between polls.
        in_pass: whether a pass is under way.
    """
    return quiet_s > (HANG_S if in_pass else poll_every_s + HANG_S)


def alarms_of(findings: Sequence[Finding]) -> list[Alarm]:
    """The findings that somebody must be told of, as alarms.

    Left out are notes, and what has an alarm of its own from where it happens, with more detail.
    """
    return [
        Alarm(
            f"{item.code}:{item.key}",
            AlarmLevel.CRITICAL if item.level is Level.PERSON else AlarmLevel.WARNING,
            item.sentence,
            item.text().removeprefix(item.sentence).strip(),
        )
        for item in findings
        if item.level is not Level.NOTE and item.code not in _ALARMED_ELSEWHERE
    ]


_ALARMED_ELSEWHERE = frozenset({"quarantined", "held", "stopped", "sign_in", "alarm"})


def _of_place(place: PlaceFigures, figures: Figures) -> Iterator[Finding]:
    yield from _of_decisions(place)
    if place.paused:
        yield Finding(
            "paused", Level.NOTE, place.name, str(place.key),
            f"{place.name}: paused; {place.waiting} sales wait.", "", f"resume '{place.name}'",
        )  # fmt: skip
        return
    if place.is_due:
        yield from _of_reading(place, figures.poll_every_s)
        yield from _of_comparing(place)
    if place.stop is None:
        yield from _of_posting(place, figures)


def _of_decisions(place: PlaceFigures) -> Iterator[Finding]:
    """What a person has to decide."""
    if place.quarantined:
        yield Finding(
            "quarantined", Level.PERSON, place.name, str(place.key),
            f"{place.name}: {_are(place.quarantined)} set aside because they cannot be sent "
            "as they are.", "", "quarantine list",
        )  # fmt: skip
    if place.held:
        yield Finding(
            "held", Level.PERSON, place.name, str(place.key),
            f"{place.name}: {_number(place.held)} may or may not be in Connecteam, and only a "
            "person can tell.", "", "doubts list",
        )  # fmt: skip
    if place.stop is not None:
        yield Finding(
            "stopped", Level.PERSON, place.name, str(place.key),
            f"{place.name}: nothing is posted: {place.stop_reason}.",
            STOP_REMEDIES.get(place.stop, ""),
            "locations list" if place.stop == "location_refused" else "",
        )  # fmt: skip


def _of_reading(place: PlaceFigures, poll_every_s: float) -> Iterator[Finding]:
    why = f" ({place.error})" if place.error else ""
    if place.read_age_s is None:
        yield Finding(
            "not_read", Level.LATE if place.error else Level.NOTE, place.name, str(place.key),
            f"{place.name}: has never been read to the end{why}.",
        )  # fmt: skip
    elif place.read_age_s > max(READ_LATE_S, 3 * poll_every_s):
        yield Finding(
            "not_read", _level_by_age(place.read_age_s), place.name, str(place.key),
            f"{place.name}: has not been read for {span(place.read_age_s)}{why}.",
            "" if why else "Look whether the service is running.",
        )  # fmt: skip


def _of_comparing(place: PlaceFigures) -> Iterator[Finding]:
    if place.compared_age_s is not None and place.compared_age_s > NOT_COMPARED_S:
        yield Finding(
            "not_compared", Level.LATE, place.name, str(place.key),
            f"{place.name}: its past days have not been compared with both vendors for "
            f"{span(place.compared_age_s)}.", "", "reconcile",
        )  # fmt: skip


def _of_posting(place: PlaceFigures, figures: Figures) -> Iterator[Finding]:
    limit_s = max(POST_LATE_S, 3 * figures.poll_every_s, 2 * figures.batch_age_s)
    if place.waiting_age_s is not None and place.waiting_age_s > limit_s:
        behind = ""
        if place.behind_s is not None and place.behind_s > _MINUTE_S:
            behind = f"; Connecteam is {span(place.behind_s)} behind"
        yield Finding(
            "not_posted", _level_by_age(place.waiting_age_s), place.name, str(place.key),
            f"{place.name}: {_are(place.waiting)} waiting to be posted, the first for "
            f"{span(place.waiting_age_s)}{behind}.",
        )  # fmt: skip
    if place.doubt_age_s is not None and place.doubt_age_s > DOUBT_LATE_S:
        yield Finding(
            "not_confirmed", _level_by_age(place.doubt_age_s), place.name, str(place.key),
            f"{place.name}: sales sent {span(place.doubt_age_s)} ago are still not confirmed by "
            "Connecteam, and until they are, nothing else is posted there.", "", "doubts list",
        )  # fmt: skip


def _of_sign_in(sign_in: SignIn) -> Iterator[Finding]:
    if sign_in.trouble is not None:
        yield Finding("sign_in", Level.PERSON, None, "lightspeed", sign_in.trouble, "", "authorize")
        return
    if sign_in.ends_in_s is not None:
        near_s = min(SIGN_IN_ENDS_S, (sign_in.lasts_s or SIGN_IN_ENDS_S) / 5)
        if sign_in.ends_in_s <= 0:
            yield Finding(
                "sign_in", Level.PERSON, None, "lightspeed",
                f"The Lightspeed sign-in ended {span(-sign_in.ends_in_s)} ago.", "", "authorize",
            )  # fmt: skip
        elif sign_in.ends_in_s < near_s:
            yield Finding(
                "sign_in_ends", Level.PERSON, None, "lightspeed",
                f"The Lightspeed sign-in ends in {span(sign_in.ends_in_s)}, because it has not "
                "been used for long.", "Start the service, or sign in again.", "authorize",
            )  # fmt: skip
    if sign_in.answer_lost:
        yield Finding(
            "sign_in_unsure", Level.NOTE, None, "lightspeed",
            "The answer to the last renewal of the Lightspeed sign-in was lost; a new sign-in "
            "may be needed.", "", "authorize --status",
        )  # fmt: skip


def _of_quota(quota: Quota) -> Iterator[Finding]:
    if quota.left * 10 < quota.allowed:
        left = f"{quota.left} of {quota.allowed}" if quota.left > 0 else "None"
        yield Finding(
            "quota_low", Level.NOTE, None, "day",
            f"{left} of today's requests to Connecteam are left; there are new ones in "
            f"{span(quota.reset_in_s)}.",
        )  # fmt: skip


def _of_disk(disk: Disk) -> Iterator[Finding]:
    free = f"{disk.free_bytes // (1024 * 1024)} MB"
    if disk.free_bytes < DISK_FULL_BYTES:
        yield Finding(
            "disk_full", Level.PERSON, None, disk.folder,
            f"Only {free} are free on the disk of {disk.folder}; when it is full, sales wait.",
            "Make space there.",
        )  # fmt: skip
    elif disk.free_bytes < max(DISK_LOW_BYTES, disk.ledger_bytes):
        yield Finding(
            "disk_low", Level.NOTE, None, disk.folder,
            f"{free} are free on the disk of {disk.folder}; an upgrade or a backup needs as much "
            f"as the ledger has, {disk.ledger_bytes // (1024 * 1024)} MB.",
        )  # fmt: skip


_SHARED = Finding(
    "account_shared", Level.NOTE, None, "connecteam",
    "Another installation on this machine uses the same Connecteam account, and so the same quota.",
    "Let the quota_share of all of them add up to 1 at most.", "status --all",
)  # fmt: skip


def _level_by_age(age_s: float) -> Level:
    return Level.PERSON if age_s > PERSON_AFTER_S else Level.LATE


def _number(sales: int) -> str:
    return "1 sale" if sales == 1 else f"{sales} sales"


def _are(sales: int) -> str:
    return f"{_number(sales)} {'is' if sales == 1 else 'are'}"


def span(seconds: float) -> str:
    """A length of time as people say it, in its largest unit, rounded down."""
    for unit_s, name in ((_DAY_S, "day"), (_HOUR_S, "hour"), (_MINUTE_S, "minute")):
        if seconds >= unit_s:
            number = int(seconds // unit_s)
            return f"{number} {name}" + ("s" if number > 1 else "")
    return "less than a minute"
