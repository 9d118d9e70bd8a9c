"""Is a business day final? open -> closing -> closed -> reopened, with the reason. Pure."""

from enum import StrEnum

from tillbridge.reconcile.causes import Cause, CauseName
from tillbridge.reconcile.figures import DayFigures


class DayState(StrEnum):
    """Where a business day of a location stands, one sentence each."""

    OPEN = "open"
    """Lightspeed expects more sales."""
    CLOSING = "closing"
    """It has ended, and not all of it is right at Connecteam yet."""
    CLOSED = "closed"
    """All figures agree, or differ only as intended."""
    REOPENED = "reopened"
    """It was closed, and differs again; the reason says why."""


WORDS = {
    CauseName.WAITING: "not yet posted",
    CauseName.LATE: "late since the last read",
    CauseName.SENDING: "in a request under way",
    CauseName.IN_DOUBT: "in doubt",
    CauseName.HELD: "held for a person",
    CauseName.QUARANTINED: "set aside",
    CauseName.SKIPPED: "left out by the configuration",
    CauseName.DROPPED: "given up by a person",
    CauseName.REMOVED: "taken out again",
    CauseName.RULES: "added or left out by the rules",
    CauseName.AMENDED: "amended, still to be corrected",
    CauseName.VANISHED: "no longer at Lightspeed",
    CauseName.DAY_OPEN: "day still open",
    CauseName.AFTER_MIDNIGHT: "closed after midnight",
    CauseName.NOT_SHOWN_YET: "not in the totals yet",
    CauseName.FOREIGN: "others' sales",
    CauseName.MISSING: "missing in Connecteam",
    CauseName.DOUBLED: "there twice",
    CauseName.NOT_IN_LEDGER: "there, but not in the ledger",
    CauseName.TOTALS_DIFFER: "shown otherwise by Connecteam",
    CauseName.UNEXPLAINED: "unexplained",
}
"""What people read for each cause."""


def next_state(before: DayState | None, figures: DayFigures) -> tuple[DayState, str]:
    """The state of a day after it was compared, and why it is not closed.

    A day whose figures could not all be read keeps its state.
    """
    if figures.lightspeed is None or figures.connecteam is None:
        return before or DayState.OPEN, "not all figures could be read"
    if not figures.complete and before not in (DayState.CLOSED, DayState.REOPENED):
        return DayState.OPEN, WORDS[CauseName.DAY_OPEN]
    why = [_said(cause) for cause in figures.causes if _keeps_open(cause)]
    if not why:
        return DayState.CLOSED, ""
    again = before in (DayState.CLOSED, DayState.REOPENED)
    return DayState.REOPENED if again else DayState.CLOSING, "; ".join(why)


def _keeps_open(cause: Cause) -> bool:
    return cause.needs_look or cause.name in (
        CauseName.WAITING,
        CauseName.LATE,
        CauseName.SENDING,
        CauseName.IN_DOUBT,
        CauseName.AMENDED,
        CauseName.NOT_SHOWN_YET,
    )


def _said(cause: Cause) -> str:
    if not cause.sales:
        return WORDS[cause.name]
    noun = "sale" if cause.sales == 1 else "sales"
    return f"{cause.sales} {noun} {WORDS[cause.name]}"
