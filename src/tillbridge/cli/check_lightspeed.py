"""The half of `check` that asks Lightspeed: sign-in, rights, locations. At most ten requests."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from tillbridge.check.report import Item, failed, not_looked_at, passed, warned
from tillbridge.cli.check_watch import Exchanges
from tillbridge.cli.sides import lightspeed_places
from tillbridge.clock import Clock
from tillbridge.config import Config
from tillbridge.errors import CredentialsRefused, TillbridgeError
from tillbridge.lightspeed.client import LightspeedClient, NotOperationalBefore
from tillbridge.lightspeed.signing_in import READ_SCOPE
from tillbridge.lightspeed.token_status import TokenStatus, status_of
from tillbridge.lightspeed.tokens import TokenFile, token_path
from tillbridge.matching import Place
from tillbridge.sides import lightspeed_looks_once

_SIGN_IN = "Lightspeed: sign-in"
_RIGHT = "Lightspeed: reading sales"
_SOON = timedelta(days=2)


class LightspeedCheck:
    """Asks, and keeps what the other half needs.

    Attributes:
        places: what the sign-in sees; None if that could not be listed.
        exchanges: what was exchanged with the address of the sales.
        sign_in_exchanges: and with that of the sign-in.
    """

    def __init__(
        self, config: Config, ledger: Path, environ: Mapping[str, str], clock: Clock
    ) -> None:
        self.places: list[Place] | None = None
        self.exchanges = Exchanges(clock)
        self.sign_in_exchanges = Exchanges(clock)
        self._config = config
        self._ledger = ledger
        self._environ = environ
        self._clock = clock

    def items(self) -> Iterator[Item]:
        """Look at everything, in order; what depends on something that failed is left out.

        Raises:
            ConfigError: the client's secret cannot be read.
        """
        file = TokenFile(token_path(self._ledger))
        try:
            before = status_of(file.read())
        except TillbridgeError as error:
            yield failed(_SIGN_IN, error.message, error.remedy, error.exit_code)
            return
        if before.obtained_at is None or not before.signed_in:
            what = "There is no sign-in yet." if before.obtained_at is None else "It was lost."
            yield failed(_SIGN_IN, what, "Run `tillbridge authorize`.", 77)
            return
        client = lightspeed_looks_once(
            self._config,
            self._ledger,
            self._environ,
            self._clock,
            self.exchanges.note,
            self.sign_in_exchanges.note,
        )
        refused: TillbridgeError | None = None
        try:
            self.places = lightspeed_places(client)
        except TillbridgeError as error:
            refused = error
        addresses = self._config.lightspeed.addresses
        if self.sign_in_exchanges.requests:
            yield self.sign_in_exchanges.connection("Lightspeed sign-in", addresses.token_url)
        if self.exchanges.requests:
            yield self.exchanges.connection("Lightspeed", addresses.api_url)
        if refused is not None:
            yield _failure(_SIGN_IN, refused)
            return
        yield _judge_sign_in(status_of(file.read()), self._clock.now())
        yield self._may_read(client)

    @property
    def requests(self) -> int:
        """How many requests both addresses got."""
        return self.exchanges.requests + self.sign_in_exchanges.requests

    def _may_read(self, client: LightspeedClient) -> Item:
        seen = {place.id for place in self.places or ()}
        known = [
            place
            for place in self._config.locations
            if place.enabled and place.lightspeed_id in seen
        ]
        if not known:
            return not_looked_at(_RIGHT, "no configured location is seen by the sign-in")
        now = self._clock.now()
        place = known[0]
        try:
            client.sales_page(place.lightspeed_id, now - timedelta(minutes=1), now, None)
        except NotOperationalBefore:
            pass  # it looked, and so it may be read
        except TillbridgeError as error:
            return _failure(_RIGHT, error)
        return passed(_RIGHT, f"The sales of {place.name} can be read.")


def _judge_sign_in(status: TokenStatus, now: datetime) -> Item:
    who = f"as {status.person}" if status.person else "by somebody whom Lightspeed does not name"
    text = f"Signed in {who}, scope {status.scope or 'not told'}."
    if status.scope is not None and READ_SCOPE not in status.scope.split():
        return failed(
            _SIGN_IN, text, f"Have the scope {READ_SCOPE} allowed, then `tillbridge authorize`.", 77
        )
    ends = status.refresh_expires_at
    if ends is not None and ends - now < _SOON:
        return warned(
            _SIGN_IN,
            f"{text} It ends {ends.astimezone():%Y-%m-%d %H:%M} unless it is renewed before.",
            "Let the service run: it renews the sign-in by itself.",
        )
    return passed(_SIGN_IN, text)


def _failure(name: str, error: TillbridgeError) -> Item:
    code = 77 if isinstance(error, CredentialsRefused) else 3
    return failed(name, error.message, error.remedy, code)
