"""`authorize --listen`: catches the answer of a sign-in on this machine, over https, once.

Nobody vouches for the certificate, so the person accepts it first: only then is the sign-in begun,
because its code lives for about 15 seconds, and a browser's warning costs more than that. Listens
on the loopback addresses only, and never for longer than ten minutes.
"""

import html
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from socket import AF_INET6
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

from tillbridge.cli.certificate import Certificate, make_certificate
from tillbridge.cli.options import say
from tillbridge.clock import Clock
from tillbridge.errors import TillbridgeError, TryLater, UsageError
from tillbridge.lightspeed.signing_in import Attempt, NotTheAnswer, read_answer

_NAMES = ("localhost", "127.0.0.1", "::1")
_FOR_S = 600.0
_STALLED_S = 20.0

_BEFOREHAND = """\
This connects tillbridge with Lightspeed, once; after that the sign-in renews itself.
The browser must be on this machine, or reach it by `ssh -L {port}:localhost:{port} THIS-MACHINE`.

  1. Open {start}
     The browser warns, because nobody vouches for the certificate: tillbridge made it just now,
     for this sign-in. Go on all the same ("Advanced", "Proceed"). Its SHA-256 fingerprint is
       {fingerprint}
  2. The page that you see then leads on to Lightspeed. Sign in as a back-office user with report
     rights for every location, and agree. The rest happens by itself.
"""


def catch(
    attempt: Attempt, clock: Clock, exchange: Callable[[str], None], *, open_it: bool
) -> None:
    """Wait for the browser to bring the answer, and exchange its code at once.

    Args:
        attempt: the sign-in.
        clock: dates the certificate.
        exchange: turns the code into a kept sign-in.
        open_it: open the first page in a browser.

    Raises:
        UsageError: the redirect address does not lead to this machine, or its port is taken.
        TillbridgeError: whatever came of the sign-in.
    """
    port = _port(attempt.client.redirect_uri)
    made = make_certificate(clock.now())
    outcomes: Queue[TillbridgeError | None] = Queue()
    servers = _serve(port, made, _handler(attempt, _Catch(attempt, exchange), outcomes))
    start = f"https://localhost:{port}/"
    say(_BEFOREHAND.format(port=port, start=start, fingerprint=made.fingerprint))
    print(start, flush=True)
    try:
        if open_it:
            from tillbridge.cli.browser import open_in_browser

            open_in_browser(start)
        outcome = outcomes.get(timeout=_FOR_S)
    except Empty:
        raise TryLater(
            "Nobody signed in within ten minutes.", "Run `tillbridge authorize --listen` again."
        ) from None
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
    if outcome is not None:
        raise outcome


def _port(redirect_uri: str) -> int:
    parts = urlsplit(redirect_uri)
    if parts.scheme != "https" or parts.hostname not in _NAMES:
        raise UsageError(
            f"The redirect address {redirect_uri} does not lead to this machine over https.",
            "Leave --listen out, and paste the address on which the browser ends.",
        )
    return parts.port or 443


class _Server(ThreadingHTTPServer):
    # One thread each: browsers open connections in advance and say nothing on them.
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A browser that breaks off, as it does at the warning, is no news for anybody."""


class _Server6(_Server):
    address_family = AF_INET6


def _serve(
    port: int, made: Certificate, handler: type[BaseHTTPRequestHandler]
) -> list[ThreadingHTTPServer]:
    """Listen where "localhost" may lead; at least one of the two addresses must work."""
    context = _context(made)
    servers: list[ThreadingHTTPServer] = []
    trouble: OSError | None = None
    for kind, address in ((_Server, "127.0.0.1"), (_Server6, "::1")):
        try:
            server = kind((address, port), handler)
        except OSError as error:
            trouble = trouble or error
            continue
        # The handshake belongs to the connection's own thread: a silent browser must not block.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
    if not servers:
        raise UsageError(
            f"This machine's port {port} cannot be listened on ({trouble}).",
            "End the program that uses it, or leave --listen out and paste the address instead.",
        )
    return servers


def _context(made: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module reads files only; this folder is private, and gone a moment later.
    with tempfile.TemporaryDirectory(prefix="tillbridge-") as folder:
        file = Path(folder) / "both.pem"
        file.touch(mode=0o600)
        file.write_bytes(made.certificate + made.key)
        context.load_cert_chain(file)
    return context


@dataclass(frozen=True, slots=True)
class _Reply:
    """What the person sees in the browser, and whether that is the end of it."""

    status: int
    words: str
    ends: bool = False
    error: TillbridgeError | None = None


class _Catch:
    """What becomes of the answer that the browser brings; the first one that fits counts."""

    def __init__(self, attempt: Attempt, exchange: Callable[[str], None]) -> None:
        self._attempt = attempt
        self._exchange = exchange
        self._claimed = Lock()

    def take(self, query: str) -> _Reply:
        """What comes of the query of a redirect."""
        address = f"{self._attempt.client.redirect_uri.split('?', 1)[0]}?{query}"
        try:
            code = read_answer(address, self._attempt)
        except NotTheAnswer as error:
            say(str(error))  # somebody else's, or an old tab: the real one may still come
            return _Reply(400, str(error))
        except TillbridgeError as error:
            return _Reply(400, str(error), ends=True, error=error)
        # Browsers fetch a page twice when they like; a code sent twice may cost the sign-in.
        if not self._claimed.acquire(blocking=False):
            return _Reply(200, "This sign-in is being completed; see the terminal.")
        try:
            self._exchange(code)
        except TillbridgeError as error:
            return _Reply(400, str(error), ends=True, error=error)
        return _Reply(200, "Signed in. You can close this page.", ends=True)


def _handler(
    attempt: Attempt, caught: _Catch, outcomes: Queue[TillbridgeError | None]
) -> type[BaseHTTPRequestHandler]:
    expected = urlsplit(attempt.client.redirect_uri).path or "/"

    class Handler(BaseHTTPRequestHandler):
        timeout = _STALLED_S
        server_version = "tillbridge"
        sys_version = ""

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path == expected and asked.query:
                reply = caught.take(asked.query)
                try:
                    self._page(reply.status, html.escape(reply.words))
                finally:  # only now may the process end
                    if reply.ends:
                        outcomes.put(reply.error)
                return
            if asked.path == "/":
                say("The certificate is accepted.")
            self._page(200 if asked.path == "/" else 404, _leads_on(attempt.address))

        def _page(self, status: int, body: str) -> None:
            page = _PAGE.format(body=body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
            """Addresses hold codes, and belong in no log."""

    return Handler


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>tillbridge</title></head>
<body style="font-family: sans-serif; max-width: 34em; margin: 3em auto">
<h1>tillbridge</h1><p>{body}</p></body></html>
"""


def _leads_on(address: str) -> str:
    return f'<a href="{html.escape(address)}">Go on to sign in to Lightspeed</a>'
