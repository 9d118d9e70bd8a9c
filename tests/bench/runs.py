"""Starting what is measured: the vendors, the installed command, the peers; what each one cost.

A figure is of whole processes, from start to end: user and system time, peak memory, wall time,
as the kernel counts them for a child (wait4). Must stay small itself: a child's peak memory counts
from what its parent held when it was started.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TESTS = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).resolve().parent / "peers"
OURS = sys.executable
THEIRS = TESTS.parent / os.environ.get("TILLBRIDGE_BENCH_VENV", ".venv-bench") / "bin" / "python"


class BenchError(Exception):
    """What was measured did not do its job, so that its figures would mean nothing."""


@dataclass(frozen=True)
class Cost:
    """Of one or several processes: seconds of CPU, seconds of wall time, peak megabytes."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    code: int = 0
    out: str = ""

    def and_(self, other: "Cost") -> "Cost":
        """Of two processes side by side."""
        return Cost(
            self.cpu_s + other.cpu_s, max(self.wall_s, other.wall_s), self.peak_mb + other.peak_mb,
            self.code or other.code,
        )  # fmt: skip


@dataclass
class Vendor:
    """A running pair of vendors."""

    facts: dict[str, Any]
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return str(self.facts["url"])

    def ask(self, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request("GET", path)
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return document

    def state(self) -> dict[str, Any]:
        return self.ask("/_bench/state")

    def must_hold_all(self, who: str) -> dict[str, Any]:
        """Every sale once and to the cent, or no figure."""
        state = self.state()
        if (state["rows"], state["cents"]) != (state["wanted"], state["wanted_cents"]):
            raise BenchError(
                f"{who} left {state['rows']} rows of {state['wanted']} sales at Connecteam, "
                f"{state['cents']} cents of {state['wanted_cents']}."
            )
        return state


@contextmanager
def vendor(**options: Any) -> Iterator[Vendor]:
    """Both vendors in a process of their own."""
    env = os.environ | {"PYTHONPATH": str(TESTS)}
    command = [OURS, "-m", "bench.vendor", json.dumps(options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        try:
            assert process.stdout is not None
            yield Vendor(json.loads(process.stdout.readline()), process)
        finally:
            process.kill()


def finish(process: subprocess.Popen[bytes], began_s: float) -> Cost:
    """Wait for a process and tell what it cost."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # for Popen, which must not wait again
    return Cost(
        usage.ru_utime + usage.ru_stime,
        time.monotonic() - began_s,
        usage.ru_maxrss / 1024,
        process.returncode,
    )


def run(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Cost:
    """Run to the end; output goes to files in the folder, and the standard output is returned."""
    began_s = time.monotonic()
    with (folder / "out").open("wb") as out, (folder / "err").open("ab") as err:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | dict(env or {}), stdin=subprocess.DEVNULL,
            stdout=out, stderr=err,
        )  # fmt: skip
        cost = finish(process, began_s)
    text = (folder / "out").read_text(encoding="utf-8", errors="replace")
    return Cost(cost.cpu_s, cost.wall_s, cost.peak_mb, cost.code, text)


@dataclass
class Home:
    """An installation of tillbridge that points at a vendor."""

    folder: Path
    vendor: Vendor
    poll_every: str = "5m"
    start: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.write()
        if not (self.folder / "state" / "lightspeed-token.json").exists():
            done = subprocess.run(
                self.command("authorize", "--import-refresh-token", "-"), input=b"refresh-0",
                capture_output=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise BenchError(f"no sign-in: {done.stderr.decode()}")

    def _limits(self) -> str:
        """Without limits there are no headers either, and the configuration has to say so."""
        free = not self.vendor.facts["limited"]
        return "minute_limit = 1000000\nday_limit = 1000000" if free else ""

    def write(self) -> None:
        tomorrow = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86_400))
        path = self.folder / "config.toml"
        path.write_text(
            f"""config_version = 1
[lightspeed]
api_url = "{self.vendor.url}"
token_url = "{self.vendor.url}/token"
client_id = "bench"
client_secret = "bench-secret"
{self.more.get("lightspeed", "")}
[connecteam]
base_url = "{self.vendor.url}"
api_key = "bench-key"
{self._limits()}
{self.more.get("connecteam", "")}
[ledger]
path = "{self.folder / "state" / "ledger.db"}"
[sync]
poll_every = "{self.poll_every}"
[[locations]]
name = "Bench"
lightspeed_id = 45454565682155
connecteam_id = 123
timezone = "UTC"
currency = "GBP"
exclusive = true
start = {self.start or tomorrow}
{self.more.get("location", "")}
""",
            encoding="utf-8",
        )
        path.chmod(0o600)

    def command(self, *words: str) -> list[str]:
        return [OURS, "-m", "tillbridge", "--config", str(self.folder / "config.toml"), *words]

    def call(self, *words: str, expect: Sequence[int] = (0,)) -> Cost:
        cost = run(self.command(*words), self.folder)
        if cost.code not in expect:
            said = (self.folder / "err").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise BenchError(f"{' '.join(words)} ended with {cost.code}: {said}")
        return cost

    def backfill(self) -> Cost:
        return self.call("backfill", "--from", str(self.vendor.facts["first_day"]), "--json")


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on a real disk where there is one: commits must cost what they cost."""
    kept = TESTS.parent / ".bench"
    kept.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=kept) as name:
        yield Path(name)


# -- peers ------------------------------------------------------------------------------------------

PEER_NAMES = ("requests and sqlite3", "dlt", "Singer SDK")


def peers_installed() -> bool:
    return THEIRS.exists()


def run_peer(name: str, served: Vendor, folder: Path) -> Cost:
    """Let a peer carry everything over."""
    first_ms = int(served.facts["from"]) - 60_000
    env = {
        "BENCH_URL": served.url, "BENCH_LOCATION": "45454565682155", "BENCH_TARGET": "123",
        "BENCH_KEY": "bench-key", "BENCH_ACCESS": "bench-access",
        "BENCH_FROM": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(first_ms / 1000)),
        "BENCH_TO": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR",
        "SINGER_SDK_LOG_LEVEL": "ERROR", "PYTHONPATH": str(PEERS),
    }  # fmt: skip
    if name == "Singer SDK":
        cost = _run_pair(folder, env)
    else:
        script = "plain.py" if name == PEER_NAMES[0] else "dlt_pipeline.py"
        cost = run([str(THEIRS), str(PEERS / script)], folder, env)
    if cost.code:
        said = (folder / "err").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise BenchError(f"{name} ended with {cost.code}: {said}")
    return cost


def _run_pair(folder: Path, env: Mapping[str, str]) -> Cost:
    """A tap into a target, as a shell would."""
    began_s = time.monotonic()
    with (folder / "state.json").open("wb") as state, (folder / "err").open("ab") as err:
        tap = subprocess.Popen(
            [str(THEIRS), str(PEERS / "singer_tap.py")], cwd=folder, env=os.environ | dict(env),
            stdout=subprocess.PIPE, stderr=err,
        )  # fmt: skip
        target = subprocess.Popen(
            [str(THEIRS), str(PEERS / "singer_target.py")], cwd=folder, env=os.environ | dict(env),
            stdin=tap.stdout, stdout=state, stderr=err,
        )  # fmt: skip
        assert tap.stdout is not None
        tap.stdout.close()
        return finish(tap, began_s).and_(finish(target, began_s))
