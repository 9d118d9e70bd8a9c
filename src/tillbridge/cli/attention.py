"""`quarantine`, `doubts` and `settle`: what needs a person."""

import os
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from tillbridge.by_hand import Word
from tillbridge.cli.options import Common, print_json, say
from tillbridge.cli.state import open_ledger
from tillbridge.clock import SystemClock
from tillbridge.configured import rules_of
from tillbridge.days import epoch_ms
from tillbridge.errors import UsageError
from tillbridge.ledger import attention
from tillbridge.ledger import status as ledger_status
from tillbridge.lock import PostingLock
from tillbridge.money import minor_digits, minor_text
from tillbridge.wiring import Bridge


def list_quarantine(common: Common, *, as_json: bool) -> int:
    """Exit 3 if there are any."""
    ledger = open_ledger(common)
    try:
        with ledger.view() as view:
            rows = ledger_status.quarantined(view)
    finally:
        ledger.close()
    if as_json:
        print_json({"schema": 1, "sales": rows})
    elif rows:
        table = Table("location", "account", "reference", "closed", "type", "reason")
        for row in rows:
            cells = ("location", "fisc_id", "reference", "closed_at", "type", "reason")
            table.add_row(*(str(row[name] or "-") for name in cells))
        Console().print(table)
        say("Retry them with `tillbridge quarantine retry`, or give them up with `drop`.")
    else:
        say("No sale is set aside.")
    return 3 if rows else 0


def retry_quarantine(common: Common, references: list[str], *, as_json: bool) -> int:
    """Map them again with the rules as they are now."""
    config = common.load()
    ledger = open_ledger(common)
    try:
        rules = {place.lightspeed_id: rules_of(config, place) for place in config.locations}
        now_ms = epoch_ms(SystemClock().now())
        with ledger.commit() as commit:
            done = attention.retry(commit, references, rules, now_ms)
    finally:
        ledger.close()
    say(f"{done.waiting} sales will be sent, {done.skipped} are left out by the rules, "
        f"{done.still} stay set aside.")  # fmt: skip
    if as_json:
        print_json({"schema": 1, "waiting": done.waiting, "skipped": done.skipped,
                    "still": done.still})  # fmt: skip
    return 3 if done.still else 0


def drop_quarantine(common: Common, references: list[str], reason: str, *, as_json: bool) -> int:
    """Give sales up."""
    if not reason.strip():
        raise UsageError("A reason is needed.", "Say why, with --reason TEXT.")
    ledger = open_ledger(common)
    try:
        with ledger.commit() as commit:
            count = attention.drop(commit, references, reason, epoch_ms(SystemClock().now()))
    finally:
        ledger.close()
    say(f"{count} sales given up; they will not be sent.")
    if as_json:
        print_json({"schema": 1, "dropped": count})
    return 0


def list_doubts(common: Common, *, as_json: bool) -> int:
    """Exit 3 if any is held for a person."""
    ledger = open_ledger(common)
    try:
        with ledger.view() as view:
            rows = ledger_status.doubts(view)
            places = ledger_status.of_locations(view)
    finally:
        ledger.close()
    if as_json:
        keys = ("id", "connecteam_id", "state", "row_count", "currency", "reason")
        listed = [
            {key: row[key] for key in keys}
            | {"total": minor_text(row["total"], minor_digits(row["currency"]))}
            for row in rows
        ]
        print_json({"schema": 1, "doubts": listed})
    elif not rows:
        say("No request is in doubt.")
    else:
        names = {place["connecteam_id"]: place["name"] for place in places}
        table = Table("id", "location", "state", "sales", "total", "why")
        for row in rows:
            total = minor_text(row["total"], minor_digits(row["currency"]))
            table.add_row(
                str(row["id"]), names.get(row["connecteam_id"], str(row["connecteam_id"])),
                row["state"], str(row["row_count"]), f"{total} {row['currency']}",
                row["reason"] or "",
            )  # fmt: skip
        Console().print(table)
    return 3 if any(row["state"] == "held" for row in rows) else 0


def settle(
    common: Common, doubt: str, reason: str, words: Mapping[str, bool], *, as_json: bool
) -> int:
    """A person's word, the one in `words` that is true, ends a doubt, or a stop."""
    said = [name for name, given in words.items() if given]
    if len(said) != 1:
        raise UsageError("Say one of --landed, --not-landed and --replace.")
    word = Word(said[0])
    config = common.load()
    clock = SystemClock()
    ledger = open_ledger(common)
    bridge = Bridge(config, ledger, PostingLock(ledger.path), os.environ, clock)
    posted = None
    try:
        if doubt.isdecimal():
            bridge.by_hand.settle(int(doubt), word, reason)
            then = _THEN[word]
        else:
            posted = bridge.by_hand.end_stop(
                doubt, word, reason, bridge.watermark.read().wall_ms or None
            )
            then = f"posting goes on; {posted} waiting sales count as posted."
    finally:
        bridge.close()
        ledger.close()
    say(f"Settled; {then}")
    if as_json:
        print_json({"schema": 1, "settled": doubt, "word": word.value, "posted": posted})
    return 0


_THEN = {
    Word.LANDED: "its sales count as posted.",
    Word.NOT_LANDED: "its sales will be sent again.",
    Word.REPLACE: "its sales and all others of that time will be taken out and sent again.",
}
