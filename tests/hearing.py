"""Being told of each statement before the ledger sends it, whichever way it goes."""

import sqlite3
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from tillbridge.ledger import statements


@contextmanager
def told_first(engine, tell):
    """Call `tell(text, values)` before each statement; if it raises, the statement is not sent."""

    def listen(_connection, _cursor, text, values, _context, executemany):
        tell(text, values[0] if executemany else values)

    direct = statements.driver_of

    class Driver:
        """The driver's connection, for the statements that go to it as text."""

        def __init__(self, connection):
            self._raw = direct(connection)

        def execute(self, text, values):
            tell(text, values)
            return self._raw.execute(text, values)

        def executemany(self, text, rows):
            tell(text, rows[0])
            return self._raw.executemany(text, rows)

    event.listen(engine, "before_cursor_execute", listen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statements, "driver_of", Driver)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", listen)


@contextmanager
def heard(engine):
    """Every statement that is sent meanwhile, with its values."""
    found = []

    def note(text, values):
        if not text.startswith(("BEGIN", "EXPLAIN", "PRAGMA")):
            found.append((text, values))

    with told_first(engine, note):
        yield found


def steps_of(raw: sqlite3.Connection, statement: str, parameters) -> int:
    """How many instructions SQLite's virtual machine takes for it; whatever it writes is undone.

    An index may be read nearly as a whole, too: which the plan does not tell, and this does.
    """
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    raw.execute("BEGIN")
    raw.set_progress_handler(count, 1)
    try:
        raw.execute(statement, parameters).fetchall()
    except sqlite3.IntegrityError:
        pass  # it has been written already
    finally:
        raw.set_progress_handler(None, 1)
        raw.execute("ROLLBACK")
    return taken
