"""What is said about the state of the bridge: one thing, how urgent it is, and what helps. Pure.

`health` and `fleet` find; here is what becomes of all findings together: healthy or not, an exit
code, a line.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct


class Level(StrEnum):
    """What a finding asks for."""

    NOTE = "note"
    """Good to know; nothing is late and nothing has to be done."""
    LATE = "late"
    """The figures in Connecteam are behind; it goes on by itself when the reason is over."""
    PERSON = "person"
    """It stays so until somebody acts."""


_EXIT = {Level.NOTE: 0, Level.LATE: 69, Level.PERSON: 3}


class Finding(Struct, frozen=True):
    """One thing about the state of the bridge that somebody may want to know.

    Attributes:
        code: its kind, the same in all versions: `not_read`.
        level: see `Level`.
        place: the location's name; None if it concerns all of them.
        key: tells two findings of a kind apart, and is the same as long as this one stands.
        sentence: what is so, with the name of the place.
        remedy: what to do, if anything.
        command: the words after `tillbridge` that help; empty if none does.
    """

    code: str
    level: Level
    place: str | None
    key: str
    sentence: str
    remedy: str = ""
    command: str = ""

    def text(self, program: str = "tillbridge") -> str:
        """Sentence, remedy and command, for a person.

        Args:
            program: how the command is called for this installation.
        """
        run = f"Run `{program} {self.command}`." if self.command else ""
        return " ".join(part for part in (self.sentence, self.remedy, run) if part)


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Nothing is late, and nothing needs a person."""
    return all(item.level is Level.NOTE for item in findings)


def exit_code(findings: Sequence[Finding]) -> int:
    """3 if something needs a person, else 69 if something is late, else 0."""
    levels = {item.level for item in findings}
    return next((_EXIT[level] for level in (Level.PERSON, Level.LATE) if level in levels), 0)


def headline(findings: Sequence[Finding]) -> str:
    """One line for `systemctl status`: the most urgent finding, and how many there are besides.

    Empty if there is nothing but notes.
    """
    urgent = [item for item in findings if item.level is not Level.NOTE]
    if not urgent:
        return ""
    more = f" (and {len(urgent) - 1} more)" if len(urgent) > 1 else ""
    return f"{urgent[0].sentence}{more}"
