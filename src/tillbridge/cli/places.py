"""`locations list` and `locations create`: both sides, and which feeds which."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from tillbridge.cli.options import Common, print_json, say
from tillbridge.cli.sides import connecteam_places, lightspeed_places
from tillbridge.cli.tables import Column, Kind, show
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.connecteam.setup import AnswerLost
from tillbridge.errors import TillbridgeError, TryLater, UsageError
from tillbridge.matching import Place, same_name
from tillbridge.sides import ConnecteamSide, connecteam_client, connecteam_side, lightspeed_client

_LONGEST_NAME = 200


def list_locations(common: Common, *, as_json: bool) -> int:
    """Show what each side has; a side that does not answer is said, and the other is shown."""
    config = common.load(need_locations=False)
    clock = SystemClock()
    problems: list[TillbridgeError] = []

    def asked(ask: Callable[[], list[Place]]) -> list[Place]:
        try:
            return ask()
        except TillbridgeError as error:
            problems.append(error)
            return []

    ledger = common.ledger_path(config)
    left = asked(lambda: lightspeed_places(lightspeed_client(config, ledger, os.environ, clock)))
    right = asked(lambda: connecteam_places(connecteam_client(config, os.environ, clock)))
    ours, theirs = _lightspeed(config, left), _connecteam(config, right)
    if as_json:
        print_json({"schema": 1, "lightspeed": ours, "connecteam": theirs})
    else:
        _print("Lightspeed", ours)
        _print("Connecteam", theirs)
    for problem in problems:
        say(str(problem))
    return max((problem.exit_code for problem in problems), default=0)


def create_location(common: Common, name: str, *, as_json: bool) -> int:
    """Create a location in Connecteam, unless one of that name is there; print its id."""
    wanted = " ".join(name.split())
    if not wanted or len(wanted) > _LONGEST_NAME or not wanted.isprintable():
        raise UsageError(
            "This cannot be the name of a location.", f"Write 1 to {_LONGEST_NAME} characters."
        )
    config = common.load(need_locations=False)
    side = connecteam_side(config, os.environ, SystemClock())
    there = same_name(wanted, connecteam_places(side.client))
    place = there[0] if there else _create(side, wanted)
    if there:
        others = ", ".join(f"{one.name} ({one.id})" for one in there)
        say(f"Connecteam has it already: {others}. Nothing was created.")
    else:
        say(f"Created in Connecteam: {place.name}. It can never be renamed or removed there.")
    if as_json:
        print_json({"schema": 1, "id": place.id, "name": place.name, "created": not there})
    else:
        print(place.id)
    say("`tillbridge locations match` connects it with its Lightspeed location.")
    return 0


def _create(side: ConnecteamSide, name: str) -> Place:
    try:
        created = side.setup.create_location(name)
    except AnswerLost as lost:
        # It can never be removed again, so it is not asked for twice: look.
        found = same_name(name, connecteam_places(side.client))
        if not found:
            raise TryLater(
                f"{lost.message} It is not in Connecteam's list now.",
                "Wait a minute and run `tillbridge locations list` before you try again.",
            ) from lost
        return found[0]
    return Place(created.id, created.name, active=created.is_active)


def _lightspeed(config: Config, places: Sequence[Place]) -> list[dict[str, Any]]:
    names = {place.lightspeed_id: place.name for place in config.locations}
    return [
        {
            "id": place.id,
            "name": place.name,
            "timezone": place.timezone,
            "currency": place.currency,
            "configured_as": names.get(place.id),
        }
        for place in places
    ]


def _connecteam(config: Config, places: Sequence[Place]) -> list[dict[str, Any]]:
    feeds: dict[int, list[str]] = {}
    for place in config.locations:
        feeds.setdefault(place.connecteam_id, []).append(place.name)
    return [
        {
            "id": place.id,
            "name": place.name,
            "active": place.active,
            "fed_by": feeds.get(place.id, []),
        }
        for place in places
    ]


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        kinds = {"id": Kind.ID}
        columns = [Column(name, kinds.get(name, Kind.TEXT)) for name in rows[0]]
        show(columns, [list(row.values()) for row in rows], title=title)
