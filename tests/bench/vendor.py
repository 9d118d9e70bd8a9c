"""Both vendors in one cheap process: prepared pages, plain sums, latency and limits on request.

    python -m bench.vendor '{"sales": 1000, "days": 1, ...}'

prints one line of JSON with its addresses and serves until it is killed. It checks less than the
sandbox does; what it does check is that every row arrived once (their number and their sum).
Must never be slow enough to be what is measured.
"""

import asyncio
import base64
import json
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.shop import Shop, draw

API_KEY = "bench-key"
LOCATION, TARGET = 45454565682155, 123
ACCESS = "bench-access"


class Vendors:
    """The state of both.

    Options: sales, days, bytes_a_sale, read_ms, post_ms, minute, day (limits; 0 for none).
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        now_ms = int(time.time() * 1000)
        span_ms = int(options["days"] * 86_400_000)
        self.shop = Shop(
            draw(options.get("bytes_a_sale", 4600)),
            options["sales"],
            now_ms - span_ms,
            max(1, (span_ms - 3_600_000) // max(1, options["sales"])),
        )
        self.rows = self.cents = self.refreshed = self.throttled = 0
        self.days: Counter[str] = Counter()
        self.sizes: Counter[int] = Counter()
        self.requests: Counter[str] = Counter()
        self.windows: dict[str, Counter[int]] = {"minute": Counter(), "day": Counter()}
        self.waiting: dict[tuple[int, int], float] = {}
        self.fresh_s: list[float] = []

    # -- Lightspeed -----------------------------------------------------------------------------

    def token(self) -> bytes:
        self.refreshed += 1
        return _json({
            "access_token": ACCESS, "refresh_token": f"refresh-{self.refreshed}",
            "expires_in": 86_400, "refresh_expires_in": 0,
            "scope": "financial-api offline_access", "token_type": "Bearer",
        })  # fmt: skip

    def page(self, query: dict[str, list[str]]) -> bytes:
        self.requests["page"] += 1
        shop, size = self.shop, int(query.get("pageSize", ["50"])[0])
        low_ms, high_ms = (_read_ms(query[name][0]) for name in ("from", "to"))
        if "nextPageToken" in query:
            # As published tokens look: the last stamp, with which the next page begins again.
            low_ms = int(base64.b64decode(query["nextPageToken"][0]))
        low = shop.first_at(low_ms)
        high = min(shop.first_at(high_ms + 1), shop.count + len(shop.live))
        last = min(low + size, high)
        body = b'{"sales":[' + b",".join(map(shop.sale, range(low, last))) + b"]"
        if last < high:
            token = base64.b64encode(str(shop.stamp_ms(last - 1)).encode())
            body += b',"nextPageToken":"' + token + b'"'
        return body + b"}"

    # -- Connecteam -----------------------------------------------------------------------------

    def admit(self) -> tuple[bool, list[str]]:
        """Whether the limits let a request pass, and the headers that say so."""
        now_s, lengths = time.time(), {"minute": 60, "day": 86_400}
        limits = {name: self.options.get(name, 0) for name in lengths}
        numbers = {name: int(now_s // length) for name, length in lengths.items()}
        passes = all(
            not limits[name] or self.windows[name][numbers[name]] < limits[name] for name in lengths
        )
        self.throttled += not passes
        headers = []
        for name, length in lengths.items():
            self.windows[name][numbers[name]] += passes
            if limits[name]:
                left = limits[name] - self.windows[name][numbers[name]]
                headers += [
                    f"x-ratelimit-{name}-limit: {limits[name]}",
                    f"x-ratelimit-{name}-remaining: {left}",
                    f"x-ratelimit-{name}-reset: {(numbers[name] + 1) * length}",
                ]
        return passes, headers

    def post(self, body: bytes) -> bytes:
        items = json.loads(body)["transactionsCreateRequest"]
        self.requests["post"] += 1
        self.sizes[len(items)] += 1
        now_s = time.time()
        made = []
        for item in items:
            self.rows += 1
            cents = round(item["finalSaleAmount"] * 100)
            self.cents += cents
            self.days[_day(item["createdAt"])] += cents
            closed_s = self.waiting.pop((item["createdAt"], cents), None)
            if closed_s is not None:
                self.fresh_s.append(now_s - closed_s)
            made.append({"transactionId": f"t-{self.rows}", **item})
        return _json({"requestId": f"r-{self.requests['post']}", "data": {"transactions": made}})

    def totals(self, query: dict[str, list[str]]) -> bytes:
        self.requests["totals"] += 1
        first, last = query["startDate"][0], query["endDate"][0]
        found = [
            {"date": day, "locationId": TARGET, "totalSales": cents / 100, "projectedSales": None}
            for day, cents in self.days.items()
            if first <= day <= last
        ]
        return _json({"requestId": "r-totals", "data": {"dailySales": found}})

    # -- the benchmark's own --------------------------------------------------------------------

    def close(self) -> bytes:
        now_s = time.time()
        self.waiting[self.shop.close_one(int(now_s * 1000))] = now_s
        return b"{}"

    def state(self) -> bytes:
        return _json({
            "rows": self.rows, "cents": self.cents, "wanted_cents": self.shop.cents(),
            "wanted": self.shop.count + len(self.shop.live), "requests": dict(self.requests),
            "sizes": {str(size): count for size, count in self.sizes.items()},
            "minutes": {str(n): count for n, count in self.windows["minute"].items()},
            "throttled": self.throttled, "fresh_s": self.fresh_s,
        })  # fmt: skip

    # -- routes ---------------------------------------------------------------------------------

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, list[str], bytes, float]:
        """Status, headers, body, and seconds to wait before it goes out."""
        url = urlsplit(target)
        query = parse_qs(url.query)
        if url.path.endswith("/token"):
            return 200, [], self.token(), 0.0
        if url.path.startswith("/f/v2/"):
            return 200, [], self.page(query), self.options.get("read_ms", 0) / 1000
        if url.path == "/_bench/state":
            return 200, [], self.state(), 0.0
        if url.path == "/_bench/close":
            return 200, [], self.close(), 0.0
        passes, headers = self.admit()
        if not passes:
            return 429, headers, b'{"detail":"Too many requests"}', 0.0
        if url.path == "/sales/v1/daily-sales":
            return 200, headers, self.totals(query), self.options.get("read_ms", 0) / 1000
        if url.path == "/sales/v1/transactions" and method == "POST":
            return 200, headers, self.post(body), self.options.get("post_ms", 0) / 1000
        return 404, headers, b'{"error":"NOT_FOUND: no such path"}', 0.0


class Connection(asyncio.Protocol):
    """HTTP/1.1, one request after the other; enough for clients that wait for each answer."""

    def __init__(self, vendors: Vendors) -> None:
        self._vendors = vendors
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].decode("latin-1")
        length = 0
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        if len(self._buffer) < head_end + 4 + length:
            return
        body = bytes(self._buffer[head_end + 4 : head_end + 4 + length])
        del self._buffer[: head_end + 4 + length]
        method, target, _ = head.split(" ", 2)
        status, headers, content, wait_s = self._vendors.answer(method, target, body)
        if wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._send, status, headers, content)
        else:
            self._send(status, headers, content)

    def _send(self, status: int, headers: list[str], content: bytes) -> None:
        now = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT"
        lines = [
            f"HTTP/1.1 {status} Answer",
            "content-type: application/json",
            f"content-length: {len(content)}",
            f"date: {now}",
            *headers,
        ]
        if not self._transport.is_closing():
            self._transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _read_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


_names: dict[int, str] = {}


def _day(created_at: int) -> str:
    number = created_at // 86_400
    if number not in _names:
        _names[number] = f"{datetime.fromtimestamp(number * 86_400, UTC):%Y-%m-%d}"
    return _names[number]


async def serve(options: dict[str, Any]) -> None:
    vendors = Vendors(options)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(vendors), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    facts = {
        "url": f"http://127.0.0.1:{port}",
        "first_day": datetime.fromtimestamp(vendors.shop.start_ms / 1000, UTC).date().isoformat(),
        "from": vendors.shop.start_ms,
        "limited": bool(options.get("minute") or options.get("day")),
        "page_kb": round(len(vendors.page({"from": ["2000-01-01T00:00:00Z"],
                                           "to": ["2100-01-01T00:00:00Z"],
                                           "pageSize": ["100"]})) / 1000),
    }  # fmt: skip
    vendors.requests.clear()
    print(json.dumps(facts), flush=True)  # noqa: T201  # how the benchmark finds it
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
