"""Opening the ledger: one SQLite file, durable commits, migrations, and plain words for trouble.

A *commit* is a database transaction. `Ledger.commit()` is the only way to write; it takes the
write lock at once (BEGIN IMMEDIATE), so that two processes on one ledger wait for each other
instead of failing half-way. No commit may span a network call.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from tillbridge.clock import Clock
from tillbridge.errors import ConfigError, TillbridgeError, TryLater
from tillbridge.ledger.private_copy import private_copy
from tillbridge.ledger.schema import metadata
from tillbridge.ledger.statements import driver_of

APPLICATION_ID = 0x74696C6C
"""Marks the file as a ledger ("till"), so that no other database is ever written to."""

HEAD = "0001"
"""The newest migration. Compared before Alembic is imported, which is slow; a test keeps it so."""

_WAL_BYTES = 16 * 1024 * 1024


class LedgerUnusable(ConfigError):
    """The file cannot serve as a ledger: unreadable, read-only, foreign, or of a later version."""


class DiskTrouble(TryLater):
    """The disk refused a write; the commit was undone and nothing was sent."""


class Ledger:
    """An open ledger; one per process, used by one thread at a time.

    Args:
        path: the SQLite file; its folder is made (0700) where it is missing.
        clock: stamps events and copies.

    Raises:
        LedgerUnusable: see the class.
        DiskTrouble: no space to open or migrate it.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self._guard = RLock()
        _prepare_file(path)
        self._engine = _engine(path)
        try:
            with _translated(path):  # the first statements run when it connects
                self._connection = self._engine.connect()
                self._raw = driver_of(self._connection)
                # SQLAlchemy believes in one transaction that never ends. The real ones are begun
                # and ended on the driver, in a fifth of the time: each page has several.
                self._connection.begin()
                self._ready_schema()
        except BaseException:
            self._engine.dispose()
            raise

    def commit(self) -> AbstractContextManager[Connection]:
        """Everything done inside is durable when this ends, or undone if it raises.

        Raises:
            DiskTrouble: the disk is full or failed; nothing was written.
        """
        return _Transaction(self._guard, self._connection, self._raw, self.path, "BEGIN IMMEDIATE")

    def view(self) -> AbstractContextManager[Connection]:
        """A consistent look at the ledger; nothing can be written."""
        return _Transaction(self._guard, self._connection, self._raw, self.path, "BEGIN")

    def compact(self, most_pages: int) -> None:
        """Give unused pages back to the disk, and empty the write-ahead log into the file.

        Args:
            most_pages: how many pages at most; one has 4096 bytes.

        Raises:
            DiskTrouble: see `commit`.
        """
        with self._guard, _translated(self.path):
            # Outside any commit, and not through SQLAlchemy: each step of the first statement
            # frees one page, and SQLAlchemy takes no second step where no rows are returned.
            self._raw.executescript(f"PRAGMA incremental_vacuum({most_pages:d});")
            # Where another process is reading, this does what it can.
            self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with self._guard:
            self._connection.close()
            self._engine.dispose()

    def _ready_schema(self) -> None:
        version, is_new = _inspect(self.path, self._connection)
        if version == HEAD:
            return
        with self.commit() as commit:
            if is_new:
                _make_tables(commit)
                return
            # Another process may have migrated it while this one waited for its turn to write;
            # a copy made now would take the place of the one from before.
            if _version(commit) == version:
                _keep_copy(self.path, version)
            # Imported only here: most starts need no migration, and Alembic is big and slow.
            from tillbridge.ledger.migrate import upgrade  # noqa: PLC0415

            upgrade(commit)


class _Transaction(AbstractContextManager[Connection]):
    """One commit or view. A class, because each page and request pass several."""

    __slots__ = ("_begin", "_connection", "_guard", "_path", "_raw")

    def __init__(
        self,
        guard: AbstractContextManager[bool],
        connection: Connection,
        raw: sqlite3.Connection,
        path: Path,
        begin: str,
    ) -> None:
        self._guard = guard
        self._connection = connection
        self._raw = raw
        self._path = path
        self._begin = begin

    def __enter__(self) -> Connection:
        self._guard.__enter__()
        try:
            self._raw.execute(self._begin)
        except BaseException as error:
            self._guard.__exit__(None, None, None)
            _raise_known(self._path, error)
            raise
        return self._connection

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object
    ) -> None:
        try:
            if error is None:
                self._raw.execute("COMMIT")
            else:
                self._undo()
                _raise_known(self._path, error)
        except sqlite3.Error as failed:
            self._undo()
            _raise_known(self._path, failed)
            raise
        finally:
            self._guard.__exit__(None, None, None)

    def _undo(self) -> None:
        if self._raw.in_transaction:  # SQLite undoes some by itself: where the disk is full
            self._raw.execute("ROLLBACK")


def _prepare_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_dir():
            raise LedgerUnusable(
                f"{path} is a folder, not a ledger.", "Name a file in [ledger] path."
            )
        if not path.exists():
            # Made here and not by SQLite, so that it is private from its first moment.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except (FileExistsError, NotADirectoryError):
        raise LedgerUnusable(
            f"The ledger {path} cannot be made: {path.parent} is not a folder.",
            "Name a file in another folder in [ledger] path.",
        ) from None
    except PermissionError:
        raise LedgerUnusable(
            f"The ledger {path} cannot be made: this user may not write there.",
            f"Give this user the folder {path.parent}, or name another file in [ledger] path.",
        ) from None
    except OSError as error:
        raise _disk_trouble(path, error.strerror or str(error)) from None
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        raise LedgerUnusable(
            f"The ledger {path} is read-only for this user.",
            "Run the command as the user that the service runs as, or correct the file's owner.",
        )


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        hide_parameters=True,  # errors are logged; sales are nobody else's business
        # isolation_level None: BEGIN is ours, so that DDL and reads are inside it too.
        connect_args={"isolation_level": None, "timeout": 30.0, "check_same_thread": False},
    )
    event.listen(engine, "connect", _on_connect)
    return engine


def _on_connect(dbapi: Any, _record: Any) -> None:  # noqa: ANN401  # SQLAlchemy's signature
    cursor = dbapi.cursor()
    try:
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA cache_size = -2000")  # 2 MB: more did not make a plan faster
        # After a long reader let it grow, the write-ahead log is cut to this when it is emptied.
        cursor.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
    finally:
        cursor.close()


def _inspect(path: Path, connection: Connection) -> tuple[str | None, bool]:
    """The file's schema version, and whether it is a new file."""
    raw = driver_of(connection)
    tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        # Only before the first table can SQLite be told to keep track of pages to give back.
        raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
        raw.execute("PRAGMA journal_mode = WAL")
        return None, True
    if raw.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LedgerUnusable(
            f"{path} is a database of another program, not a ledger.",
            "Name another file in [ledger] path; this one was left as it is.",
        )
    version = str(raw.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    if version > HEAD:
        raise LedgerUnusable(
            f"The ledger {path} was written by a newer tillbridge (schema {version}; this one "
            f"knows {HEAD}).",
            "Install that version again, or restore the copy that it made beside the ledger.",
        )
    return version, False


def _make_tables(commit: Connection) -> None:
    """A new ledger is made as the schema says; a test shows that migrations lead to the same."""
    if commit.exec_driver_sql("SELECT 1 FROM sqlite_master").first() is not None:
        return  # another process was quicker
    commit.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    metadata.create_all(commit, checkfirst=False)
    # As Alembic would have made it.
    commit.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    commit.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))


def _version(connection: Connection) -> str:
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    return str(found)


def _keep_copy(path: Path, version: str | None) -> Path:
    """Copy the whole ledger before it is migrated, so that the old version can be put back."""
    copy = path.with_name(f"{path.name}.before-{HEAD}-was-{version}")
    partial = copy.with_name(copy.name + ".partial")
    try:
        private_copy(path, partial)
        partial.replace(copy)
    except OSError as error:
        raise _disk_trouble(path, error.strerror or str(error)) from None
    return copy


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, sqlite3.DatabaseError) as error:
        _raise_known(path, error)
        raise


def _raise_known(path: Path, error: BaseException) -> None:
    """Turn SQLite's errors into sentences; anything unknown stays as it is: a bug."""
    if isinstance(error, (DatabaseError, sqlite3.DatabaseError)):
        known = _known_trouble(path, error)
        if known is not None:
            raise known from error


def _known_trouble(
    path: Path, error: DatabaseError | sqlite3.DatabaseError
) -> TillbridgeError | None:
    origin = error.orig if isinstance(error, DatabaseError) else error
    name = getattr(origin, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return _disk_trouble(path, str(origin))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return TryLater(
            f"The ledger {path} is being used by another process.", "Try again in a minute."
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return LedgerUnusable(
            f"The ledger {path} cannot be written ({origin}).",
            "Correct the owner and the rights of the file and its folder.",
        )
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return LedgerUnusable(
            f"{path} is not a ledger, or it is damaged ({origin}).",
            "Name another file in [ledger] path, or restore a backup; it was left as it is.",
        )
    return None


def _disk_trouble(path: Path, text: str) -> DiskTrouble:
    return DiskTrouble(
        f"The disk refused a write to the ledger {path} ({text}); nothing was sent or lost.",
        "Make space on the disk; tillbridge then goes on by itself.",
    )
