"""The words of a check: items with a verdict and a remedy each, and what they add up to."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    PASSED = "passed"
    WARNED = "warned"
    """Works, or could not be looked at; worth a look."""
    FAILED = "failed"
    """Keeps sales from being carried over rightly; needs a person."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was looked at.

    Attributes:
        name: what: "Lightspeed: sign-in".
        verdict: see `Verdict`.
        text: what was found, as a sentence.
        remedy: what to do; empty where nothing is to be done.
        code: the exit code that a failure stands for: 3, 77 (credentials) or 78 (configuration).
    """

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""
    code: int = 3


def passed(name: str, text: str) -> Item:
    return Item(name, Verdict.PASSED, text)


def warned(name: str, text: str, remedy: str = "") -> Item:
    return Item(name, Verdict.WARNED, text, remedy)


def failed(name: str, text: str, remedy: str, code: int = 3) -> Item:
    return Item(name, Verdict.FAILED, text, remedy, code)


@dataclass(slots=True)
class Report:
    """All items, in the order in which they were looked at, and what that cost."""

    items: list[Item] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)

    def add(self, *items: Item) -> None:
        self.items += items

    @property
    def exit_code(self) -> int:
        """The worst: a wrong configuration before refused credentials before the rest."""
        return max((item.code for item in self.items if item.verdict is Verdict.FAILED), default=0)

    def count(self, verdict: Verdict) -> int:
        return sum(item.verdict is verdict for item in self.items)

    def document(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "schema": 1,
            "ok": self.exit_code == 0,
            **{str(verdict): self.count(verdict) for verdict in Verdict},
            "requests": self.requests,
            "checks": [_json(item) for item in self.items],
        }


def _json(item: Item) -> dict[str, str]:
    return {
        "name": item.name,
        "verdict": str(item.verdict),
        "text": item.text,
        "remedy": item.remedy,
    }


def not_looked_at(name: str, why: str) -> Item:
    """What could not be looked at, because something before it failed."""
    return warned(name, f"Not looked at: {why}.")
