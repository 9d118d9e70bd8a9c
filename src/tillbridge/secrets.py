"""Secrets: what the configuration says about one, and its value, read at the rim.

A reference (`SecretRef`) may be kept, printed and compared; a value (`SecretValue`) never shows
itself in a text, a log line or a pickle. Every value that passes here is registered with the log,
which hides it from then on. Nothing here writes a secret anywhere, or remembers one.
"""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tillbridge.errors import ConfigError, Problem
from tillbridge.log import keep_secret, redact

_MAX_BYTES = 64 * 1024
_DECRYPT_TIMEOUT_S = 30.0  # a TPM may need some seconds; more means that it waits for a person
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9_@+:-][A-Za-z0-9._@+:-]{0,254}")
_FORMS = 'Write it as text, or as { env = "NAME" }, { file = "/PATH" } or { credential = "NAME" }.'


class SecretValue:
    """A secret. Only `reveal` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        keep_secret(value, lasting=True)
        self._value = value

    def reveal(self) -> str:
        """The secret itself: for a request's header or body, and for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "SecretValue([hidden])"

    def __str__(self) -> str:
        return "[hidden]"

    def __format__(self, _spec: str) -> str:
        return "[hidden]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied into a file or another process")


@dataclass(frozen=True, slots=True)
class LiteralSecret:
    """The secret stands in the configuration itself."""

    value: SecretValue


@dataclass(frozen=True, slots=True)
class EnvSecret:
    """The secret is in an environment variable."""

    env: str


@dataclass(frozen=True, slots=True)
class FileSecret:
    """The secret is the content of a file."""

    file: Path


@dataclass(frozen=True, slots=True)
class CredentialSecret:
    """The secret is a credential of systemd."""

    credential: str


SecretRef = LiteralSecret | EnvSecret | FileSecret | CredentialSecret


@dataclass(frozen=True, slots=True)
class CredentialStores:
    """Where systemd keeps credentials for services, searched in this order, plain ones first."""

    plain: tuple[Path, ...] = (Path("/etc/credstore"), Path("/run/credstore"))
    encrypted: tuple[Path, ...] = (
        Path("/etc/credstore.encrypted"),
        Path("/run/credstore.encrypted"),
    )


SYSTEM_STORES = CredentialStores()


class UnusableSecret(ValueError):
    """A reference or a secret is no good: a sentence and a remedy, neither with the value."""

    def __init__(self, message: str, remedy: str = _FORMS) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def parse_reference(value: object) -> SecretRef:
    """The reference that a value of the configuration stands for.

    Raises:
        UnusableSecret: it is none of the four forms. The message never repeats the value: a person
            may have written the secret itself in the wrong place.
    """
    if isinstance(value, LiteralSecret | EnvSecret | FileSecret | CredentialSecret):
        return value
    if isinstance(value, str):
        return LiteralSecret(_usable(value.encode("utf-8", "surrogatepass"), "the text"))
    if not isinstance(value, dict):
        raise UnusableSecret("This is not a secret.")
    if len(value) != 1 or not set(value) <= {"env", "file", "credential"}:
        raise UnusableSecret("A secret is found in exactly one way.")
    ((form, name),) = value.items()
    if not isinstance(name, str):
        raise UnusableSecret(f"The {form} of a secret is a text.")
    return _reference(form, name)


def resolve(
    ref: SecretRef,
    environ: Mapping[str, str],
    *,
    where: str = "",
    stores: CredentialStores = SYSTEM_STORES,
) -> SecretValue:
    """Read the secret that a reference names; from now on the log hides it.

    Args:
        ref: from the configuration.
        environ: the environment of the process.
        where: the key of the configuration, for the message: `connecteam.api_key`.
        stores: systemd's credential stores.

    Raises:
        ConfigError: it is missing, empty, unreadable or no usable text.
    """
    try:
        if isinstance(ref, LiteralSecret):
            return ref.value
        if isinstance(ref, EnvSecret):
            return _usable(_from_environment(ref.env, environ), f"the variable {ref.env}")
        if isinstance(ref, FileSecret):
            return _usable(_from_file(ref.file), f"the file {ref.file}")
        content = _from_credential(ref.credential, environ, stores)
        return _usable(content, f"the credential {ref.credential}")
    except UnusableSecret as reason:
        problem = Problem(where, redact(reason.message), redact(reason.remedy))
    raise ConfigError("A secret that the configuration needs cannot be read.", problems=[problem])


def _reference(form: str, name: str) -> SecretRef:
    if form == "env":
        if not _ENV_NAME.fullmatch(name):
            raise UnusableSecret(
                "This is not the name of an environment variable.",
                'Write the name of the variable, not the secret: { env = "CONNECTEAM_API_KEY" }.',
            )
        return EnvSecret(name)
    if form == "file":
        if not name.startswith("/") or "\0" in name:
            raise UnusableSecret(
                "The file of a secret needs its whole path.",
                'Write the path from the root on: { file = "/etc/tillbridge/api-key" }.',
            )
        return FileSecret(Path(name))
    if not _CREDENTIAL_NAME.fullmatch(name):
        raise UnusableSecret(
            "This is not the name of a credential.",
            "Use letters, digits, dots, dashes and underscores, as in "
            '{ credential = "connecteam-api-key" }.',
        )
    return CredentialSecret(name)


def _from_environment(name: str, environ: Mapping[str, str]) -> bytes:
    if name not in environ:
        raise UnusableSecret(
            f"The environment variable {name} is not set.",
            "Set it for the service (Environment file of the unit) and for this shell.",
        )
    return environ[name].encode("utf-8", "surrogateescape")


def _from_file(path: Path) -> bytes:
    try:
        return _read(path)
    except FileNotFoundError:
        raise UnusableSecret(
            f"The file {path} does not exist.", "Create it, or correct the path."
        ) from None
    except OSError as error:
        raise UnusableSecret(
            f"The file {path} cannot be read ({error.strerror}).",
            "Let the user that tillbridge runs as read it, and nobody else.",
        ) from None


def _from_credential(name: str, environ: Mapping[str, str], stores: CredentialStores) -> bytes:
    given = environ.get("CREDENTIALS_DIRECTORY")
    denied: list[str] = []
    found = _look((Path(given), *stores.plain) if given else stores.plain, name, denied)
    if found is not None:
        return found[1]
    found = _look(stores.encrypted, name, denied)
    if found is not None:
        return _decrypt(found[0], name, environ)
    blocked = f" Could not look into {', '.join(denied)}." if denied else ""
    raise UnusableSecret(
        f"The credential {name} was not found.{blocked}",
        f"The service gets it by a line LoadCredential={name} or LoadCredentialEncrypted={name} "
        f"in its unit and a file in {stores.plain[0]} or {stores.encrypted[0]}; "
        "in a shell, run this command as root.",
    )


def _look(directories: Sequence[Path], name: str, denied: list[str]) -> tuple[Path, bytes] | None:
    for directory in directories:
        try:
            return directory / name, _read(directory / name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            denied.append(f"{directory} ({error.strerror})")
    return None


def _decrypt(path: Path, name: str, environ: Mapping[str, str]) -> bytes:
    tool = shutil.which("systemd-creds", path=environ.get("PATH", os.defpath))
    if tool is None:
        raise UnusableSecret(
            f"The credential {path} is encrypted, and systemd-creds is not installed.",
            "Install systemd 250 or later, or run as the service.",
        )
    command = [tool, "decrypt", f"--name={name}", str(path), "-"]
    try:
        done = subprocess.run(  # noqa: S603  # no shell; the name and the path were checked
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DECRYPT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnusableSecret(
            f"The credential {path} could not be decrypted ({type(error).__name__}).",
            f"Try it by hand: {' '.join(command)}",
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        raise UnusableSecret(
            f"The credential {path} could not be decrypted ({said[-1][:200]}).",
            "Only root can decrypt it, on the machine that encrypted it, under the same name.",
        )
    return done.stdout


def _read(path: Path) -> bytes:
    # Without O_NONBLOCK, opening a named pipe would wait for ever for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnusableSecret(f"{path} is not a file.", "Name a file that holds the secret.")
        return file.read(_MAX_BYTES + 1)


def _usable(content: bytes, place: str) -> SecretValue:
    """The secret in some bytes, without the line break that editors put at the end."""
    if len(content) > _MAX_BYTES:
        raise UnusableSecret(
            f"The secret is longer than {_MAX_BYTES // 1024} KiB; {place} holds something else.",
            "Keep only the secret there.",
        )
    text = content.decode("ascii", "replace").removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise UnusableSecret(
            f"The secret is empty; there is nothing in {place}.", "Put the secret there."
        )
    if not text.isascii() or not text.isprintable():
        raise UnusableSecret(
            f"The secret has a line break, an accent or the like in it; look at {place}.",
            "Copy the key again, alone and on one line.",
        )
    return SecretValue(text)
