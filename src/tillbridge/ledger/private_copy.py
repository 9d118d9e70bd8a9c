"""A copy of a SQLite file as of one moment, readable by its owner alone. Judges nothing."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def private_copy(source: Path, target: Path, *, journal: str | None = None) -> None:
    """Copy a ledger, also while others write to it; it is on the disk when this returns.

    Args:
        source: stays as it is.
        target: made anew, with the rights 0600 from its first moment.
        journal: the copy's journal mode; as the source's if None.

    Raises:
        OSError: the target cannot be made or kept.
        sqlite3.Error: the source cannot be read, or there is no space for the copy.
    """
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here)
        if journal is not None:
            here.execute(f"PRAGMA journal_mode = {journal}")
    with target.open("rb") as file:
        os.fsync(file.fileno())
