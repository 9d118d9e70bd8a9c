"""The one door to the network: every error of httpx is an answer or none, and nothing raises."""

import base64
from collections.abc import Iterator

import httpx
import pytest
import respx

from tillbridge import log
from tillbridge.http import NOT_SENT, Answer, Http, NoAnswer, Timeouts


def every_subclass(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from every_subclass(child)


REQUEST_ERRORS = sorted({httpx.RequestError, *every_subclass(httpx.RequestError)}, key=repr)
ABSTRACT = {"RequestError", "TransportError", "TimeoutException", "NetworkError", "ProtocolError"}


class Door:
    """An Http on a transport that keeps the requests and gives one answer or error."""

    def __init__(self, answer=None, base_url="https://api.example.test"):
        self.requests: list[httpx.Request] = []
        self._answer = answer if answer is not None else httpx.Response(200, content=b"{}")
        self.http = Http(
            base_url,
            timeouts=Timeouts(connect_s=5, total_s=90),
            max_connections=2,
            user_agent="tillbridge/1.0 (Harbour Group)",
            transport=httpx.MockTransport(self._handle),
        )

    def _handle(self, request):
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def exchange(self, *args, **keywords):
        return self.http.exchange(*args, **keywords)


@pytest.mark.parametrize("error", REQUEST_ERRORS, ids=lambda error: error.__name__)
def test_every_error_of_an_exchange_becomes_no_answer(error):
    shown = Door(error("the server at 10.0.0.1 broke")).exchange("POST", "/x", content=b"{}")
    assert isinstance(shown, NoAnswer)
    assert shown.not_sent == issubclass(error, NOT_SENT)
    assert error.__name__ in shown.reason


@pytest.mark.parametrize("error", REQUEST_ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_sentence_of_its_own(error):
    shown = Door(error("")).exchange("GET", "/x")
    if error.__name__ not in ABSTRACT:
        assert not shown.reason.startswith("the connection failed")
    assert shown.reason.endswith(f"({error.__name__})")


def test_only_three_errors_prove_that_nothing_left():
    proofs = {error.__name__ for error in REQUEST_ERRORS if issubclass(error, NOT_SENT)}
    assert proofs == {"ConnectError", "ConnectTimeout", "PoolTimeout"}


@pytest.mark.parametrize("error", REQUEST_ERRORS, ids=lambda error: error.__name__)
def test_nothing_is_tried_twice(error):
    door = Door(error("no"))
    door.exchange("POST", "/x", content=b"{}")
    assert len(door.requests) == 1


@pytest.mark.parametrize("status", [200, 204, 301, 404, 422, 429, 500, 599])
def test_any_status_is_an_answer(status):
    shown = Door(httpx.Response(status, headers={"X-Test": "1"}, content=b"body")).exchange(
        "GET", "/x"
    )
    assert isinstance(shown, Answer)
    assert (shown.status, shown.body, shown.headers["x-test"]) == (status, b"body", "1")


@pytest.mark.parametrize(
    ("base_url", "path", "url"),
    [
        ("https://a.test", "/x", "https://a.test/x"),
        ("https://a.test/", "/x", "https://a.test/x"),
        ("https://a.test/deep/", "/x/y", "https://a.test/deep/x/y"),
        ("https://a.test", "https://b.test/z?k=1", "https://b.test/z?k=1"),
        ("https://a.test", "/x?k=1", "https://a.test/x?k=1"),
        ("https://a.test", "/tx%2Fodd", "https://a.test/tx%2Fodd"),
    ],
)
def test_a_path_is_joined_to_the_base_and_a_full_address_is_taken_as_it_is(base_url, path, url):
    door = Door(base_url=base_url)
    door.exchange("GET", path)
    assert str(door.requests[0].url) == url


@pytest.mark.parametrize("params", [None, {}, []])
def test_no_parameters_leave_a_query_that_stands_in_the_path(params):
    door = Door()
    door.exchange("GET", "/x?k=1", params=params)
    assert door.requests[0].url.query == b"k=1"


def test_an_address_beyond_all_length_is_never_asked_for():
    shown = Door().exchange("GET", "/x", params={"nextPageToken": "t" * 100_000})
    assert shown == NoAnswer(True, "the address cannot be asked for (URL too long)")


def test_parameters_are_encoded_and_may_repeat():
    door = Door()
    door.exchange("GET", "/x", params=[("locationIds", 1), ("locationIds", 2), ("at", "+01:00 &")])
    assert door.requests[0].url.query == b"locationIds=1&locationIds=2&at=%2B01%3A00+%26"


def test_the_request_names_the_installation_and_carries_its_own_headers():
    door = Door()
    door.exchange("POST", "/x", headers={"X-API-KEY": "k"}, content=b"\x00{}")
    (request,) = door.requests
    assert request.headers["user-agent"] == "tillbridge/1.0 (Harbour Group)"
    assert request.headers["x-api-key"] == "k"
    assert request.content == b"\x00{}"


@pytest.mark.parametrize(
    ("method", "keywords"),
    [
        ("GET", {}),
        ("GET", {"headers": {"accept": "application/json", "Authorization": "Bearer t"}}),
        ("GET", {"params": {"from": "2026-11-01T00:00:00.000Z", "pageSize": 100}}),
        ("POST", {"content": b"{}", "headers": {"Content-Type": "application/json"}}),
        ("POST", {"params": [("locationIds", 1), ("locationIds", 2)]}),
        ("PUT", {"content": b""}),
        ("DELETE", {}),
    ],
)
def test_a_request_says_what_a_client_of_httpx_would_say(method, keywords):
    door = Door(base_url="https://a.test:8443/deep")
    door.exchange(method, "/x", **keywords)
    with httpx.Client(headers={"User-Agent": "tillbridge/1.0 (Harbour Group)"}) as client:
        wanted = client.build_request(method, "https://a.test:8443/deep/x", **keywords)
    (request,) = door.requests
    assert sorted(request.headers.multi_items()) == sorted(wanted.headers.multi_items())
    assert request.url == wanted.url
    assert request.content == wanted.content


def test_a_name_and_a_password_in_the_address_are_credentials():
    door = Door(base_url="https://na%40me:pass%3Aword@a.test")
    door.exchange("GET", "/x", headers={"Authorization": "Bearer other"})
    told = door.requests[0].headers["authorization"]
    assert base64.b64decode(told.removeprefix("Basic ")) == b"na@me:pass:word"
    assert "pass" not in door.requests[0].headers["host"]
    assert log.redact(told) == "Basic [hidden]"


def test_respx_may_stand_in_for_the_network():
    http = Http(
        "https://a.test", timeouts=Timeouts(1, 1), max_connections=1, user_agent="tillbridge"
    )
    with respx.mock:
        respx.post("https://a.test/x", content=b"{}").respond(201, text="made")
        shown = http.exchange("POST", "/x", content=b"{}")
    assert isinstance(shown, Answer)
    assert (shown.status, shown.body) == (201, b"made")


def test_basic_credentials_are_sent_with_the_one_request_only():
    door = Door()
    door.exchange("POST", "/x", basic=("name", "pass:word"))
    door.exchange("POST", "/x")
    told = door.requests[0].headers["authorization"]
    assert base64.b64decode(told.removeprefix("Basic ")) == b"name:pass:word"
    assert "authorization" not in door.requests[1].headers


def test_timeouts_bound_the_connection_the_pool_and_each_wait():
    door = Door()
    door.exchange("GET", "/x")
    assert door.requests[0].extensions["timeout"] == {
        "connect": 5, "pool": 5, "read": 90, "write": 90,
    }  # fmt: skip


def test_a_name_and_a_password_in_the_address_are_in_no_message():
    assert Door(base_url="https://user:secret@a.test:8443/x").http.host == "a.test:8443"


def test_a_closed_door_is_a_mistake_of_ours_and_is_not_hidden():
    door = Door()
    door.http.close()
    with pytest.raises(RuntimeError):
        door.exchange("GET", "/x")
