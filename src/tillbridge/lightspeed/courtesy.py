"""How many requests Lightspeed is sent at once, and when none: it publishes no limits.

Starts with what the configuration allows. An answer of 429 or 5xx halves that, good ones bring it
back one by one; and what one request was told about waiting holds for all of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from tillbridge.clock import Clock
from tillbridge.errors import TryLater

_GOOD_ANSWERS = 20
"""So many in a row allow one more request at once."""


class Courtesy:
    """One per client; safe for several threads.

    Args:
        most: requests at once, at best.
        clock: boot time, and the wait that Lightspeed asked for.
        longest_wait_s: a longer one is not waited for, but told.
    """

    def __init__(self, most: int, clock: Clock, longest_wait_s: float) -> None:
        self.allowed = self._most = most
        self._clock = clock
        self._longest_wait_s = longest_wait_s
        self._under_way = 0
        self._good = 0
        self._not_before_boot_s = 0.0
        self._changed = Condition()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and hold it.

        Raises:
            TryLater: Lightspeed asked for a longer pause than is waited for.
        """
        with self._changed:
            while self._under_way >= self.allowed:
                self._changed.wait()
            self._under_way += 1
        try:
            self._keep_away()
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def _keep_away(self) -> None:
        left_s = self._not_before_boot_s - self._clock.boot_s()
        if left_s > self._longest_wait_s:
            raise TryLater(
                f"Lightspeed asked to be left alone for {round(left_s)} more seconds.",
                "It is tried again by itself.",
                retry_after_s=left_s,
            )
        if left_s > 0:
            # Once and not in a loop: a service that is told to stop ends all sleeps early.
            self._clock.sleep(left_s)

    def note(self, *, trouble: bool, asked_s: float | None) -> None:
        """Learn from an answer.

        Args:
            trouble: a 429 or a 5xx; no answer at all says nothing about how busy the other is.
            asked_s: the pause in seconds that it asked for.
        """
        with self._changed:
            if not trouble:
                self._good += 1
                if self._good >= _GOOD_ANSWERS and self.allowed < self._most:
                    self.allowed, self._good = self.allowed + 1, 0
                    self._changed.notify_all()
                return
            self.allowed, self._good = max(1, self.allowed // 2), 0
            if asked_s is not None:
                until_s = self._clock.boot_s() + asked_s
                self._not_before_boot_s = max(self._not_before_boot_s, until_s)
