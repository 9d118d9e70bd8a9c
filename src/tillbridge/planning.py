"""What could go out now: the sales that wait, where they may be written, as requests.

How they are put into requests is the batcher's; where may be written is for `bases` to say. Sends
nothing itself, and writes nothing but what `bases` notes of the totals that it reads.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tillbridge.bases import Bases, Wanted
from tillbridge.batcher import Batch, Row, plan
from tillbridge.ledger import locations, sales
from tillbridge.ledger.store import Ledger
from tillbridge.policy import TargetPolicy
from tillbridge.states import Lane

PLAN_ROWS = 2000
"""Most sales per location and lane that one plan looks at: as many as a backfill lets wait."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests in the order in which they should go; `left` sales were looked at and stay."""

    batches: list[Batch]
    left: int


class Planner:
    """Plans.

    Args:
        ledger: where the sales wait.
        bases: says which locations may be written to.
        policies: by Connecteam id.
    """

    def __init__(self, ledger: Ledger, bases: Bases, policies: Mapping[int, TargetPolicy]) -> None:
        self._ledger = ledger
        self._bases = bases
        self._policies = policies

    def plan(self, only_full: frozenset[Lane], under_way: Mapping[int, Collection[int]]) -> Plan:
        """Put what may be sent into requests; reads totals where it must.

        Args:
            only_full: lanes of which more sales are on their way, so that only full requests go.
            under_way: parts that are being sent where others may join them, by Connecteam id.
        """
        waiting = self._waiting()
        wanted = {key: _wanted(rows) for key, rows in waiting.items() if rows}
        rows = [
            row
            for key, limits in self._bases.writable(wanted, under_way).items()
            for row in waiting[key]
            if limits.first_s <= row.transaction.created_at <= limits.last_s
        ]
        # More history waits than a plan looks at: what comes after it may fill its last requests.
        full = only_full | {Lane.BACKFILL} if _is_crowded(waiting) else only_full
        batches = plan(rows, only_full=full)
        if not batches and full != only_full:
            batches = plan(rows, only_full=only_full)
        seen = sum(len(rows) for rows in waiting.values())
        return Plan(batches, seen - sum(len(batch.rows) for batch in batches))

    def _waiting(self) -> dict[int, list[Row]]:
        with self._ledger.view() as view:
            paused = locations.paused(view)
            return {
                key: [
                    row
                    for lane in (Lane.LIVE, Lane.BACKFILL)
                    for row in sales.waiting(view, key, lane, PLAN_ROWS, without=paused)
                ]
                for key in self._policies
            }


def _is_crowded(waiting: Mapping[int, Sequence[Row]]) -> bool:
    return any(
        sum(row.lane is Lane.BACKFILL for row in rows) >= PLAN_ROWS for rows in waiting.values()
    )


def _wanted(rows: Sequence[Row]) -> Wanted:
    stamps = sorted({row.transaction.created_at for row in rows})
    return Wanted(stamps[0], stamps[-1], stamps, lambda: _first_sums(rows))


def _first_sums(rows: Sequence[Row]) -> list[int]:
    """What the first one, two, three, ... rows of each of the next parts add up to."""
    parts = [part for batch in plan(rows) for part in batch.parts]
    return sorted(
        {total for part in parts for total in accumulate(r.transaction.amount for r in part.rows)}
    )
