"""A good configuration, and how the tests of the configuration spoil it."""

import copy
import tomllib

import pytest

from tillbridge.config import parse
from tillbridge.errors import ConfigError

GOOD = tomllib.loads(
    """
    config_version = 1
    name = "Harbour Group"
    [lightspeed]
    client_id = "an-id"
    client_secret = { env = "LIGHTSPEED_SECRET" }
    [connecteam]
    api_key = { credential = "connecteam-api-key" }
    [[locations]]
    name = "Harbour Street"
    lightspeed_id = 45454565682155
    connecteam_id = 123
    timezone = "Europe/London"
    currency = "GBP"
    exclusive = true
    start = 2026-11-01
    [[locations]]
    name = "Mole"
    lightspeed_id = 45454565682156
    connecteam_id = 124
    timezone = "Europe/London"
    currency = "GBP"
    exclusive = true
    start = 2026-11-01
    """
)
MISSING = object()


def changed(path, value):
    """GOOD with one place changed; a path like `locations.1.timezone`."""
    data = copy.deepcopy(GOOD)
    *way, last = path.split(".")
    place = data
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    key = int(last) if isinstance(place, list) else last
    if value is MISSING:
        del place[key]
    else:
        place[key] = value
    return data


def problems_of(data, **options):
    with pytest.raises(ConfigError) as caught:
        parse(data, **options)
    assert caught.value.exit_code == 78
    return caught.value.problems
