"""`locations list`: both sides, and which feeds which."""

import os
from typing import Any

from tillbridge.cli.options import Common, print_json, say
from tillbridge.cli.tables import Column, Kind, show
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.errors import TillbridgeError
from tillbridge.wiring import connecteam_client, lightspeed_client


def list_locations(common: Common, *, as_json: bool) -> int:
    """Show what each side has; a side that does not answer is said, and the other is shown."""
    config = common.load()
    clock = SystemClock()
    problems: list[TillbridgeError] = []
    ours: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    try:
        pages = lightspeed_client(config, common.ledger_path(config), os.environ, clock)
        ours = _lightspeed(config, pages.businesses())
    except TillbridgeError as error:
        problems.append(error)
    try:
        theirs = _connecteam(config, connecteam_client(config, os.environ, clock).locations())
    except TillbridgeError as error:
        problems.append(error)
    if as_json:
        print_json({"schema": 1, "lightspeed": ours, "connecteam": theirs})
    else:
        _print("Lightspeed", ours)
        _print("Connecteam", theirs)
    for problem in problems:
        say(str(problem))
    return max((problem.exit_code for problem in problems), default=0)


def _lightspeed(config: Config, businesses: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    names = {place.lightspeed_id: place.name for place in config.locations}
    return [
        {
            "id": place.id,
            "name": place.name,
            "timezone": place.timezone,
            "currency": business.currency,
            "configured_as": names.get(place.id),
        }
        for business in businesses
        for place in business.locations
    ]


def _connecteam(config: Config, listed: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    feeds: dict[int, list[str]] = {}
    for place in config.locations:
        feeds.setdefault(place.connecteam_id, []).append(place.name)
    return [
        {
            "id": place.id,
            "name": place.name,
            "active": place.is_active,
            "fed_by": feeds.get(place.id, []),
        }
        for place in listed
    ]


def _print(title: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        kinds = {"id": Kind.ID}
        columns = [Column(name, kinds.get(name, Kind.TEXT)) for name in rows[0]]
        show(columns, [list(row.values()) for row in rows], title=title)
