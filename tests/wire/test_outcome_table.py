"""What httpx shows when a POST goes wrong, measured against a bare socket server, and what the
bridge concludes from it. The claim that matters: whenever the bridge says that nothing was
written, the server had not acted; and no request ever reaches the server twice.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from tillbridge.connecteam.client import ConnecteamClient
from tillbridge.http import Answer, Http, NoAnswer, Timeouts
from tillbridge.outcome import (
    Accepted,
    CredentialsNotAccepted,
    NotSent,
    Outcome,
    RowsRefused,
    Throttled,
    Unknown,
    judge,
)
from tillbridge.sale import Transaction

KEY = "ct-key-for-tests"
ONE = (Transaction(123, "SALE", 1_793_534_400, 833, 167, "GBP"),)
THREE = (*ONE, *(Transaction(123, "SALE", 1_793_534_400 + n, 100 * n, 0, "GBP") for n in (1, 2)))


@dataclass
class Request:
    """One request as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def rows(self) -> list[dict]:
        return json.loads(self.body)["transactionsCreateRequest"]


class Connection:
    """What a script may do with one connection."""

    def __init__(self, server: "BareServer", sock: socket.socket) -> None:
        self.server, self.sock, self._rest = server, sock, b""

    def read_head(self) -> bytes | None:
        while b"\r\n\r\n" not in self._rest:
            more = self.sock.recv(65_536)
            if not more:
                return None
            self._rest += more
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head

    def read(self) -> Request | None:
        """One whole request; None if the other side closed."""
        head = self.read_head()
        if head is None:
            return None
        lines = head.decode().lower().split("\r\n")
        length = sum(int(at.split(":")[1]) for at in lines if at.startswith("content-length:"))
        while len(self._rest) < length:
            self._rest += self.sock.recv(65_536)
        request = Request(head, self._rest[:length])
        self._rest = self._rest[length:]
        self.server.seen.append(request)
        return request

    def act(self, request: Request) -> None:
        self.server.acted.append(request)

    def answer(self, status: int, body: bytes, *headers: str) -> None:
        kinds = [] if any(h.lower().startswith("content-type") for h in headers) else [
            "Content-Type: application/json"
        ]  # fmt: skip
        head = [f"HTTP/1.1 {status} X", *kinds, *headers, f"Content-Length: {len(body)}", "", ""]
        self.sock.sendall("\r\n".join(head).encode() + body)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Connection], None]


@dataclass
class BareServer:
    """Runs a script for each connection; keeps what it saw and what it acted on."""

    script: Script
    seen: list[Request] = field(default_factory=list)
    acted: list[Request] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.stop.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _spawn(self, work: Callable[..., None], *facts: object) -> None:
        thread = threading.Thread(target=work, args=facts, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.settimeout(5)
            self.script(Connection(self, sock))


@pytest.fixture
def serve() -> Iterator[Callable[[Script], BareServer]]:
    servers: list[BareServer] = []

    def start(script: Script) -> BareServer:
        servers.append(BareServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def door() -> Iterator[Callable[..., Http]]:
    doors: list[Http] = []

    def open_door(url: str, *, total_s: float = 5.0, connections: int = 2) -> Http:
        doors.append(
            Http(
                url,
                timeouts=Timeouts(connect_s=0.5, total_s=total_s),
                max_connections=connections,
                user_agent="tillbridge-tests",
            )
        )
        return doors[-1]

    yield open_door
    for each in doors:
        each.close()


def client_of(http: Http) -> ConnecteamClient:
    return ConnecteamClient(http, lambda: {"X-API-KEY": KEY})


def post(http: Http, rows: tuple[Transaction, ...]) -> Outcome:
    return judge(rows, client_of(http).post(rows).shape)


def echo(request: Request, *, keep: slice = slice(None), **changes: object) -> bytes:
    rows = [
        {"transactionId": f"tx-{n}-{row['createdAt']}", **row, **changes}
        for n, row in enumerate(request.rows)
    ]
    return json.dumps({"requestId": "rq-1", "data": {"transactions": rows[keep]}}).encode()


def acting(finish: Callable[[Connection, Request], None]) -> Script:
    """Reads one request whole, acts on it, and goes on as told."""

    def script(connection: Connection) -> None:
        request = connection.read()
        if request is not None:
            connection.act(request)
            finish(connection, request)

    return script


def idle(answer: Callable[[Connection, Request], None]) -> Script:
    """Reads each request whole, acts on none, and answers."""

    def script(connection: Connection) -> None:
        while (request := connection.read()) is not None:
            answer(connection, request)

    return script


def close_before_the_body(connection: Connection) -> None:
    head = connection.read_head()
    if head is not None:
        connection.server.seen.append(Request(head, b""))


def fixed(status: int, body: bytes, *headers: str) -> Callable[[Connection, Request], None]:
    return lambda connection, _request: connection.answer(status, body, *headers)


CUT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n"
    b'{"requestId":"rq-1","data":{"tran'
)
CUT_CHUNK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'20\r\n{"requestId":"rq-1","data":{"tran'
)
HTML = b"<!doctype html><title>502 Bad Gateway</title>"
MANY = b'{"detail":"Too many requests"}'
REJECTED = (
    b'{"detail":[{"loc":["body","transactionsCreateRequest",0,"saleType"],'
    b'"msg":"value is not a valid enumeration member","type":"type_error.enum"}]}'
)
WEB_PAGE = "Content-Type: text/html"

AFTER_ACTING: dict[str, Callable[[Connection, Request], None]] = {
    "reads all, then resets": lambda c, _: c.reset(),
    "reads all, closes silently": lambda c, _: c.sock.close(),
    "answers too late": lambda c, _: c.server.stop.wait(5) and None,
    "cuts the answer short": lambda c, _: c.sock.sendall(CUT),
    "cuts a chunked answer short": lambda c, _: c.sock.sendall(CUT_CHUNK),
    "cuts the status line short": lambda c, _: c.sock.sendall(b"HTTP/1.1 2"),
    "sends only the head": lambda c, _: c.sock.sendall(CUT[:-33]),
    "says something that is not HTTP": lambda c, _: c.sock.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "502 from a proxy": fixed(502, HTML, WEB_PAGE),
    "504 from a proxy": fixed(504, b""),
    "500 after acting": fixed(500, b'{"error":"INTERNAL: oops"}'),
    "a body that is not JSON": fixed(200, b"OK"),
    "an empty body": fixed(200, b""),
    "JSON cut short within its length": fixed(200, b'{"data":{"transactions":['),
    "JSON in a damaged encoding": fixed(200, b"\x1f\x8bnot gzip", "Content-Encoding: gzip"),
    "200 and too many requests": fixed(200, MANY),
    "200 and a web page": fixed(200, HTML, WEB_PAGE),
    "200 and no transactions": fixed(200, b'{"requestId":"r","data":{}}'),
    "200 and null": fixed(200, b'{"requestId":"r","data":{"transactions":null}}'),
    "brackets in brackets": fixed(200, b"[" * 200_000),
    "a redirect": fixed(307, b"", "Location: /elsewhere"),
    "an empty echo": lambda c, r: c.answer(200, echo(r, keep=slice(0))),
    "another amount": lambda c, r: c.answer(200, echo(r, finalSaleAmount=1.23)),
    "another place": lambda c, r: c.answer(200, echo(r, locationId=9)),
    "the same id for all": lambda c, r: c.answer(200, echo(r, transactionId="")),
    "an amount without end": lambda c, r: c.answer(200, echo(r, finalSaleAmount="1e999999")),
}


@pytest.mark.parametrize("rows", [ONE, THREE], ids=["one row", "three rows"])
@pytest.mark.parametrize("failure", AFTER_ACTING)
def test_a_server_that_acted_is_never_taken_for_one_that_did_not(serve, door, failure, rows):
    server = serve(acting(AFTER_ACTING[failure]))
    outcome = post(door(server.url, total_s=0.3), rows)
    assert isinstance(outcome, Unknown)
    assert outcome.ids == {}
    assert outcome.reason
    assert KEY not in outcome.reason
    assert len(server.acted) == len(server.seen) == 1, "sent again by somebody"


def test_a_server_that_closes_before_the_body_is_a_doubt_too(serve, door):
    server = serve(close_before_the_body)
    assert isinstance(post(door(server.url), THREE), Unknown)
    assert server.acted == []
    assert len(server.seen) == 1


SHOWS = [
    ("reads all, then resets", "ReadError"),
    ("reads all, closes silently", "RemoteProtocolError"),
    ("answers too late", "ReadTimeout"),
    ("cuts the answer short", "RemoteProtocolError"),
    ("cuts a chunked answer short", "RemoteProtocolError"),
    ("says something that is not HTTP", "RemoteProtocolError"),
    ("JSON in a damaged encoding", "DecodingError"),
]


@pytest.mark.parametrize(("failure", "error"), SHOWS)
def test_httpx_shows_what_the_table_says(serve, door, failure, error):
    server = serve(acting(AFTER_ACTING[failure]))
    http = door(server.url, total_s=0.3)
    shown = http.exchange("POST", "/sales/v1/transactions", content=b"{}")
    assert isinstance(shown, NoAnswer)
    assert not shown.not_sent
    assert error in shown.reason


NOT_ACTED = {
    "422 that names the row": (fixed(422, REJECTED), RowsRefused, RowsRefused),
    "422 that names none": (fixed(422, b'{"detail":"not valid"}'), RowsRefused, RowsRefused),
    "422 of another form": (fixed(422, b'{"error":"VALIDATION: no"}'), RowsRefused, RowsRefused),
    "401": (fixed(401, b'{"error":"UNAUTHORIZED: no key"}'),
            CredentialsNotAccepted, CredentialsNotAccepted),
    "403": (fixed(403, b'{"detail":"Invalid API key"}'),
            CredentialsNotAccepted, CredentialsNotAccepted),
    "a real 429": (fixed(429, MANY), Throttled, Throttled),
    "400": (fixed(400, b'{"error":"BAD_REQUEST: no"}'), RowsRefused, Unknown),
    "404": (fixed(404, b'{"error":"NOT_FOUND: no"}'), RowsRefused, Unknown),
    "500 before acting": (fixed(500, b'{"error":"INTERNAL: oops"}'), Unknown, Unknown),
    "503 before acting": (fixed(503, HTML, WEB_PAGE), Unknown, Unknown),
    "422 from a proxy": (fixed(422, HTML, WEB_PAGE), RowsRefused, Unknown),
}  # fmt: skip


@pytest.mark.parametrize("failure", NOT_ACTED)
def test_an_answer_in_words_that_leave_no_room_is_a_refusal(serve, door, failure):
    answer, for_one, for_three = NOT_ACTED[failure]
    server = serve(idle(answer))
    http = door(server.url)
    assert type(post(http, ONE)) is for_one
    assert type(post(http, THREE)) is for_three
    assert len(server.seen) == 2


def test_a_whole_echo_is_accepted_and_a_short_one_only_for_its_rows(serve, door):
    whole = serve(acting(lambda c, r: c.answer(200, echo(r))))
    accepted = post(door(whole.url), THREE)
    assert accepted == Accepted(tuple(f"tx-{n}-{row.created_at}" for n, row in enumerate(THREE)))
    short = serve(acting(lambda c, r: c.answer(200, echo(r, keep=slice(1, None)))))
    outcome = post(door(short.url), THREE)
    assert isinstance(outcome, Unknown)
    assert set(outcome.ids) == {1, 2}


# -- not sent ----------------------------------------------------------------------------------


def test_nothing_listens_and_nothing_was_sent(door):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    outcome = post(door(f"http://127.0.0.1:{port}"), THREE)
    assert isinstance(outcome, NotSent)
    assert "ConnectError" in outcome.reason


def test_an_unknown_host_and_nothing_was_sent(door):
    outcome = post(door("http://tillbridge-tests.invalid"), THREE)
    assert isinstance(outcome, NotSent)
    assert "ConnectError" in outcome.reason


def test_a_server_without_tls_gets_no_byte_of_the_request(serve, door):
    server = serve(lambda c: c.sock.sendall(b"HTTP/1.1 400 no TLS here\r\n\r\n"))
    assert isinstance(post(door(server.url.replace("http:", "https:")), ONE), NotSent)
    assert server.seen == []


def test_a_request_that_finds_no_free_connection_was_not_sent(serve, door):
    arrived = threading.Event()

    def slow(connection: Connection, request: Request) -> None:
        arrived.set()
        connection.server.stop.wait(1.5)
        connection.answer(200, echo(request))

    server = serve(acting(slow))
    http = door(server.url, connections=1)
    first: list[Outcome] = []
    thread = threading.Thread(target=lambda: first.append(post(http, ONE)))
    thread.start()
    assert arrived.wait(5)
    outcome = post(http, THREE)
    assert isinstance(outcome, NotSent)
    assert "PoolTimeout" in outcome.reason
    thread.join(10)
    assert isinstance(first[0], Accepted)
    assert len(server.seen) == 1


# -- connections that are kept -----------------------------------------------------------------


def test_a_kept_connection_is_used_again(serve, door):
    def both(connection: Connection) -> None:
        while (request := connection.read()) is not None:
            connection.act(request)
            connection.answer(200, echo(request))

    server = serve(both)
    http = door(server.url)
    assert [type(post(http, ONE)) for _ in range(5)] == [Accepted] * 5
    assert len(server.acted) == 5


def test_a_kept_connection_that_dies_under_the_second_request_leaves_a_doubt(serve, door):
    def once(connection: Connection) -> None:
        request = connection.read()
        assert request is not None
        connection.act(request)
        connection.answer(200, echo(request))
        if (second := connection.read()) is not None:
            connection.act(second)

    server = serve(once)
    http = door(server.url)
    assert isinstance(post(http, ONE), Accepted)
    assert isinstance(post(http, THREE), Unknown)
    assert [len(request.rows) for request in server.acted] == [1, 3], "sent again by somebody"


def test_a_connection_that_was_closed_while_idle_loses_no_sale_and_doubles_none(serve, door):
    """The server closes right after each answer and does not say so: the next request races it."""
    server = serve(acting(lambda c, r: c.answer(200, echo(r))))
    http = door(server.url)
    outcomes = {}
    for n in range(40):
        row = Transaction(123, "SALE", 1_793_534_400 + n, 100, 0, "GBP")
        outcomes[row.created_at] = post(http, (row,))
    acted = [request.rows[0]["createdAt"] for request in server.acted]
    assert len(acted) == len(set(acted)), "a request was carried out twice"
    for created_at, outcome in outcomes.items():
        assert isinstance(outcome, Accepted | Unknown | NotSent), outcome
        if isinstance(outcome, Accepted):
            assert created_at in acted
        if isinstance(outcome, NotSent):
            assert created_at not in acted


# -- redirects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_no_redirect_is_followed_so_that_no_credentials_go_elsewhere(serve, door, status, method):
    elsewhere = serve(acting(fixed(200, b"{}")))
    server = serve(acting(fixed(status, b"", f"Location: {elsewhere.url}/sales")))
    shown = door(server.url).exchange(method, "/sales", headers={"X-API-KEY": KEY})
    assert isinstance(shown, Answer)
    assert shown.status == status
    assert KEY.encode() in server.seen[0].head
    assert elsewhere.seen == []
