"""`status`: how this installation is, for people and for programs."""

from collections.abc import Sequence
from typing import Any

from tillbridge.cli.checkup import Checkup
from tillbridge.cli.options import Common, print_json, say
from tillbridge.cli.unposted import asked_for, unconfirmed
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.errors import UsageError
from tillbridge.findings import Finding, Level, exit_code, is_healthy
from tillbridge.ledger import quotas
from tillbridge.ledger import status as ledger_status
from tillbridge.ledger.store import Ledger

_COUNTS = ("seen", "posted", "waiting", "in_doubt", "held", "quarantined", "skipped")


def open_ledger(common: Common) -> Ledger:
    """The ledger of the configuration.

    Raises:
        UsageError: there is none yet.
    """
    return open_ledger_of(common, common.load())


def open_ledger_of(common: Common, config: Config) -> Ledger:
    """The same, of a configuration that has been loaded."""
    path = common.ledger_path(config)
    if not path.exists():
        raise UsageError(
            f"There is no ledger at {path} yet.",
            f"Run `{common.program} once` or start the service.",
        )
    return Ledger(path, SystemClock())


def status(common: Common, *, as_json: bool) -> int:
    """Exit 3 if something needs a person, 69 if something is late."""
    config = common.load()
    ledger = open_ledger_of(common, config)
    try:
        with ledger.view() as view:
            rows = ledger_status.of_locations(view)
            windows = quotas.load(view)
            doubts = len(ledger_status.doubts(view))
            names = {row["connecteam_id"]: row["name"] for row in rows}
            unsure = unconfirmed(view, names) + asked_for(view, names)
        found = Checkup(config, ledger, ledger.clock).findings()
    finally:
        ledger.close()
    quota = _quota(windows)
    if as_json:
        print_json(
            {
                "schema": 1,
                "locations": rows,
                "quota": quota,
                "doubts": doubts,
                **findings_json(found, common.program),
            }
        )
    else:
        _print_status(rows, quota)
        for sentence in unsure + [item.text(common.program) for item in found]:
            say(sentence)
    return exit_code(found)


def findings_json(found: Sequence[Finding], program: str) -> dict[str, Any]:
    """What health says, as it stands in a JSON document."""
    return {
        "healthy": is_healthy(found),
        "attention": [item.text(program) for item in found if item.level is Level.PERSON],
        "findings": [
            {
                "code": item.code,
                "level": str(item.level),
                "location": item.place,
                "sentence": item.sentence,
                "remedy": item.remedy or None,
                "command": f"{program} {item.command}" if item.command else None,
            }
            for item in found
        ],
    }


def _quota(windows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        window["window"]: {
            "limit": window["limit"],
            "remaining": window["remaining"],
            "spent": window["spent"],
            "others": window["others"],
            "reset_at": ledger_status.iso(window["reset_ms"]),
        }
        for window in windows
    }


def _print_status(rows: list[dict[str, Any]], quota: dict[str, Any]) -> None:
    from tillbridge.cli.tables import Column, Kind, show  # programs read no tables

    columns = [Column("name"), *(Column(name.replace("_", " "), Kind.NUMBER) for name in _COUNTS)]
    cells = [
        [row["name"], *(row[name] for name in _COUNTS), row["cursor"] or "not yet"] for row in rows
    ]
    show([*columns, Column("read up to", Kind.ID)], cells)
    for row in rows:
        if row["last_error"]:
            print(f"{row['name']}: {row['last_error']}")
    for name, window in quota.items():
        left = "unknown" if window["remaining"] is None else window["remaining"]
        print(
            f"Connecteam requests this {name}: {window['spent']} sent, {left} left of "
            f"{window['limit'] or 'an unknown limit'}{_others(window['others'])}."
        )


def _others(requests: int) -> str:
    """The limits are the account's; who else spends them is worth knowing before they are used."""
    return f"; other programs of the account sent {requests}" if requests else ""
