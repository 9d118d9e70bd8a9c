"""Each simulated vendor behind the real clients, so that one suite of tests can run on all.

To point the suite at another vendor, make a `LightspeedSide` or a `ConnecteamSide` for it: all
that a side must give is a base address or an httpx transport, credentials, and a little truth.
"""

import random
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

from simulation.connecteam import FakeConnecteam, Manners
from simulation.lightspeed import FakeLightspeed
from simulation.shelf import Shelf
from simulation.trade import BAD_AMOUNT, Version
from simulation.trade import Sale as SimulatedSale
from simulation.world import Story, VirtualClock
from system.odd_vendors import OddVendors
from tillbridge.clock import Clock, SystemClock
from tillbridge.connecteam.auth import ApiKey
from tillbridge.connecteam.client import ConnecteamClient
from tillbridge.http import Http, Timeouts
from tillbridge.lightspeed.client import LightspeedClient
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.token_address import OAuthSettings
from tillbridge.lightspeed.tokens import TokenFile
from tillbridge.sale import Transaction
from tillbridge.sandbox import Sandbox

NOON = datetime(2026, 10, 16, 12, tzinfo=UTC)


@dataclass(frozen=True)
class LightspeedSide:
    """A Lightspeed to be tried: one location, `count` sales, all closed within `window`."""

    client: LightspeedClient
    location: int
    window: tuple[datetime, datetime]
    count: int


@dataclass(frozen=True)
class ConnecteamSide:
    """A Connecteam to be tried: an empty location, a row that fits it, and one it refuses."""

    client: ConnecteamClient
    row: Transaction
    bad: Transaction
    expect: Callable[[int], None]  # told how many rows the next POST has


def http(pools: ExitStack, base: str, transport: httpx.BaseTransport | None = None) -> Http:
    """A pool of connections that ends with the others."""
    pool = Http(
        base, timeouts=Timeouts(5, 30), max_connections=4, user_agent="contract",
        transport=transport,
    )  # fmt: skip
    pools.callback(pool.close)
    return pool


def lightspeed_client(
    pools: ExitStack,
    folder: Path,
    clock: Clock,
    base: str,
    settings: OAuthSettings,
    refresh_token: str,
    transport: httpx.BaseTransport | None = None,
) -> LightspeedClient:
    token_http = http(pools, settings.token_url, transport)
    tokens = Authenticator(token_http, settings, TokenFile(folder / "token.json"), clock)
    tokens.import_refresh_token(refresh_token)
    return LightspeedClient(http(pools, base, transport), tokens, clock, random.Random(1))


# -- Lightspeed -----------------------------------------------------------------------------------


def sandbox_lightspeed(pools: ExitStack, served: Sandbox, folder: Path) -> LightspeedSide:
    settings = OAuthSettings(
        "v2", served.token_url, served.client_id, served.client_secret, served.redirect_uri
    )
    client = lightspeed_client(
        pools, folder, SystemClock(), served.lightspeed_url, settings, served.new_refresh_token()
    )
    place = served.locations[0]
    window = (
        place.day_start(served.first_day) - timedelta(hours=3),
        place.day_start(served.day) + timedelta(days=2),
    )
    count = served.lightspeed_truth()[place.lightspeed_id].sales
    return LightspeedSide(client, place.lightspeed_id, window, count)


def payload(number: int, closed: datetime) -> dict[str, object]:
    return {
        "accountReference": f"ref-{number}", "accountFiscId": f"A1.{number}", "type": "SALE",
        "timeOfOpening": f"{closed:%Y-%m-%dT%H:%M:%S}Z",
        "timeClosed": f"{closed:%Y-%m-%dT%H:%M:%S}Z",
        "salesLines": [{"totalNetAmountWithoutTax": "1.10", "taxAmount": "0.22"}],
    }  # fmt: skip


def moments() -> list[datetime]:
    return [NOON + timedelta(seconds=7 * number) for number in range(230)]


WINDOW = (NOON - timedelta(hours=1), NOON + timedelta(hours=2))


def simulated_lightspeed(pools: ExitStack, folder: Path, token_kind: str) -> LightspeedSide:
    clock = VirtualClock(NOON + timedelta(hours=3))
    closing = enumerate(moments())
    sales = [
        SimulatedSale(77, f"A1.{n}", at, [Version(0.0, payload(n, at), None)]) for n, at in closing
    ]
    fake = FakeLightspeed(
        clock, Story(clock), random.Random(1), {77: sales}, page_size=100, token_kind=token_kind
    )
    base = "https://lightspeed.test"
    settings = OAuthSettings("v2", f"{base}/token", "id", "contract-secret", "https://x.test/cb")
    client = lightspeed_client(pools, folder, clock, base, settings, fake.sign_in(), fake)
    return LightspeedSide(client, 77, WINDOW, len(sales))


def odd_lightspeed(pools: ExitStack, vendors: OddVendors, folder: Path) -> LightspeedSide:
    vendors.sales[77] = [payload(number, closed) for number, closed in enumerate(moments())]
    settings = OAuthSettings(
        "v2", f"{vendors.url}/token", "id", "contract-secret", "https://x.test/cb"
    )
    client = lightspeed_client(
        pools, folder, SystemClock(), vendors.url, settings, vendors.refresh_token
    )
    return LightspeedSide(client, 77, WINDOW, len(moments()))


# -- Connecteam -----------------------------------------------------------------------------------


def a_row(location: int) -> Transaction:
    return Transaction(location, "SALE", int(NOON.timestamp()), 1234, 247, "GBP")


def sandbox_connecteam(pools: ExitStack, served: Sandbox) -> ConnecteamSide:
    client = ConnecteamClient(http(pools, served.connecteam_url), ApiKey(served.api_key))
    row = a_row(served.locations[0].connecteam_id)
    return ConnecteamSide(client, row, row._replace(sale_type="NO_SUCH_TYPE"), lambda _count: None)


def simulated_connecteam(pools: ExitStack) -> ConnecteamSide:
    clock = VirtualClock(NOON + timedelta(hours=3))
    story, rng = Story(clock), random.Random(1)
    shelf = Shelf(clock, story, rng, ZoneInfo("UTC"), 0.0)
    fake = FakeConnecteam(
        clock, story, rng, shelf, Manners(120.0, 90.0), {123: "GBP"}, frozenset({123})
    )
    numbers = iter(range(1, 1000))

    def expect(count: int) -> None:
        fake.flight = (next(numbers), tuple(range(count)))

    client = ConnecteamClient(http(pools, "https://connecteam.test", fake), ApiKey("contract-key"))
    row = a_row(123)
    return ConnecteamSide(client, row, row._replace(amount=BAD_AMOUNT + 1), expect)
