"""Single deeds of an installation. Each knows whether it is done already, and says what it does.

Everything happens below a root folder, `/` on a real system. No step removes what a person made,
follows a name out of the root, or shows a secret.
"""

import os
import pwd
import shutil
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from tillbridge.errors import ConfigError, UsageError

USER = "tillbridge"
ROOT_USER = "root"
_TOOL_TIMEOUT_S = 90.0


@dataclass(frozen=True, slots=True)
class Host:
    """The system that is installed on.

    Attributes:
        root: the folder that stands for `/`.
        may_own: whether files can be given to other users; else they stay this user's.
    """

    root: Path
    may_own: bool

    @property
    def is_running(self) -> bool:
        """Whether it is this machine itself, so that its systemd has to be told."""
        return self.root == Path("/")

    def place(self, path: str) -> Path:
        """Where a path of the system is."""
        return self.root / path.lstrip("/")

    def ids(self, user: str) -> tuple[int, int]:
        """User and group id of a user of that system.

        Raises:
            ConfigError: there is no such user.
        """
        if user == ROOT_USER:
            return 0, 0
        if self.is_running:
            try:
                found = pwd.getpwnam(user)
            except KeyError:
                raise _no_user(user) from None
            return found.pw_uid, found.pw_gid
        try:
            lines = self.place("/etc/passwd").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        for fields in (line.split(":") for line in lines):
            if fields[0] == user:
                return int(fields[2]), int(fields[3])
        raise _no_user(user)


def _no_user(user: str) -> ConfigError:
    return ConfigError(f"There is no user {user} on this system.", "Run install-service again.")


class Step(ABC):
    """One deed."""

    @abstractmethod
    def is_done(self, host: Host) -> bool:
        """Whether the system is already so."""

    @abstractmethod
    def do(self, host: Host) -> None:
        """Make it so."""

    @abstractmethod
    def words(self) -> str:
        """What it does, for a person; never a secret."""


@dataclass(frozen=True, slots=True)
class Account(Step):
    """The user that the service runs as, declared to systemd, which makes it."""

    path: str = "/etc/sysusers.d/tillbridge.conf"

    def is_done(self, host: Host) -> bool:
        try:
            host.ids(USER)
        except ConfigError:
            return False
        return True

    def do(self, host: Host) -> None:
        line = f'u {USER} - "tillbridge" /var/lib/tillbridge /usr/sbin/nologin\n'
        text = f"# Made by `tillbridge install-service`: the user of the service.\n{line}"
        File(self.path, text, 0o644, ROOT_USER).do(host)
        root = [] if host.is_running else [f"--root={host.root}"]
        run_tool(["systemd-sysusers", *root, Path(self.path).name])

    def words(self) -> str:
        return f"user and group {USER}, without a password or a shell"


@dataclass(frozen=True, slots=True)
class Folder(Step):
    path: str
    mode: int
    owner: str

    def is_done(self, host: Host) -> bool:
        place = host.place(self.path)
        return place.is_dir() and _has_rights(host, place, self.mode, self.owner)

    def do(self, host: Host) -> None:
        place = host.place(self.path)
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(self.mode)
        _give(host, place, self.owner)

    def words(self) -> str:
        return f"{self.path}/ ({self.mode:04o}, {self.owner})"


@dataclass(frozen=True, slots=True)
class File(Step):
    """A file with this content. One that is `kept` is only made where there is none."""

    path: str
    content: str = field(repr=False)
    mode: int
    owner: str
    kept: bool = False

    def is_done(self, host: Host) -> bool:
        place = host.place(self.path)
        if self.kept:
            return place.exists()
        try:
            same = place.read_text(encoding="utf-8") == self.content
        except (OSError, UnicodeDecodeError):
            return False
        return same and _has_rights(host, place, self.mode, self.owner)

    def do(self, host: Host) -> None:
        place = host.place(self.path)
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.new")
        fresh.unlink(missing_ok=True)
        # Made with its rights, and put in place whole: nobody may look in meanwhile.
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self.mode)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(self.content)
        fresh.chmod(self.mode)
        _give(host, fresh, self.owner)
        fresh.replace(place)

    def words(self) -> str:
        return f"{self.path} ({self.mode:04o}, {self.owner})"


@dataclass(frozen=True, slots=True)
class Encrypted(Step):
    """A credential that only this machine can read, made by systemd."""

    path: str
    name: str
    secret: str = field(repr=False)

    def is_done(self, host: Host) -> bool:  # noqa: ARG002  # what it holds cannot be compared
        return False

    def do(self, host: Host) -> None:
        place = host.place(self.path)
        run_tool(["systemd-creds", "encrypt", f"--name={self.name}", "-", str(place)], self.secret)

    def words(self) -> str:
        return f"{self.path} (encrypted for this machine)"


@dataclass(frozen=True, slots=True)
class Gone(Step):
    """A file of ours, or a folder with nothing in it any more: a person's own drop-in stays."""

    path: str

    def is_done(self, host: Host) -> bool:
        place = host.place(self.path)
        if place.is_dir() and not place.is_symlink():
            return any(place.iterdir())
        return not os.path.lexists(place)

    def do(self, host: Host) -> None:
        place = host.place(self.path)
        if place.is_dir() and not place.is_symlink():
            place.rmdir()
        else:
            place.unlink()

    def words(self) -> str:
        return f"remove {self.path}"


@dataclass(frozen=True, slots=True)
class Enabled(Step):
    """The unit starts with the machine, or does so no more."""

    unit: str
    on: bool = True

    def is_done(self, host: Host) -> bool:
        wants = host.place(f"/etc/systemd/system/multi-user.target.wants/{self.unit}")
        return os.path.lexists(wants) is self.on

    def do(self, host: Host) -> None:
        root = [] if host.is_running else [f"--root={host.root}"]
        words = ["enable"] if self.on else ["disable", *(["--now"] if host.is_running else [])]
        run_tool(["systemctl", *root, *words, self.unit])

    def words(self) -> str:
        return f"{'enable' if self.on else 'stop and disable'} {self.unit}"


def _has_rights(host: Host, place: Path, mode: int, owner: str) -> bool:
    found = place.stat()
    if found.st_mode & 0o7777 != mode:
        return False
    return not host.may_own or (found.st_uid, found.st_gid) == host.ids(owner)


def _give(host: Host, place: Path, owner: str) -> None:
    if host.may_own:
        os.chown(place, *host.ids(owner), follow_symlinks=False)


def run_tool(command: list[str], text: str | None = None) -> None:
    """Run a tool of systemd's.

    Args:
        command: its name and arguments; no secret may be among them.
        text: for its standard input.

    Raises:
        UsageError: it is not installed.
        ConfigError: it failed, with what it said.
    """
    tool = shutil.which(command[0])
    if tool is None:
        raise UsageError(
            f"{command[0]} is not installed.", "install-service needs systemd 250 or later."
        )
    done = subprocess.run(  # noqa: S603  # no shell; every word is ours
        [tool, *command[1:]],
        input=text, text=True, capture_output=True, timeout=_TOOL_TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no reason given"]
        raise ConfigError(
            f"`{' '.join(command)}` failed: {said[-1][:300]}.",
            "Correct that and run install-service again; what is done already stays.",
        )
