"""Statements that are made once and run often.

Making a statement, and looking it up among those compiled before, costs SQLAlchemy six times what
running it does. Where every page and every request pass, statements are constants with parameters.
"""

import json
import re
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import Insert

Value = int | float | str | bytes | None


def among(column: Column[Any], name: str) -> ColumnElement[bool]:
    """`column` is one of the values in the parameter `name`, which is made with `listed`.

    One parameter however many values: a list of a hundred is a statement that has to be rendered
    anew each time.
    """
    each = func.json_each(bindparam(name)).table_valued("value")
    return column.in_(select(each.c.value))


def listed(values: Iterable[int | str]) -> str:
    """What `among` takes."""
    return as_json(list(values))


def as_json(values: list[int | str] | Mapping[int, str]) -> str:
    """A parameter that SQLite takes apart again; in a fifth of the time that Python's own needs."""
    try:
        return msgspec.json.encode(values).decode()
    except UnicodeEncodeError:  # half a character, which only an escape can hold
        return json.dumps(values)


class Prepared:
    """A constant statement that goes to the driver as text, with its values in their order.

    For the handful that every page, plan and request pass: SQLAlchemy's own way there costs up to
    ten times what SQLite does. Values go in and come out as SQLite has them: what is JSON is text,
    what is true or false a number. Errors are the driver's; `Ledger` translates both kinds.

    Args:
        statement: whatever stands in it that is not named below is a constant of it.
        names: of columns (of an insert) or parameters, in the order of the values.
    """

    def __init__(self, statement: ClauseElement, *names: str) -> None:
        self._statement = statement
        self._names = names

    def all(self, view: Connection, *values: Value) -> list[Any]:
        """The rows that it finds, as tuples."""
        return driver_of(view).execute(self.text, values).fetchall()

    def first(self, view: Connection, *values: Value) -> Any:  # noqa: ANN401  # a tuple, or None
        """The first row that it finds."""
        return driver_of(view).execute(self.text, values).fetchone()

    def named(self, view: Connection, *values: Value) -> list[Any]:
        """The rows that it finds, as tuples with the columns' names."""
        rows = driver_of(view).execute(self.text, values)
        return [self._row(*row) for row in rows]

    def run(self, commit: Connection, *values: Value) -> int:
        """Run it once; how many rows of the table were touched."""
        return driver_of(commit).execute(self.text, values).rowcount

    def add(self, commit: Connection, *values: Value) -> int:
        """Run an insert once; the new row's id."""
        key = driver_of(commit).execute(self.text, values).lastrowid
        assert key is not None
        return key

    def run_each(self, commit: Connection, rows: Sequence[Sequence[Value]]) -> int:
        """Run it once for each row of values; how many rows of the table were touched."""
        return driver_of(commit).executemany(self.text, rows).rowcount

    @cached_property
    def text(self) -> str:
        columns = self._names if isinstance(self._statement, Insert) else None
        dialect = sqlite.dialect(paramstyle="named")
        compiled = self._statement.compile(dialect=dialect, column_keys=columns)
        places = {name: f"?{place}" for place, name in enumerate(self._names, start=1)}
        constants = compiled.params
        return re.sub(
            r"(?<![\w:]):(\w+)",
            lambda found: places.get(found[1]) or _literal(constants[found[1]]),
            str(compiled),
        )

    @cached_property
    def _row(self) -> Callable[..., Any]:
        assert isinstance(self._statement, Select)
        return namedtuple("Row", self._statement.selected_columns.keys())  # noqa: PYI024  # its fields are the columns


def _literal(value: object) -> str:
    """A constant as SQLite writes it: there, a partial index is found by it."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    assert isinstance(value, str), value
    assert "'" not in value, value
    return f"'{value}'"


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's connection, inside whatever commit or view it is in."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw
