"""`locations match`: pairs the locations of both sides by name, and writes the configuration.

What is certain is taken; what is not is asked of a person, or told where nobody can answer. The
file is written only when that was asked for.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tillbridge.cli.config_file import NewLocation, add_locations, as_toml
from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.sides import connecteam_places, lightspeed_places
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.matching import Match, Place, match
from tillbridge.sides import connecteam_client, lightspeed_client

Ask = Callable[[str], str]
"""Shows a question and gives the line that a person types; empty where nobody does."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for beyond matching.

    Attributes:
        write: into the configuration, not on standard output.
        start: first day; each location's today if None.
        shared: others enter sales at these Connecteam locations, too.
    """

    write: bool
    start: date | None
    shared: bool
    as_json: bool


@dataclass(slots=True)
class Pairs:
    """What came of it; `left` are sentences about locations that a person must decide."""

    new: list[NewLocation] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def match_locations(common: Common, wish: Wish) -> int:
    """Exit 3 if a location of Lightspeed is left without its counterpart."""
    config = common.load(need_locations=False, as_owner=not wish.write)
    clock = SystemClock()
    ours = lightspeed_places(
        lightspeed_client(config, common.ledger_path(config), os.environ, clock)
    )
    theirs = connecteam_places(connecteam_client(config, os.environ, clock))
    asks = sys.stdin.isatty() and not wish.as_json
    pairs = pair(config, ours, theirs, wish, clock.now(), _from_terminal if asks else None)
    if wish.write and pairs.new:
        add_locations(common.config_path(), pairs.new)
        say(f"{counted(len(pairs.new), 'location')} written into {common.config_path()}.")
    _tell(pairs, wish, common.config_path())
    return 3 if pairs.left else 0


def pair(
    config: Config,
    ours: Sequence[Place],
    theirs: Sequence[Place],
    wish: Wish,
    now: datetime,
    ask: Ask | None,
) -> Pairs:
    """Match every location of Lightspeed that the configuration does not have yet.

    Args:
        config: with what it has.
        ours: Lightspeed's.
        theirs: Connecteam's.
        wish: see `Wish`.
        now: tells each location's today.
        ask: None where nobody can answer.
    """
    pairs = Pairs()
    known = {place.lightspeed_id for place in config.locations}
    names = {place.name for place in config.locations}
    for found in match(ours, theirs):
        if found.place.id in known:
            continue
        chosen = found.found or (_choose(found, theirs, ask) if ask else None)
        if chosen is None:
            pairs.left.append(_why_left(found))
            continue
        made = _new_location(found.place, chosen, wish, now, names)
        if isinstance(made, str):
            pairs.left.append(made)
            continue
        say(f"{found.place.name} (Lightspeed) feeds {chosen.name} (Connecteam, {chosen.id}).")
        names.add(made.name)
        pairs.new.append(made)
    listed = {place.id for place in ours}
    pairs.left += [
        f"{place.name} is in the configuration, but Lightspeed lists no location "
        f"{place.lightspeed_id}: correct lightspeed_id, or take the table out if it is the "
        "sample's; or sign in as a user who sees it."
        for place in config.locations
        if place.enabled and place.lightspeed_id not in listed
    ]
    return pairs


def _choose(found: Match, theirs: Sequence[Place], ask: Ask) -> Place | None:
    """A person's word on one location; empty leaves it out."""
    offered = found.suggestions or tuple(theirs)
    if not offered:
        return None
    say(f"\nWhich location of Connecteam does {found.place.name} of Lightspeed feed?")
    for number, place in enumerate(offered, 1):
        state = "" if place.active else ", not active"
        say(f"  {number}  {place.name} (id {place.id}{state})")
    while True:
        typed = ask("Its number, or only Enter for none: ").strip()
        if not typed:
            return None
        if typed.isdecimal() and 1 <= int(typed) <= len(offered):
            return offered[int(typed) - 1]
        say(f"Type a number from 1 to {len(offered)}, or only Enter.")


def _why_left(found: Match) -> str:
    if found.suggestions:
        offered = ", ".join(f"{place.name} ({place.id})" for place in found.suggestions)
        return (
            f"{found.place.name} of Lightspeed may be one of these at Connecteam: {offered}. Run "
            "`tillbridge locations match` in a terminal to choose, or write the table yourself."
        )
    return (
        f"Connecteam has no location like {found.place.name} of Lightspeed: create it with "
        f'`tillbridge locations create "{found.place.name}"`, or leave it out.'
    )


def _new_location(
    place: Place, chosen: Place, wish: Wish, now: datetime, names: set[str]
) -> NewLocation | str:
    """The table, or why there cannot be one."""
    if place.currency is None or place.timezone is None:
        return (
            f"Lightspeed does not tell the time zone and currency of {place.name}: "
            "write its table yourself."
        )
    try:
        today = now.astimezone(ZoneInfo(place.timezone)).date()
    except (ZoneInfoNotFoundError, ValueError):
        return f"The time zone {place.timezone} of {place.name} is not known here."
    name, number = place.name, 1
    while name in names:
        number += 1
        name = f"{place.name} {number}"
    start = wish.start or today
    return NewLocation(
        name, place.id, chosen.id, place.timezone, place.currency, not wish.shared, start
    )


def _tell(pairs: Pairs, wish: Wish, path: Path) -> None:
    if wish.as_json:
        new = [one.values() | {"start": one.start.isoformat()} for one in pairs.new]
        print_json({"schema": 1, "written": wish.write, "locations": new, "left": pairs.left})
    elif pairs.new and not wish.write:
        print(as_toml(pairs.new), end="")
        say(f"\nPut these tables into {path}, or run the command again with --write.")
    for sentence in pairs.left:
        say(sentence)
    if pairs.new and not wish.shared:
        say(
            "`exclusive = true` says that nobody but tillbridge enters sales there; where people "
            "or other programs do, write false."
        )
    if not pairs.new and not pairs.left:
        say("Every location of Lightspeed is in the configuration.")


def _from_terminal(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()
