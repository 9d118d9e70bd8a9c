"""Copying a ledger out, and putting a copy in its place. Works on files, beside an open ledger.

The high-water mark (`watermark`) and the sign-in are never part of a copy. Nothing here asks
whether a copy is old: the mark tells that at the next start, before anything is posted.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tillbridge.errors import ConfigError, TillbridgeError, TryLater, UsageError
from tillbridge.ledger.private_copy import private_copy
from tillbridge.ledger.store import APPLICATION_ID, HEAD


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy holds.

    Attributes:
        sales: how many.
        generation: how often a process had begun to post.
        newest_batch: the newest request in it; 0 if there is none.
    """

    sales: int
    generation: int
    newest_batch: int


def copy_out(ledger_path: Path, file: Path) -> Copied:
    """Copy a ledger, also while others write to it; the copy is as of one commit.

    Args:
        ledger_path: the ledger.
        file: the copy; private (0600), and whole or not there at all.

    Raises:
        UsageError: the file exists, or its folder does not.
        ConfigError: the ledger is damaged, or no ledger.
        TryLater: no space.
    """
    if file.exists():
        raise UsageError(f"{file} exists already.", "Name a file that does not exist yet.")
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent}.", "Make it, or name another file.")
    partial = file.with_name(file.name + ".partial")
    try:
        # One file, without a log beside it, so that it can be read from anywhere.
        _copy(ledger_path, partial, journal="DELETE")
        found = inspect(partial, file)
        # Only now under its name: a copy that is there is a copy that can be trusted.
        partial.rename(file)
        _sync_folder(file.parent)
    except OSError as error:
        raise _trouble(file, error) from None
    finally:
        partial.unlink(missing_ok=True)
    return found


def put_in_place(file: Path, ledger_path: Path, stamp: str) -> Path | None:
    """Put a copy in the place of a ledger that nobody is using; the one that was there is kept.

    Args:
        file: the copy; it stays as it is.
        ledger_path: where it goes.
        stamp: tells the ledger that was there from others that were put aside.

    Returns:
        The file that the ledger which was there has become, if there was one.

    Raises:
        UsageError: there is no such file.
        ConfigError: it is no ledger, damaged, or from a newer version.
        TryLater: no space; nothing was changed.
    """
    if not file.is_file():
        raise UsageError(f"There is no file {file}.", "Name a copy made by `tillbridge backup`.")
    inspect(file, file)
    fresh = ledger_path.with_name(ledger_path.name + ".restoring")
    try:
        ledger_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(file, fresh, journal="WAL")
        _take_owner(fresh, ledger_path)
        aside = _put_aside(ledger_path, stamp)
        fresh.replace(ledger_path)
        _sync_folder(ledger_path.parent)
    except OSError as error:
        raise _trouble(ledger_path, error) from None
    finally:
        fresh.unlink(missing_ok=True)
    return aside


def inspect(file: Path, named: Path) -> Copied:
    """What a copy holds, if it is whole.

    Args:
        file: the copy.
        named: what to call it in messages.

    Raises:
        ConfigError: it is no ledger, damaged, or from a newer version.
    """
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            mark = connection.execute("PRAGMA application_id").fetchone()[0]
            verdict = connection.execute("PRAGMA quick_check").fetchone()[0]
            if mark != APPLICATION_ID:
                raise _unusable(named, "is no ledger of tillbridge")
            if verdict != "ok":
                raise _unusable(named, "is damaged")
            version = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            if str(version) > HEAD:
                raise _unusable(named, f"was made by a newer tillbridge (schema {version})")
            return Copied(*(_number(connection, query) for query in _QUERIES))
    except sqlite3.DatabaseError as error:
        raise _unusable(named, f"cannot be read as a ledger ({error})") from None


_QUERIES = (
    "SELECT count(*) FROM sale",
    "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = 'generation'",
    "SELECT coalesce(max(id), 0) FROM batch",
)


def _number(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _copy(source: Path, target: Path, *, journal: str) -> None:
    try:
        private_copy(source, target, journal=journal)
    except sqlite3.OperationalError as error:
        target.unlink(missing_ok=True)
        raise TryLater(
            f"The ledger {source} could not be copied to {target.parent} ({error}).",
            "Make space on the disk, and try again.",
        ) from None
    except sqlite3.DatabaseError as error:
        target.unlink(missing_ok=True)
        raise _unusable(source, f"cannot be read ({error})") from None


def _put_aside(ledger_path: Path, stamp: str) -> Path | None:
    """Under another name, with what belongs to it; a link first, so that there always is a ledger.

    Without its log the old one may be some commits older for a moment. Should the machine fail
    just then, the high-water mark tells that.
    """
    if not ledger_path.exists():
        return None
    name = f"{ledger_path.name}.replaced-{stamp}"
    aside = ledger_path.with_name(name)
    number = 1
    while aside.exists():  # put aside within the same second
        number += 1
        aside = ledger_path.with_name(f"{name}-{number}")
    aside.hardlink_to(ledger_path)
    for suffix in ("-wal", "-shm"):
        beside = ledger_path.with_name(ledger_path.name + suffix)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + suffix))
    return aside


def _take_owner(fresh: Path, ledger_path: Path) -> None:
    """A ledger restored by root must still be open to the service."""
    if os.geteuid() != 0:
        return
    like = ledger_path if ledger_path.exists() else ledger_path.parent
    status = like.stat()
    os.chown(fresh, status.st_uid, status.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _trouble(file: Path, error: OSError) -> TillbridgeError:
    return TryLater(
        f"{file} cannot be written ({error.strerror}).",
        "Make space, or let this user write there, and try again.",
    )


def _unusable(file: Path, what: str) -> ConfigError:
    return ConfigError(
        f"{file} {what}; nothing was changed.", "Name another copy, or restore an older one."
    )
