"""The locations of both sides as plain places, each asked with one request where that is enough."""

from tillbridge.connecteam.client import ConnecteamClient
from tillbridge.lightspeed.client import LightspeedClient
from tillbridge.lightspeed.wire import Business
from tillbridge.matching import Place


def lightspeed_places(client: LightspeedClient) -> list[Place]:
    """Those that the sign-in sees. Raises what `LightspeedClient.businesses` raises."""
    return places_of(client.businesses())


def places_of(businesses: list[Business]) -> list[Place]:
    """The locations of these businesses, with their business's currency."""
    return [
        Place(place.id, place.name or f"location {place.id}", place.timezone, business.currency)
        for business in businesses
        for place in business.locations or ()
    ]


def connecteam_places(client: ConnecteamClient) -> list[Place]:
    """All of the account. Raises what `ConnecteamClient.locations` raises."""
    return [Place(place.id, place.name, active=place.is_active) for place in client.locations()]
