"""Two plain vendors for a long time: quick, and with nothing but outages and lost answers.

The seeds' vendors know every trick, and look through everything at each request. A year of
requests needs books that are kept as they go. They know the truth all the same.
"""

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from urllib.parse import parse_qs

import httpx

from simulation.world import VirtualClock, WrongError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIGN_IN_LASTS_S = 20 * 3600.0
LAG_S = 90.0


@dataclass(frozen=True, slots=True)
class Sold:
    """A sale: what Lightspeed shows from `shown_s` on, and what it must become."""

    closed_ms: int
    shown_s: float
    payload: dict[str, object]
    value: tuple[int, str, int, int]  # Connecteam's location, type, second, minor units


def trade(rng: Random, start: datetime, days: int, venue: int, target: int) -> list[Sold]:
    """Some six sales a day, most of them in the evening; a few reach Lightspeed hours late."""
    found = []
    for number in range(days * 6):
        at_s = (number // 6) * 86_400 + rng.gauss(19 * 3600, 2 * 3600)
        closed = start + timedelta(seconds=round(max(60.0, at_s), 3))
        refund = rng.random() < 0.05
        cents = rng.randint(300, 20_000) * (-1 if refund else 1)
        kind = "REFUND" if refund else "SALE"
        stamp = closed.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {
            "totalNetAmountWithoutTax": str(Decimal(cents).scaleb(-2)),
            "taxAmount": str(Decimal(cents // 5).scaleb(-2)),
            "currency": "GBP",
        }
        payload = {
            "accountReference": f"{venue}-{number}",
            "accountFiscId": f"A{venue}.{number}",
            "timeOfOpening": stamp,
            "timeClosed": stamp,
            "type": kind,
            "salesLines": [line],
        }
        late_s = rng.uniform(600, 30_000) if rng.random() < 0.02 else 30.0
        seconds = (closed - start).total_seconds()
        second = int(closed.timestamp())
        value = (target, kind, second, cents)
        found.append(Sold(round(closed.timestamp() * 1000), seconds + late_s, payload, value))
    return sorted(found, key=lambda one: one.closed_ms)


class Lightspeed(httpx.BaseTransport):
    """Sales by window; a sign-in whose tokens work once."""

    def __init__(self, clock: VirtualClock, sales: dict[int, list[Sold]]) -> None:
        self._clock = clock
        self._sales = sales
        self._closed = {venue: [one.closed_ms for one in many] for venue, many in sales.items()}
        self.away = False
        self.refresh = ""
        self._count = 0
        self._until_s = 0.0

    def sign_in(self) -> str:
        self._count += 1
        self.refresh = f"refresh-{self._count}"
        return self.refresh

    def forget(self) -> None:
        """No access token that was given out is worth anything any more."""
        self._until_s = 0.0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._clock.advance(0.2)
        if self.away:
            raise httpx.ConnectError("refused", request=request)
        if request.url.path.endswith("/token"):
            return self._token(request)
        if self._clock.true_s > self._until_s:
            return httpx.Response(401, json={"error": "invalid_token"})
        return self._page(request)

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.read().decode())
        if form.get("refresh_token", [""])[0] != self.refresh:
            return httpx.Response(400, json={"error": "invalid_grant"})
        self._until_s = self._clock.true_s + SIGN_IN_LASTS_S
        token = self.sign_in()
        document = {
            "access_token": f"access-{token}", "refresh_token": token,
            "expires_in": SIGN_IN_LASTS_S, "refresh_expires_in": 0, "scope": "financial-api",
        }  # fmt: skip
        return httpx.Response(200, json=document)

    def _page(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        venue = int(request.url.path.split("/")[4])
        begins, ends = (_ms(datetime.fromisoformat(query[key])) for key in ("from", "to"))
        closed = self._closed[venue]
        rows = self._sales[venue][bisect_left(closed, begins) : bisect_right(closed, ends)]
        now = self._clock.true_s
        shown = [one.payload for one in rows if one.shown_s <= now]
        first = int(query.get("nextPageToken", "at-0").removeprefix("at-"))
        size = int(query["pageSize"])
        document: dict[str, object] = {"sales": shown[first : first + size]}
        if first + size < len(shown):
            document["nextPageToken"] = f"at-{first + size}"
        return httpx.Response(200, content=json.dumps(document).encode())


class Connecteam(httpx.BaseTransport):
    """Rows, and totals by location and day that lag a little. Nothing may ever be there twice."""

    def __init__(self, clock: VirtualClock, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self.flight: tuple[int, tuple[int, ...]] = (0, ())  # written by the process; see there
        self.away = False
        self.loses = 0.0
        self.rows: Counter[tuple[int, str, int, int]] = Counter()
        self.requests = 0
        self._totals: Counter[tuple[int, str]] = Counter()
        self._count = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._clock.advance(0.3)
        self.requests += 1
        if self.away:
            return httpx.Response(502, text="<html><title>Bad gateway</title></html>")
        if request.method == "POST":
            return self._post(request)
        if request.url.path.endswith("/daily-sales"):
            return self._daily(request)
        raise WrongError(f"nobody should ask for {request.method} {request.url.path}")

    def _post(self, request: httpx.Request) -> httpx.Response:
        items = json.loads(request.read(), parse_float=Decimal)["transactionsCreateRequest"]
        lost = self._rng.random() < self.loses
        if lost and self._rng.random() < 0.5:
            raise httpx.ReadTimeout("late", request=request)
        echo = [self._add(item) for item in items]
        if lost:
            raise httpx.RemoteProtocolError("closed", request=request)
        document = {"requestId": f"r-{self.requests}", "data": {"transactions": echo}}
        return httpx.Response(200, content=json.dumps(document, default=float).encode())

    def _add(self, item: dict[str, object]) -> dict[str, object]:
        location, second = int(str(item["locationId"])), int(str(item["createdAt"]))
        cents = int((Decimal(str(item["finalSaleAmount"])) * 100).to_integral_value())
        value = (location, str(item["saleType"]), second, cents)
        self.rows[value] += 1
        day = (EPOCH + timedelta(seconds=second)).date().isoformat()

        def show() -> None:
            self._totals[location, day] += cents

        self._clock.at(self._clock.true_s + LAG_S, show)
        self._count += 1
        return {**item, "transactionId": f"tx-{self._count}"}

    def _daily(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        wanted = {int(key) for key in query.get_list("locationIds")}
        first, last = query["startDate"], query["endDate"]
        days = [
            {"date": day, "locationId": place, "totalSales": cents / 100, "projectedSales": None}
            for (place, day), cents in self._totals.items()
            if place in wanted and first <= day <= last
        ]
        return httpx.Response(200, json={"requestId": "r", "data": {"dailySales": days}})


def _ms(moment: datetime) -> int:
    return round((moment - EPOCH).total_seconds() * 1000)
