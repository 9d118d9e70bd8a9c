"""Statements that are made once and run often.

Making a statement, and looking it up among those compiled before, costs SQLAlchemy six times what
running it does. Where every page and every request pass, statements are constants with parameters.
"""

import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import Insert, Update


def among(column: Column[Any], name: str) -> ColumnElement[bool]:
    """`column` is one of the values in the parameter `name`, which is made with `listed`.

    One parameter however many values: a list of a hundred is a statement that has to be rendered
    anew each time.
    """
    each = func.json_each(bindparam(name)).table_valued("value")
    return column.in_(select(each.c.value))


def listed(values: Iterable[int | str]) -> str:
    """What `among` takes."""
    return json.dumps(list(values))


class Bulk:
    """One insert or update for many rows, without SQLAlchemy's work on each of them.

    Args:
        statement: its parameters, all of them plain values, are what each row holds.
        names: of the columns or parameters, in the order of the rows.
    """

    def __init__(self, statement: Insert | Update, names: Sequence[str]) -> None:
        self._statement = statement
        self._names = tuple(names)

    def run(self, commit: Connection, rows: list[tuple[Any, ...]]) -> int:
        """Run it once for each row; how many rows of the table were touched."""
        return commit.exec_driver_sql(self._sql, rows).rowcount

    @cached_property
    def _sql(self) -> str:
        columns = self._names if isinstance(self._statement, Insert) else None
        dialect = sqlite.dialect(paramstyle="named")
        text = str(self._statement.compile(dialect=dialect, column_keys=columns))
        places = {name: f"?{place}" for place, name in enumerate(self._names, start=1)}
        return re.sub(r":(\w+)", lambda found: places[found[1]], text)
