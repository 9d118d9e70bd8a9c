"""Alarms: what only a person can put right, said once per cause, with the remedy.

An alarm is one structured event of level critical. It is raised again only after it was resolved
or the process started anew.
"""

from tillbridge.log import get_logger

_log = get_logger("tillbridge.alarms")


class Alarms:
    """Remembers what has been raised, so that a night has one alarm per cause."""

    def __init__(self) -> None:
        self._raised: dict[str, str] = {}

    @property
    def raised(self) -> dict[str, str]:
        """Sentences of the alarms that stand, by cause."""
        return dict(self._raised)

    def raise_(self, cause: str, sentence: str, remedy: str) -> None:
        """Say it, unless this cause stands already.

        Args:
            cause: a stable key such as `posting_stopped:123`.
            sentence: what happened.
            remedy: what a person can do.
        """
        if cause in self._raised:
            return
        self._raised[cause] = f"{sentence} {remedy}".strip()
        _log.critical("alarm", cause=cause, sentence=sentence, remedy=remedy)

    def resolve(self, cause: str) -> None:
        """Say that the cause is gone, if it had been raised."""
        if self._raised.pop(cause, None) is not None:
            _log.info("alarm_resolved", cause=cause)
