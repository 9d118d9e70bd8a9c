"""A file of projected sales: location, date and amount, checked line by line. Pure.

Every wrong line is told, with its number and what to write instead. Never here: a guess at what was
meant, and any rounding.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

from tillbridge.errors import Problem, UsageError
from tillbridge.money import UnreadableAmount, from_minor, minor_digits, parse_amount, to_minor

HEADINGS = ("location", "date", "amount")
FARTHEST = timedelta(days=800)
"""A date further away than this is a slip of the pen."""

MOST_SAID = 20
"""Wrong lines that are told one by one."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Connecteam location and the configured locations that feed it."""

    connecteam_id: int
    names: tuple[str, ...]
    currency: str

    @property
    def label(self) -> str:
        return " and ".join(self.names)


Amounts = dict[int, dict[date, int]]
"""Minor units by Connecteam location and day."""


@dataclass(slots=True)
class _Parsing:
    targets: dict[str, Target]
    today: date
    comma: bool  # amounts may be written with a decimal comma, as where `;` separates
    lines: dict[tuple[str, date], int] = field(default_factory=dict)
    amounts: dict[tuple[str, date], int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, number: int, row: Mapping[str, str]) -> None:
        place = f"line {number}"
        target = self.targets.get(row["location"].casefold())
        if target is None:
            known = ", ".join(name for it in _unique(self.targets) for name in it.names)
            self._wrong(place, f"there is no location {row['location']!r}", f"There are: {known}.")
        day = self._day(place, row["date"])
        amount = self._amount(place, row["amount"], target.currency if target else None)
        if target is None or day is None or amount is None:
            return
        key = (row["location"].casefold(), day)
        if key in self.lines:
            self._wrong(
                place, f"{row['location']} has {day} already, on line {self.lines[key]}",
                "Leave one of the two out.",
            )  # fmt: skip
            return
        self.lines[key], self.amounts[key] = number, amount

    def _wrong(self, place: str, message: str, remedy: str) -> None:
        self.problems.append(Problem(place, f"{message}.", remedy))

    def _day(self, place: str, text: str) -> date | None:
        try:
            day = date.fromisoformat(text) if len(text) == 10 else None
        except ValueError:
            day = None
        if day is None:
            self._wrong(place, f"{text!r} is not a date", "Write it as YYYY-MM-DD.")
        elif abs(day - self.today) > FARTHEST:
            self._wrong(place, f"{day} is more than two years away", "Correct the year.")
            return None
        return day

    def _amount(self, place: str, text: str, currency: str | None) -> int | None:
        plain = text.replace(",", ".") if self.comma and text.count(",") == 1 else text
        try:
            amount = parse_amount(plain)
        except UnreadableAmount:
            self._wrong(
                place, f"{text!r} is not an amount",
                "Write it as 1234.50, without a currency and without a separator of thousands.",
            )  # fmt: skip
            return None
        if amount < 0:
            self._wrong(place, f"{text} is negative", "Projected sales are zero or more.")
            return None
        if currency is None:
            return None
        digits = minor_digits(currency)
        minor = to_minor(amount, digits)
        if from_minor(minor, digits) != amount:
            self._wrong(
                place, f"{text} is finer than the smallest coin of {currency}",
                f"Give at most {digits} digits after the point.",
            )  # fmt: skip
            return None
        return minor


def parse(text: str, targets: Sequence[Target], today: date) -> Amounts:
    """What a CSV file asks for.

    Args:
        text: the file; separated by commas, semicolons or tabs, with a heading line.
        targets: the locations that there are.
        today: dates far from it are refused.

    Raises:
        UsageError: with every wrong line at once.
    """
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    by_name = {name.casefold(): target for target in targets for name in target.names}
    parsing = _Parsing(by_name, today, comma=delimiter != ",")
    try:
        _read(reader, parsing)
    except csv.Error as error:
        parsing.problems.append(Problem(f"line {reader.line_num}", f"it is not CSV ({error}).", ""))
    found = _joined(parsing)
    if parsing.problems:
        said = [str(problem) for problem in parsing.problems[:MOST_SAID]]
        if len(parsing.problems) > MOST_SAID:
            said.append(f"... and {len(parsing.problems) - MOST_SAID} more.")
        raise UsageError("The file was not used; nothing was set:\n  " + "\n  ".join(said))
    return found


class _Lines(Protocol):
    """What is used of a csv.reader, whose own type has no public name."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...
    def __next__(self) -> list[str]: ...


def _delimiter(text: str) -> str:
    heading = text.split("\n", 1)[0]
    return max(",;\t", key=heading.count)


def _read(reader: "_Lines", parsing: _Parsing) -> None:
    heading = [word.strip().casefold() for word in next(reader, [])]
    if sorted(heading) != sorted(HEADINGS):
        parsing.problems.append(
            Problem("line 1", "it must name the columns.", f"Write: {','.join(HEADINGS)}")
        )
        return
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(heading):
            parsing.problems.append(
                Problem(
                    f"line {reader.line_num}",
                    f"it has {len(row)} columns instead of {len(heading)}.",
                    "An amount with a comma in it must stand in quotation marks.",
                )
            )
            continue
        cells = (cell.strip() for cell in row)
        parsing.add(reader.line_num, dict(zip(heading, cells, strict=True)))
    if not parsing.amounts and not parsing.problems:
        parsing.problems.append(Problem("line 2", "the file has no lines but the heading.", ""))


def _joined(parsing: _Parsing) -> Amounts:
    """By Connecteam location: those that feed one are added up, and none of them may be missing,
    because a PUT replaces the figure of all of them.
    """
    found: Amounts = defaultdict(dict)
    for target in _unique(parsing.targets):
        names = [name.casefold() for name in target.names]
        days = sorted({day for name, day in parsing.amounts if name in names})
        for day in days:
            missing = [
                name for name in target.names if (name.casefold(), day) not in parsing.amounts
            ]
            if missing:
                given = next(parsing.lines[n, day] for n in names if (n, day) in parsing.lines)
                parsing.problems.append(
                    Problem(
                        f"line {given}",
                        f"{target.label} feed one location of Connecteam, and {', '.join(missing)} "
                        f"has no amount for {day}.",
                        "Give one for each; it may be 0.",
                    )
                )
            known = [parsing.amounts[n, day] for n in names if (n, day) in parsing.amounts]
            found[target.connecteam_id][day] = sum(known)
    return dict(found)


def _unique(targets: Mapping[str, Target]) -> list[Target]:
    return list({target.connecteam_id: target for target in targets.values()}.values())
