"""What several Lightspeed locations that feed one of Connecteam's make of it."""

import pytest

from config_cases import changed
from tillbridge.config import parse
from tillbridge.configured import target_policies


def policies(*zones):
    """Of a configuration in which a location of each zone feeds the same one of Connecteam's."""
    data = changed("locations.1.connecteam_id", 123)
    first, *_ = data["locations"]
    data["locations"] = [
        {**first, "name": f"Bar {n}", "lightspeed_id": 7000 + n, "timezone": zone}
        for n, zone in enumerate(zones)
    ]
    return target_policies(parse(data).config)


def keys(zones):
    return [zone.key for zone in zones]


@pytest.mark.parametrize(
    ("zones", "days"),
    [
        (["Asia/Tokyo"], ["Asia/Tokyo", "UTC"]),
        (["Asia/Tokyo", "Europe/London"], ["Asia/Tokyo", "Europe/London", "UTC"]),
        (["Europe/London", "Asia/Tokyo"], ["Europe/London", "Asia/Tokyo", "UTC"]),
        (["Europe/London", "Asia/Tokyo", "Europe/London"], ["Europe/London", "Asia/Tokyo", "UTC"]),
        (["UTC", "UTC"], ["UTC"]),
    ],
)
def test_connecteams_day_may_be_that_of_any_location_that_feeds_it(zones, days):
    (policy,) = policies(*zones).values()
    assert keys(policy.day_zones) == days
    assert policy.zone.key == zones[0]


def test_locations_that_feed_one_are_named_together_and_keep_what_they_agree_on():
    (policy,) = policies("Europe/London", "Asia/Tokyo", "UTC").values()
    assert policy.name == "Bar 0 and Bar 1 and Bar 2"
    assert (policy.currency, policy.exclusive, policy.may_replace) == ("GBP", True, False)
