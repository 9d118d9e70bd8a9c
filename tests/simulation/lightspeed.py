"""A Lightspeed that knows the truth: pages of sales, a token that works once, and faults."""

import base64
import json
from datetime import UTC, datetime
from random import Random
from urllib.parse import parse_qs

import httpx

from simulation.trade import Sale
from simulation.world import Story, VirtualClock

READ_FAULTS = ("429", "500", "garbage", "cut", "connect", "lost", "401")
TOKEN_FAULTS = ("500", "connect", "lost_before", "lost_after", "garbage")


class FakeLightspeed(httpx.BaseTransport):
    """Serves the sales of all venues, as they are known now.

    Args:
        clock: true time decides what has closed.
        story: told of every request.
        rng: draws the faults.
        sales: by business location.
        page_size: most sales that a page holds, whatever was asked for.
        token_kind: "stamp" (a bare millisecond stamp, as seen in the wild) or "opaque".
    """

    def __init__(
        self,
        clock: VirtualClock,
        story: Story,
        rng: Random,
        sales: dict[int, list[Sale]],
        *,
        page_size: int,
        token_kind: str,
    ) -> None:
        self._clock = clock
        self._story = story
        self._rng = rng
        self.sales = sales
        self._page_size = page_size
        self._token_kind = token_kind
        self.fault_rate = 0.0
        self.signed_in = 0
        self._refresh = "refresh-0"
        self._access: dict[str, float] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._clock.advance(self._rng.uniform(0.05, 0.6))
        if request.url.path.endswith("/token"):
            return self._token(request)
        return self._sales(request)

    # -- signing in -----------------------------------------------------------------------------

    def sign_in(self) -> str:
        """A person signs in: a fresh refresh token."""
        self.signed_in += 1
        self._refresh = f"refresh-person-{self.signed_in}"
        return self._refresh

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.read().decode())
        fault = self._fault(TOKEN_FAULTS, 0.4)
        if fault == "connect":
            raise httpx.ConnectError("refused", request=request)
        if fault == "lost_before":
            raise httpx.ReadTimeout("late", request=request)
        if fault == "500":
            return httpx.Response(500, json={"status": 500, "error": "down"})
        if form.get("refresh_token", [""])[0] != self._refresh:
            self._story.reach("lightspeed token spent")
            return httpx.Response(400, json={"error": "invalid_grant"})
        number = len(self._access) + 1
        self._refresh = f"refresh-{number}-{self.signed_in}"
        self._access[f"access-{number}"] = self._clock.true_s + 1500
        if fault == "lost_after":
            raise httpx.ReadError("reset", request=request)
        if fault == "garbage":
            return httpx.Response(200, text="<html>hello</html>")
        document = {
            "access_token": f"access-{number}",
            "refresh_token": self._refresh,
            "expires_in": 1500,
            "refresh_expires_in": 0,
            "scope": "financial-api offline_access",
        }
        return httpx.Response(200, json=document)

    # -- sales ----------------------------------------------------------------------------------

    def _sales(self, request: httpx.Request) -> httpx.Response:
        self._story.tell(f"GET {request.url.path} {request.url.query.decode()}")
        fault = self._fault(READ_FAULTS)
        if fault == "connect":
            raise httpx.ConnectError("refused", request=request)
        if fault == "lost":
            self._clock.advance(30)
            raise httpx.ReadTimeout("late", request=request)
        if fault == "500":
            return httpx.Response(500, json={"status": 500, "error": "boom", "requestId": "r"})
        if fault == "429":
            return httpx.Response(429, headers={"Retry-After": "7"}, json={"error": "slow down"})
        if fault == "garbage":
            return httpx.Response(200, text="<html>maintenance</html>")
        if fault == "cut":
            return httpx.Response(200, content=b'{"sales": [{"accountReference": "x"')
        bearer = request.headers["authorization"].removeprefix("Bearer ")
        if fault == "401" or self._access.get(bearer, 0.0) < self._clock.true_s:
            return httpx.Response(401, json={"error": "invalid_token"})
        return self._page(request)

    def _page(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        start = datetime.fromisoformat(query["from"])
        end = datetime.fromisoformat(query["to"])
        if start > end:
            return httpx.Response(400, json={"error": "Invalid date range"})
        location_id = int(request.url.path.split("/")[4])
        rows = self._between(location_id, start, end)
        size = min(int(query["pageSize"]), self._page_size)
        first = self._offset(rows, query.get("nextPageToken"))
        page = rows[first : first + size]
        document: dict[str, object] = {"sales": [row for _, row in page]}
        if first + size < len(rows):
            self._story.reach("lightspeed paging")
            document["nextPageToken"] = self._next_token(rows, first + size)
        return httpx.Response(200, content=json.dumps(document).encode())

    def _between(
        self, location_id: int, start: datetime, end: datetime
    ) -> list[tuple[int, dict[str, object]]]:
        found = []
        for sale in self.sales[location_id]:
            version = sale.at(self._clock.true_s)
            if version is None:
                continue
            closed = datetime.fromisoformat(version.payload["timeClosed"])
            if start <= closed <= end and closed <= self._clock.true_now():
                found.append((_ms(closed), version.payload))
        return sorted(found, key=lambda row: row[0])

    def _next_token(self, rows: list[tuple[int, dict[str, object]]], place: int) -> str:
        stamp = rows[place - 1][0]
        if self._token_kind == "stamp" and stamp != rows[max(0, place - self._page_size)][0]:
            return base64.b64encode(str(stamp).encode()).decode()
        return f"at-{place}-{rows[place][1]['accountFiscId']}"

    def _offset(self, rows: list[tuple[int, dict[str, object]]], token: str | None) -> int:
        if not token:
            return 0
        if token.startswith("at-"):
            return int(token.split("-")[1])
        stamp = int(base64.b64decode(token))
        # What the real one does with equal stamps at an edge is not known: it may skip them.
        return next((n for n, row in enumerate(rows) if row[0] > stamp), len(rows))

    def _fault(self, kinds: tuple[str, ...], weight: float = 1.0) -> str | None:
        if self._rng.random() >= self.fault_rate * weight:
            return None
        kind = self._rng.choice(kinds)
        route = "token" if kinds is TOKEN_FAULTS else "sales"
        self._story.reach(f"lightspeed {route} {kind}")
        self._story.tell(f"lightspeed fault {route} {kind}")
        return kind


def _ms(moment: datetime) -> int:
    return round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)
