"""The Connecteam account as the bridge uses it: every request passes the quota gate here.

The gate's figures live in the ledger, so that all processes on it share them.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from sqlalchemy import Connection

from tillbridge.clock import Clock
from tillbridge.connecteam import quota
from tillbridge.connecteam.client import ConnecteamClient, Deleted, NoEvidence, Totals
from tillbridge.connecteam.quota import Purpose, Shares, Window
from tillbridge.days import epoch_ms
from tillbridge.ledger import quotas
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger

_log = get_logger("tillbridge.account")

_LARGE_PLAN = 1000
"""Requests per day from which on a request more or less does not matter."""

_KEPT_BACK = 10
"""Requests of a small plan's day that are kept for readings, deletes and second tries."""

_OTHERS_WORTH_SAYING = 5
"""Requests of other programs in a day; fewer may be our own of before the ledger began."""


class Account:
    """One per process.

    Args:
        ledger: keeps the figures.
        client: sends the requests.
        clock: both times.
        shares: how much of the limits may be used.
    """

    def __init__(
        self, ledger: Ledger, client: ConnecteamClient, clock: Clock, shares: Shares
    ) -> None:
        self._ledger = ledger
        self.client = client
        self._clock = clock
        self.shares = shares
        self._unread: NoEvidence | None = None

    def moment(self) -> Moment:
        """Now, in wall time and boot time."""
        return Moment(epoch_ms(self._clock.now()), self._clock.boot_s(), self._clock.boot_id)

    def wait_s(self, purpose: Purpose) -> float:
        """Seconds until a request for this purpose may be sent; 0 if now."""
        now_ms = epoch_ms(self._clock.now())
        with self._ledger.view() as view:
            windows = self._load(view, now_ms)
        return quota.wait_ms(windows, self.shares, purpose, now_ms) / 1000

    def windows(self) -> list[Window]:
        """The figures as of now, for people."""
        now_ms = epoch_ms(self._clock.now())
        with self._ledger.view() as view:
            return [window.at(now_ms) for window in self._load(view, now_ms)]

    def left_today(self) -> int:
        """Requests that this program may still send in the present day's window."""
        day = next(window for window in self.windows() if window.name == "day")
        now_ms = epoch_ms(self._clock.now())
        mine = self.shares.allowed(day, Purpose.LIVE) - day.used(now_ms)
        return mine if day.remaining is None else min(mine, day.remaining)

    def day_share(self) -> int:
        """Requests that this program may send in a whole day."""
        day = next(window for window in self.windows() if window.name == "day")
        return self.shares.allowed(day, Purpose.LIVE)

    def useful_wait_s(self) -> float:
        """How long sales should wait for company: not at all on the larger plans; on the smallest
        so long that the rest of the day's requests lasts for the rest of the day.
        """
        day = next(window for window in self.windows() if window.name == "day")
        if self.shares.limit_of(day) >= _LARGE_PLAN:
            return 0.0
        rest_s = (day.reset_ms - epoch_ms(self._clock.now())) / 1000
        return max(0.0, rest_s) / max(1, self.left_today() - _KEPT_BACK)

    def spend(self, commit: Connection) -> None:
        """Count a request that is about to be sent."""
        now_ms = epoch_ms(self._clock.now())
        self._save(commit, quota.spend(self._load(commit, now_ms), now_ms))

    def take(self, commit: Connection, purpose: Purpose) -> bool:
        """Count a request that is about to be sent, if it may be: in one commit, so that two
        processes cannot both take the last one.
        """
        now_ms = epoch_ms(self._clock.now())
        windows = self._load(commit, now_ms)
        if quota.wait_ms(windows, self.shares, purpose, now_ms) > 0:
            return False
        self._save(commit, quota.spend(windows, now_ms))
        return True

    def learn(
        self, commit: Connection, headers: Mapping[str, str], *, throttled: bool = False
    ) -> None:
        """Take over what an answer's headers say; after a 429 nobody tries before the reset."""
        now_ms = epoch_ms(self._clock.now())
        before = self._load(commit, now_ms)
        windows = quota.learn(before, headers, now_ms)
        _say_others(before, windows)
        windows = quota.throttle(windows, now_ms) if throttled else quota.answered(windows)
        if windows != before:
            self._save(commit, windows)

    def read_totals(
        self, currencies: Mapping[int, str], first: date, last: date
    ) -> Totals | NoEvidence:
        """Take a reading, if the quota has room for it."""
        with self._ledger.commit() as commit:
            may = self.take(commit, Purpose.LIVE)
        if not may:
            self._unread = NoEvidence("the quota of the Connecteam account is used for now", {})
            return self._unread
        answer = self.client.totals(currencies, first, last)
        with self._ledger.commit() as commit:
            throttled = isinstance(answer, NoEvidence) and (
                answer.throttled or quota.is_throttle(answer.reason)
            )
            self.learn(commit, answer.headers, throttled=throttled)
        self._unread = answer if isinstance(answer, NoEvidence) else None
        return answer

    def take_unread(self) -> NoEvidence | None:
        """Why the latest reading failed, if it did; told once."""
        unread, self._unread = self._unread, None
        return unread

    def note_deleted(self, commit: Connection, answer: Deleted) -> None:
        """Take over what the answer to a delete says about the quota."""
        self.learn(commit, answer.headers, throttled=answer.status == 429)

    def _load(self, view: Connection, now_ms: int) -> list[Window]:
        stored = quotas.load(view)
        if not stored:
            return quota.start(now_ms)
        return [_window(row) for row in stored]

    def _save(self, commit: Connection, windows: list[Window]) -> None:
        rows = [{_COLUMNS.get(n, n): getattr(window, n) for n in _NAMES} for window in windows]
        quotas.save(commit, rows)


def _say_others(before: list[Window], after: list[Window]) -> None:
    """Once a day: who else spends the quota is worth knowing before it runs short."""
    known = {window.name: window.others for window in before}
    for window in after:
        if window.name == "day" and known.get("day", 0) < _OTHERS_WORTH_SAYING <= window.others:
            _log.warning(
                "quota_shared", requests=window.others, of=window.limit,
                note="Another program spends the same Connecteam quota; see quota_share.",
            )  # fmt: skip


def _window(row: Mapping[str, Any]) -> Window:
    facts = {_FIELDS.get(key, key): row[key] for key in row}
    return Window(**{**facts, "recent": row["recent"] or ()})


_NAMES = tuple(field.name for field in fields(Window))
_COLUMNS = {"name": "window"}
_FIELDS = {"window": "name"}
