"""`init`: the guided set-up. Asks what cannot be known, writes the configuration, then leads on.

The steps after that are the commands that a person could type, each run as a process of its own.
An answer is checked as soon as it is given, by the same rules that check the file. No answer that
is secret is shown or stands on a command line.
"""

import getpass
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tillbridge.cli.config_file import replace_file
from tillbridge.cli.options import Common, say
from tillbridge.config import example_toml, parse
from tillbridge.config.render import toml_value
from tillbridge.errors import ConfigError, Problem, UsageError
from tillbridge.log import keep_secret

_MOST_TRIES = 5

_OPENING = """\
This sets tillbridge up, step by step. You need, at hand:
  - from Lightspeed: the id and the secret of your API client, and its redirect address
  - from Connecteam: an API key (Settings, API keys)
  - a browser, and a Lightspeed back-office user with report rights for every location
Press Enter to take what stands in brackets. Nothing is sent to anybody before you sign in.
"""


@dataclass(frozen=True, slots=True)
class _Question:
    key: str
    text: str
    default: str = ""
    secret: bool = False


_QUESTIONS = (
    _Question("name", "A name for this installation, for alarms", "tillbridge"),
    _Question("lightspeed.environment", "Lightspeed's system: production or trial", "production"),
    _Question(
        "lightspeed.auth", "Kind of the API client: v2 (made since November 2025) or v1", "v2"
    ),
    _Question("lightspeed.client_id", "Id of the API client"),
    _Question("lightspeed.client_secret", "Secret of the API client (not shown)", secret=True),
    _Question(
        "lightspeed.redirect_uri",
        "Redirect address of the API client, to the letter",
        "https://localhost:8443/callback",
    ),
    _Question("connecteam.region", "Connecteam's region: global or australia", "global"),
    _Question("connecteam.api_key", "Connecteam's API key (not shown)", secret=True),
)

_STEPS = (
    (["authorize"], "Now the sign-in to Lightspeed."),
    (["locations", "match", "--write"], "Now the locations of both sides are matched by name."),
    (["check"], "Now everything is looked at."),
)


def init(common: Common, extra: Sequence[str]) -> int:
    """Ask, write, and lead through the rest; the exit code of the step that went wrong, or 0.

    Args:
        common: where the configuration will be.
        extra: further keys, each as `table.key=value`.

    Raises:
        UsageError: there is a configuration, or nobody answers.
        ConfigError: it cannot be written.
    """
    path = common.config_path()
    if path.exists() and not _is_untouched(path):
        raise UsageError(
            f"There is a configuration already: {path}.",
            "Edit it, and run `tillbridge check`; or move it away and run `tillbridge init` again.",
        )
    values = dict(_split(item) for item in extra)
    say(_OPENING)
    for question in _QUESTIONS:
        values[question.key] = _answer(question, values)
    _write(path, _text(values))
    say(f"\nWritten: {path}, readable by its owner only.")
    for words, sentence in _STEPS:
        say(f"\n{sentence} By hand, this is `{common.program} {' '.join(words)}`.\n")
        command = [sys.executable, "-m", "tillbridge", "--config", str(path), *words]
        code = subprocess.run(command, check=False).returncode
        if code != 0:
            say(
                f"\nThis step ended with {code}. Do what is said above, then go on with "
                f"`{common.program} {' '.join(words)}`."
            )
            return code
    say(f"\nAll is set. `{common.program} once` carries sales over once; then start the service.")
    return 0


def _is_untouched(path: Path) -> bool:
    """Whether the file is the sample as `install-service` puts it there."""
    try:
        return path.read_text(encoding="utf-8") == example_toml()
    except (OSError, ValueError):
        return False


def _split(item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise UsageError(f"`--set {key}` has no value.", "Write it as table.key=value.")
    return key.strip(), value.strip()


def _answer(question: _Question, values: dict[str, str]) -> str:
    """Ask until the answer is one that the configuration can hold."""
    for _ in range(_MOST_TRIES):
        typed = _ask(question).strip() or question.default
        if question.secret:
            keep_secret(typed)
        problem = _problem(question.key, {**values, question.key: typed})
        if problem is None:
            return typed
        say(f"{problem.message} {problem.remedy}".strip())
    raise UsageError("That was no answer which can be used.", "Run `tillbridge init` again.")


def _ask(question: _Question) -> str:
    prompt = f"{question.text}{f' [{question.default}]' if question.default else ''}: "
    if question.secret and sys.stdin.isatty():
        return getpass.getpass(prompt, sys.stderr)
    print(prompt, end="", file=sys.stderr, flush=True)
    line = bytearray()
    # Byte by byte: the steps after this read from the same standard input.
    while (char := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += char
    if not line and not char:
        raise UsageError("Nobody answers.", "Run `tillbridge init` in a terminal.")
    return line.decode("utf-8", "replace")


def _problem(key: str, values: dict[str, str]) -> Problem | None:
    """What the configuration's own rules say about this answer."""
    if not values[key]:
        return Problem(key, "This cannot be left out.")
    try:
        parse(tomllib.loads(_text(values)), source="", mode=0o600)
    except ConfigError as error:
        return next((one for one in error.problems if one.path == key), None)
    return None


def _text(values: dict[str, str]) -> str:
    """The file: keys without a table first, then one table after the other."""
    tables: dict[str, list[str]] = {"": ["config_version = 1"]}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        tables.setdefault(table, []).append(f"{name} = {toml_value(value)}")
    parts = [
        "\n".join(([f"[{table}]"] if table else []) + lines) for table, lines in tables.items()
    ]
    opening = (
        "# Written by `tillbridge init`. Every key is explained by `tillbridge config example`."
    )
    return f"{opening}\n" + "\n\n".join(parts) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not path.exists()
        replace_file(path, text)
        if is_new and os.geteuid() == 0:  # the service must be able to read what root has written
            folder = path.parent.stat()
            os.chown(path, folder.st_uid, folder.st_gid)
    except OSError as error:
        raise ConfigError(
            f"The configuration {path} cannot be written ({error.strerror}).",
            "Run the command as root, or name another place with --config.",
        ) from error
