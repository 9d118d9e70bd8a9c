"""The vendors' sides, made from the configuration: connections, credentials, clients.

For the bridge and for commands that need one side alone. Nothing connects when it is made.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from tillbridge.clock import Clock
from tillbridge.config import Config
from tillbridge.configured import user_agent
from tillbridge.connecteam.auth import ApiKey, ClientCredentials
from tillbridge.connecteam.client import ConnecteamClient, Headers
from tillbridge.http import Http, Observer, Timeouts, Transport
from tillbridge.lightspeed.client import LightspeedClient
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.token_address import OAuthSettings
from tillbridge.lightspeed.tokens import TokenFile, token_path
from tillbridge.neighbours import account_name
from tillbridge.secrets import resolve

if TYPE_CHECKING:
    from tillbridge.connecteam.projections import Projections
    from tillbridge.connecteam.setup import Setup


class Transports(Struct, frozen=True):
    """A test's own transports instead of the network."""

    lightspeed: Transport | None = None
    token: Transport | None = None
    connecteam: Transport | None = None


NETWORK = Transports()
"""The real one."""


def sign_in_pool(
    config: Config, transport: Transport | None = None, observer: Observer | None = None
) -> Http:
    """Connections to the host of Lightspeed's sign-in."""
    section = config.lightspeed
    return Http(
        section.addresses.token_url,
        timeouts=Timeouts(min(10.0, section.timeout), section.timeout),
        max_connections=1,
        user_agent=user_agent(config.name),
        transport=transport,
        observer=observer,
    )


def authenticator(
    config: Config,
    ledger_path: Path,
    environ: Mapping[str, str],
    clock: Clock,
    transport: Transport | None = None,
    observer: Observer | None = None,
) -> Authenticator:
    """Lightspeed's sign-in."""
    section = config.lightspeed
    secret = resolve(section.client_secret, environ, where="lightspeed.client_secret")
    http = sign_in_pool(config, transport, observer)
    settings = OAuthSettings(
        section.auth,
        section.addresses.token_url,
        section.client_id,
        secret.reveal(),
        section.redirect_uri or "",
    )
    return Authenticator(http, settings, TokenFile(token_path(ledger_path)), clock)


class ConnecteamSide(Struct, frozen=True):
    """Connecteam's side: for work, and for setting up, which is loaded for that alone."""

    client: ConnecteamClient
    setup: "Setup"
    projections: "Projections"
    headers: Headers


def connecteam_side(
    config: Config,
    environ: Mapping[str, str],
    clock: Clock,
    transport: Transport | None = None,
    observer: Observer | None = None,
) -> ConnecteamSide:
    """Connecteam's side, with one sign-in for all of it."""
    from tillbridge.connecteam.projections import Projections  # noqa: PLC0415  # see ConnecteamSide
    from tillbridge.connecteam.setup import Setup  # noqa: PLC0415  # see ConnecteamSide

    http = _connecteam_pool(config, transport, observer)
    headers = _connecteam_headers(config, environ, http, clock)
    return ConnecteamSide(
        ConnecteamClient(http, headers),
        Setup(http, headers),
        Projections(http, headers),
        headers,
    )


def connecteam_client(
    config: Config,
    environ: Mapping[str, str],
    clock: Clock,
    transport: Transport | None = None,
) -> ConnecteamClient:
    """Connecteam's side, for work."""
    http = _connecteam_pool(config, transport)
    return ConnecteamClient(http, _connecteam_headers(config, environ, http, clock))


def _connecteam_pool(
    config: Config, transport: Transport | None = None, observer: Observer | None = None
) -> Http:
    section = config.connecteam
    return Http(
        section.address,
        timeouts=Timeouts(section.connect_timeout, section.timeout),
        max_connections=8,
        user_agent=user_agent(config.name),
        transport=transport,
        observer=observer,
    )


def _connecteam_headers(
    config: Config, environ: Mapping[str, str], http: Http, clock: Clock
) -> Headers:
    section = config.connecteam
    if section.api_key is not None:
        key = resolve(section.api_key, environ, where="connecteam.api_key")
        return ApiKey(key.reveal())
    assert section.client_id is not None
    assert section.client_secret is not None
    secret = resolve(section.client_secret, environ, where="connecteam.client_secret")
    return ClientCredentials(http, section.client_id, secret.reveal(), clock)


def connecteam_account(config: Config, environ: Mapping[str, str]) -> str:
    """The account that is posted to, by a name that gives nothing of its key away.

    Raises:
        ConfigError: the key is missing.
    """
    section = config.connecteam
    if section.api_key is None:
        return account_name(section.address, section.client_id or "")
    key = resolve(section.api_key, environ, where="connecteam.api_key")
    return account_name(section.address, key.reveal())


def lightspeed_client(
    config: Config,
    ledger_path: Path,
    environ: Mapping[str, str],
    clock: Clock,
    transports: Transports = NETWORK,
    tokens: Authenticator | None = None,
) -> LightspeedClient:
    """Lightspeed's side; with this sign-in, or one of its own."""
    section = config.lightspeed
    tokens = tokens or authenticator(config, ledger_path, environ, clock, transports.token)
    http = Http(
        section.addresses.api_url,
        timeouts=Timeouts(min(10.0, section.timeout), section.timeout),
        max_connections=section.max_concurrency,
        user_agent=user_agent(config.name),
        transport=transports.lightspeed,
    )
    return LightspeedClient(
        http, tokens, clock, random.Random(), max_in_flight=section.max_concurrency
    )


def lightspeed_looks_once(
    config: Config,
    ledger_path: Path,
    environ: Mapping[str, str],
    clock: Clock,
    observer: Observer,
    sign_in_observer: Observer,
) -> LightspeedClient:
    """Lightspeed's side for a check: each read is tried once, and each exchange is counted."""
    section = config.lightspeed
    http = Http(
        section.addresses.api_url,
        timeouts=Timeouts(min(10.0, section.timeout), section.timeout),
        max_connections=1,
        user_agent=user_agent(config.name),
        observer=observer,
    )
    tokens = authenticator(config, ledger_path, environ, clock, observer=sign_in_observer)
    return LightspeedClient(http, tokens, clock, random.Random(), most_tries=1)
