"""What Connecteam's double holds: transactions, and the totals of days that follow them with lag.

All amounts are exact decimals, as they stood in the JSON. Must know nothing of HTTP.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from threading import RLock
from uuid import UUID

from tillbridge.sandbox.amounts import Row, Totals


@dataclass(frozen=True, slots=True)
class Transaction:
    transaction_id: str
    row: Row


@dataclass(slots=True)
class Account:
    """A location as Connecteam knows it."""

    location_id: int
    name: str
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class DayTotal:
    """One entry of the daily totals; None where there is nothing of that kind."""

    location_id: int
    day: date
    total: Decimal | None
    projected: Decimal | None


@dataclass(frozen=True, slots=True)
class _Change:
    shown_at_s: float
    location_id: int
    day: date
    amount: Decimal
    rows: int


class Books:
    """Everything that one Connecteam account holds.

    Args:
        accounts: the locations that exist from the start.
        zone: the zone whose calendar days the totals follow.
        lag_s: how long a write takes to show in the totals.
        boot_s: seconds on a clock that never steps back.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        *,
        zone: tzinfo,
        lag_s: float,
        boot_s: Callable[[], float],
    ) -> None:
        self._accounts = {account.location_id: account for account in accounts}
        self._zone = zone
        self._lag_s = lag_s
        self._boot_s = boot_s
        self._lock = RLock()
        self._numbers = itertools.count(1)
        self._transactions: dict[str, Transaction] = {}
        self._days: dict[tuple[int, date], tuple[Decimal, int]] = {}
        self._projected: dict[tuple[int, date], Decimal] = {}
        self._hidden: deque[_Change] = deque()

    def accounts(self) -> list[Account]:
        with self._lock:
            return list(self._accounts.values())

    def open_account(self, name: str, *, is_active: bool) -> Account:
        with self._lock:
            account = Account(max(self._accounts, default=0) + 1, name, is_active)
            self._accounts[account.location_id] = account
            return account

    def rename(self, location_id: int, name: str) -> None:
        """As somebody does in Connecteam's own settings; the API cannot."""
        with self._lock:
            was = self._accounts[location_id]
            self._accounts[location_id] = Account(location_id, name, was.is_active)

    def unknown(self, location_ids: Iterable[int]) -> list[int]:
        """Those of the ids that no location has, in order."""
        with self._lock:
            return sorted(set(location_ids) - set(self._accounts))

    def post(self, rows: Sequence[Row]) -> list[Transaction]:
        """All rows or, by an exception, none; in the order given."""
        with self._lock:
            made = [Transaction(self._next_id(), row) for row in rows]
            for transaction in made:
                self._transactions[transaction.transaction_id] = transaction
                self._remember(transaction.row, 1)
            return made

    def delete(self, transaction_id: str) -> bool:
        """Whether there was such a transaction."""
        with self._lock:
            gone = self._transactions.pop(transaction_id, None)
            if gone is not None:
                self._remember(gone.row, -1)
            return gone is not None

    def delete_period(self, location_id: int, start_s: int, end_s: int, *, hold_end: bool) -> int:
        """Remove all that a location has from `start_s` on to `end_s`; returns how many."""
        with self._lock:
            last_s = end_s if hold_end else end_s - 1
            inside = [
                key
                for key, held in self._transactions.items()
                if held.row.location_id == location_id and start_s <= held.row.created_at <= last_s
            ]
            for key in inside:
                self.delete(key)
            return len(inside)

    def project(self, location_id: int, day: date, amount: Decimal) -> None:
        with self._lock:
            self._projected[location_id, day] = amount

    def day_totals(self, first: date, last: date, location_ids: Sequence[int]) -> list[DayTotal]:
        """The entries of a span of days; days without data are absent."""
        with self._lock:
            self._show_what_is_due()
            keys = {*self._days, *self._projected}
            return [
                DayTotal(
                    location_id,
                    day,
                    self._days.get((location_id, day), (None, 0))[0],
                    self._projected.get((location_id, day)),
                )
                for location_id, day in sorted(keys)
                if first <= day <= last and location_id in location_ids
            ]

    def transactions(self, location_id: int) -> list[Transaction]:
        with self._lock:
            return [
                held for held in self._transactions.values() if held.row.location_id == location_id
            ]

    def totals(self, location_id: int) -> Totals:
        """What is really held, without any lag."""
        total = Totals()
        for held in self.transactions(location_id):
            total = total.plus(held.row)
        return total

    def _next_id(self) -> str:
        # Shaped like the vendor's, and counted, so that a run can be repeated.
        return str(UUID(int=next(self._numbers) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))

    def _remember(self, row: Row, sign: int) -> None:
        self._show_what_is_due()
        day = datetime.fromtimestamp(row.created_at, self._zone).date()
        shown_at_s = self._boot_s() + self._lag_s
        self._hidden.append(_Change(shown_at_s, row.location_id, day, sign * row.amount, sign))

    def _show_what_is_due(self) -> None:
        now_s = self._boot_s()
        while self._hidden and self._hidden[0].shown_at_s <= now_s:
            change = self._hidden.popleft()
            key = (change.location_id, change.day)
            total, rows = self._days.pop(key, (Decimal(0), 0))
            if rows + change.rows:
                self._days[key] = (total + change.amount, rows + change.rows)
