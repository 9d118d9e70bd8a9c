"""Once a day: forget what may be forgotten, and give the disk back what is not used any more.

It runs between passes, in short commits, and goes on with the next pass where it was. It must
never take a sale or a part away, and never hurt a pass: what fails is tried again the next day.
"""

from collections.abc import Callable

from sqlalchemy import Connection

from tillbridge.clock import Clock
from tillbridge.days import epoch_ms
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import upkeep
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.upkeep import Retention
from tillbridge.log import get_logger

_log = get_logger("tillbridge.housekeeping")

EVERY_S = 86_400.0
MOST_COMMITS = 25
"""Of one step: at most 50,000 rows, some seconds on a slow disk."""

_FREE_PAGES = 2000


class Housekeeper:
    """Keeps the ledger from growing with what nobody needs.

    Args:
        ledger: open.
        retention: how long what is kept.
        clock: the wall clock says what is old, boot time when a day has passed.
    """

    def __init__(self, ledger: Ledger, retention: Retention, clock: Clock) -> None:
        self._ledger = ledger
        self._retention = retention
        self._clock = clock
        self._due_boot_s = clock.boot_s()

    def step(self) -> int:
        """Do what is due; nothing most of the time.

        Returns:
            How many rows were taken away.
        """
        if self._clock.boot_s() < self._due_boot_s:
            return 0
        try:
            gone, is_done = self._forget()
            if is_done:
                self._ledger.compact(_FREE_PAGES)
                self._due_boot_s = self._clock.boot_s() + EVERY_S
        except TillbridgeError as error:
            _log.warning("housekeeping_failed", reason=error.message)
            self._due_boot_s = self._clock.boot_s() + EVERY_S
            return 0
        if gone:
            _log.info("housekeeping_done", rows=gone, finished=is_done)
        return gone

    def _forget(self) -> tuple[int, bool]:
        """How many rows went, and whether that was all."""
        now_ms = epoch_ms(self._clock.now())
        kept = self._retention
        tasks: list[tuple[Callable[[Connection, int], int], float]] = [
            (upkeep.forget_events, kept.events_s),
            (upkeep.forget_readings, kept.readings_s),
            (upkeep.forget_payloads, kept.payloads_s),
        ]
        gone = commits = 0
        for forget, keep_s in tasks:
            before_ms = now_ms - round(keep_s * 1000)
            while True:
                with self._ledger.commit() as commit:
                    count = forget(commit, before_ms)
                gone += count
                commits += 1
                if commits >= MOST_COMMITS:
                    return gone, False
                if count == 0:
                    break
        return gone, True
