"""`authorize`: sign in to Lightspeed, keep that sign-in, or say how it is."""

import os
import sys
from datetime import datetime

from tillbridge.cli.browser import sign_in
from tillbridge.cli.options import Common, counted, say
from tillbridge.cli.sides import lightspeed_places
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.errors import TillbridgeError, UsageError
from tillbridge.lightspeed.token_status import TokenStatus, status_of
from tillbridge.lightspeed.tokens import TokenFile, token_path
from tillbridge.sides import authenticator, lightspeed_client


def authorize(
    common: Common,
    import_from: str | None,
    *,
    show_status: bool,
    listen: bool,
    open_browser: bool,
) -> int:
    """Sign in in the browser, import a refresh token, or say how the sign-in is."""
    if import_from not in (None, "-"):
        # A token on the command line would be in the process list and the shell's history.
        raise UsageError(
            "A token is read from standard input only.",
            "Write `--import-refresh-token -` and paste the token, or pipe it in.",
        )
    if (import_from is not None) + show_status + (listen or open_browser) > 1:
        raise UsageError(
            "These options do not go together.",
            "Choose one of --import-refresh-token, --status, and a sign-in in the browser "
            "(with --listen or --open, if you like).",
        )
    config = common.load(need_locations=False)
    if not show_status:
        _sign_in(common, config, import_from, listen=listen, open_browser=open_browser)
        return 0
    return _show(TokenFile(token_path(common.ledger_path(config))))


def _sign_in(
    common: Common, config: Config, import_from: str | None, *, listen: bool, open_browser: bool
) -> None:
    clock = SystemClock()
    tokens = authenticator(config, common.ledger_path(config), os.environ, clock)
    if import_from is not None:
        token = sys.stdin.readline().strip()
        if not token:
            raise UsageError("Standard input held no token.", "Paste the token and press Enter.")
        tokens.import_refresh_token(token)
    else:
        sign_in(config, tokens, clock, listen=listen, open_browser=open_browser)
    say("Signed in to Lightspeed; from now on the sign-in renews itself.")
    _say_what_it_sees(common, config)


def _say_what_it_sees(common: Common, config: Config) -> None:
    """One look with the new sign-in: a person without rights should learn it now."""
    client = lightspeed_client(config, common.ledger_path(config), os.environ, SystemClock())
    try:
        places = lightspeed_places(client)
    except TillbridgeError as error:
        say(f"But its first use failed: {error}")
        return
    seen = {place.id: place.name for place in places}
    names = ", ".join(seen.values()) or "none"
    say(f"It sees {counted(len(seen), 'business location')}: {names}.")
    for place in config.locations:
        if place.enabled and place.lightspeed_id not in seen:
            say(
                f"It does not see {place.name} ({place.lightspeed_id}), which the configuration "
                "names: sign in as a user with rights there, or correct lightspeed_id."
            )


def _show(file: TokenFile) -> int:
    status = status_of(file.read())
    if status.obtained_at is None:
        say("There is no Lightspeed sign-in yet. Run `tillbridge authorize`.")
        return 77
    if not status.signed_in:
        say(
            "The answer to the last renewal of the Lightspeed sign-in was lost, and with it the "
            "only token that could renew it again. Run `tillbridge authorize`."
        )
        return 77
    _print(status)
    return 0


def _print(status: TokenStatus) -> None:
    print(f"Signed in as:   {status.person or 'not told by Lightspeed'}")
    print(f"Scope:          {status.scope or 'not told by Lightspeed'}")
    print(f"Renewed last:   {_moment(status.obtained_at)}")
    print(f"Next renewal:   {_moment(status.next_renewal_at, 'when Lightspeed asks for it')}")
    print(f"Access until:   {_moment(status.access_expires_at, 'not told')}, renewed by itself")
    ends = _moment(status.refresh_expires_at, "no end told by Lightspeed")
    print(f"Sign-in until:  {ends}; each renewal begins it anew")
    if status.answer_lost:
        say(
            "The answer to the last renewal was lost; if the next one is refused, "
            "run `tillbridge authorize`."
        )


def _moment(moment: datetime | None, otherwise: str = "unknown") -> str:
    return otherwise if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
