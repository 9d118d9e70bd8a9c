"""Learning how Connecteam's totals behave: how long they lag, and in which zone its day is.

Nobody documents either. Both can be seen after an accepted batch: its rows are known to the cent,
and the totals either show them or do not yet. A few such looks are enough; then one a day.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from itertools import groupby
from operator import itemgetter
from zoneinfo import ZoneInfo

from tillbridge.account import Account
from tillbridge.days import from_epoch_ms, local_date
from tillbridge.ledger import events, parts, removals, sales, targets
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import TargetRow, Totals
from tillbridge.log import get_logger
from tillbridge.policy import MIN_OBSERVATIONS, TargetPolicy
from tillbridge.readings import Reading, Readings, Span, sum_over

_log = get_logger("tillbridge.learning")

_FIRST_LOOK_S = 2.0
_GIVE_UP_S = 3600.0
_AGAIN_AFTER_MS = 86_400_000
_LEAVES = 200
"""Requests left for today below which nothing is spent on learning: on the smallest plan, none."""

_MOST_ROWS = 5000


class Learner:
    """One per process that posts.

    Args:
        ledger: keeps what was observed.
        account: the gate to Connecteam.
        readings: takes the totals.
        policies: by Connecteam id.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        readings: Readings,
        policies: Mapping[int, TargetPolicy],
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._readings = readings
        self._policies = policies
        self._pause_s: dict[tuple[int, float], float] = {}
        self._seen: set[tuple[int, float]] = set()

    def step(self) -> float | None:
        """Look where a look teaches something.

        Returns:
            Seconds until the next look; None if none is due.
        """
        if self._account.left_today() < _LEAVES:
            return None
        waits: list[float] = []
        spans: dict[int, Span] = {}
        for key in self._policies:
            due_s, span = self._due(key)
            if span is None:
                continue
            if due_s > 0:
                waits.append(due_s)
            else:
                spans[key] = span
        for key, reading in self._readings.take(spans).items():
            again_s = self._learn(key, reading)
            if again_s is not None:
                waits.append(again_s)
        return min(waits, default=None)

    def _due(self, key: int) -> tuple[float, Span | None]:
        """Seconds until a look at this location, and its days; no days if a look is of no use."""
        now = self._account.moment()
        with self._ledger.view() as view:
            row = targets.get(view, key)
            busy = parts.open_parts(view, key) or removals.blocking(view, key)
            shown = row is not None and parts.newest_total(view, key) != 0
        if row is None or busy or not shown or row.base_id is None or row.totals_differ:
            return 0.0, None
        if row.acked_boot_s is None or row.boot_id != now.boot_id:
            return 0.0, None
        ack = (key, float(row.acked_boot_s))
        enough = row.lag_count >= MIN_OBSERVATIONS
        fresh = row.lag_seen_ms is not None and now.wall_ms - row.lag_seen_ms < _AGAIN_AFTER_MS
        since_s = now.boot_s - ack[1]
        if ack in self._seen or (enough and fresh) or since_s > _GIVE_UP_S:
            return 0.0, None
        pause_s = self._pause_s.setdefault(ack, _FIRST_LOOK_S)
        return max(0.0, pause_s - since_s), targets.span_of(row)

    def _learn(self, key: int, reading: Reading) -> float | None:
        now = self._account.moment()
        with self._ledger.view() as view:
            row = targets.get(view, key)
            assert row is not None
            base = targets.base_of(view, row)
        span = targets.span_of(row)
        if base is None or span is None or row.acked_boot_s is None:
            return None
        ack = (key, float(row.acked_boot_s))
        lag_s = now.boot_s - ack[1]
        if sum_over(reading.totals, span) - sum_over(base[1], span) != row.acknowledged:
            self._pause_s[ack] = 2 * max(lag_s, _FIRST_LOOK_S)
            return lag_s
        self._seen.add(ack)
        zone = self._zone(key, row, base[1], reading, span)
        with self._ledger.commit() as commit:
            targets.set_values(
                commit, key, lag_worst_s=max(lag_s, row.lag_worst_s or 0.0),
                lag_count=row.lag_count + 1, lag_seen_ms=now.wall_ms,
                day_zone=zone or row.day_zone,
            )  # fmt: skip
            events.note(
                commit, now.wall_ms, "lag_observed", connecteam_id=key, lag_s=round(lag_s, 3),
                day_zone=zone,
            )  # fmt: skip
        return None

    def _zone(
        self, key: int, row: TargetRow, base: Totals, reading: Reading, span: Span
    ) -> str | None:
        """The zone whose days explain the totals day by day, if exactly one of those possible
        does: UTC, and those of the locations that feed it.
        """
        with self._ledger.view() as view:
            rows = sales.posted_since(view, key, row.base_part_id, _MOST_ROWS)
        if sum(amount for _, amount in rows) != row.acknowledged:
            return None  # deletes, or more rows than are looked at
        shown = {day: reading.totals[day] - base[day] for day in reading.totals if day in base}
        zones = self._policies[key].day_zones
        fitting = [
            zone.key
            for zone in zones
            if all(
                shown.get(day, 0) == total
                for day, total in _by_day(rows, zone).items()
                if span[0] <= day <= span[1]
            )
        ]
        return fitting[0] if len(fitting) == 1 and len(zones) > 1 else None


def _by_day(rows: list[tuple[int, int]], zone: ZoneInfo) -> dict[date, int]:
    """Sums by the calendar day of a zone; `rows` are (epoch seconds, minor units)."""
    totals: dict[date, int] = defaultdict(int)
    for quarter, group in groupby(rows, key=lambda row: row[0] // 900):
        # Zones differ from UTC by whole quarters of an hour, so a quarter is in one day.
        day = local_date(from_epoch_ms(quarter * 900_000), zone)
        totals[day] += sum(map(itemgetter(1), group))
    return totals
