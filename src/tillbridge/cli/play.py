"""`sandbox` and `demo`: both vendors on loopback, and the whole job against them."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tillbridge.cli.options import say
from tillbridge.errors import TryLater, UsageError
from tillbridge.memory import end_start
from tillbridge.sandbox import Sandbox, SandboxOptions, config_toml, serve
from tillbridge.sandbox.options import PLAN_LIMITS


def sandbox(
    *,
    seed: int,
    days: int,
    locations: int,
    plan: str,
    lag_s: float,
    live_every_s: float,
    folder: Path | None,
) -> None:
    """Serve until interrupted; writes a configuration that fits."""
    end_start()
    if plan not in (*PLAN_LIMITS, "none"):
        raise UsageError(f"There is no plan {plan!r}.", f"Choose {', '.join(PLAN_LIMITS)} or none.")
    try:
        options = SandboxOptions(
            seed=seed, days=days, locations=locations, plan=plan,  # type: ignore[arg-type]
            totals_lag_s=lag_s, live_every_s=live_every_s,
        )  # fmt: skip
    except ValueError as error:
        raise UsageError(f"The sandbox cannot be like that: {error}.") from None
    home = folder or Path(tempfile.mkdtemp(prefix="tillbridge-sandbox-"))

    def announce(served: Sandbox) -> None:
        config = write_config(served, home)
        print(f"Lightspeed:  {served.lightspeed_url}")
        print(f"Connecteam:  {served.connecteam_url}")
        print(f"Config:      {config}")
        print("Sign in as a person does (its page has one button), or with a token:")
        print(f"  tillbridge --config {config} authorize")
        print(f"  echo {served.refresh_token} | tillbridge --config {config} authorize "
              "--import-refresh-token -")  # fmt: skip
        print("Look at everything, then carry the day over:")
        print(f"  tillbridge --config {config} check")
        print(f"  tillbridge --config {config} once")
        print("Ctrl-C ends it.", flush=True)

    serve(options, announce=announce)


def write_config(served: Sandbox, home: Path) -> Path:
    """A configuration for this sandbox, private, in a folder that is made if missing."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = home / "config.toml"
    path.touch(mode=0o600)
    path.write_text(config_toml(served, home / "ledger.db"), encoding="utf-8")
    path.chmod(0o600)
    return path


def demo(seed: int) -> int:
    """A day of trade, live sales, and a table that must be equal to the cent."""
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="tillbridge-demo-") as folder,
        Sandbox(SandboxOptions(seed=seed)) as served,
    ):
        config = write_config(served, Path(folder))
        say("Both vendors are on loopback: Lightspeed with a day of trade, Connecteam empty.")
        _tillbridge(config, "authorize", "--import-refresh-token", "-", text=served.refresh_token)
        with (Path(folder) / "service.log").open("wb") as log:
            service = subprocess.Popen(
                [*_command(), "--config", str(config), "run"], stderr=log, env=_environment()
            )
            try:
                _carry_day(served, service)
                _trade_live(served, service)
            except TryLater:
                _show_log(Path(folder) / "service.log")
                raise
            finally:
                service.terminate()
                code = service.wait(15)
        if code != 0:
            raise TryLater(f"The service ended with exit code {code}.")
        equal = _compare(served, config)
    say(f"{'Equal to the cent' if equal else 'NOT EQUAL'}, "
        f"{time.monotonic() - started:.0f} seconds in all.")  # fmt: skip
    return 0 if equal else 1


def _carry_day(served: Sandbox, service: subprocess.Popen[bytes]) -> None:
    wanted = sum(total.sales for total in served.lightspeed_truth().values())
    say(f"The service runs (process {service.pid}); {wanted} sales of the day are on their way.")
    began = time.monotonic()
    _wait_for(served, wanted, service)
    say(f"The day is over there, after {time.monotonic() - began:.1f} seconds.")


def _trade_live(served: Sandbox, service: subprocess.Popen[bytes]) -> None:
    say("Now the tills are open. Four sales close:")
    for turn in range(4):
        place = turn % len(served.locations)
        served.close_sale(place)
        began = time.monotonic()
        _wait_for(served, sum(t.sales for t in served.lightspeed_truth().values()), service)
        say(f"  {served.locations[place].name}: in Connecteam after "
            f"{time.monotonic() - began:.1f} seconds.")  # fmt: skip


def _show_log(path: Path) -> None:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]:
        say(f"  | {line[:300]}")


def _wait_for(served: Sandbox, wanted: int, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 50
    while sum(total.sales for total in served.connecteam_truth().values()) < wanted:
        if service.poll() is not None:
            raise TryLater(f"The service ended by itself, with exit code {service.returncode}.")
        if time.monotonic() > deadline:
            raise TryLater("The sales did not arrive within 50 seconds.")
        time.sleep(0.1)


def _compare(served: Sandbox, config: Path) -> bool:
    from collections import Counter
    from decimal import Decimal

    from rich.console import Console
    from rich.table import Table

    from tillbridge.clock import SystemClock
    from tillbridge.config import load
    from tillbridge.ledger.store import Ledger
    from tillbridge.ledger.sums import posted_by_location

    ledger = Ledger(load(config).config.ledger.path or config, SystemClock())
    with ledger.view() as view:
        ours = posted_by_location(view)
    ledger.close()
    table = Table(title="The day, three times", title_justify="left")
    for name in ("location", "", "sales", "net", "tax"):
        table.add_column(name, justify="left" if name in ("location", "") else "right")
    equal = True
    lightspeed, connecteam = served.lightspeed_truth(), served.connecteam_truth()
    for place in served.locations:
        there = lightspeed[place.lightspeed_id]
        here = ours.get(place.lightspeed_id, (0, Decimal(0), Decimal(0)))
        then = connecteam[place.connecteam_id]
        same = (
            (there.sales, there.net, there.tax) == here == (then.sales, then.net, then.tax)
        ) and Counter(served.expected_rows(place.lightspeed_id)) == Counter(
            served.connecteam_rows(place.connecteam_id)
        )
        equal = equal and same
        rows = (
            ("Lightspeed", there.sales, there.net, there.tax),
            ("ledger", *here),
            ("Connecteam", then.sales, then.net, then.tax),
        )
        for index, row in enumerate(rows):
            name = f"{place.name} ({place.currency})" if index == 0 else ""
            table.add_row(name, *(str(cell) for cell in row))
        table.add_row("", "equal, row by row" if same else "DIFFERENT", end_section=True)
    Console().print(table)
    return equal


def _tillbridge(config: Path, *words: str, text: str) -> None:
    done = subprocess.run(
        [*_command(), "--config", str(config), *words],
        input=text.encode(), capture_output=True, check=False, env=_environment(),
    )  # fmt: skip
    if done.returncode != 0:
        raise TryLater(f"`tillbridge {' '.join(words)}` failed: {done.stderr.decode()}")


def _command() -> list[str]:
    return [sys.executable, "-m", "tillbridge"]


def _environment() -> dict[str, str]:
    """This environment, without what would make the service talk to a real installation."""
    return {key: value for key, value in os.environ.items() if not key.startswith("TILLBRIDGE_")}
