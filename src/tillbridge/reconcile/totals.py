"""Connecteam's side of a comparison: totals that are evidence, and the zone of their days.

A total counts only if no write at the location was under way while it was read, by this process or
by another one on the same ledger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from tillbridge.account import Account
from tillbridge.clock import Clock
from tillbridge.ledger import comparing, removals, targets
from tillbridge.ledger.store import Ledger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.readings import Reading, Readings, Span, quiet_of
from tillbridge.reconcile.zones import likeliest

_TRIES = 4
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """A location's totals.

    Attributes:
        reading: as read.
        mature_in_s: seconds until no write of ours can be missing from them; 0 if that is so.
        proves: totals are known to show what was posted.
        stop: why posting is stopped there, if it is.
    """

    reading: Reading
    mature_in_s: float
    proves: bool
    stop: str | None


class TotalsReader:
    """One per process; see the module."""

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        readings: Readings,
        doubts: DoubtPolicy,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._readings = readings
        self._doubts = doubts
        self._clock = clock

    def take(self, spans: Mapping[int, Span]) -> dict[int, Evidence]:
        """Totals of these locations; those at which a write was under way are tried again, and
        left out in the end. Usually one request for all.
        """
        found: dict[int, Evidence] = {}
        left = dict(spans)
        for attempt in range(_TRIES):
            if not left:
                break
            if attempt:
                self._clock.sleep(_PAUSE_S)
            before = {key: self._fingerprint(key, span) for key, span in left.items()}
            quiet = {key: span for key, span in left.items() if before[key] is not None}
            taken = self._readings.take(quiet)
            for key, reading in taken.items():
                if self._fingerprint(key, left[key]) == before[key]:
                    found[key] = self._evidence(key, reading)
            if quiet and not taken:
                break  # no answer is no reason to ask at once again
            left = {key: span for key, span in left.items() if key not in found}
        return found

    def _fingerprint(self, key: int, span: Span) -> object | None:
        with self._ledger.view() as view:
            if removals.blocking(view, key):
                return None
            return comparing.fingerprint(view, key, *span)

    def _evidence(self, key: int, reading: Reading) -> Evidence:
        with self._ledger.view() as view:
            row = targets.get(view, key)
        assert row is not None
        patience = self._doubts.patience(row.lag_worst_s, row.lag_count)
        mature_in_s = quiet_of(row, reading.taken).mature_in(patience)
        return Evidence(reading, mature_in_s, not row.totals_differ, row.stop)

    def zone(
        self,
        policy: TargetPolicy,
        others: Sequence[ZoneInfo],
        posted: Sequence[tuple[int, int]],
        totals: Mapping[date, int],
    ) -> tuple[ZoneInfo, bool]:
        """The zone of Connecteam's days, and whether it was observed or only fits best."""
        with self._ledger.view() as view:
            row = targets.get(view, policy.connecteam_id)
        near = _near(policy, others)
        if row is not None and row.day_zone is not None:
            # What was seen on a few days gives way to what explains all of these better.
            seen = ZoneInfo(row.day_zone)
            found = likeliest(posted, totals, [seen, *near])
            return found, found.key == seen.key
        return likeliest(posted, totals, near), False


def _near(policy: TargetPolicy, others: Sequence[ZoneInfo]) -> list[ZoneInfo]:
    known = {zone.key: zone for zone in (*policy.day_zones, *others)}
    return list(known.values())
