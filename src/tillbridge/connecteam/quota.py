"""How many requests Connecteam may be sent now. Pure; the ledger keeps the figures.

The limits belong to the customer's account and are shared with every other program of theirs.
They are learned from the headers x-ratelimit-{minute,day}-{limit,remaining,reset}; headers may be
missing, and a reset may lie in the past. A reset is told by Connecteam's clock: the answer's own
Date header says what that clock shows, so that a machine whose clock is wrong paces itself right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from tillbridge.days import epoch_ms

_LENGTH_MS = {"minute": 60_000, "day": 86_400_000}
_RESERVE = 1
"""Never the account's last request: another program may be taking it at this moment."""

_MARGIN_MS = 1000
"""Their clock and their Date header show whole seconds."""


class Purpose(Enum):
    """What a request is for; backfill gets a share, the others the whole."""

    LIVE = "live"
    BACKFILL = "backfill"


@dataclass(frozen=True, slots=True)
class Window:
    """One of the two limits, as it stands.

    Attributes:
        name: minute or day.
        limit: requests per window that the account has; None until a header or a setting says.
        remaining: as the last header said, less what was sent since; None if unknown.
        reset_ms: when the window ends, epoch milliseconds.
        spent: by this ledger since the window began.
        seen_ms: when a header was last seen.
    """

    name: str
    limit: int | None
    remaining: int | None
    reset_ms: int
    spent: int
    seen_ms: int | None = None

    def at(self, now_ms: int) -> "Window":
        """The window as of now: an ended one has begun anew."""
        length_ms = _LENGTH_MS[self.name]
        # A reset further ahead than the window is long comes from a clock that was set back.
        if now_ms < self.reset_ms <= now_ms + 2 * length_ms:
            return self
        return replace(self, remaining=None, reset_ms=now_ms + length_ms, spent=0)


@dataclass(frozen=True, slots=True)
class Shares:
    """What part of the limits this program may use.

    Attributes:
        quota: of each limit, 0 to 1.
        backfill: of that again, for backfill, on the day's limit.
        minute_limit, day_limit: serve while no header has been seen.
    """

    quota: float
    backfill: float
    minute_limit: int
    day_limit: int

    def limit_of(self, window: Window) -> int:
        default = self.minute_limit if window.name == "minute" else self.day_limit
        return window.limit if window.limit is not None else default


def start(now_ms: int) -> list[Window]:
    """The windows of a ledger that has never sent anything."""
    return [Window(name, None, None, now_ms + ms, 0) for name, ms in _LENGTH_MS.items()]


def wait_ms(windows: list[Window], shares: Shares, purpose: Purpose, now_ms: int) -> int:
    """Milliseconds until a request for this purpose may be sent; 0 if now."""
    return max((_window_wait(w.at(now_ms), shares, purpose, now_ms) for w in windows), default=0)


def _window_wait(window: Window, shares: Shares, purpose: Purpose, now_ms: int) -> int:
    share = shares.quota
    if purpose is Purpose.BACKFILL and window.name == "day":
        share *= shares.backfill
    allowed = max(1, int(shares.limit_of(window) * share))
    drained = window.remaining is not None and window.remaining <= _RESERVE
    if window.spent < allowed and not drained:
        return 0
    return window.reset_ms - now_ms


def spend(windows: list[Window], now_ms: int) -> list[Window]:
    """The windows after one more request was sent."""
    fresh = [window.at(now_ms) for window in windows]
    return [
        replace(
            window,
            spent=window.spent + 1,
            remaining=None if window.remaining is None else max(0, window.remaining - 1),
        )
        for window in fresh
    ]


def learn(windows: list[Window], headers: Mapping[str, str], now_ms: int) -> list[Window]:
    """The windows after an answer with these headers (absent ones change nothing)."""
    return [_learn_window(window.at(now_ms), headers, now_ms) for window in windows]


def _learn_window(window: Window, headers: Mapping[str, str], now_ms: int) -> Window:
    limit = _number(headers, f"x-ratelimit-{window.name}-limit")
    remaining = _number(headers, f"x-ratelimit-{window.name}-remaining")
    reset_s = _number(headers, f"x-ratelimit-{window.name}-reset")
    if limit is None and remaining is None and reset_s is None:
        return window
    if limit is None:
        limit = window.limit
    if reset_s is not None:
        left_ms = reset_s * 1000 - _their_now_ms(headers, now_ms)
        length_ms = _LENGTH_MS[window.name]
        if left_ms < 0:
            # The window that this answer speaks of is over; what remained of it is, too.
            return replace(window, limit=limit, seen_ms=now_ms)
        if left_ms <= length_ms:
            reset_ms = now_ms + left_ms + _MARGIN_MS
            # A slow answer moves the end by its delay; half a window more is another window.
            if reset_ms > window.reset_ms + length_ms // 2 and window.seen_ms is not None:
                window = replace(window, spent=1, remaining=None)
            window = replace(window, reset_ms=reset_ms)
    # An answer that overtook another must not give back what is spent.
    if remaining is not None and window.remaining is not None:
        remaining = min(remaining, window.remaining)
    elif remaining is None:
        remaining = window.remaining
    return replace(window, limit=limit, remaining=remaining, seen_ms=now_ms)


def _their_now_ms(headers: Mapping[str, str], now_ms: int) -> int:
    """What Connecteam's clock showed when it answered; our own time where it does not say."""
    try:
        told = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return now_ms
    aware: datetime = told if told.tzinfo else told.replace(tzinfo=UTC)
    return epoch_ms(aware)


def throttle(windows: list[Window], now_ms: int) -> list[Window]:
    """The windows after a 429: nobody tries before the reset.

    Where the headers name a drained window, that one; otherwise the minute, whose end is near.
    """
    fresh = [window.at(now_ms) for window in windows]
    if any(window.remaining == 0 for window in fresh):
        return fresh
    return [replace(window, remaining=0) if window.name == "minute" else window for window in fresh]


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(float(headers[name]))
    except (KeyError, ValueError, OverflowError):
        return None
