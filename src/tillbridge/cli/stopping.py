"""Ctrl-C and SIGTERM for commands that do one job: they end after the request under way.

Ending in the middle of a request would leave its sales unconfirmed, perhaps for an hour.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from tillbridge.cli.options import say
from tillbridge.clock import Clock, SystemClock

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopper:
    """While the context is open, a signal asks to stop; a second one ends the process at once.

    Args:
        clock: its sleeps end when a signal comes.
    """

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._number: int | None = None

    def __call__(self) -> bool:
        """Whether to stop."""
        return self._number is not None

    @property
    def exit_code(self) -> int:
        """As a shell reports a process that this signal ended: 130 or 143."""
        return 128 + (self._number or 0)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def say_interrupted(self) -> int:
        """Say how it goes on; returns the exit code."""
        say("Interrupted; nothing is lost, and the same command goes on from here.")
        return self.exit_code

    def _take(self, number: int, _frame: FrameType | None) -> None:
        if self._number is not None:
            os._exit(128 + number)  # what was under way is settled by the next start
        self._number = number
        self._clock.interrupt()
        # Not print: the signal may have come in the middle of one.
        os.write(2, b"Stopping after the request under way; once more stops at once.\n")


def sleep_until_free(clock: Clock, wait_s: float, should_stop: Callable[[], bool]) -> bool:
    """Wait for the quota, in short sleeps; false if told to stop meanwhile."""
    until_s = clock.boot_s() + wait_s
    while clock.boot_s() < until_s:
        if should_stop():
            return False
        clock.sleep(min(1.0, until_s - clock.boot_s()))
    return True
