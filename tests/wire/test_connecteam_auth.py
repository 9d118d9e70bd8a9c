"""Connecteam's app credentials: a token for a day, one more when it is turned away, named scopes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tillbridge.clock import SystemClock
from tillbridge.config import parse
from tillbridge.connecteam.auth import ClientCredentials
from tillbridge.connecteam.client import ConnecteamClient, NoEvidence, Totals
from tillbridge.connecteam.setup import Right, Setup
from tillbridge.errors import CredentialsRefused
from tillbridge.http import Http, Timeouts
from tillbridge.sandbox import Sandbox, SandboxOptions

Side = tuple[Sandbox, ConnecteamClient, Setup]


@pytest.fixture
def side() -> Iterator[Callable[..., Side]]:
    with ExitStack() as stack:

        def made(secret: str | None = None, **options: object) -> Side:
            chosen = SandboxOptions(sales_per_day=1, locations=1, plan="none", **options)
            served = stack.enter_context(Sandbox(chosen))
            http = Http(
                served.connecteam_url, timeouts=Timeouts(5, 10), max_connections=2,
                user_agent="test",
            )  # fmt: skip
            stack.callback(http.close)
            auth = ClientCredentials(
                http, served.connecteam_client_id, secret or served.connecteam_client_secret,
                SystemClock(),
            )  # fmt: skip
            return served, ConnecteamClient(http, auth), Setup(http, auth)

        yield made


def asked(served: Sandbox) -> int:
    return served.counters().get("connecteam.connecteam-token", 0)


def test_one_token_serves_until_it_ends(side: Callable[..., Side]):
    served, client, _ = side()
    for _ in range(3):
        assert len(client.locations()) == 1
    assert asked(served) == 1


def test_a_token_that_is_turned_away_is_renewed_once_and_the_read_tried_once_more(
    side: Callable[..., Side],
):
    served, client, _ = side()
    for _ in range(2):
        client.locations()
    served.end_connecteam_tokens()
    assert len(client.locations()) == 1
    assert asked(served) == 2
    client.locations()
    served.end_connecteam_tokens()
    day = served.day
    assert isinstance(client.totals({123: "GBP"}, day, day), Totals)
    assert asked(served) == 3


def test_an_app_that_may_not_read_is_asked_for_once_a_request_and_no_more(
    side: Callable[..., Side],
):
    served, client, _ = side(connecteam_scopes=("sales_data.write", "sales_data.delete"))
    day = served.day
    for _ in range(2):
        assert isinstance(client.totals({123: "GBP"}, day, day), NoEvidence)
    assert asked(served) <= 5


@pytest.mark.parametrize(
    ("has", "lacks"),
    [
        (("sales_data.read", "sales_data.write"), "sales_data.delete"),
        (("sales_data.read",), "sales_data.write and sales_data.delete"),
    ],
)
def test_the_scope_that_the_app_lacks_is_named(side: Callable[..., Side], has: tuple, lacks: str):
    served, client, _ = side(connecteam_scopes=has)
    for _ in range(3):
        with pytest.raises(CredentialsRefused, match=f"lacks the scope {lacks} ") as error:
            client.locations()
    assert "Scopes are fixed when an app is made" in error.value.remedy
    assert asked(served) == 3 + 3, "each scope was asked for alone once, not every time"


def test_a_wrong_secret_is_not_taken_for_a_scope(side: Callable[..., Side]):
    served, client, _ = side(secret="wrong")
    with pytest.raises(CredentialsRefused, match="gave no access token: 401") as error:
        client.locations()
    assert "client_secret" in error.value.remedy
    assert asked(served) == 1


def test_rights_are_asked_for_without_changing_anything(side: Callable[..., Side]):
    served, _, setup = side()
    assert setup.may_write().right is Right.GIVEN
    assert setup.may_delete().right is Right.GIVEN
    assert served.counters().get("connecteam.rows_posted", 0) == 0
    assert served.counters().get("connecteam.rows_deleted", 0) == 0
    served.fail_next("post", "429-as-200")
    assert setup.may_write().right is Right.UNKNOWN
    served.fail_next("delete", "lost-after")
    assert setup.may_delete().right is Right.UNKNOWN


def test_the_australian_region_has_a_token_host_of_its_own():
    text = {
        "config_version": 1,
        "lightspeed": {"client_id": "x", "client_secret": "s3cret"},
        "connecteam": {"region": "australia", "client_id": "c", "client_secret": "s3cret"},
        "locations": [
            {
                "name": "A", "lightspeed_id": 1, "connecteam_id": 2, "timezone": "UTC",
                "currency": "AUD", "exclusive": True, "start": "2026-01-01",
            }
        ],
    }  # fmt: skip
    section = parse(text, source="test", mode=0o600).config.connecteam
    assert section.address == "https://api-au.connecteam.com"
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(401, json={"detail": "no"})

    http = Http(
        section.address, timeouts=Timeouts(1, 1), max_connections=1, user_agent="t",
        transport=httpx.MockTransport(answer),
    )  # fmt: skip
    auth = ClientCredentials(http, "c", "s", SystemClock())
    with pytest.raises(CredentialsRefused):
        auth()
    assert hosts == ["api-au.connecteam.com"]
