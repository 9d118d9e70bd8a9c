"""The names of what may lie between two figures. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class CauseName(StrEnum):
    """Why two figures differ. The sentences are in docs/reconcile.md."""

    WAITING = "waiting"
    LATE = "late"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    HELD = "held"
    QUARANTINED = "quarantined"
    SKIPPED = "skipped"
    DROPPED = "dropped"
    REMOVED = "removed"
    RULES = "rules"
    AMENDED = "amended"
    VANISHED = "vanished"
    DAY_OPEN = "day_open"
    AFTER_MIDNIGHT = "after_midnight"
    NOT_SHOWN_YET = "not_shown_yet"
    FOREIGN = "foreign"
    MISSING = "missing"
    DOUBLED = "doubled"
    NOT_IN_LEDGER = "not_in_ledger"
    TOTALS_DIFFER = "totals_differ"
    UNEXPLAINED = "unexplained"


IN_PROGRESS = frozenset(
    {
        CauseName.WAITING,
        CauseName.LATE,
        CauseName.SENDING,
        CauseName.IN_DOUBT,
        CauseName.AMENDED,
        CauseName.DAY_OPEN,
        CauseName.NOT_SHOWN_YET,
    }
)
"""These end by themselves."""

AS_INTENDED = frozenset(
    {
        CauseName.SKIPPED,
        CauseName.DROPPED,
        CauseName.REMOVED,
        CauseName.RULES,
        CauseName.AFTER_MIDNIGHT,
        CauseName.FOREIGN,
        CauseName.TOTALS_DIFFER,
    }
)
"""These are right as they are: decided by the configuration, by a person, or by the calendar.

An amount that is not tillbridge's is `foreign` only where others may write; elsewhere it is
`doubled` or `unexplained`.
"""


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of a difference.

    Attributes:
        name: why.
        amount: minor units, signed: what it adds to Connecteam's figure against Lightspeed's.
        sales: how many sales it is about, as far as that is known.
        detail: for a person; empty where the name says it all.
    """

    name: CauseName
    amount: int
    sales: int = 0
    detail: str = ""

    @property
    def needs_look(self) -> bool:
        """Whether this is neither work in progress nor as intended."""
        return self.name not in IN_PROGRESS | AS_INTENDED
