"""The only module that knows httpx: one exchange with a vendor, as a value.

An exchange ends as an `Answer` (somebody answered, whatever the status) or as a `NoAnswer`.
A `NoAnswer` says whether the request can have reached the other side: `not_sent` is true only
for the three errors that httpx raises before the first byte leaves (measured against a bare
socket server, see tests/wire/test_outcome_table.py); everything else may have been acted on.
Nothing here tries again, and no redirect is followed: a redirect could carry credentials away.
Certificates are always verified. Proxies and extra authorities come from the environment
(HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR), as for other programs.
"""

import base64
import os
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache, partial
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies

from msgspec import Struct

from tillbridge.log import keep_secret

# httpx would load its own command line, with a terminal and a syntax highlighter: 5 MB for nothing.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402  # after the line above

Transport = httpx.BaseTransport
"""What a test puts in the place of the network."""

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_BY_PROXY = {"http", "https", "all"}
_HAS_LENGTH = {"POST", "PUT", "PATCH"}  # said even where it is 0


class Answer(Struct, frozen=True):
    """What came back. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Struct, frozen=True):
    """No complete answer came back.

    Attributes:
        not_sent: true if it is certain that no byte of the request left.
        reason: what happened, for a person, without addresses or credentials.
        remedy: what a person can do about it; empty where nothing but waiting helps.
    """

    not_sent: bool
    reason: str
    remedy: str = ""


Observer = Callable[[Answer | NoAnswer], None]
"""Told of every exchange, with what came of it."""


class Timeouts(Struct, frozen=True):
    """In seconds. `total_s` bounds each wait for bytes, not the whole exchange."""

    connect_s: float
    total_s: float


@cache
def _trusted(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """The authorities that the environment names, else the usual ones; made once, because each
    copy takes 4 MB and 30 ms.
    """
    return httpx.create_ssl_context(verify=True, trust_env=True)


def _authorities(scheme: str) -> ssl.SSLContext:
    """Whom to trust. Where nothing is encrypted, as with a simulation on this machine, nobody: the
    context is never used, and were it used after all, it would refuse everyone.
    """
    if scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


class Http:
    """A pool of connections to one vendor host.

    Args:
        base_url: scheme, host and optional path; certificates are always verified.
        timeouts: see `Timeouts`.
        max_connections: most connections at once; a request beyond that waits `connect_s`.
        user_agent: names the program, its version and the installation.
        transport: a test's own transport instead of the network.
        observer: told of every exchange.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: Timeouts,
        max_connections: int,
        user_agent: str,
        transport: httpx.BaseTransport | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer
        address = urlsplit(base_url)
        self.host = address.netloc.rpartition("@")[2]
        self._base = base_url.rstrip("/")
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            # Idle connections are dropped before usual proxies (60 s) drop them under our feet:
            # a POST on a dying connection would be a doubt for nothing.
            keepalive_expiry=20.0,
        )
        timeout = httpx.Timeout(
            timeouts.total_s, connect=timeouts.connect_s, pool=timeouts.connect_s
        )
        verify = _authorities(address.scheme)
        if transport is None and not _BY_PROXY & getproxies().keys():
            transport = httpx.HTTPTransport(verify=verify, limits=limits)
        self._client = httpx.Client(
            headers={"User-Agent": user_agent},
            limits=limits,
            follow_redirects=False,
            verify=verify,
            trust_env=True,
            transport=transport,
        )
        # A client prepares cookies, redirects, hooks and a log line for each exchange, a quarter of
        # what it takes. None is wanted here; a client is, where it must choose between proxies.
        self._send = (
            transport.handle_request
            if transport is not None
            else partial(self._client.send, stream=True, auth=httpx.Auth())
        )
        usual = self._client.headers
        self._headers = {
            name.lower().decode(): (name.decode(), value.decode()) for name, value in usual.raw
        }
        self._extensions = {"timeout": timeout.as_dict()}

    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | Sequence[tuple[str, str | int]] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer | NoAnswer:
        """Send one request and wait for its whole answer; never raises for the network's sake.

        Args:
            method: an HTTP method.
            path: joined to the base address; a full address is taken as it is.
            params: the query; encoded here.
            headers: added to the pool's own.
            content: the body.
            basic: user name and password for HTTP Basic.
        """
        if self._client.is_closed:
            raise RuntimeError("this pool of connections has been closed")
        address = path if "://" in path else self._base + path
        try:
            url = _with_query(address, urlencode(params)) if params else _parsed(address)
        except httpx.InvalidURL as error:  # a vendor's page token may be of any length
            outcome: Answer | NoAnswer = NoAnswer(
                True, f"the address cannot be asked for ({error})"
            )
        else:
            outcome = self._ask(self._request(method, url, headers or {}, content or b"", basic))
        if self._observer is not None:
            self._observer(outcome)
        return outcome

    def _ask(self, request: httpx.Request) -> Answer | NoAnswer:
        try:
            response = self._send(request)
            try:
                headers = dict(response.headers)
                body = _body(response, packed="content-encoding" in headers)
            finally:
                response.close()
        except NOT_SENT as error:
            return NoAnswer(True, _reason(error), _remedy(error))
        except httpx.RequestError as error:  # every other error of the exchange itself
            return NoAnswer(False, _reason(error), _remedy(error))
        # A client's response and its stream hold each other: cut here, the body goes when it is
        # decoded, and not when Python next looks for garbage.
        response.stream = httpx.ByteStream(body)
        return Answer(response.status_code, headers, body)

    def _request(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        content: bytes,
        basic: tuple[str, str] | None,
    ) -> httpx.Request:
        """The request with all of its headers: httpx adds none where it is given a stream."""
        told = self._headers | {name.lower(): (name, value) for name, value in headers.items()}
        basic = basic or _user(url)
        if basic is not None:
            secret = base64.b64encode(":".join(basic).encode()).decode("ascii")
            # A server that echoes its request would show both, in this disguise.
            keep_secret(secret)
            told["authorization"] = ("Authorization", f"Basic {secret}")
        if content or method in _HAS_LENGTH:
            told["content-length"] = ("Content-Length", str(len(content)))
        return httpx.Request(
            method,
            url,
            headers=[("Host", url.netloc.decode("ascii")), *told.values()],
            stream=httpx.ByteStream(content),
            extensions=self._extensions,
        )

    def close(self) -> None:
        self._client.close()


@lru_cache(maxsize=128)
def _parsed(address: str) -> httpx.URL:
    """Parsed once: httpx looks at each character of an address, each time."""
    return httpx.URL(address)


def _with_query(address: str, query: str) -> httpx.URL:
    """With this query in the place of any other; of two parts, httpx would look at each twice."""
    return httpx.URL(f"{address.partition('?')[0]}?{query}")


def _body(response: httpx.Response, *, packed: bool) -> bytes:
    if packed:
        return response.read()
    # As `read` does it, without its four layers for each piece of what needs no unpacking.
    assert isinstance(response.stream, httpx.SyncByteStream)
    return b"".join(response.stream)


def _user(url: httpx.URL) -> tuple[str, str] | None:
    """The name and the password that stand in an address."""
    return (url.username, url.password) if url.userinfo else None


def _reason(error: httpx.RequestError) -> str:
    name = type(error).__name__
    cause = _cause(error)
    sentence = cause[0] if cause else _SENTENCES.get(name, "the connection failed")
    text = str(error).strip()
    return f"{sentence} ({name}: {text})" if text else f"{sentence} ({name})"


def _remedy(error: httpx.RequestError) -> str:
    cause = _cause(error)
    return cause[1] if cause else _REMEDIES.get(type(error).__name__, "")


def _cause(error: BaseException) -> tuple[str, str] | None:
    """What lies behind an error (sentence and remedy), where the system says it."""
    for reason in _chain(error):
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = reason.verify_message or "no reason given"
            return f"its certificate cannot be trusted: {why}", _TRUST
        for kind, sentence, remedy in _CAUSES:
            if isinstance(reason, kind):
                return sentence, remedy
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


_TRUST = """\
If the clock of this machine is wrong, set it; if a proxy of your company opens encrypted \
connections, name the file of its certificate authority in the environment variable SSL_CERT_FILE.\
"""
_NAME = "Check the address in the configuration, and this machine's network and name service (DNS)."
_ENCRYPTION = "Check that the address begins with https:// only where the other side speaks it."
_REFUSED = "Check the address in the configuration, and any proxy or firewall in between."

_CAUSES = (
    (socket.gaierror, "its name is not known here", _NAME),
    (ssl.SSLError, "no encrypted connection could be agreed upon", _ENCRYPTION),
    (ConnectionRefusedError, "nothing accepts connections there", _REFUSED),
)

_REMEDIES = {
    "ConnectError": "Check this machine's network, and any proxy or firewall in between.",
    "ConnectTimeout": "Check this machine's network, and any proxy or firewall in between.",
    "ReadTimeout": "If that happens often, raise the timeout in the configuration.",
    "ProxyError": "Check the proxy that the environment names (HTTPS_PROXY).",
    "UnsupportedProtocol": "Write the address in the configuration with https:// before it.",
}

_SENTENCES = {
    "ConnectError": "no connection could be made",
    "ConnectTimeout": "no connection could be made in time",
    "PoolTimeout": "all connections were busy",
    "ReadTimeout": "the answer did not come in time",
    "WriteTimeout": "the request could not be sent in time",
    "ReadError": "the connection broke before the answer came",
    "WriteError": "the connection broke while the request was being sent",
    "CloseError": "the connection broke while it was being closed",
    "RemoteProtocolError": "the connection was closed before the answer was complete",
    "LocalProtocolError": "the request could not be sent",
    "ProxyError": "the proxy refused",
    "UnsupportedProtocol": "the address has no usable scheme",
    "DecodingError": "the answer was damaged",
    "TooManyRedirects": "the other side kept redirecting",
}
