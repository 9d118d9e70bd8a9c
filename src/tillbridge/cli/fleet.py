"""`status --all`: every installation on this machine at a glance."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tillbridge.cli.checkup import Checkup
from tillbridge.cli.options import Common, print_json, say
from tillbridge.cli.state import findings_json
from tillbridge.cli.tables import Column, Kind, show
from tillbridge.clock import SystemClock
from tillbridge.config import Config, find_config, ledger_path, load
from tillbridge.errors import ConfigError, TillbridgeError, UsageError
from tillbridge.findings import Finding, Level, exit_code, is_healthy
from tillbridge.fleet import Member, compare
from tillbridge.ledger import account_name
from tillbridge.ledger import status as ledger_status
from tillbridge.ledger.store import Ledger
from tillbridge.log import configure_logging

_MAIN = "config"
_COUNTS = ("seen", "posted", "waiting", "held", "quarantined")


@dataclass(frozen=True, slots=True)
class _Look:
    """One installation, as it was found."""

    common: Common
    name: str
    findings: list[Finding]
    locations: list[dict[str, Any]]
    member: Member | None


def status_of_all(common: Common, *, as_json: bool) -> int:
    """All configurations beside the one in force; exit 3 or 69 as the worst of them."""
    configure_logging(os.environ.get("TILLBRIDGE_LOG_LEVEL") or "critical")
    folder = find_config(common.config_file, None, os.environ).parent
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise UsageError(
            f"There is no configuration in {folder}.",
            "Install with `tillbridge install-service`, or name one of them with --config.",
        )
    looks = [_look(common, path) for path in paths]
    between = compare([look.member for look in looks if look.member is not None])
    code = exit_code([*between, *(item for look in looks for item in look.findings)])
    if as_json:
        _print_json(looks, between)
    else:
        _print(looks, between)
    return code


def _look(common: Common, path: Path) -> _Look:
    instance = None if path.stem == _MAIN else path.stem
    # Named as its user would name it, so that a command in a sentence can be typed.
    own = Common(path if common.config_file is not None else None, instance)
    called = Common(own.config_file, None) if own.config_file is not None else own
    look = _Look(called, instance or "main", [], [], None)
    try:
        config = load(path).config
        # What systemd gives a service as its folder is one service's, and not everybody's.
        environ = {key: value for key, value in os.environ.items() if key != "STATE_DIRECTORY"}
        return _look_into(look, config, ledger_path(config, instance, environ))
    except TillbridgeError as error:
        return replace(look, findings=[_unreadable(look.name, error)])


def _look_into(look: _Look, config: Config, path: Path) -> _Look:
    targets = {place.connecteam_id: place.name for place in config.locations if place.enabled}
    member = Member(look.name, None, config.connecteam.address, targets, str(path))
    if not path.exists():
        never = Finding(
            "never_run", Level.NOTE, None, look.name, f"There is no ledger at {path} yet.",
            "Start its service.",
        )  # fmt: skip
        return replace(look, findings=[never], member=member)
    ledger = Ledger(path, SystemClock())
    try:
        with ledger.view() as view:
            rows = ledger_status.of_locations(view)
            member = replace(member, account=account_name.read(view))
        found = Checkup(config, ledger, ledger.clock).findings()
    finally:
        ledger.close()
    return replace(look, findings=found, locations=rows, member=member)


def _unreadable(name: str, error: TillbridgeError) -> Finding:
    problems = error.problems if isinstance(error, ConfigError) else ()
    first = f" {problems[0]}" if problems else ""
    return Finding(
        "unreadable", Level.PERSON, None, name, error.message, f"{error.remedy}{first}".strip(),
        "config show",
    )  # fmt: skip


def _sums(look: _Look) -> dict[str, int]:
    return {name: sum(row[name] for row in look.locations) for name in _COUNTS}


def _print_json(looks: list[_Look], between: list[Finding]) -> None:
    everything = [*between, *(item for look in looks for item in look.findings)]
    print_json(
        {
            "schema": 1,
            "healthy": is_healthy(everything),
            "between": findings_json(between, "tillbridge")["findings"],
            "instances": [
                {
                    "instance": look.name,
                    "locations": look.locations,
                    **findings_json(look.findings, look.common.program),
                }
                for look in looks
            ],
        }
    )


def _print(looks: list[_Look], between: list[Finding]) -> None:
    columns = [Column("instance", Kind.ID), Column("is"), Column("locations", Kind.NUMBER)]
    words = {0: "well", 69: "late", 3: "in need of a person"}
    rows = [
        [look.name, words[exit_code(look.findings)], len(look.locations), *_sums(look).values()]
        for look in looks
    ]
    show([*columns, *(Column(name, Kind.NUMBER) for name in _COUNTS)], rows)
    for item in between:
        say(item.text())
    for look in looks:
        for item in look.findings:
            say(f"[{look.name}] {item.text(look.common.program)}")
