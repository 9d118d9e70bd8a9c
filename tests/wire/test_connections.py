"""Real sockets: what is trusted, where proxies come from, and what a person reads when it fails."""

import gc
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tillbridge import log
from tillbridge.cli.certificate import make_certificate
from tillbridge.http import Answer, Http, NoAnswer, Timeouts


def door(base_url: str, **more) -> Http:
    return Http(base_url, timeouts=Timeouts(2, 2), max_connections=1, user_agent="test", **more)


TEXT = b"a sale and a sale and a sale " * 20_000
PACKED = {
    "gzip": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "damaged-gzip": b"no gzip at all" * 20_000,
}


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        self.server.cookies += self.headers.get_all("Cookie") or []
        body = PACKED.get(self.path.rpartition("/")[2], b"{}")
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Set-Cookie", "remember=me")
        if body != b"{}":
            self.send_header("Content-Encoding", self.path.rpartition("/")[2].split("-")[-1])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as served:
        served.seen, served.cookies = [], []
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    made = make_certificate(datetime.now(UTC))
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.certificate + made.key)
    return path


@pytest.fixture
def encrypted(server, certificate) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return f"https://localhost:{server.server_port}"


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted):
    answer = door(encrypted).exchange("GET", "/")
    assert isinstance(answer, NoAnswer)
    assert answer.not_sent
    assert "certificate cannot be trusted: self-signed certificate" in answer.reason
    assert "SSL_CERT_FILE" in answer.remedy


def test_an_authority_named_in_the_environment_is_trusted(encrypted, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer = door(encrypted).exchange("GET", "/")
    assert isinstance(answer, Answer)
    assert answer.status == 200


def test_an_address_without_encryption_needs_no_authorities(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    answer = door(f"http://127.0.0.1:{server.server_port}").exchange("GET", "/")
    assert isinstance(answer, Answer)


def test_connections_made_without_authorities_trust_nobody(encrypted, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    answer = door("http://127.0.0.1:9").exchange("GET", f"{encrypted}/")
    assert isinstance(answer, NoAnswer)
    assert answer.not_sent


def test_a_proxy_named_in_the_environment_is_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    answer = door("http://sales.invalid").exchange("GET", "/x")
    assert isinstance(answer, Answer)
    assert server.seen == ["http://sales.invalid/x"]


def test_a_host_named_in_no_proxy_is_asked_directly(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    answer = door(f"http://127.0.0.1:{server.server_port}").exchange("GET", "/x")
    assert isinstance(answer, Answer)


@pytest.fixture(params=["direct", "by a proxy"])
def way(request, server, monkeypatch) -> str:
    """An address of the server, asked directly, or as one that a proxy is asked for."""
    if request.param == "direct":
        return f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    return "http://sales.invalid"


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_a_packed_answer_is_unpacked(way, packing):
    answer = door(way).exchange("GET", f"/{packing}")
    assert isinstance(answer, Answer)
    assert answer.body == TEXT


def test_a_damaged_answer_does_not_keep_its_connection(way):
    only_one = door(way)
    for _ in range(2):
        answer = only_one.exchange("GET", "/damaged-gzip")
        assert isinstance(answer, NoAnswer)
        assert "the answer was damaged" in answer.reason
    assert isinstance(only_one.exchange("GET", "/x"), Answer)


def responses() -> list[httpx.Response]:
    return [one for one in gc.get_objects() if type(one) is httpx.Response]


def test_an_answer_leaves_nothing_that_only_a_search_for_garbage_would_find(way):
    only_one = door(way)
    only_one.exchange("GET", "/x")
    gc.collect()
    gc.disable()
    try:
        before = responses()
        only_one.exchange("GET", "/x")
        assert len(responses()) == len(before)
    finally:
        gc.enable()


def test_cookies_are_not_kept(server):
    pool = door(f"http://127.0.0.1:{server.server_port}")
    for _ in range(2):
        assert isinstance(pool.exchange("GET", "/x"), Answer)
    assert server.cookies == []


def test_a_redirect_is_an_answer_and_is_not_followed(server):
    answer = door(f"http://127.0.0.1:{server.server_port}").exchange("GET", "/away")
    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert server.seen == ["/away"]


def test_a_name_that_does_not_exist_says_so_and_what_to_look_at():
    answer = door("https://nowhere.invalid").exchange("GET", "/")
    assert isinstance(answer, NoAnswer)
    assert answer.reason.startswith("its name is not known here")
    assert "DNS" in answer.remedy


def test_a_closed_port_says_so_and_what_to_look_at():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        answer = door(f"http://127.0.0.1:{port}").exchange("GET", "/")
    assert isinstance(answer, NoAnswer)
    assert answer.reason.startswith("nothing accepts connections there")
    assert "firewall" in answer.remedy


def test_an_observer_is_told_of_answers_and_of_silence(server):
    seen: list[Answer | NoAnswer] = []
    door(f"http://127.0.0.1:{server.server_port}", observer=seen.append).exchange("GET", "/x")
    door("http://127.0.0.1:9", observer=seen.append).exchange("GET", "/x")
    assert [type(one) for one in seen] == [Answer, NoAnswer]


def test_basic_credentials_are_hidden_in_the_form_in_which_they_travel(server):
    door(f"http://127.0.0.1:{server.server_port}").exchange("GET", "/x", basic=("who", "what-1"))
    assert log.redact("Authorization: Basic d2hvOndoYXQtMQ==") == "Authorization: Basic [hidden]"


@pytest.mark.parametrize(
    "text",
    [
        'a"b\\c/d <e>&é',
        r'{"error": "a\"b\\c/d <e>&\u00e9"}',
        "<p>a&quot;b\\c/d &lt;e&gt;&amp;é</p>",
        "https://x.test/?k=a%22b%5Cc%2Fd%20%3Ce%3E%26%C3%A9&z=1",
        "https://x.test/?k=a%22b%5Cc/d%20%3Ce%3E%26%C3%A9",
        "k=a%22b%5Cc%2Fd+%3Ce%3E%26%C3%A9",
        "KeyError: 'a\"b\\\\c/d <e>&é'",
    ],
)
def test_a_secret_is_hidden_in_every_way_in_which_it_may_be_written(monkeypatch, text):
    monkeypatch.setattr(log, "_secrets", {})
    log.keep_secret('a"b\\c/d <e>&é')
    hidden = log.redact(text)
    assert "[hidden]" in hidden
    assert not {"b\\c/d", "b\\\\c/d", "b%5Cc"} & {hidden}
    assert "%3Ce%3E" not in hidden
    assert "<e>" not in hidden
    assert "&lt;e" not in hidden


def test_a_key_stays_hidden_however_many_tokens_come_after_it(monkeypatch):
    monkeypatch.setattr(log, "_secrets", {})
    monkeypatch.setattr(log, "_lasting", {})
    log.keep_secret("an-api-key", lasting=True)
    log.keep_secret("first-token")
    for number in range(2000):
        log.keep_secret(f"token-{number}")
    assert log.redact("an-api-key token-1999 first-token") == "[hidden] [hidden] first-token"
