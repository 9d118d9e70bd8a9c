"""Serves the sandbox on loopback: in this process's threads, or until somebody stops it."""

import signal
from collections.abc import Callable
from datetime import datetime
from threading import Event, Thread
from types import FrameType, TracebackType
from typing import Self

from tillbridge.sandbox import connecteam, lightspeed
from tillbridge.sandbox.hosting import Host
from tillbridge.sandbox.inspection import inspection_routes
from tillbridge.sandbox.options import Route, SandboxOptions
from tillbridge.sandbox.vendors import Vendors
from tillbridge.sandbox.wire import Connections, Wire

_WRITES = ("post", "delete", "projections")


class Sandbox(Vendors):
    """Both vendors, served on 127.0.0.1 while the context is open.

    Args:
        options: how they behave.
        now: tells the time, aware; the real time by default.
    """

    def __init__(
        self, options: SandboxOptions | None = None, *, now: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__(options, now=now)
        self._hosts: list[Host] = []
        self._stopped = Event()
        self._live_thread: Thread | None = None

    def __enter__(self) -> Self:
        try:
            hosts = [self._lightspeed_host(), self._connecteam_host()]
            self.lightspeed_url, self.connecteam_url = (host.url for host in hosts)
            for host in hosts:
                host.start()
        except BaseException:
            self._stop_hosts()
            raise
        if self.options.live_every_s > 0:
            self._live_thread = Thread(target=self._trade_live, name="sandbox:live", daemon=True)
            self._live_thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._live_thread is not None:
            self._live_thread.join()
        self._stop_hosts()

    def _lightspeed_host(self) -> Host:
        connections = Connections()
        wire = Wire(
            self._lightspeed.app(inspection_routes(self)),
            side="lightspeed",
            route_of=lightspeed.route_of,
            latency_ms=lambda _: self.options.lightspeed_latency_ms,
            error_body=lightspeed.error_body,
            faults=self._faults,
            counters=self._counters,
            connections=connections,
            date=self.date_header,
        )
        return self._keep(Host(wire, connections.protocol(), self.options.lightspeed_port))

    def _connecteam_host(self) -> Host:
        connections = Connections()

        def latency_ms(route: Route | None) -> int:
            writes = route in _WRITES
            return self.options.post_latency_ms if writes else self.options.read_latency_ms

        wire = Wire(
            self._connecteam.app(inspection_routes(self)),
            side="connecteam",
            route_of=connecteam.route_of,
            latency_ms=latency_ms,
            error_body=connecteam.error_body,
            faults=self._faults,
            counters=self._counters,
            connections=connections,
            date=self.date_header,
        )
        return self._keep(Host(wire, connections.protocol(), self.options.connecteam_port))

    def _keep(self, host: Host) -> Host:
        self._hosts.append(host)
        return host

    def _stop_hosts(self) -> None:
        for host in self._hosts:
            host.ask_to_stop()
        for host in self._hosts:
            host.stop()
        self._hosts.clear()

    def _trade_live(self) -> None:
        turn = 0
        while not self._stopped.wait(self.options.live_every_s):
            self.close_sale(turn % len(self.locations))
            turn += 1


def serve(options: SandboxOptions, *, announce: Callable[[Sandbox], None]) -> None:
    """Serve until SIGINT or SIGTERM; to be called in the main thread.

    Args:
        options: how the vendors behave.
        announce: called once both accept connections, to tell a person where they are.
    """
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(options) as served:
            announce(served)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
