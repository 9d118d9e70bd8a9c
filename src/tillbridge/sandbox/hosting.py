"""One loopback server in a thread of this process: starts when it accepts, stops without a word."""

import asyncio
import socket
import time
from threading import Thread
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from tillbridge.errors import TillbridgeError, UsageError

_HOST: Final = "127.0.0.1"
_START_WITHIN_S: Final = 10.0
_STOP_WITHIN_S: Final = 10.0


class Host:
    """Owns a listening socket and the thread that serves it.

    Args:
        app: what is served.
        protocol: the protocol class of its connections.
        port: 0 takes a free one.
    """

    def __init__(self, app: ASGIApp, protocol: type[asyncio.Protocol], port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((_HOST, port))
        except OSError as error:
            self._socket.close()
            raise UsageError(
                f"The sandbox cannot listen on port {port} of this machine: {error.strerror}.",
                "Choose another port, or 0 for a free one.",
            ) from error
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            date_header=False,  # `wire` tells the time that the options ask for
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._serve, name=f"sandbox:{self.port}", daemon=True)

    @property
    def url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def start(self) -> None:
        """Returns once the server accepts connections."""
        self._thread.start()
        ends_at_s = time.monotonic() + _START_WITHIN_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > ends_at_s:
                raise TillbridgeError("The sandbox's server did not start.")
            time.sleep(0.005)

    def ask_to_stop(self) -> None:
        """Take no new connections; returns at once, so that several hosts stop side by side."""
        self._server.should_exit = True

    def stop(self) -> None:
        """Returns once every answer under way is given and the socket is closed."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(_STOP_WITHIN_S)
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])
