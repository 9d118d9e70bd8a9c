"""Taking readings of Connecteam's totals: one request for many locations, kept in the ledger.

A reading is evidence only if it was decoded from a list of daily totals and no write at the
location was under way; anything else is no evidence at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from tillbridge.account import Account
from tillbridge.connecteam.client import NoEvidence
from tillbridge.days import from_epoch_ms
from tillbridge.doubt import NEVER, Quiet
from tillbridge.ledger import targets
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import TargetRow
from tillbridge.log import Seldom, get_logger

_log = get_logger("tillbridge.readings")

Span = tuple[date, date]

BACK = timedelta(days=400)
AHEAD = timedelta(days=31)
"""Which days a base holds, from today; further where older sales wait."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One location's totals at a moment; `id` is the ledger's."""

    id: int
    totals: Mapping[date, int]
    taken: Moment


class Readings:
    """Reads totals for the locations whose writes have all ended."""

    def __init__(self, ledger: Ledger, account: Account, currencies: Mapping[int, str]) -> None:
        self._ledger = ledger
        self._account = account
        self._currencies = dict(currencies)
        self.wrong: dict[int, str] = {}
        self._seldom = Seldom()

    def take(self, spans: Mapping[int, Span]) -> dict[int, Reading]:
        """Read these locations over these days (first and last included).

        Returns:
            A reading of each; those without evidence are left out. `wrong` tells which of them
            Connecteam does not know.
        """
        self.wrong.clear()
        return self._take(spans) if spans else {}

    def _take(self, spans: Mapping[int, Span]) -> dict[int, Reading]:
        first = min(span[0] for span in spans.values())
        last = max(span[1] for span in spans.values())
        wanted = {connecteam_id: self._currencies[connecteam_id] for connecteam_id in spans}
        # Stamped with the moment before the request: what it shows is at least that fresh.
        before = self._account.moment()
        answer = self._account.read_totals(wanted, first, last)
        if isinstance(answer, NoEvidence):
            say = _log.info if self._seldom.is_new("totals", before.boot_s) else _log.debug
            say("totals_not_read", reason=answer.reason)
            if not answer.wrong:
                return {}
            if len(spans) == 1:
                self.wrong[next(iter(spans))] = answer.reason
                return {}
            # One location that Connecteam does not know fails the request for all of them.
            singly = (self._take({key: span}) for key, span in spans.items())
            return {key: reading for found in singly for key, reading in found.items()}
        with self._ledger.commit() as commit:
            return {
                connecteam_id: Reading(
                    targets.add_reading(commit, connecteam_id, totals, before), totals, before
                )
                for connecteam_id, totals in answer.by_location.items()
            }

    def today(self) -> date:
        """The UTC date."""
        return from_epoch_ms(self._account.moment().wall_ms).date()


def days_of(span: Span) -> list[date]:
    """Every day of a span."""
    first, last = span
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def sum_over(totals: Mapping[date, int], span: Span) -> int:
    """The total of the days of a span; every one of them must have been read."""
    first, last = span
    days = [day for day in totals if first <= day <= last]
    assert len(days) == (last - first).days + 1, (span, min(totals), max(totals))
    return sum(totals[day] for day in days)


def quiet_of(row: TargetRow, now: Moment) -> Quiet:
    """How long nothing was written at a location, as of now."""
    same_boot = row.boot_id == now.boot_id
    acked = now.boot_s - row.acked_boot_s if same_boot and row.acked_boot_s is not None else None
    gone = now.boot_s - row.deleted_boot_s if same_boot and row.deleted_boot_s is not None else None
    return Quiet(
        acked_s=NEVER if acked is None else max(0.0, acked),
        deleted_s=NEVER if gone is None else max(0.0, gone),
    )
