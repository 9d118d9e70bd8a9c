"""A whole installation in a folder: its configuration, and the real command run upon it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tillbridge.clock import SystemClock
from tillbridge.config import load
from tillbridge.http import Http, Timeouts
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.token_address import OAuthSettings
from tillbridge.lightspeed.tokens import TokenFile, token_path
from tillbridge.sandbox import Sandbox, config_toml
from tillbridge.secrets import resolve

COMMAND = [sys.executable, "-m", "tillbridge"]
TRACE = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def words(self) -> str:
        """What it said to a person, without the log."""
        return "\n".join(line for line in self.err.splitlines() if not line.startswith("{"))


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without anything of a real installation, a wide terminal added."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TILLBRIDGE_", "NOTIFY_"))}
    return kept | {"COLUMNS": "200"} | dict(extra or {})


def run(*words: str, text: str = "", env: Mapping[str, str] | None = None, **more: Any) -> Done:
    """Run the command to its end; fails if it shows a traceback."""
    ended = subprocess.run(
        [*COMMAND, *words], input=text.encode(), capture_output=True, check=False,
        timeout=60, env=environment(env), **more,
    )  # fmt: skip
    done = Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
    assert TRACE not in done.err, done.err
    return done


@dataclass
class Installation:
    folder: Path
    text: str
    refresh_token: str
    env: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def ledger(self) -> Path:
        return self.folder / "state" / "ledger.db"

    def write(self, text: str | None = None) -> None:
        self.text = text or self.text
        self.config.write_text(self.text, encoding="utf-8")
        self.config.chmod(0o600)

    def change(self, old: str, new: str) -> None:
        """Edit the configuration; what is to be changed must be there."""
        assert old in self.text, self.text
        self.write(self.text.replace(old, new))

    def call(self, *words: str, text: str = "", **more: Any) -> Done:
        return run("--config", str(self.config), *words, text=text, env=self.env, **more)

    def begin_signed_in(self) -> None:
        """As after `sign_in`, without the second that a process takes to start."""
        section = load(self.config).config.lightspeed
        self.ledger.parent.mkdir(mode=0o700, exist_ok=True)
        pool = Http(
            section.addresses.token_url, timeouts=Timeouts(5, 30), max_connections=1,
            user_agent="test",
        )  # fmt: skip
        secret = resolve(section.client_secret, {}, where="").reveal()
        settings = OAuthSettings(
            section.auth, section.addresses.token_url, section.client_id, secret,
            section.redirect_uri or "",
        )  # fmt: skip
        file = TokenFile(token_path(self.ledger))
        Authenticator(pool, settings, file, SystemClock()).import_refresh_token(self.refresh_token)
        pool.close()

    def sign_in(self) -> None:
        done = self.call("authorize", "--import-refresh-token", "-", text=self.refresh_token)
        assert done.code == 0, done.err

    def status(self) -> dict[str, Any]:
        return self.call("status", "--json").json  # type: ignore[no-any-return]

    @contextmanager
    def service(self, *words: str, **more: Any) -> Iterator["Service"]:
        """A command that goes on by itself (`run` if no words are given), killed at the end."""
        with Service(self, words or ("run",), **more) as service:
            yield service


class Service:
    """A running process of an installation; its log is a file."""

    _number = 0

    def __init__(self, home: Installation, words: tuple[str, ...], **more: Any) -> None:
        Service._number += 1
        self.log_file = home.folder / f"log-{Service._number}"
        env = environment(home.env | more.pop("env", {}))
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "--config", str(home.config), *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, **more,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert TRACE not in self.log, self.log

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def until(self, true: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for something; it must come while the process lives."""
        until(true, seconds, lambda: self.process.poll() is None, lambda: self.log)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit code, and the seconds that it took to end."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        return code, time.monotonic() - began


def until(
    true: Callable[[], bool],
    seconds: float = 20,
    alive: Callable[[], bool] = lambda: True,
    story: Callable[[], str] = str,
) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert alive(), f"it ended by itself: {story()}"
        assert time.monotonic() < deadline, f"waited in vain: {story()}"
        time.sleep(0.03)


def install(folder: Path, sandbox: Sandbox, **options: Any) -> Installation:
    """An installation that fits a sandbox, not yet signed in."""
    text = config_toml(sandbox, folder / "state" / "ledger.db", **options)
    home = Installation(folder, text, sandbox.new_refresh_token())
    home.write()
    return home


def arrived(sandbox: Sandbox) -> bool:
    """Whether Connecteam holds as many sales as Lightspeed."""
    wanted = sum(total.sales for total in sandbox.lightspeed_truth().values())
    return sum(total.sales for total in sandbox.connecteam_truth().values()) == wanted


def assert_exactly_once(sandbox: Sandbox) -> None:
    """Row by row, each sale of each location is in Connecteam once, and nothing else is."""
    for place in sandbox.locations:
        wanted = Counter(sandbox.expected_rows(place.lightspeed_id))
        assert Counter(sandbox.connecteam_rows(place.connecteam_id)) == wanted
