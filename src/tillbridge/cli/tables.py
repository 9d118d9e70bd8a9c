"""Tables for people: amounts aligned with their currency, differences signed, nothing cut off.

Colours appear on terminals only (rich looks, and honours NO_COLOR). Never here: a figure that is
not given, and any rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tillbridge.money import minor_digits, minor_text

_LEAST_WORDS = 12
"""Characters that a column of words keeps on a narrow terminal."""


class Kind(Enum):
    """What a column holds, and so how it is laid out."""

    TEXT = "text"
    """Words: folded where the terminal is narrow."""
    ID = "id"
    """Copied by people: never folded, never cut."""
    NUMBER = "number"
    """Counts and amounts: to the right, never folded."""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading (with its unit, if it has one) and what stands below it."""

    name: str
    kind: Kind = Kind.TEXT


def amount_text(minor: int, currency: str, *, signed: bool = False) -> str:
    """Minor units as people write them, `18,944.84`; differences with their sign, `+44.00`."""
    plain = minor_text(abs(minor), minor_digits(currency))
    whole, point, fraction = plain.partition(".")
    sign = "-" if minor < 0 else "+" if signed and minor > 0 else ""
    return f"{sign}{int(whole):,}{point}{fraction}"


def difference(minor: int, currency: str) -> Text:
    """A signed difference; on a terminal, what is not zero stands out."""
    style = "red" if minor < 0 else "green" if minor > 0 else ""
    return Text(amount_text(minor, currency, signed=True), style=style)


def show(
    columns: Sequence[Column],
    rows: Sequence[Sequence[object]],
    *,
    title: str | None = None,
    sections: Sequence[int] = (),
) -> None:
    """Print a table on standard output.

    Args:
        columns: from left to right.
        rows: the cells of each; a rich Text keeps its colour, None is shown as a dash.
        title: above the table.
        sections: the places of rows below which a line is drawn.
    """
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        fixed = column.kind is not Kind.TEXT
        widest = _widest(place, column, rows)
        table.add_column(
            column.name,
            justify="right" if column.kind is Kind.NUMBER else "left",
            no_wrap=fixed,
            overflow="fold",
            min_width=widest if fixed else min(widest, _LEAST_WORDS),
        )
    for number, row in enumerate(rows):
        table.add_row(*(_cell(value) for value in row), end_section=number in sections)
    print_whole(table)


def print_whole(renderable: Any) -> None:  # noqa: ANN401  # whatever rich can draw
    """Print it as wide as it needs: in a pipe in full, on a terminal never narrower than its ids
    and amounts, because a figure that is cut off is a wrong figure.
    """
    console = Console(highlight=False)
    wide = console.options.update(width=100_000)
    needed = Measurement.get(console, wide, renderable)
    least = needed.minimum if console.is_terminal else needed.maximum
    Console(highlight=False, width=max(console.width, least)).print(renderable)


def _widest(place: int, column: Column, rows: Sequence[Sequence[object]]) -> int:
    cells = (_cell(row[place]) for row in rows)
    return max([len(column.name), *(len(cell) for cell in cells)])


def _cell(value: object) -> str | Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return Text(", ".join(str(item) for item in value) or "-")
    # Text and not str: rich would read square brackets in a name as its own markup.
    return Text("-" if value is None else str(value))
