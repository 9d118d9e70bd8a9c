"""`check`: is everything right? Looks at all of it, says it in one table, and changes nothing.

What is wrong in one place does not keep the rest from being looked at, as far as that is possible.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from tillbridge.check.machine import judge_clock, judge_disk
from tillbridge.check.places import Configured, judge_places
from tillbridge.check.report import Item, Report, Verdict, failed, passed, warned
from tillbridge.cli.check_connecteam import ConnecteamCheck
from tillbridge.cli.check_lightspeed import LightspeedCheck
from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.tables import Column, show
from tillbridge.clock import Clock, SystemClock
from tillbridge.config import Config
from tillbridge.errors import ConfigError, TillbridgeError
from tillbridge.ledger.store import Ledger
from tillbridge.log import redact
from tillbridge.secrets import FileSecret

_STYLES = {Verdict.PASSED: "green", Verdict.WARNED: "yellow", Verdict.FAILED: "bold red"}


def check(common: Common, *, as_json: bool) -> int:
    """Look at everything; exit 0, 3, 77 or 78."""
    report = Report()
    try:
        # Before root steps down: then the secrets stand in the place of their files.
        exposed = list(
            _exposed_files(common.load_quietly(need_locations=False, as_owner=False).config)
        )
        loaded = common.load_quietly(need_locations=False)
    except ConfigError as error:
        report.add(*_of_problems("Configuration", error))
    else:
        report.add(passed("Configuration", f"{common.config_path()} can be used."))
        report.add(*(warned("Configuration", str(problem)) for problem in loaded.warnings))
        report.add(*exposed)
        _look(report, loaded.config, common.ledger_path(loaded.config))
    if as_json:
        print_json(report.document())
    else:
        _print(report)
    return report.exit_code


def _look(report: Report, config: Config, path: Path) -> None:
    clock = SystemClock()
    ledger = _open_ledger(report, path, clock)
    try:
        _ask_vendors(report, config, path, ledger, clock)
    finally:
        if ledger is not None:
            ledger.close()


def _ask_vendors(
    report: Report, config: Config, path: Path, ledger: Ledger | None, clock: Clock
) -> None:
    left = LightspeedCheck(config, path, os.environ, clock)
    try:
        report.add(*left.items())
    except ConfigError as error:
        report.add(*_of_problems("Lightspeed: client", error))
    right: ConnecteamCheck | None = None
    try:
        right = ConnecteamCheck(config, ledger, os.environ, clock)
        report.add(*right.items())
    except ConfigError as error:
        report.add(*_of_problems("Connecteam: key", error))
    configured = [
        Configured(one.name, one.lightspeed_id, one.connecteam_id, str(one.timezone), one.currency)
        for one in config.locations
        if one.enabled
    ]
    theirs = right.places if right else None
    report.add(*judge_places(configured, left.places, theirs))
    told = {"Lightspeed": left.exchanges.ahead_s}
    report.requests = {"lightspeed": left.requests, "connecteam": 0}
    if right is not None:
        told["Connecteam"] = right.exchanges.ahead_s
        report.requests["connecteam"] = right.exchanges.requests
    report.add(judge_clock({name: value for name, value in told.items() if value is not None}))


def _open_ledger(report: Report, path: Path, clock: Clock) -> Ledger | None:
    folder = next((one for one in path.parents if one.is_dir()), Path("/"))
    report.add(judge_disk(shutil.disk_usage(folder).free, str(folder)))
    if not path.exists():
        writable = os.access(folder, os.W_OK | os.X_OK)
        text = f"There is none at {path} yet; the first pass makes it."
        report.add(
            passed("Ledger", text)
            if writable
            else failed("Ledger", f"{text} But this user may not write in {folder}.",
                        "Give that folder to the user that tillbridge runs as.", 78)
        )  # fmt: skip
        return None
    try:
        ledger = Ledger(path, clock)
    except TillbridgeError as error:
        code = 78 if isinstance(error, ConfigError) else 3
        report.add(failed("Ledger", error.message, error.remedy, code))
        return None
    report.add(passed("Ledger", f"{path} can be read and written."))
    return ledger


def _of_problems(name: str, error: ConfigError) -> Iterator[Item]:
    if not error.problems:
        yield failed(name, error.message, error.remedy, 78)
    for problem in error.problems:
        where = f"{problem.path}: " if problem.path else ""
        yield failed(name, f"{where}{problem.message}", problem.remedy, 78)


def _exposed_files(config: Config) -> Iterator[Item]:
    secrets = (
        config.lightspeed.client_secret,
        config.connecteam.api_key,
        config.connecteam.client_secret,
    )
    for secret in secrets:
        if isinstance(secret, FileSecret) and secret.file.is_file():
            mode = secret.file.stat().st_mode & 0o777
            if mode & 0o077:
                yield warned(
                    "Secrets",
                    f"Other users of this machine may read {secret.file} (mode {mode:04o}).",
                    f"Run: chmod 600 {secret.file}",
                )


def _print(report: Report) -> None:
    rows = [
        (
            Text(str(item.verdict), style=_STYLES[item.verdict]),
            item.name,
            redact(f"{item.text} {item.remedy}".strip()),
        )
        for item in report.items
    ]
    show([Column(""), Column("what"), Column("found, and what to do")], rows)
    costs = ", ".join(f"{name} {number}" for name, number in report.requests.items())
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict)
    say(f"{counts}. {counted(sum(report.requests.values()), 'request')} ({costs or 'none'}).")
