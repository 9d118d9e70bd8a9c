"""`status` and `explain`: what the ledger knows, for people and for programs."""

from typing import Any

from rich.console import Console
from rich.table import Table

from tillbridge.cli.options import Common, print_json, say
from tillbridge.cli.unposted import unconfirmed
from tillbridge.clock import SystemClock
from tillbridge.errors import UsageError
from tillbridge.ledger import quotas
from tillbridge.ledger import status as ledger_status
from tillbridge.ledger.history import story_of
from tillbridge.ledger.store import Ledger
from tillbridge.money import minor_digits, minor_text


def open_ledger(common: Common) -> Ledger:
    """The ledger of the configuration.

    Raises:
        UsageError: there is none yet.
    """
    config = common.load()
    path = common.ledger_path(config)
    if not path.exists():
        raise UsageError(
            f"There is no ledger at {path} yet.", "Run `tillbridge once` or start the service."
        )
    return Ledger(path, SystemClock())


def status(common: Common, *, as_json: bool) -> int:
    """Exit 3 if something needs a person."""
    ledger = open_ledger(common)
    try:
        with ledger.view() as view:
            rows = ledger_status.of_locations(view)
            windows = quotas.load(view)
            doubts = len(ledger_status.doubts(view))
            names = {row["connecteam_id"]: row["name"] for row in rows}
            unsure = unconfirmed(view, names)
        sentences = ledger_status.needs_person(ledger)
    finally:
        ledger.close()
    quota = {
        window["window"]: {
            "limit": window["limit"],
            "remaining": window["remaining"],
            "spent": window["spent"],
            "reset_at": ledger_status.iso(window["reset_ms"]),
        }
        for window in windows
    }
    if as_json:
        print_json(
            {
                "schema": 1,
                "locations": rows,
                "quota": quota,
                "doubts": doubts,
                "attention": sentences,
                "healthy": not sentences,
            }
        )
    else:
        _print_status(rows, quota)
        for sentence in unsure + sentences:
            say(sentence)
    return 3 if sentences else 0


def _print_status(rows: list[dict[str, Any]], quota: dict[str, Any]) -> None:
    table = Table()
    columns = ("name", "seen", "posted", "waiting", "in_doubt", "held", "quarantined", "skipped")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="left" if name == "name" else "right")
    table.add_column("read up to")
    for row in rows:
        table.add_row(*(str(row[name]) for name in columns), row["cursor"] or "not yet")
    console = Console()
    console.print(table)
    for row in rows:
        if row["last_error"]:
            console.print(f"{row['name']}: {row['last_error']}", markup=False)
    for name, window in quota.items():
        left = "unknown" if window["remaining"] is None else window["remaining"]
        console.print(
            f"Connecteam requests this {name}: {window['spent']} sent, {left} left of "
            f"{window['limit'] or 'an unknown limit'}."
        )


def explain(common: Common, key: str, *, as_json: bool) -> int:
    """What happened to one sale."""
    ledger = open_ledger(common)
    try:
        with ledger.view() as view:
            stories = [_with_amounts(story) for story in story_of(view, key)]
    finally:
        ledger.close()
    if not stories:
        raise UsageError(
            f"The ledger has no sale {key!r}.",
            "Give its accountReference, accountFiscId, receipt or transaction id.",
        )
    if as_json:
        print_json({"schema": 1, "sales": stories})
        return 0
    for story in stories:
        _print_story(story)
    return 0


def _with_amounts(story: dict[str, Any]) -> dict[str, Any]:
    """What Connecteam was told, as decimal text instead of the ledger's minor units."""
    if story["amount"] is None:
        return story
    digits = minor_digits(story["currency"])
    for event in story["events"]:
        detail = event["detail"] or {}
        event["detail"] = (
            detail
            | {
                name: minor_text(detail[name], digits)
                for name in ("amount", "total")
                if isinstance(detail.get(name), int)
            }
            or None
        )
    return story | {name: minor_text(story[name], digits) for name in ("amount", "tax_amount")}


def _print_story(story: dict[str, Any]) -> None:
    print(f"Sale {story['reference']} of {story['location']}")
    print(f"  type {story['type']}, closed {story['closed_at']}, account {story['fisc_id']}")
    print(f"  Lightspeed: net {story['net']}, tax {story['tax']} (exact sums of its lines)")
    if story["amount"] is not None:
        print(
            f"  Connecteam: {story['sale_type']} {story['amount']} {story['currency']}, tax "
            f"{story['tax_amount']}, at {story['created_at']} (rules {story['rules']})"
        )
    print(f"  state: {story['state']}" + (f" ({story['reason']})" if story["reason"] else ""))
    if story["transaction_id"]:
        print(f"  transaction id: {story['transaction_id']}")
    for event in story["events"]:
        request = f" [request {event['request_id']}]" if event["request_id"] else ""
        detail = f" {event['detail']}" if event["detail"] else ""
        print(f"  {event['at']}  {event['name']}{request}{detail}")
