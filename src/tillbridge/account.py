"""The Connecteam account as the bridge uses it: every request passes the quota gate here.

The gate's figures live in the ledger, so that all processes on it share them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

from sqlalchemy import Connection

from tillbridge.clock import Clock
from tillbridge.connecteam import quota
from tillbridge.connecteam.client import ConnecteamClient, Deleted, NoEvidence, Totals
from tillbridge.connecteam.quota import Purpose, Shares, Window
from tillbridge.days import epoch_ms
from tillbridge.ledger import quotas
from tillbridge.ledger.parts import Moment
from tillbridge.ledger.store import Ledger

_LARGE_PLAN = 1000
"""Requests per day from which on a request more or less does not matter."""

_KEPT_BACK = 10
"""Requests of a small plan's day that are kept for readings, deletes and second tries."""


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
        mine = int(self.shares.limit_of(day) * self.shares.quota) - day.spent
        return mine if day.remaining is None else min(mine, day.remaining)

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

    def learn(
        self, commit: Connection, headers: Mapping[str, str], *, throttled: bool = False
    ) -> None:
        """Take over what an answer's headers say; after a 429 nobody tries before the reset."""
        now_ms = epoch_ms(self._clock.now())
        windows = quota.learn(self._load(commit, now_ms), headers, now_ms)
        self._save(commit, quota.throttle(windows, now_ms) if throttled else windows)

    def read_totals(
        self, currencies: Mapping[int, str], first: date, last: date
    ) -> Totals | NoEvidence:
        """Take a reading, if the quota has room for it."""
        if self.wait_s(Purpose.LIVE) > 0:
            self._unread = NoEvidence("the quota of the Connecteam account is used for now", {})
            return self._unread
        with self._ledger.commit() as commit:
            self.spend(commit)
        answer = self.client.totals(currencies, first, last)
        with self._ledger.commit() as commit:
            throttled = isinstance(answer, NoEvidence) and answer.throttled
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
        return [Window(**{_FIELDS.get(key, key): row[key] for key in row}) for row in stored]

    def _save(self, commit: Connection, windows: list[Window]) -> None:
        rows = [asdict(window) for window in windows]
        quotas.save(commit, [{_COLUMNS.get(key, key): row[key] for key in row} for row in rows])


_COLUMNS = {"name": "window"}
_FIELDS = {"window": "name"}
