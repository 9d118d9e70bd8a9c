"""Being told of each statement before the ledger sends it, whichever way it goes."""

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
