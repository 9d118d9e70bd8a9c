"""What a check learns from each exchange by the way: how many there were, and the vendor's time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from tillbridge.check.report import Item, failed, passed
from tillbridge.clock import Clock
from tillbridge.http import Answer, NoAnswer


@dataclass(slots=True)
class Exchanges:
    """All exchanges with one vendor.

    Attributes:
        clock: this machine's.
        requests: how many there were.
        ahead_s: by how much this machine's clock is ahead of the vendor's; None until one tells.
        answered: somebody answered.
        silence: the last exchange without an answer.
        headers: of the last answer.
    """

    clock: Clock
    requests: int = 0
    ahead_s: float | None = None
    answered: bool = False
    silence: NoAnswer | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def note(self, outcome: Answer | NoAnswer) -> None:
        """Take over what one exchange tells."""
        self.requests += 1
        if isinstance(outcome, NoAnswer):
            self.silence = outcome
            return
        self.answered = True
        self.headers = dict(outcome.headers)
        told = _moment(outcome.headers.get("date"))
        if told is not None:
            self.ahead_s = (self.clock.now() - told).total_seconds()

    def connection(self, vendor: str, address: str) -> Item:
        """Whether the vendor's host was reached, and how."""
        name = f"{vendor}: connection"
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        if self.silence is not None and not self.answered:
            return failed(name, f"{host} was not reached: {self.silence.reason}.",
                          self.silence.remedy or "Check this machine's network.")  # fmt: skip
        how = "its name is known and its certificate is trusted"
        if parts.scheme != "https":
            how = "on this machine, without encryption"  # elsewhere the configuration refuses it
        return passed(name, f"{host} answers; {how}.")


def _moment(header: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
