"""Every error that a person may see, classed by what to do next.

TillbridgeError                 1   unexpected: a bug, please report it
├── UsageError                  2   the command was called wrongly
├── NeedsPerson                 3   done, but something needs a person
├── TryLater                   69   a vendor, the quota or the disk is not available now
├── LockHeld                   75   another process of this instance holds the lock
├── CredentialsRefused         77   a person must sign in again or replace a key
└── ConfigError                78   the configuration, or a file that it names, is wrong

Each carries one plain sentence (what happened, where) and a remedy (what to do).
"""

from collections.abc import Sequence
from dataclasses import dataclass


class TillbridgeError(Exception):
    """The base of all errors that explain themselves.

    Args:
        message: one sentence: what happened, to which location, sale or host.
        remedy: one sentence: what a person can do; empty where nothing is to be done.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(TillbridgeError):
    exit_code = 2


class NeedsPerson(TillbridgeError):
    exit_code = 3


class TryLater(TillbridgeError):
    """Nothing is lost; the same call may succeed later without anybody doing anything.

    Args:
        message: see the base class.
        remedy: see the base class.
        retry_after_s: what the other side asked for, in seconds, if it did.
    """

    exit_code = 69

    def __init__(
        self, message: str, remedy: str = "", *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.retry_after_s = retry_after_s


class LockHeld(TillbridgeError):
    exit_code = 75


class CredentialsRefused(TillbridgeError):
    exit_code = 77


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration.

    Attributes:
        path: where, as a person would write it: `locations[0].timezone`.
        message: what is wrong.
        remedy: what to write instead.
    """

    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message} {self.remedy}".strip()


class ConfigError(TillbridgeError):
    """Raised with every problem at once, so that a person corrects the file in one go."""

    exit_code = 78

    def __init__(self, message: str, remedy: str = "", *, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message, remedy)
        self.problems = tuple(problems)
