"""What lies between the vendors' doubles and the socket: latency, counting, and faults.

Owns the moment at which a request goes wrong. Must never look into a body: what a vendor says is
the vendor's double's own business.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from threading import Lock
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tillbridge.sandbox.options import Fault, FaultKind, Route

_BAD_GATEWAY: Final = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
INSPECTION: Final = "/_sandbox"


class Counters:
    """Counts by name, from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()

    def add(self, name: str, by: int = 1) -> int:
        with self._lock:
            self._counts[name] += by
            return self._counts[name]

    def at_least(self, name: str, value: int) -> None:
        """Keep the highest value seen."""
        with self._lock:
            self._counts[name] = max(self._counts[name], value)

    def all(self) -> dict[str, int]:
        with self._lock:
            return dict(sorted(self._counts.items()))

    def __getitem__(self, name: str) -> int:
        with self._lock:
            return self._counts[name]


class Faults:
    """Decides what goes wrong next: first what was ordered, then what chance brings."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self._faults = tuple(faults)
        self._rng = Random(f"{seed}/faults")
        self._ordered: dict[str, deque[FaultKind]] = {}
        self._lock = Lock()

    def order(self, route: Route, kind: FaultKind, times: int = 1) -> None:
        """The next `times` requests at the route go wrong in this way."""
        with self._lock:
            self._ordered.setdefault(route, deque()).extend([kind] * times)

    def clear(self) -> None:
        """Nothing that was ordered goes wrong any more."""
        with self._lock:
            self._ordered.clear()

    def draw(self, route: Route | None) -> FaultKind | None:
        with self._lock:
            ordered = self._ordered.get(route or "")
            if ordered:
                return ordered.popleft()
            for fault in self._faults:
                if fault.route == route and self._rng.random() < fault.probability:
                    return fault.kind
        return None


class Connections:
    """The open sockets of one server by the client's address, so that one can be cut."""

    def __init__(self) -> None:
        self._transports: dict[Any, asyncio.Transport] = {}

    def cut(self, scope: Scope) -> None:
        transport = self._transports.get(tuple(scope["client"]))
        if transport is not None:
            transport.abort()

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol of uvicorn, telling this object of every connection."""
        transports = self._transports

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                transports[tuple(transport.get_extra_info("peername"))] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(tuple(self.transport.get_extra_info("peername")), None)
                super().connection_lost(exc)

        return Protocol


class Wire:
    """ASGI middleware: waits, lets the vendor act, and spoils the answer if a fault says so.

    Args:
        app: the vendor's double.
        side: "lightspeed" or "connecteam", the first word of its counters.
        route_of: names the route of a method and path; None for those that never go wrong.
        latency_ms: the time added at a route.
        error_body: a vendor's own way of saying an error: status and path to a JSON body.
        date: what this side's clock shows, as a Date header has it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        side: str,
        route_of: Callable[[str, str], Route | None],
        latency_ms: Callable[[Route | None], int],
        error_body: Callable[[int, str], Mapping[str, object]],
        faults: Faults,
        counters: Counters,
        connections: Connections,
        date: Callable[[], str],
    ) -> None:
        self._date = date
        self._app = app
        self._side = side
        self._route_of = route_of
        self._latency_ms = latency_ms
        self._error_body = error_body
        self._faults = faults
        self._counters = counters
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(INSPECTION):
            await self._app(scope, receive, send)
            return
        route = self._route_of(scope["method"], scope["path"])
        self._counters.add(f"{self._side}.{route or 'other'}")
        in_flight = self._counters.add(f"{self._side}.in_flight")
        self._counters.at_least(f"{self._side}.most_in_flight", in_flight)
        try:
            await self._answer(route, scope, receive, send)
        finally:
            self._counters.add(f"{self._side}.in_flight", -1)

    async def _answer(
        self, route: Route | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        # Half of the wait before the deed and half after it, so that a caller who is killed
        # meanwhile dies as often before as after.
        half_s = self._latency_ms(route) / 2000
        await asyncio.sleep(half_s)
        fault = self._faults.draw(route)
        if fault is not None:
            self._counters.add(f"faults.{fault}")
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        refusal = self._refusal(fault, scope["path"])
        await (refusal or self._app)(scope, receive, keep)
        await asyncio.sleep(half_s)
        if fault == "lost-after":
            self._connections.cut(scope)
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if fault == "502-after":
            await _bad_gateway()(scope, receive, send)
            return
        for message in answer:
            if message["type"] == "http.response.start":
                message["headers"].append((b"date", self._date().encode("ascii")))
            await send(message)

    def _refusal(self, fault: FaultKind | None, path: str) -> Response | None:
        match fault:
            case "502-before":
                return _bad_gateway()
            case "500":
                return JSONResponse(self._error_body(500, path), 500)
            case "429":
                return JSONResponse(self._error_body(429, path), 429)
            case "429-as-200":
                return JSONResponse(self._error_body(429, path), 200)
            case _:
                return None


def _bad_gateway() -> Response:
    return PlainTextResponse(_BAD_GATEWAY, 502, media_type="text/html")


def only_loopback(request: Request) -> Response | None:
    """A refusal for anyone who is not on this machine, or whose browser was led here by a name."""
    client = request.client.host if request.client else ""
    if client in _LOOPBACK and request.url.hostname in _LOOPBACK:
        return None
    return PlainTextResponse("Only for this machine.", 403)
