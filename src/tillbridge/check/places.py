"""The configured locations beside what both vendors list: names, currencies, time zones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tillbridge.check.report import Item, failed, passed, warned
from tillbridge.matching import Place, plain_name

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Configured:
    """A [[locations]] table, as far as it can be compared."""

    name: str
    lightspeed_id: int
    connecteam_id: int
    timezone: str
    currency: str


def judge_places(
    configured: Sequence[Configured],
    lightspeed: Sequence[Place] | None,
    connecteam: Sequence[Place] | None,
) -> list[Item]:
    """One item for each configured location, and one for each side's unmapped ones.

    Args:
        configured: those that are enabled.
        lightspeed: None if they could not be listed.
        connecteam: likewise.
    """
    left = None if lightspeed is None else {place.id: place for place in lightspeed}
    right = None if connecteam is None else {place.id: place for place in connecteam}
    items = [_judge(place, left, right) for place in configured]
    mapped = {place.lightspeed_id for place in configured}
    fed = {place.connecteam_id for place in configured}
    items += _unmapped("Lightspeed", lightspeed, mapped)
    items += _unmapped("Connecteam", connecteam, fed)
    if not configured:
        items.append(
            failed(
                "Locations",
                "The configuration has no location, so nothing is carried over.",
                "Run `tillbridge locations match --write`.",
                78,
            )
        )
    return items


def _judge(
    place: Configured, left: Mapping[int, Place] | None, right: Mapping[int, Place] | None
) -> Item:
    name = f"Location {place.name}"
    if left is not None and place.lightspeed_id not in left:
        return failed(
            name,
            f"Lightspeed lists no location {place.lightspeed_id} for this sign-in.",
            "Correct lightspeed_id (`tillbridge locations list`), or sign in as a user with "
            "rights there.",
        )
    if right is not None and place.connecteam_id not in right:
        return failed(
            name,
            f"Connecteam has no location {place.connecteam_id}.",
            "Correct connecteam_id (`tillbridge locations list`).",
        )
    till = left[place.lightspeed_id] if left is not None else None
    team = right[place.connecteam_id] if right is not None else None
    if till is not None and till.currency not in (None, place.currency):
        return failed(
            name,
            f"Its currency is {till.currency} at Lightspeed and {place.currency} in the "
            "configuration.",
            f'Write currency = "{till.currency}".',
        )
    return _compare(name, place, till, team)


def _compare(name: str, place: Configured, till: Place | None, team: Place | None) -> Item:
    if till is not None and till.timezone and not _same_zone(till.timezone, place.timezone):
        return warned(
            name,
            f"Its time zone is {till.timezone} at Lightspeed and {place.timezone} in the "
            "configuration.",
            f'Write timezone = "{till.timezone}", unless Lightspeed has it wrong.',
        )
    if team is not None and not team.active:
        return warned(
            name,
            f"Its Connecteam location {team.name} ({team.id}) is switched off there.",
            "Switch it on in Connecteam, or nobody sees the sales.",
        )
    if till is not None and team is not None and plain_name(till.name) != plain_name(team.name):
        return warned(
            name,
            f"It is called {till.name} at Lightspeed and feeds {team.name} at Connecteam.",
            "If that is meant, nothing; else correct the ids.",
        )
    if till is None or team is None:
        which = "Lightspeed" if till is None else "Connecteam"
        return warned(name, f"Not compared with {which}, which could not be asked.")
    return passed(
        name, f"{till.name} ({place.currency}, {place.timezone}) feeds {team.name} ({team.id})."
    )


def _same_zone(one: str, other: str) -> bool:
    """Equal names, or two names of one time: some zones have been renamed."""
    if one == other:
        return True
    try:
        first, second = ZoneInfo(one), ZoneInfo(other)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    year = datetime.now(UTC).year
    moments = [datetime(year, month, 1, tzinfo=UTC) for month in range(1, 13)]
    return all(
        moment.astimezone(first).utcoffset() == moment.astimezone(second).utcoffset()
        for moment in moments
    )


def _unmapped(side: str, places: Sequence[Place] | None, mapped: set[int]) -> list[Item]:
    left = [place for place in places or () if place.id not in mapped and place.active]
    if not left:
        return []
    names = ", ".join(f"{place.name} ({place.id})" for place in left[:_MOST_NAMED])
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    are = "location is" if len(left) == 1 else "locations are"
    return [
        warned(
            f"{side}: not mapped",
            f"{len(left)} {are} mapped to nothing: {names}{more}.",
            "If sales of it should be carried over, run `tillbridge locations match`."
            if side == "Lightspeed"
            else "Nothing, unless it should show sales: then `tillbridge locations match`.",
        )
    ]
