"""Alarms: what only a person can put right, said once per cause, with the remedy.

This module knows what stands now, and writes it to the log. Who is told, and when again, is
decided in `announce`; what was told before a restart is in the ledger (`ledger/alarmed`).
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from tillbridge.log import get_logger

_log = get_logger("tillbridge.alarms")


class Level(StrEnum):
    """How soon somebody must look."""

    WARNING = "warning"
    """Somebody must look, and tomorrow will do."""
    CRITICAL = "critical"
    """Sales do not arrive until somebody acts."""


class Alarm(Struct, frozen=True):
    """One thing that needs a person.

    Attributes:
        cause: a stable key such as `posting_stopped:123`.
        level: how soon.
        sentence: what happened.
        remedy: what a person can do.
    """

    cause: str
    level: Level
    sentence: str
    remedy: str


_CRITICAL = ("posting_stopped", "lightspeed_credentials", "connecteam_credentials",
             "delete_refused")  # fmt: skip


def level_of(cause: str) -> Level:
    """Critical is what keeps sales from arriving; the rest can wait for the morning."""
    return Level.CRITICAL if cause.partition(":")[0] in _CRITICAL else Level.WARNING


class Alarms:
    """Remembers what stands, so that a night has one alarm per cause.

    Args:
        known: what stood when the process before this one ended; it is not said again.
    """

    def __init__(self, known: Iterable[Alarm] = ()) -> None:
        self._raised = {alarm.cause: alarm for alarm in known}

    def recall(self, known: Iterable[Alarm]) -> None:
        """Begin with what stands now by the book: another process may have told and ended alarms
        while this one waited for its turn.
        """
        self._raised = {alarm.cause: alarm for alarm in known}

    @property
    def standing(self) -> dict[str, Alarm]:
        """The alarms that stand, by cause."""
        return dict(self._raised)

    @property
    def raised(self) -> dict[str, str]:
        """Sentences of the alarms that stand, by cause."""
        return {
            cause: f"{alarm.sentence} {alarm.remedy}".strip()
            for cause, alarm in self._raised.items()
        }

    def raise_(self, cause: str, sentence: str, remedy: str, level: Level | None = None) -> None:
        """Say it, unless this cause stands already.

        Args:
            cause: a stable key such as `posting_stopped:123`.
            sentence: what happened.
            remedy: what a person can do.
            level: how soon; follows from the cause if left out.
        """
        level = level or level_of(cause)
        before = self._raised.get(cause)
        self._raised[cause] = Alarm(cause, level, sentence, remedy)
        if before is not None and before.level == level:
            return  # its words may have changed; the next reminder says the new ones
        say = _log.critical if level is Level.CRITICAL else _log.warning
        say("alarm", cause=cause, sentence=sentence, remedy=remedy)

    def resolve(self, cause: str) -> None:
        """Say that the cause is gone, if it had been raised."""
        if self._raised.pop(cause, None) is not None:
            _log.info("alarm_resolved", cause=cause)
