"""How many requests Connecteam may be sent now. Pure; the ledger keeps the figures.

The limits belong to the customer's account and are shared with every other program of theirs.
They are learned from the headers x-ratelimit-{minute,day}-{limit,remaining,reset}; headers may be
missing, and a reset may lie in the past. A reset is told by Connecteam's clock: the answer's own
Date header says what that clock shows, so that a machine whose clock is wrong paces itself right.
As long as no header has told when a window ends, any window of its length is kept to the share:
wherever the vendor's begins, it then holds no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from tillbridge.days import epoch_ms

_LENGTH_MS = {"minute": 60_000, "day": 86_400_000}
_SLICE_MS = {"minute": 5_000, "day": 3_600_000}
"""How finely requests are remembered by time while no header tells when the window ends."""

_RESERVE = 1
"""Where others spend the same quota: never its last request, which one of them may be taking."""

_MARGIN_MS = 1000
"""Their clock and their Date header show whole seconds."""

_LONGEST_PAUSE_MS = 3_600_000
"""Between two tries while one 429 follows another and no header says until when."""

_LARGE_MINUTE = 50
"""Requests a minute of which one can be spared for live sales, for less than 2 %."""


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
        reset_ms: when the window ends, epoch milliseconds; a guess while `told_s` is None.
        spent: by this ledger since the window began.
        seen_ms: when a header was last seen.
        told_s: the end as Connecteam stamped it, by its own clock; None if it has not.
        others: requests of this window that headers showed and this ledger did not send.
        pause_ms: after a 429, nobody tries before this moment, epoch milliseconds.
        refused: how many answers in a row were a 429.
        recent: [slice of time, requests] while `told_s` is None, oldest first.
    """

    name: str
    limit: int | None
    remaining: int | None
    reset_ms: int
    spent: int
    seen_ms: int | None = None
    told_s: int | None = None
    others: int = 0
    pause_ms: int = 0
    refused: int = 0
    recent: Sequence[Sequence[int]] = ()

    def at(self, now_ms: int) -> "Window":
        """The window as of now: an ended one has begun anew."""
        length_ms = _LENGTH_MS[self.name]
        # A reset further ahead than the window is long comes from a clock that was set back.
        # What was sent in a window whose end is known went with it; `recent` outlasts a guess.
        if now_ms < self.reset_ms <= now_ms + 2 * length_ms:
            return self
        return replace(
            self, remaining=None, reset_ms=now_ms + length_ms, spent=0, told_s=None, others=0
        )

    def used(self, now_ms: int) -> int:
        """Requests of this ledger that the vendor may be counting against the limit now."""
        if self.told_s is not None:
            return self.spent
        return sum(count for _, count in self._counting(now_ms))

    def _counting(self, now_ms: int) -> list[Sequence[int]]:
        """The slices of time that a window of the vendor's could still hold."""
        slice_ms = _SLICE_MS[self.name]
        first, last = (now_ms - _LENGTH_MS[self.name]) // slice_ms, now_ms // slice_ms
        return [one for one in self.recent if first <= one[0] <= last]

    def free_ms(self, allowed: int, now_ms: int) -> int:
        """Milliseconds until fewer than `allowed` requests count; 0 if that is so now."""
        used = self.used(now_ms)
        if used < allowed:
            return 0
        if self.told_s is not None:
            return self.reset_ms - now_ms
        for slice_, count in self._counting(now_ms):
            used -= count
            if used < allowed:
                return (slice_ + 1) * _SLICE_MS[self.name] + _LENGTH_MS[self.name] - now_ms
        return self.reset_ms - now_ms


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

    def allowed(self, window: Window, purpose: Purpose) -> int:
        """Requests that may be sent for a purpose in a whole window; a share is never nothing."""
        share = self.quota
        if purpose is Purpose.BACKFILL and window.name == "day":
            share *= self.backfill
        # Round first: 0.7 of 10 is 7, whatever binary fractions make of it.
        allowed = max(1, int(round(self.limit_of(window) * share, 6)))
        if purpose is Purpose.BACKFILL and window.name == "minute" and allowed >= _LARGE_MINUTE:
            allowed -= 1  # one for a live sale that closes meanwhile
        return allowed


def start(now_ms: int) -> list[Window]:
    """The windows of a ledger that has never sent anything."""
    return [Window(name, None, None, now_ms + ms, 0) for name, ms in _LENGTH_MS.items()]


def wait_ms(windows: list[Window], shares: Shares, purpose: Purpose, now_ms: int) -> int:
    """Milliseconds until a request for this purpose may be sent; 0 if now."""
    return max((_window_wait(w.at(now_ms), shares, purpose, now_ms) for w in windows), default=0)


def _window_wait(window: Window, shares: Shares, purpose: Purpose, now_ms: int) -> int:
    wait_ms = window.free_ms(shares.allowed(window, purpose), now_ms)
    kept_back = _RESERVE if window.others else 0
    if window.remaining is not None and window.remaining <= kept_back:
        wait_ms = max(wait_ms, window.reset_ms - now_ms)
    # A pause further ahead than any comes from a clock that was set back.
    if now_ms < window.pause_ms <= now_ms + 2 * _LENGTH_MS["day"]:
        wait_ms = max(wait_ms, window.pause_ms - now_ms)
    return wait_ms


def spend(windows: list[Window], now_ms: int) -> list[Window]:
    """The windows after one more request was sent."""
    return [_spend_one(window.at(now_ms), now_ms) for window in windows]


def _spend_one(window: Window, now_ms: int) -> Window:
    left = None if window.remaining is None else max(0, window.remaining - 1)
    recent = window.recent if window.told_s is not None else _with_one(window, now_ms)
    return replace(window, spent=window.spent + 1, remaining=left, recent=recent)


def _with_one(window: Window, now_ms: int) -> list[Sequence[int]]:
    length_ms, slice_ms = _LENGTH_MS[window.name], _SLICE_MS[window.name]
    now_slice, first = now_ms // slice_ms, (now_ms - length_ms) // slice_ms
    kept = [one for one in window.recent if first <= one[0] <= now_slice]
    if kept and kept[-1][0] == now_slice:
        return [*kept[:-1], [now_slice, kept[-1][1] + 1]]
    return [*kept, [now_slice, 1]]


def learn(windows: list[Window], headers: Mapping[str, str], now_ms: int) -> list[Window]:
    """The windows after an answer with these headers (absent ones change nothing)."""
    return [_learn_window(window.at(now_ms), headers, now_ms) for window in windows]


def _learn_window(window: Window, headers: Mapping[str, str], now_ms: int) -> Window:
    limit = _number(headers, f"x-ratelimit-{window.name}-limit")
    remaining = _number(headers, f"x-ratelimit-{window.name}-remaining")
    reset_s = _number(headers, f"x-ratelimit-{window.name}-reset")
    if limit is None and remaining is None and reset_s is None:
        return window
    limit = limit or window.limit
    said: dict[str, Any] = {"limit": limit, "seen_ms": now_ms}
    spent, others, left = window.spent, window.others, window.remaining
    if reset_s is not None:
        left_ms = reset_s * 1000 - _their_now_ms(headers, now_ms)
        if left_ms < 0 or (window.told_s is not None and reset_s < window.told_s - 1):
            # The window that this answer speaks of is over; what remained of it is, too.
            return replace(window, **said)
        if left_ms <= _LENGTH_MS[window.name] + 2 * _MARGIN_MS:
            if _is_another(window, reset_s, remaining):
                # Of what has been sent in the one that has begun there, at most this is ours.
                used = 1 if remaining is None or limit is None else limit - remaining
                spent, others, left = max(1, min(spent, used)), 0, None
            said |= {"reset_ms": now_ms + left_ms + _MARGIN_MS, "told_s": reset_s, "recent": ()}
    if remaining is not None:
        if limit is not None:
            others = max(others, limit - remaining - spent)
        # An answer that overtook another must not give back what is spent.
        left = max(0, remaining if left is None else min(remaining, left))
    return replace(window, **said, spent=spent, others=others, remaining=left)


def _is_another(window: Window, reset_s: int, remaining: int | None) -> bool:
    """Whether an answer speaks of a later window than the one known.

    Its stamp is later, and more remains than did: a stamp alone may be off by the time that an
    answer took.
    """
    if window.told_s is None or reset_s <= window.told_s + 1:
        return False
    return remaining is None or window.remaining is None or remaining > window.remaining


def _their_now_ms(headers: Mapping[str, str], now_ms: int) -> int:
    """What Connecteam's clock showed when it answered; our own time where it does not say."""
    try:
        told = parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError):
        return now_ms
    aware: datetime = told if told.tzinfo else told.replace(tzinfo=UTC)
    return epoch_ms(aware)


def answered(windows: list[Window]) -> list[Window]:
    """The windows after an answer that was no 429."""
    return [replace(w, refused=0) if w.refused else w for w in windows]


def throttle(windows: list[Window], now_ms: int) -> list[Window]:
    """The windows after a 429: nobody tries before the reset.

    Where the headers name a drained window, that one; otherwise the minute, whose end is near,
    and, as long as one 429 follows another, twice as long each time: it may be the day that is
    used up.
    """
    fresh = [window.at(now_ms) for window in windows]
    if any(window.remaining == 0 for window in fresh):
        return fresh
    return [_pause(window, now_ms) if window.name == "minute" else window for window in fresh]


def _pause(minute: Window, now_ms: int) -> Window:
    longer_ms = _LENGTH_MS["minute"] << min(minute.refused, 10)
    until_ms = minute.reset_ms
    if minute.refused or minute.told_s is None:
        until_ms = now_ms + min(longer_ms, _LONGEST_PAUSE_MS)
    return replace(minute, pause_ms=max(minute.pause_ms, until_ms), refused=minute.refused + 1)


def is_throttle(reason: str) -> bool:
    """Whether an answer says in words what a 429 says: it has been seen with status 200."""
    return "too many requests" in reason.casefold()


def _number(headers: Mapping[str, str], name: str) -> int | None:
    try:
        return int(float(headers[name]))
    except (KeyError, ValueError, OverflowError):
        return None
