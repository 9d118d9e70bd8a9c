"""The file that holds the Lightspeed sign-in, and its lock.

A Lightspeed refresh token works once, so this file is the only copy of the key to a customer's
sales. It is 0600, apart from the ledger and its backups, replaced whole or not at all, and on the
disk before anybody goes on. The lock is a file of its own, because the token file is replaced;
the kernel frees it when its holder dies. Never here: a request, or a decision about a token.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tillbridge.clock import Clock
from tillbridge.errors import ConfigError, CredentialsRefused, TryLater
from tillbridge.log import keep_secret

VERSION = 1
_LOCK_TRIES = 1200  # of 0.1 s each: longer than any exchange that another process may be in
_LOCK_PAUSE_S = 0.1


def token_path(ledger_path: Path) -> Path:
    """Where it is: beside the ledger, but never part of its backups."""
    return ledger_path.with_name("lightspeed-token.json")


class TokenState(BaseModel):
    """A sign-in.

    Attributes:
        version: of this format.
        refresh_token: works once.
        access_token: None until there was one.
        issued_at: when the access token came, wall time.
        issued_boot_s: the same in the clock's boot time of the boot `boot_id`.
        boot_id: see `issued_boot_s`.
        lifetime_s: of the access token from `issued_at`; None where the server gave none.
        scope: as granted.
        obtained_at: when the refresh token came.
        refresh_expires_at: end of the refresh token; None where it has no countdown.
        refreshing: a renewal with this refresh token was begun, and no clear answer is known.
        lost: how many renewals with this refresh token were sent without an answer.
        person: who signed in, where the access token tells.
        code_digest: of the code that this sign-in began with; the code itself is spent.
    """

    model_config = ConfigDict(frozen=True)

    version: int = VERSION
    refresh_token: str = Field(min_length=1, repr=False)
    access_token: str | None = Field(None, repr=False)
    issued_at: AwareDatetime
    issued_boot_s: float
    boot_id: str
    lifetime_s: float | None = None
    scope: str | None = None
    obtained_at: AwareDatetime
    refresh_expires_at: AwareDatetime | None = None
    refreshing: bool = False
    lost: int = 0
    person: str | None = None
    code_digest: str | None = None

    def age_s(self, now: datetime, boot_s: float, boot_id: str) -> float:
        """Seconds since the access token came; negative if the wall clock was set back since."""
        if boot_id == self.boot_id:
            return boot_s - self.issued_boot_s
        return (now - self.issued_at).total_seconds()


class TokenFile:
    """The token file at `path`; its folder is made (0700) with the first write or lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._threads = threading.Lock()
        self._latest: tuple[bytes, TokenState] | None = None  # as last read, and what it says

    def read(self) -> TokenState | None:
        """The stored sign-in, or None if there is none yet.

        Raises:
            CredentialsRefused: the file is damaged.
            ConfigError: the file cannot be read, or a newer version wrote it.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(
                f"The token file {self.path} cannot be read ({error.strerror}).",
                "Give it to the user that runs tillbridge, with mode 0600.",
            ) from error
        state = self._understand(content)
        keep_secret(state.refresh_token)
        keep_secret(state.access_token or "")
        return state

    def _understand(self, content: bytes) -> TokenState:
        # Every request asks for the token, and it changes once in half an hour.
        if self._latest is not None and self._latest[0] == content:
            return self._latest[1]
        try:
            state = TokenState.model_validate_json(content)
        except ValidationError:
            # The error would quote the content: it ends here.
            raise CredentialsRefused(
                f"The token file {self.path} is damaged.", "Run `tillbridge authorize`."
            ) from None
        if state.version > VERSION:
            raise ConfigError(
                f"The token file {self.path} was written by a newer tillbridge.",
                "Run that version, or sign in again with `tillbridge authorize`.",
            )
        self._latest = (content, state)
        return state

    def read_if_whole(self) -> TokenState | None:
        """As `read`, and None where there is nothing that could be read."""
        try:
            return self.read()
        except (ConfigError, CredentialsRefused):
            return None

    def write(self, state: TokenState) -> None:
        """Replace the file; when this returns, the new content survives a power cut.

        Raises:
            TryLater: the disk did not take it; the former content is still there.
        """
        try:
            self._make_folder()
            self._replace(state.model_dump_json(indent=1).encode() + b"\n")
        except OSError as error:
            raise TryLater(
                f"The token file {self.path} cannot be written ({error.strerror}).",
                "Make room on the disk, and let the user that runs tillbridge write there.",
            ) from error

    @contextmanager
    def locked(self, clock: Clock) -> Iterator[None]:
        """Keep every other thread and process from renewing; read the file anew inside.

        Raises:
            TryLater: another process holds the lock for two minutes, or there is no lock file.
        """
        with self._threads:
            lock = self._open_lock()
            try:
                self._take(lock, clock)
                yield
            finally:
                os.close(lock)

    def _open_lock(self) -> int:
        try:
            self._make_folder()
            lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._give_to_folders_owner(lock)
        except OSError as error:
            raise TryLater(
                f"The lock file {self._lock_path} cannot be opened ({error.strerror}).",
                "Let the user that runs tillbridge write in that folder.",
            ) from error
        return lock

    def _take(self, lock: int, clock: Clock) -> None:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                clock.sleep(_LOCK_PAUSE_S)
            else:
                return
        raise TryLater(
            f"Another process keeps the lock of the Lightspeed sign-in ({self._lock_path}).",
            "It is tried again by itself; look for a stopped tillbridge process if this stays.",
        )

    def _make_folder(self) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(folder.parent)

    def _replace(self, content: bytes) -> None:
        # One fixed name: the lock admits one writer, and a leftover of a crash is cleared here.
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._give_to_folders_owner(file)
            _write_all(file, content)
            os.fsync(file)
        finally:
            os.close(file)
        os.replace(fresh, self.path)  # noqa: PTH105  # named like the system call it must be
        _sync_folder(self.path.parent)

    def _give_to_folders_owner(self, file: int) -> None:
        # `sudo tillbridge authorize` must leave a file that the service's own user can read.
        if os.geteuid() == 0:
            folder = self.path.parent.stat()
            os.fchown(file, folder.st_uid, folder.st_gid)


def _write_all(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
