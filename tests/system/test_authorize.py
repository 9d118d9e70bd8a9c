"""Signing in as a new user does it: a real sandbox, right and wrong answers at every step."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Thread

import httpx
import pytest

from system.conftest import Made
from system.inside import inside
from system.installation import COMMAND, Done, Installation, environment
from tillbridge.sandbox import Sandbox


def agree(address: str, choice: str = "yes") -> str:
    """What a person does in the browser; the address on which that ends."""
    assert httpx.get(address).text.count("<button") == 2
    return httpx.post(address, data={"choice": choice}).headers["location"]


def paste(out: str) -> str:
    """Open the address that was printed, agree, and copy the one on which that ends."""
    return agree(out.strip())


def refuse(out: str) -> str:
    return agree(out.strip(), "no")


def test_a_person_signs_in_by_pasting_and_is_told_what_the_sign_in_sees(
    make: Callable[..., Made],
):
    _, home = make(signed_in=False, locations=2)
    pasted: list[str] = []

    def keep(out: str) -> str:
        pasted.append(paste(out))
        return pasted[0]

    done = inside(home, "authorize", answers=["what do I paste?", keep])
    assert done.code == 0, done.err
    assert "about 15 seconds" in done.err
    assert "This is not the whole address" in done.err
    assert "It sees 2 business locations: Harbour Street, Königsallee Düsseldorf" in done.err
    assert pasted[0].split("code=")[1].split("&")[0] not in done.err + done.out
    status = inside(home, "authorize", "--status")
    assert status.code == 0
    for part in ("back.office@sandbox.example", "financial-api", "Next renewal:   20"):
        assert part in status.out
    again = inside(home, "authorize", answers=pasted)
    assert again.code == 77
    assert "This code has been used already" in again.err
    assert inside(home, "locations", "list").code == 0, "the first sign-in still holds"


def test_the_command_itself_asks_on_its_standard_input(make: Callable[..., Made]):
    _, home = make(signed_in=False)
    words = [*COMMAND, "--config", str(home.config), "authorize"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        where = agree(process.stdout.readline().strip())
        _, said = process.communicate(f"{where}\n", timeout=30)
    assert process.returncode == 0, said
    assert "Signed in to Lightspeed" in said


@pytest.mark.parametrize("auth", ["v1", "v2"])
def test_both_kinds_of_client_sign_in_and_only_v2_proves_itself_with_a_key(
    make: Callable[..., Made], auth: str
):
    _, home = make(signed_in=False, auth=auth)
    done = inside(home, "authorize", answers=[paste])
    assert done.code == 0, done.err
    assert ("code_challenge" in done.out) == (auth == "v2")


def test_a_code_that_comes_too_late_and_a_person_who_refuses(make: Callable[..., Made]):
    _, home = make(signed_in=False, code_ttl_s=0)
    late = inside(home, "authorize", answers=[paste])
    assert late.code == 77
    assert "The code came too late: it lives about 15 seconds" in late.err
    refused = inside(home, "authorize", answers=[refuse])
    assert refused.code == 77
    assert "refused in the browser" in refused.err


def test_three_wrong_pastes_end_it_and_nothing_is_kept(make: Callable[..., Made]):
    _, home = make(signed_in=False)
    foreign = "https://localhost:8443/callback?code=x&state=y"
    done = inside(home, "authorize", answers=[str.strip, foreign, "hm", paste])
    assert done.code == 2
    assert "This is the address to open" in done.err
    assert "belongs to another sign-in" in done.err
    assert inside(home, "authorize").code == 2, "nobody pastes"
    assert inside(home, "authorize", "--status").code == 77


def test_the_words_of_an_error_page_are_explained(make: Callable[..., Made]):
    _, home = make(signed_in=False)
    done = inside(home, "authorize", answers=["We are sorry... Client not found."])
    assert done.code == 77
    assert "production and the trial system know different clients" in done.err


WRONG_CLIENTS = [
    ("devp-v2-sandbox", "devp-v2-other", {}, 77, "does not know the client devp-v2-other"),
    ("8443/callback", "8443/back", {}, 77, "does not accept the redirect address"),
    ("auth", "auth", {"lightspeed_scopes": ("offline_access",)}, 77, "does not give this client"),
    ("redirect_uri = ", "# redirect_uri = ", {}, 78, "lightspeed.redirect_uri: It is missing"),
    (
        "auth = ",
        'timeout = "0.2s"\nauth = ',
        {"lightspeed_latency_ms": 900},
        69,
        "sign-in page (127.0.0.1:",
    ),
]


@pytest.mark.parametrize(("old", "new", "options", "code", "part"), WRONG_CLIENTS)
def test_what_is_wrong_with_the_client_shows_before_anybody_opens_a_browser(
    make: Callable[..., Made], old: str, new: str, options: dict, code: int, part: str
):
    _, home = make(signed_in=False, **options)
    home.change(old, new)
    done = inside(home, "authorize", answers=[paste])
    assert (done.code, done.out) == (code, "")
    assert part in done.err


def test_a_wrong_secret_is_told_once_the_code_is_exchanged(make: Callable[..., Made]):
    sandbox, home = make(signed_in=False)
    home.change(sandbox.client_secret, "not-the-secret")
    done = inside(home, "authorize", answers=[paste])
    assert done.code == 77
    assert "Check client_id, client_secret" in done.err
    assert "not-the-secret" not in done.err


def test_an_address_that_nobody_serves_names_the_host_and_what_to_look_at(
    make: Callable[..., Made],
):
    sandbox, home = make(signed_in=False)
    home.change(f"{sandbox.lightspeed_url}/realms/k-series/protocol/openid-connect/auth",
                "https://nowhere.invalid/auth")  # fmt: skip
    done = inside(home, "authorize")
    assert done.code == 69
    for part in ("sign-in page (nowhere.invalid)", "its name is not known here", "DNS"):
        assert part in done.err


def test_a_lost_answer_to_the_code_asks_for_another_sign_in(make: Callable[..., Made]):
    sandbox, home = make(signed_in=False)
    sandbox.fail_next("token", "lost-after")
    done = inside(home, "authorize", answers=[paste])
    assert done.code == 69
    assert "The code works once, so this sign-in cannot be completed" in done.err
    assert "Run `tillbridge authorize` again" in done.err


@pytest.mark.parametrize("words", ["--status --listen", "--import-refresh-token - --open"])
def test_options_that_exclude_each_other_are_refused(make: Callable[..., Made], words: str):
    _, home = make(signed_in=False)
    assert inside(home, "authorize", *words.split()).code == 2


def test_a_page_is_opened_only_where_that_is_asked_for(
    make: Callable[..., Made], monkeypatch: pytest.MonkeyPatch
):
    _, home = make(signed_in=False)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert inside(home, "authorize", answers=[paste]).code == 0
    assert opened == []
    done = inside(home, "authorize", "--open", answers=[paste])
    assert done.code == 0
    assert opened == [done.out.strip()]


def listening(make: Callable[..., Made]) -> tuple[Sandbox, Installation, str, int]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = int(unused.getsockname()[1])
    redirect = f"https://localhost:{port}/callback"
    sandbox, home = make(signed_in=False, redirect_uri=redirect)
    return sandbox, home, redirect, port


@contextmanager
def listener(home: Installation, port: int) -> Iterator[list[Done]]:
    """`authorize --listen` in a thread, once it accepts connections; then what became of it."""
    done: list[Done] = []
    thread = Thread(target=lambda: done.append(inside(home, "authorize", "--listen")))
    thread.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.02)
    yield done
    thread.join(30)
    assert len(done) == 1


def leads_to(page: str) -> str:
    return page.split('href="')[1].split('"', maxsplit=1)[0].replace("&amp;", "&")


def test_a_listener_is_accepted_first_and_then_catches_the_answer(make: Callable[..., Made]):
    sandbox, home, redirect, port = listening(make)
    start = f"https://localhost:{port}/"
    with listener(home, port) as done, httpx.Client(verify=False) as browser:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(start)
        # A connection that a browser opens in advance and leaves silent must not be in the way.
        with socket.create_connection(("127.0.0.1", port)):
            address = leads_to(browser.get(start).text)
            assert browser.get(f"{start}favicon.ico").status_code == 404
            assert browser.get(f"{redirect}?code=guessed&state=wrong").status_code == 400
            where = agree(address)
            with httpx.Client(verify=False) as second, ThreadPoolExecutor(2) as both:
                pages = list(both.map(lambda one: one.get(where).text, (browser, second)))
    # A browser that fetches the page twice must not send the code twice.
    assert sandbox.counters()["lightspeed.token"] == 1
    answer = next(page for page in pages if "Signed in" in page)
    assert "Signed in. You can close this page." in answer
    assert done[0].code == 0, done[0].err
    assert done[0].out.strip() == start
    assert "fingerprint" in done[0].err
    assert "The certificate is accepted." in done[0].err
    assert inside(home, "authorize", "--status").code == 0


def test_a_listener_shows_the_reason_in_the_browser_and_in_the_terminal(make: Callable[..., Made]):
    _, home, _, port = listening(make)
    with listener(home, port) as done, httpx.Client(verify=False) as browser:
        address = leads_to(browser.get(f"https://localhost:{port}/").text)
        answer = browser.get(agree(address, "no"))
    assert answer.status_code == 400
    assert "refused in the browser" in answer.text
    assert done[0].code == 77
    assert "refused in the browser" in done[0].err


def test_a_redirect_to_elsewhere_cannot_be_listened_on(make: Callable[..., Made]):
    _, home = make(signed_in=False, redirect_uri="https://till.example/callback")
    done = inside(home, "authorize", "--listen")
    assert done.code == 2
    assert "Leave --listen out" in done.err


def test_a_port_in_use_is_said(make: Callable[..., Made]):
    _, home, _, port = listening(make)
    with ExitStack() as taken:
        taken.enter_context(socket.create_server(("127.0.0.1", port)))
        if socket.has_ipv6:
            taken.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6))
        done = inside(home, "authorize", "--listen")
    assert done.code == 2
    assert f"port {port} cannot be listened on" in done.err
