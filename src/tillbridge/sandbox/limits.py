"""Connecteam's rate limit: requests per minute and per day, shared by the whole account.

Windows are fixed: a minute of the clock, a day of UTC. A refused request costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

_MINUTE_S: Final = 60
_DAY_S: Final = 86_400


@dataclass(slots=True)
class _Window:
    length_s: int
    limit: int
    number: int = -1
    used: int = 0

    def turn(self, now_s: float) -> None:
        number = int(now_s // self.length_s)
        if number != self.number:
            self.number, self.used = number, 0

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def reset_s(self) -> int:
        return (self.number + 1) * self.length_s


@dataclass(slots=True)
class Limits:
    """Counts the requests of one account.

    Attributes:
        minute, day: the limits; None where the plan has none.
        epoch_s: wall time in seconds since the epoch.
    """

    plan: tuple[int, int] | None
    epoch_s: Callable[[], float]
    _lock: Lock = field(default_factory=Lock)
    _windows: dict[str, _Window] = field(init=False)

    def __post_init__(self) -> None:
        self._windows = {}
        if self.plan is not None:
            minute, day = self.plan
            self._windows = {"minute": _Window(_MINUTE_S, minute), "day": _Window(_DAY_S, day)}

    def admit(self) -> tuple[bool, dict[str, str]]:
        """Whether a request may pass, and the headers that tell how many more may."""
        now_s = self.epoch_s()
        with self._lock:
            for window in self._windows.values():
                window.turn(now_s)
            passes = all(window.remaining for window in self._windows.values())
            headers: dict[str, str] = {}
            for name, window in self._windows.items():
                window.used += passes
                headers[f"x-ratelimit-{name}-limit"] = str(window.limit)
                headers[f"x-ratelimit-{name}-remaining"] = str(window.remaining)
                headers[f"x-ratelimit-{name}-reset"] = str(window.reset_s)
        return passes, headers
