"""Projected sales at Connecteam: set and shown.

One PUT per Connecteam location, however many days. It replaces each day's figure and nothing
else, so the same may be set again. What a file asks for is `forecast_file`'s to say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from tillbridge.account import Account
from tillbridge.connecteam.projections import Projections, Told
from tillbridge.connecteam.quota import Purpose
from tillbridge.connecteam.wire import DayFigures
from tillbridge.errors import NeedsPerson, TillbridgeError, TryLater
from tillbridge.forecast_file import Amounts, Target
from tillbridge.ledger.store import Ledger
from tillbridge.money import minor_digits, minor_text, to_minor


@dataclass(slots=True)
class Outcome:
    """What was set, and what was not, with the reason for each."""

    done: list[int] = field(default_factory=list)
    errors: dict[int, TillbridgeError] = field(default_factory=dict)


class Forecaster:
    """Sets and reads projected sales, through the quota's gate.

    Args:
        ledger: keeps the quota's figures.
        account: the gate.
        projections: sends the requests.
        targets: by Connecteam id.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        projections: Projections,
        targets: Mapping[int, Target],
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._projections = projections
        self._targets = targets

    def read(self, location_ids: Sequence[int], first: date, last: date) -> list[DayFigures]:
        """What Connecteam shows, in one request.

        Raises:
            TillbridgeError: of a class that says what to do.
        """
        told = self._send(lambda: self._projections.read(location_ids, first, last))
        if told.error is not None:
            raise told.error
        return told.days

    def set_all(self, amounts: Amounts) -> Outcome:
        """Set every location's days; one that fails does not keep the others back."""
        outcome = Outcome()
        for key, days in sorted(amounts.items()):
            error = self._set(key, days)
            if error is None:
                outcome.done.append(key)
            else:
                outcome.errors[key] = error
        return outcome

    def _set(self, key: int, days: Mapping[date, int]) -> TillbridgeError | None:
        target = self._targets[key]
        told = self._send(lambda: self._projections.set(key, days, target.currency))
        if told.error is not None:
            return told.error
        digits = minor_digits(target.currency)
        shown = {
            entry.day: to_minor(entry.projected, digits)
            for entry in told.days
            if entry.projected is not None
        }
        wrong = [day for day, amount in sorted(days.items()) if shown.get(day) != amount]
        if not wrong:
            return None
        now = shown.get(wrong[0])
        return NeedsPerson(
            f"Connecteam does not confirm the projected sales of {target.label}: for {wrong[0]} it "
            f"shows {'nothing' if now is None else minor_text(now, digits)} instead of "
            f"{minor_text(days[wrong[0]], digits)} {target.currency}.",
            "Look at that day in Connecteam; setting it again is harmless.",
        )

    def _send(self, request: Callable[[], Told]) -> Told:
        wait_s = self._account.wait_s(Purpose.LIVE)
        if wait_s > 0:
            error = TryLater(
                "The share of Connecteam's quota is used for now.",
                f"Run it again in {round(wait_s) + 1} seconds or later; repeating is harmless.",
            )
            return Told([], error, {})
        with self._ledger.commit() as commit:
            self._account.spend(commit)
        told = request()
        with self._ledger.commit() as commit:
            self._account.learn(commit, told.headers, throttled=told.throttled)
        return told
