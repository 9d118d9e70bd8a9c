"""Renewing the sign-in: against a server that, like Lightspeed, takes a refresh token once."""

import base64
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tillbridge import log
from tillbridge.clock import SystemClock
from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.http import Http, Timeouts
from tillbridge.lightspeed import tokens as tokens_module
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.token_address import OAuthSettings
from tillbridge.lightspeed.token_status import MOST_LOST
from tillbridge.lightspeed.tokens import TokenFile

TOKEN_URL = "https://auth.example.test/realms/k-series/protocol/openid-connect/token"
INVALID = {"error": "invalid_grant", "error_description": "Token is not active"}


class HeldClock:
    def __init__(self) -> None:
        self.passed_s = 0.0
        self.boot_id = "boot"
        self.wall = datetime(2026, 11, 3, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.wall + timedelta(seconds=self.passed_s)

    def boot_s(self) -> float:
        return 100.0 + self.passed_s

    def sleep(self, seconds: float) -> None:
        self.passed_s += seconds


class Server:
    """Gives token pairs; a refresh token works once. `fault` says how the next requests fail."""

    def __init__(self) -> None:
        self.good = "refresh-0"
        self.given = 0
        self.requests: list[httpx.Request] = []
        self.extra: dict[str, object] = {"expires_in": 1500, "refresh_expires_in": 0}
        self.before = lambda: None  # runs when a request arrives
        self.fault: httpx.Response | Exception | None = None
        self.acts = True  # whether a request that fails has used the token up

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.before()
        if self.fault is not None and not self.acts:
            return self._fail()
        fields = {**dict(request.url.params), **_form(request)}
        answer = self._grant(fields)
        return answer if self.fault is None else self._fail()

    def _fail(self) -> httpx.Response:
        if isinstance(self.fault, Exception):
            raise self.fault
        assert self.fault is not None
        return self.fault

    def _grant(self, fields: dict[str, str]) -> httpx.Response:
        if fields["grant_type"] == "refresh_token" and fields["refresh_token"] != self.good:
            return httpx.Response(400, json=INVALID)
        self.given += 1
        self.good = f"refresh-{self.given}"
        body = {"access_token": f"access-{self.given}", "refresh_token": self.good, **self.extra}
        return httpx.Response(200, json={k: v for k, v in body.items() if v is not None})


def _form(request: httpx.Request) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(request.content.decode()).items()}


class World:
    def __init__(self, path) -> None:
        self.server = Server()
        self.clock = HeldClock()
        self.file = TokenFile(path)
        self.http = Http(
            "https://auth.example.test",
            timeouts=Timeouts(connect_s=1, total_s=1),
            max_connections=4,
            user_agent="test",
            transport=httpx.MockTransport(self.server),
        )
        self.auth = self.restart()

    def restart(self, auth: str = "v2") -> Authenticator:
        settings = OAuthSettings(
            auth="v1" if auth == "v1" else "v2",
            token_url=TOKEN_URL,
            client_id="client-id",
            client_secret="client-secret",
            redirect_uri="https://localhost:8443/callback",
        )
        self.auth = Authenticator(self.http, settings, self.file, self.clock)
        return self.auth

    def expire(self) -> None:
        self.clock.passed_s += 3600

    def stored(self):
        state = self.file.read()
        assert state is not None
        return state


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "tokens.json")
    yield made
    made.http.close()


@pytest.fixture
def signed_in(world) -> World:
    world.auth.import_refresh_token("refresh-0")
    world.server.requests.clear()
    return world


def test_without_a_sign_in_nothing_is_sent_and_a_person_is_told_what_to_run(world):
    assert world.auth.status().signed_in is False
    with pytest.raises(CredentialsRefused, match="authorize"):
        world.auth.access_token()
    assert world.server.requests == []


def test_an_imported_token_is_exchanged_at_once(world):
    world.auth.import_refresh_token("refresh-0")
    assert world.stored().refresh_token == "refresh-1"
    assert world.auth.access_token() == "access-1"
    assert len(world.server.requests) == 1


def test_a_v2_client_sends_a_form_and_identifies_with_basic(signed_in):
    signed_in.expire()
    signed_in.auth.access_token()
    (request,) = signed_in.server.requests
    assert str(request.url) == TOKEN_URL
    assert _form(request) == {"grant_type": "refresh_token", "refresh_token": "refresh-1"}
    basic = base64.b64encode(b"client-id:client-secret").decode()
    assert request.headers["Authorization"] == f"Basic {basic}"


def test_a_v1_client_sends_its_parameters_in_the_query(signed_in):
    signed_in.expire()
    assert signed_in.restart("v1").access_token() == "access-2"
    (request,) = signed_in.server.requests
    assert request.content == b""
    assert dict(request.url.params) == {
        "grant_type": "refresh_token",
        "refresh_token": "refresh-1",
        "client_id": "client-id",
    }
    assert request.headers["Authorization"].startswith("Basic ")


def test_a_code_is_exchanged_with_its_verifier_and_the_registered_redirect(world):
    world.auth.exchange_code("code-1", "verifier-1")
    assert _form(world.server.requests[0]) == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "code_verifier": "verifier-1",
        "redirect_uri": "https://localhost:8443/callback",
    }
    assert world.auth.access_token() == "access-1"


def test_a_code_that_brings_no_refresh_token_is_refused(world):
    world.server.extra["refresh_token"] = None
    with pytest.raises(CredentialsRefused, match="no refresh token"):
        world.auth.exchange_code("code-1", "verifier-1")
    assert world.file.read() is None


def test_a_refused_import_leaves_the_present_sign_in(signed_in):
    with pytest.raises(CredentialsRefused, match="no longer accepts this token"):
        signed_in.auth.import_refresh_token("wrong")
    assert signed_in.auth.access_token() == "access-1"


def test_an_import_replaces_even_a_damaged_file(world):
    world.file.path.write_bytes(b"{")
    world.auth.import_refresh_token("refresh-0")
    assert world.auth.access_token() == "access-1"


def test_an_access_token_is_used_over_restarts_until_its_last_minute(signed_in):
    signed_in.clock.passed_s += 1439
    assert signed_in.restart().access_token() == "access-1"
    assert signed_in.server.requests == []
    signed_in.clock.passed_s += 1
    assert signed_in.restart().access_token() == "access-2"


def test_setting_the_wall_clock_changes_nothing(signed_in):
    signed_in.clock.wall -= timedelta(days=300)
    assert signed_in.auth.access_token() == "access-1"
    signed_in.clock.wall += timedelta(days=600)
    assert signed_in.auth.access_token() == "access-1"


def test_after_a_reboot_the_wall_clock_decides_and_a_clock_set_back_means_renew(signed_in):
    signed_in.clock.boot_id = "next boot"
    signed_in.clock.wall += timedelta(minutes=5)
    assert signed_in.auth.access_token() == "access-1"
    signed_in.clock.wall -= timedelta(days=1)
    assert signed_in.auth.access_token() == "access-2"


def test_a_token_without_a_lifetime_is_used_until_it_is_turned_away(world):
    world.server.extra = {}
    world.auth.import_refresh_token("refresh-0")
    world.clock.passed_s += 1e6
    assert world.auth.access_token() == "access-1"
    assert world.auth.access_token(rejected="access-1") == "access-2"


def test_a_token_that_lives_a_minute_can_still_be_used(world):
    world.server.extra = {"expires_in": 60}
    world.auth.import_refresh_token("refresh-0")
    world.clock.passed_s += 29
    assert world.auth.access_token() == "access-1"


def test_status_says_what_is_known(world):
    world.server.extra = {
        "expires_in": 1500,
        "refresh_expires_in": 86400,
        "scope": "financial-api offline_access",
    }
    world.auth.import_refresh_token("refresh-0")
    status = world.auth.status()
    now = world.clock.now()
    assert (status.signed_in, status.answer_lost) == (True, False)
    assert status.scope == "financial-api offline_access"
    assert status.obtained_at == now
    assert status.access_expires_at == now + timedelta(seconds=1500)
    assert status.refresh_expires_at == now + timedelta(days=1)


def test_a_refresh_lifetime_of_0_means_no_countdown(signed_in):
    assert signed_in.auth.status().refresh_expires_at is None


def test_a_server_that_gives_no_new_refresh_token_means_the_old_one_stays(signed_in):
    signed_in.server.extra["refresh_token"] = None
    signed_in.expire()
    assert signed_in.auth.access_token() == "access-2"
    assert signed_in.stored().refresh_token == "refresh-1"


def test_force_renews_a_good_token(signed_in):
    assert signed_in.auth.access_token(force=True) == "access-2"


def test_a_rejected_token_that_was_renewed_meanwhile_is_not_renewed_again(signed_in):
    assert signed_in.auth.access_token(rejected="access-1") == "access-2"
    assert signed_in.auth.access_token(rejected="access-1") == "access-2"
    assert len(signed_in.server.requests) == 1


def test_threads_that_all_need_a_token_renew_once(signed_in):
    signed_in.expire()
    with ThreadPoolExecutor(8) as pool:
        got = set(pool.map(lambda _: signed_in.auth.access_token(), range(32)))
    assert got == {"access-2"}
    assert len(signed_in.server.requests) == 1


def test_the_mark_is_on_disk_when_the_refresh_token_leaves(signed_in):
    seen = []
    signed_in.server.before = lambda: seen.append(signed_in.stored())
    signed_in.expire()
    signed_in.auth.access_token()
    assert [(s.refresh_token, s.refreshing, s.lost) for s in seen] == [("refresh-1", True, 1)]
    after = signed_in.stored()
    assert (after.refresh_token, after.refreshing, after.lost) == ("refresh-2", False, 0)


def test_if_the_mark_cannot_be_written_nothing_is_sent(signed_in, monkeypatch):
    signed_in.expire()
    monkeypatch.setattr(tokens_module.os, "fsync", _full)
    with pytest.raises(TryLater, match="cannot be written"):
        signed_in.auth.access_token()
    assert signed_in.server.requests == []
    monkeypatch.undo()
    assert signed_in.auth.access_token() == "access-2"


def _full(*_args):
    raise OSError(28, "No space left on device")


def test_an_access_token_is_not_given_out_before_its_refresh_token_is_stored(
    signed_in, monkeypatch
):
    signed_in.expire()
    signed_in.server.before = lambda: monkeypatch.setattr(tokens_module.os, "fsync", _full)
    for _ in range(3):
        with pytest.raises(TryLater, match="cannot be written"):
            signed_in.auth.access_token()
    monkeypatch.undo()
    assert signed_in.auth.access_token() == "access-2"
    assert signed_in.stored().refresh_token == "refresh-2"
    assert len(signed_in.server.requests) == 1  # what the server gave was not lost


def test_a_newer_sign_in_is_not_overwritten_by_one_that_waited_for_the_disk(signed_in, monkeypatch):
    signed_in.expire()
    signed_in.server.before = lambda: monkeypatch.setattr(tokens_module.os, "fsync", _full)
    waiting = signed_in.auth
    with pytest.raises(TryLater):
        waiting.access_token()
    monkeypatch.undo()
    signed_in.server.before = lambda: None
    signed_in.restart().import_refresh_token("refresh-2")
    assert waiting.access_token() == "access-3"
    assert signed_in.stored().refresh_token == "refresh-3"


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx.ConnectTimeout("late")])
def test_a_renewal_that_was_never_sent_can_be_tried_for_ever(signed_in, fault):
    signed_in.expire()
    signed_in.server.fault, signed_in.server.acts = fault, False
    for _ in range(5):
        with pytest.raises(TryLater, match="cannot be reached"):
            signed_in.restart().access_token()
    assert signed_in.auth.status().answer_lost is False
    signed_in.server.fault = None
    assert signed_in.auth.access_token() == "access-2"


LOST = [
    httpx.ReadError("reset"),
    httpx.ReadTimeout("late"),
    httpx.RemoteProtocolError("cut"),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, content=b'{"access_token": "acc'),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_survived_if_the_server_never_acted(signed_in, fault):
    signed_in.expire()
    signed_in.server.fault, signed_in.server.acts = fault, False
    with pytest.raises(TryLater):
        signed_in.auth.access_token()
    assert signed_in.auth.status().answer_lost is True
    signed_in.server.fault = None
    assert signed_in.restart().access_token() == "access-2"
    assert signed_in.auth.status().answer_lost is False


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_told_plainly_if_the_server_acted(signed_in, fault):
    signed_in.expire()
    signed_in.server.fault = fault
    with pytest.raises(TryLater):
        signed_in.auth.access_token()
    signed_in.server.fault = None
    for _ in range(3):
        with pytest.raises(CredentialsRefused) as error:
            signed_in.restart().access_token()
        assert "was lost" in error.value.message
        assert "a person must sign in again" in error.value.remedy
    assert len(signed_in.server.requests) == 2  # the old token was tried once more, not for ever
    assert signed_in.auth.status().signed_in is False


def test_many_lost_answers_end_in_a_question_to_a_person_and_not_in_a_loop(signed_in):
    signed_in.expire()
    signed_in.server.fault, signed_in.server.acts = httpx.ReadTimeout("late"), False
    most = MOST_LOST
    for _ in range(most):
        with pytest.raises(TryLater):
            signed_in.restart().access_token()
    for _ in range(2):
        with pytest.raises(CredentialsRefused):
            signed_in.restart().access_token()
    assert len(signed_in.server.requests) == most
    signed_in.server.fault = None
    signed_in.auth.import_refresh_token("refresh-1")  # as a person may: it was never used
    assert signed_in.auth.access_token() == "access-2"


@pytest.mark.parametrize("status", [500, 502, 503, 302])
def test_an_outage_of_the_server_does_not_use_up_the_last_try(signed_in, status):
    signed_in.expire()
    signed_in.server.fault, signed_in.server.acts = httpx.Response(status), False
    for _ in range(10):
        with pytest.raises(TryLater):
            signed_in.restart().access_token()
    assert signed_in.auth.status().answer_lost is True
    signed_in.server.fault = None
    assert signed_in.auth.access_token() == "access-2"


def test_a_gateway_error_after_the_server_acted_is_told_as_a_lost_answer(signed_in):
    signed_in.expire()
    signed_in.server.fault = httpx.Response(502)
    with pytest.raises(TryLater):
        signed_in.auth.access_token()
    signed_in.server.fault = None
    with pytest.raises(CredentialsRefused, match="was lost"):
        signed_in.auth.access_token()


def test_a_sign_in_that_ended_by_itself_is_not_told_as_a_lost_answer(signed_in):
    signed_in.expire()
    signed_in.server.good = "another"
    for _ in range(3):
        with pytest.raises(CredentialsRefused) as error:
            signed_in.restart().access_token()
        assert "no longer accepts the stored sign-in" in error.value.message
        assert error.value.remedy == "Run `tillbridge authorize`."


def test_wrong_client_credentials_do_not_harm_the_sign_in(signed_in):
    signed_in.expire()
    fault = httpx.Response(401, json={"error": "unauthorized_client"})
    signed_in.server.fault, signed_in.server.acts = fault, False
    for _ in range(5):
        with pytest.raises(CredentialsRefused, match=r"unauthorized_client.*client_secret"):
            signed_in.restart().access_token()
    signed_in.server.fault = None
    assert signed_in.auth.access_token() == "access-2"


def test_a_pause_that_is_asked_for_is_passed_on(signed_in):
    signed_in.expire()
    fault = httpx.Response(429, headers={"Retry-After": "90"})
    signed_in.server.fault, signed_in.server.acts = fault, False
    with pytest.raises(TryLater) as error:
        signed_in.auth.access_token()
    assert error.value.retry_after_s == 90.0


def test_tokens_and_the_client_secret_never_reach_a_log_line(signed_in):
    signed_in.expire()
    signed_in.auth.access_token()
    for secret in ("refresh-1", "refresh-2", "access-1", "access-2", "client-secret"):
        assert secret not in log.redact(f"a body with {secret} in it")


class Loopback(ThreadingHTTPServer):
    """A token address on a real socket that refuses a refresh token the second time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), LoopbackHandler)
        self.guard = threading.Lock()
        self.good = "refresh-0"
        self.given = 0
        self.reused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/token"


class LoopbackHandler(BaseHTTPRequestHandler):
    server: Loopback

    def do_POST(self) -> None:
        fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        with self.server.guard:
            if fields["refresh_token"] != [self.server.good]:
                self.server.reused += 1
                return self._answer(400, INVALID)
            self.server.given += 1
            number = self.server.given
            self.server.good = f"refresh-{number}"
        # A lifetime of 0: every call of every process has to renew.
        body = {"access_token": f"access-{number}", "refresh_token": f"refresh-{number}"}
        return self._answer(200, {**body, "expires_in": 0})

    def _answer(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args) -> None:
        pass


RENEWER = """
import sys
from pathlib import Path
from tillbridge.clock import SystemClock
from tillbridge.http import Http, Timeouts
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.token_address import OAuthSettings
from tillbridge.lightspeed.tokens import TokenFile
from tillbridge.log import configure_logging
configure_logging("warning")
url, path, times = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
http = Http(url, timeouts=Timeouts(5, 5), max_connections=1, user_agent="test")
settings = OAuthSettings("v2", url, "id", "secret", "https://localhost/")
auth = Authenticator(http, settings, TokenFile(path), SystemClock())
for _ in range(times):
    print(auth.access_token(), flush=True)
"""


def test_processes_that_renew_at_once_never_send_a_token_twice(tmp_path):
    path = tmp_path / "tokens.json"
    with Loopback() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            _sign_in(server, path)
            renewers = [
                subprocess.Popen(
                    [sys.executable, "-c", RENEWER, server.url, path, "10"],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for _ in range(4)
            ]
            got = [renewer.communicate(timeout=60)[0].split() for renewer in renewers]
        finally:
            server.shutdown()
            thread.join()
    assert [renewer.returncode for renewer in renewers] == [0, 0, 0, 0]
    assert server.reused == 0
    every = [token for tokens in got for token in tokens]
    assert len(every) == len(set(every)) == 40


def _sign_in(server: Loopback, path) -> None:
    timeouts = Timeouts(connect_s=5, total_s=5)
    http = Http(server.url, timeouts=timeouts, max_connections=1, user_agent="test")
    settings = OAuthSettings("v2", server.url, "id", "secret-1", "https://localhost/")
    Authenticator(http, settings, TokenFile(path), SystemClock()).import_refresh_token("refresh-0")
    http.close()


DYING = """
import os, sys
from pathlib import Path
from tillbridge.lightspeed import tokens
real = tokens.TokenFile.write
step = int(sys.argv.pop(1))
calls = 0
def write(self, state):
    global calls
    calls += 1
    if calls == step:      # 1: before the mark, 2: the answer is here but not stored
        os._exit(9)
    real(self, state)
    if calls + 10 == step: # 11: after the mark, 12: after the store
        os._exit(9)
tokens.TokenFile.write = write
"""


@pytest.mark.parametrize(("step", "survives"), [(1, True), (11, True), (2, False), (12, True)])
def test_a_process_killed_between_any_two_steps_leaves_a_file_that_says_the_truth(
    tmp_path, step, survives
):
    path = tmp_path / "tokens.json"
    with Loopback() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            _sign_in(server, path)
            died = subprocess.run(
                [sys.executable, "-c", DYING + RENEWER, str(step), server.url, path, "1"],
                check=False,
                timeout=60,
            )
            assert died.returncode == 9
            http = Http(server.url, timeouts=Timeouts(5, 5), max_connections=1, user_agent="t")
            settings = OAuthSettings("v2", server.url, "id", "secret-1", "https://localhost/")
            auth = Authenticator(http, settings, TokenFile(path), SystemClock())
            if survives:
                assert auth.access_token() == f"access-{server.given}"
            else:
                assert auth.status().answer_lost is True
                with pytest.raises(CredentialsRefused, match="was lost"):
                    auth.access_token()
            http.close()
        finally:
            server.shutdown()
            thread.join()


def test_the_host_in_messages_is_the_sign_in_servers(signed_in):
    signed_in.expire()
    signed_in.server.fault = httpx.Response(503)
    with pytest.raises(TryLater, match=str(urlsplit(TOKEN_URL).hostname)):
        signed_in.auth.access_token()
