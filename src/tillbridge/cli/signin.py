"""`authorize`: keep a Lightspeed sign-in."""

import os
import sys

from tillbridge.cli.options import Common, say
from tillbridge.clock import SystemClock
from tillbridge.errors import UsageError
from tillbridge.wiring import authenticator


def authorize(common: Common, import_from: str | None, *, show_status: bool) -> int:
    """Import a refresh token from standard input, or say how the sign-in is."""
    if import_from not in (None, "-"):
        # A token on the command line would be in the process list and the shell's history.
        raise UsageError(
            "A token is read from standard input only.",
            "Write `--import-refresh-token -` and paste the token, or pipe it in.",
        )
    if import_from is None and not show_status:
        raise UsageError(
            "This version signs in with a refresh token that you bring.",
            "Run `tillbridge authorize --import-refresh-token -`, or `--status` to look.",
        )
    config = common.load()
    tokens = authenticator(config, common.ledger_path(config), os.environ, SystemClock())
    if import_from is not None:
        token = sys.stdin.readline().strip()
        if not token:
            raise UsageError("Standard input held no token.", "Paste the token and press Enter.")
        tokens.import_refresh_token(token)
        say("Signed in to Lightspeed; from now on the sign-in renews itself.")
    status = tokens.status()
    if not status.signed_in:
        say("There is no Lightspeed sign-in yet. Run `tillbridge authorize`.")
        return 77
    if show_status:
        print(f"Signed in since {status.obtained_at}; scope: {status.scope or 'not told'}.")
        print(f"Access until {status.access_expires_at or 'not told'}, renewed by itself.")
        if status.refresh_expires_at is not None:
            print(f"The sign-in ends {status.refresh_expires_at} unless it is used before.")
        if status.answer_lost:
            say("The answer to the last renewal was lost; a new sign-in may be needed.")
    return 0
