"""A sign-in in the browser: what a person is told, step by step, and what becomes of the answer.

The browser may be on another machine than this program, as it is where a server has no screen; so
pasting is the rule, and catching the answer (`listener`) is the exception.
"""

import sys

from tillbridge.cli.listener import catch
from tillbridge.cli.options import say
from tillbridge.clock import Clock
from tillbridge.config import Config
from tillbridge.errors import ConfigError, Problem, UsageError
from tillbridge.lightspeed.authorize_page import look
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.signing_in import (
    Attempt,
    NotTheAnswer,
    Registered,
    begin,
    read_answer,
    used_code,
)
from tillbridge.sides import sign_in_pool

_MOST_PASTES = 3

_BEFOREHAND = """\
This connects tillbridge with Lightspeed, once; after that the sign-in renews itself.

  1. Open the address below in any browser, also on another machine.
  2. Sign in as a back-office user with report rights for every location, and agree.
  3. The browser ends on an address that begins with
       {redirect_uri}
     and most likely shows an error page, because nothing answers there. That is right.
  4. Copy that whole address from the address bar, paste it here, and press Enter.

Between 2 and 4 you have about 15 seconds: keep this window beside the browser.
If Lightspeed shows an error page instead, paste its words here, and you will be told what to do.
"""


def sign_in(
    config: Config, tokens: Authenticator, clock: Clock, *, listen: bool, open_browser: bool
) -> None:
    """Lead a person through the sign-in, and keep it.

    Raises:
        ConfigError: there is no redirect address, or `--listen` cannot be used with it.
        UsageError: what was pasted is no answer.
        CredentialsRefused: Lightspeed or the person refused; see `signing_in`.
        TryLater: Lightspeed does not answer as it should.
    """
    client = _registered(config)
    pool = sign_in_pool(config)
    try:
        trouble = look(pool, client)
    finally:
        pool.close()
    if trouble is not None:
        raise trouble
    attempt = begin(client)
    if listen:
        catch(attempt, clock, lambda code: _exchange(tokens, code, attempt), open_it=open_browser)
        return
    say(_BEFOREHAND.format(redirect_uri=client.redirect_uri))
    print(attempt.address, flush=True)
    if open_browser:
        open_in_browser(attempt.address)
    _exchange(tokens, _pasted(tokens, attempt), attempt)


def open_in_browser(address: str) -> None:
    """Open an address where that is possible; the person can always do it by hand."""
    import webbrowser

    if not webbrowser.open(address):
        say("No browser could be opened here; open the address yourself.")


def _registered(config: Config) -> Registered:
    section = config.lightspeed
    if section.redirect_uri is None:
        raise ConfigError(
            "A sign-in in the browser needs the redirect address of the API client.",
            problems=[
                Problem(
                    "lightspeed.redirect_uri",
                    "It is missing.",
                    "Write it to the letter as it was registered with the client, such as "
                    '"https://localhost:8443/callback".',
                )
            ],
        )
    return Registered(
        section.auth, section.addresses.authorize_url, section.client_id, section.redirect_uri
    )


def _pasted(tokens: Authenticator, attempt: Attempt) -> str:
    """The code in what a person pastes, who may try a few times: a wrong paste spends nothing."""
    for tries_left in reversed(range(_MOST_PASTES)):
        say("\nThe address on which the sign-in ended:")
        line = sys.stdin.readline()
        if not line:
            raise UsageError(
                "Nothing was pasted.",
                "Run `tillbridge authorize` in a terminal, and paste the address there.",
            )
        try:
            return read_answer(line, attempt)
        except NotTheAnswer as error:
            _raise_if_used(tokens, line)
            if not tries_left:
                raise
            say(str(error))
    raise AssertionError("the last try raises")


def _raise_if_used(tokens: Authenticator, line: str) -> None:
    """Somebody who pastes the address of the present sign-in again should hear just that."""
    from urllib.parse import parse_qs, urlsplit

    try:
        codes = parse_qs(urlsplit(line.strip()).query).get("code", [])
    except ValueError:  # not even an address
        return
    if codes and tokens.knows_code(codes[0]):
        raise used_code("it brought the sign-in that is in force")


def _exchange(tokens: Authenticator, code: str, attempt: Attempt) -> None:
    if tokens.knows_code(code):
        raise used_code("it brought the sign-in that is in force")
    tokens.exchange_code(code, attempt.verifier)
