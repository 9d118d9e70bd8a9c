"""The states of a sale and of a part, one sentence each. The diagram: docs/exactly-once.md."""

from enum import StrEnum


class SaleState(StrEnum):
    """Where a sale stands. Every sale seen is in exactly one of these, so the counts add up."""

    WAITING = "waiting"
    """It will go out with one of the next requests."""
    SENDING = "sending"
    """It is in a request whose answer has not been recorded yet."""
    POSTED = "posted"
    """Connecteam holds exactly one transaction for it."""
    IN_DOUBT = "in_doubt"
    """It was in a request whose outcome is unknown; totals will decide."""
    HELD = "held"
    """Only a person can decide what became of it."""
    QUARANTINED = "quarantined"
    """It cannot be sent as it is; the reason is kept with it."""
    SKIPPED = "skipped"
    """The configuration leaves it out."""
    DROPPED = "dropped"
    """A person gave it up."""
    REMOVED = "removed"
    """It was taken back out of Connecteam."""


UNSENT = frozenset({SaleState.WAITING, SaleState.QUARANTINED, SaleState.SKIPPED, SaleState.DROPPED})
"""In these nothing of a sale is at Connecteam, so that its content can simply be replaced."""


class PartState(StrEnum):
    """Where the rows of one request at one Connecteam location stand."""

    SENDING = "sending"
    """Committed before the first byte leaves; found at start-up, it is a doubt."""
    POSTED = "posted"
    """Accepted, or decided as landed."""
    REFUSED = "refused"
    """Connecteam wrote nothing and said why."""
    NOT_SENT = "not_sent"
    """No connection was made; its rows wait again."""
    DOUBT = "doubt"
    """The outcome is unknown."""
    ABANDONED = "abandoned"
    """Decided as not landed; its rows wait again, its sum is remembered."""
    HELD = "held"
    """Only a person can decide."""
    REPLACED = "replaced"
    """Its window was deleted and its rows are sent anew."""


class Lane(StrEnum):
    """Why a sale was read; live sales go first."""

    LIVE = "live"
    BACKFILL = "backfill"


OPEN_PART_STATES = (PartState.SENDING, PartState.DOUBT)
"""A part in one of these keeps its Connecteam location from being written to."""
