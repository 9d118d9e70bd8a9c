"""Both vendors as one object: their state, what is true about them, and the means to disturb them.

Owns the state of both doubles; serving them is `server`'s part. Expected amounts come from
`amounts`, which shares nothing with the bridge.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

from tillbridge.sandbox.amounts import Row, Totals
from tillbridge.sandbox.archive import Archive
from tillbridge.sandbox.books import Account, Books
from tillbridge.sandbox.connecteam import Connecteam
from tillbridge.sandbox.lightspeed import Lightspeed
from tillbridge.sandbox.limits import Limits
from tillbridge.sandbox.options import PLAN_LIMITS, FaultKind, Route, SandboxOptions
from tillbridge.sandbox.places import Place, last_ended_day, places
from tillbridge.sandbox.signin import V1_PATH, V2_PATH, SignIn
from tillbridge.sandbox.till import stamp
from tillbridge.sandbox.trade import Closed, sale_closing_at
from tillbridge.sandbox.wire import Counters, Faults

_KNOWN_BEFORE = timedelta(days=7)  # how long before its trade Lightspeed knows a location


class Vendors:
    """Both vendors and the truth about them; touches no socket: `server.Sandbox` does.

    Args:
        options: how they behave.
        now: tells the time, aware; the real time by default.
    """

    def __init__(
        self, options: SandboxOptions | None = None, *, now: Callable[[], datetime] | None = None
    ) -> None:
        self.options = options = options or SandboxOptions()
        self._now = now or _utc_now
        self.locations: tuple[Place, ...] = places(options.locations)
        self.day: date = options.day or last_ended_day(self.locations, self._now())
        self.first_day: date = self.day - timedelta(days=options.days - 1)
        self.lightspeed_url = self.connecteam_url = ""  # known once served
        self._counters = Counters()
        self._faults = Faults(options.faults, options.seed)
        self._archives = [self._archive(place) for place in self.locations]
        self._live = 0
        self._live_lock = threading.Lock()
        self._books = Books(
            [Account(place.connecteam_id, place.name) for place in self.locations],
            zone=ZoneInfo(options.day_zone),
            lag_s=options.totals_lag_s,
            boot_s=time.monotonic,
        )
        limits = Limits(PLAN_LIMITS.get(options.plan), lambda: self._now().timestamp())
        self._connecteam = Connecteam(options, self._books, limits, self._counters)
        self._sign_in = SignIn(options, self._counters)
        self._lightspeed = Lightspeed(
            options,
            self._archives,
            self._sign_in,
            operational_since=options.operational_since or self.first_day - _KNOWN_BEFORE,
            now=self._now,
        )
        self.auth = options.auth
        self.client_id = self._sign_in.client_id
        self.client_secret = self._sign_in.client_secret
        self.redirect_uri = options.redirect_uri
        self.refresh_token = self.new_refresh_token()
        self.api_key = self._connecteam.api_key
        self.connecteam_client_id = self._connecteam.client_id
        self.connecteam_client_secret = self._connecteam.client_secret

    @property
    def token_url(self) -> str:
        """Lightspeed's token endpoint of the kind that `auth` names."""
        return f"{self.lightspeed_url}{V2_PATH if self.auth == 'v2' else V1_PATH}/token"

    @property
    def authorize_url(self) -> str:
        last = f"{V2_PATH}/auth" if self.auth == "v2" else f"{V1_PATH}/authorize"
        return f"{self.lightspeed_url}{last}"

    def new_refresh_token(self) -> str:
        """One more valid, unused Lightspeed refresh token."""
        return self._sign_in.new_refresh_token()

    def end_access_tokens(self) -> None:
        """Every Lightspeed access token stops working now."""
        self._sign_in.end_access_tokens()

    def end_sign_ins(self) -> None:
        """Every Lightspeed refresh token stops working now, too: somebody must sign in again."""
        self._sign_in.end_sign_ins()

    def date_header(self) -> str:
        """What the vendors' clocks show."""
        shown = self._now() + timedelta(seconds=self.options.clock_ahead_s)
        return format_datetime(shown.astimezone(UTC), usegmt=True)

    def close_sale(self, location_index: int, *, ago: timedelta = timedelta()) -> dict[str, Any]:
        """A new sale appears at Lightspeed.

        Args:
            location_index: which of `locations`.
            ago: how long ago it closed; more than zero is a sale that arrives late.
        """
        archive = self._archives[location_index]
        with self._live_lock:
            self._live += 1
            number = self._live
        closed_ms = int((self._now() - ago).timestamp() * 1000)
        seed = self.options.seed
        closed = sale_closing_at(archive.place, closed_ms, seed=seed, number=number)
        archive.add(closed)
        self._counters.add("sales_closed_live")
        return closed.sale

    def amend_sale(
        self, location_index: int, reference: str, *, later: timedelta = timedelta(), times: int = 2
    ) -> dict[str, Any]:
        """A sale comes back changed at Lightspeed.

        Args:
            location_index: which of `locations`.
            reference: its accountReference.
            later: how much later it now closed.
            times: how often each of its lines now counts; 1 leaves the amounts.
        """
        archive = self._archives[location_index]
        before = archive.take_away(reference)
        closed_ms = before.closed_ms + later // timedelta(milliseconds=1)
        lines = list(before.sale.get("salesLines") or []) * times
        sale = {**before.sale, "salesLines": lines, "timeClosed": stamp(closed_ms)}
        archive.add(Closed(closed_ms, sale))
        return sale

    def remove_sale(self, location_index: int, reference: str) -> Closed:
        """A sale vanishes from Lightspeed; what it was, for `return_sale`."""
        return self._archives[location_index].take_away(reference)

    def return_sale(self, location_index: int, closed: Closed) -> None:
        """A sale that vanished is listed again."""
        self._archives[location_index].add(closed)

    def lightspeed_truth(self) -> dict[int, Totals]:
        """By Lightspeed's location id: every sale closed until now, each rounded once."""
        until_ms = self._now_ms()
        return {it.place.lightspeed_id: it.totals(until_ms=until_ms) for it in self._archives}

    def expected_rows(self, lightspeed_id: int) -> list[Row]:
        """What a right bridge, with the default rules, has created for a location by now."""
        for archive in self._archives:
            if archive.place.lightspeed_id == lightspeed_id:
                return list(archive.rows(until_ms=self._now_ms()))
        raise KeyError(lightspeed_id)

    def connecteam_truth(self) -> dict[int, Totals]:
        """By Connecteam's location id: what is really held, without lag."""
        ids = (account.location_id for account in self._books.accounts())
        return {location_id: self._books.totals(location_id) for location_id in ids}

    def connecteam_rows(self, connecteam_id: int) -> list[Row]:
        """Every transaction of a location, in the order of their arrival."""
        return [held.row for held in self._books.transactions(connecteam_id)]

    def connecteam_ids(self, connecteam_id: int) -> list[str]:
        """The transaction ids of a location, in the order of their arrival."""
        return [held.transaction_id for held in self._books.transactions(connecteam_id)]

    def write_at_connecteam(self, row: Row) -> str:
        """Another program posts a row; returns the transaction id."""
        return self._books.post([row])[0].transaction_id

    def delete_at_connecteam(self, transaction_id: str) -> None:
        """A person deletes a row by hand.

        Raises:
            KeyError: there is none.
        """
        if not self._books.delete(transaction_id):
            raise KeyError(transaction_id)

    def double_at_connecteam(self, transaction_id: str) -> str:
        """A row is there once more, by whatever hand; the id of the copy.

        Raises:
            KeyError: there is none.
        """
        for account in self._books.accounts():
            for held in self._books.transactions(account.location_id):
                if held.transaction_id == transaction_id:
                    return self.write_at_connecteam(held.row)
        raise KeyError(transaction_id)

    def rename_at_connecteam(self, connecteam_id: int, name: str) -> None:
        """Somebody renames a location in Connecteam's settings."""
        self._books.rename(connecteam_id, name)

    def open_at_connecteam(self, name: str, *, is_active: bool = True) -> int:
        """Somebody makes a location in Connecteam's settings; returns its id."""
        return self._books.open_account(name, is_active=is_active).location_id

    def end_connecteam_tokens(self) -> None:
        """Every Connecteam access token stops working now."""
        self._connecteam.end_tokens()

    def fail_no_more(self) -> None:
        """Faults that were ordered and have not happened yet will not."""
        self._faults.clear()

    def fail_next(self, route: Route, kind: FaultKind, times: int = 1) -> None:
        """The next requests at a route go wrong in this way, whichever side the route is on."""
        self._faults.order(route, kind, times)

    def counters(self) -> dict[str, int]:
        """Requests by side and route, `connecteam.throttled`, `faults.*`, rows, and so on."""
        return self._counters.all()

    def _archive(self, place: Place) -> Archive:
        share = -(-self.options.sales_per_day // len(self.locations))
        return Archive(place, self.options.seed, self.first_day, self.day, share)

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)


def _utc_now() -> datetime:
    return datetime.now(UTC)
