"""The lock that lets one process at a time post. The kernel frees it when its holder dies.

A lease with a time would not do: a suspended holder wakes up after its lease and posts again.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from tillbridge.errors import LockHeld


class PostingLock:
    """The lock beside a ledger.

    Args:
        ledger_path: the ledger; the lock is `<ledger>.lock`.
    """

    def __init__(self, ledger_path: Path) -> None:
        self.path = ledger_path.with_name(ledger_path.name + ".lock")
        self._file: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process holds it."""
        return self._file is not None

    def try_acquire(self) -> bool:
        """Take the lock if it is free."""
        if self._file is not None:
            return True
        file = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        with contextlib.suppress(OSError):  # on a full disk the lock holds without a name too
            os.ftruncate(file, 0)
            os.write(file, f"{os.getpid()}\n".encode("ascii"))
        return True

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LockHeld: another process has it.
        """
        if not self.try_acquire():
            raise LockHeld(
                f"Another tillbridge process{self._holder()} is using this ledger.",
                "Wait until it ends, or stop the service first.",
            )

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _holder(self) -> str:
        try:
            pid = self.path.read_text(encoding="ascii").strip()
        except OSError:
            return ""
        return f" (process {pid})" if pid else ""
