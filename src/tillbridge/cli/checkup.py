"""How this installation is: the findings of health, for every command that tells them."""

from tillbridge.clock import Clock
from tillbridge.config import Config
from tillbridge.configured import watched_of
from tillbridge.errors import TillbridgeError
from tillbridge.findings import Finding, Level
from tillbridge.gauges import take
from tillbridge.health import judge
from tillbridge.ledger.store import Ledger
from tillbridge.lightspeed.tokens import token_path
from tillbridge.log import get_logger
from tillbridge.neighbours import AccountName

_log = get_logger("tillbridge.checkup")


class Checkup:
    """Looks how an installation is.

    Args:
        config: as checked.
        ledger: open.
        clock: for ages.
        account: in a process that posts: the name of the account, to notice others that use it.
    """

    def __init__(
        self, config: Config, ledger: Ledger, clock: Clock, account: AccountName | None = None
    ) -> None:
        self._watched = watched_of(config, token_path(ledger.path))
        self._ledger = ledger
        self._clock = clock
        self._account = account
        self._said_shared = False
        self.latest: list[Finding] = []

    def findings(self) -> list[Finding]:
        """What is to be said now, the most urgent first.

        Raises:
            TillbridgeError: the ledger cannot be read now.
        """
        shared = self._account is not None and self._account.is_shared()
        found = judge(take(self._ledger, self._clock, self._watched, shares_account=shared))
        if shared and not self._said_shared:
            _log.warning("account_shared", note="Another tillbridge uses this Connecteam account.")
        self._said_shared = shared
        self.latest = found
        return found

    def findings_if_readable(self) -> list[Finding] | None:
        """The same for the service; None where the ledger cannot be read, of which it has said
        more already.
        """
        try:
            return self.findings()
        except TillbridgeError:
            return None


def for_a_person(found: list[Finding], program: str) -> list[str]:
    """Sentences, with remedy and command, of what stays so until somebody acts."""
    return [item.text(program) for item in found if item.level is Level.PERSON]
