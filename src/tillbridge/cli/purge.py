"""`purge`: takes a period back out of Connecteam, exactly what tillbridge posted there."""

import os
from dataclasses import dataclass
from datetime import date
from typing import Any

from tillbridge import takeback
from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.periods import bounds, chosen
from tillbridge.cli.state import open_ledger
from tillbridge.cli.stopping import Stopper
from tillbridge.cli.tables import Column, Kind, amount_text, show
from tillbridge.cli.undoing import agreed, carry_out, cost_words
from tillbridge.clock import SystemClock
from tillbridge.config import Location
from tillbridge.days import epoch_ms
from tillbridge.ledger.removals import Purpose
from tillbridge.lock import PostingLock
from tillbridge.money import minor_digits, minor_text
from tillbridge.takeback import Plan
from tillbridge.wiring import Bridge


@dataclass(frozen=True, slots=True)
class _Here:
    place: Location
    plan: Plan


def purge(
    common: Common,
    days: tuple[date, date],
    names: list[str],
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Show what would go, ask, and take it out; the same call goes on after a kill."""
    config = common.load()
    clock = SystemClock()
    ledger = open_ledger(common)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    try:
        places = chosen(config, names, disabled=False)
        found = [_Here(place, _plan(bridge, place, days)) for place in places]
        if not as_json:
            _show(bridge, found, days)
        count = sum(len(here.plan.sale_ids) + here.plan.already for here in found)
        asked = 0
        code = 0
        if count and not dry_run:
            if not agreed(f"Take {counted(count, 'sale')} out of Connecteam?", yes=yes):
                say("Nothing was changed.")
                return 0
            now_ms = epoch_ms(clock.now())
            reason = f"taken out by `purge --from {days[0]} --to {days[1]}`"
            for here in found:
                asked += takeback.ask(ledger, here.plan.sale_ids, now_ms, reason)
            with Stopper(clock) as stopper:
                code = carry_out(bridge, stopper, Purpose.PURGE)
        if as_json:
            print_json(_json(found, days, dry_run=dry_run, asked=asked, code=code))
        return code or (3 if any(_needs_person(here.plan) for here in found) else 0)
    finally:
        bridge.close()
        ledger.close()
        lock.release()


def _plan(bridge: Bridge, place: Location, days: tuple[date, date]) -> Plan:
    start, end = bounds(place, days)
    return takeback.plan(
        bridge.ledger,
        bridge.sources[place.name].id,
        epoch_ms(start) // 1000,
        epoch_ms(end) // 1000,
        bridge.replacer.refusal,
    )


def _needs_person(plan: Plan) -> bool:
    return bool(plan.left or plan.undecided)


def _show(bridge: Bridge, found: list[_Here], days: tuple[date, date]) -> None:
    rows = [
        [
            here.place.name,
            f"{len(here.plan.sale_ids) + here.plan.already:,}",
            ", ".join(
                f"{amount_text(amount, currency)} {currency}"
                for currency, amount in sorted(here.plan.amount.items())
            ),
            f"{here.plan.already:,}",
            f"{sum(here.plan.left.values()) + here.plan.undecided:,}",
        ]
        for here in found
    ]
    show(
        [Column("location"), Column("sales to take out", Kind.NUMBER), Column("net", Kind.NUMBER),
         Column("begun earlier", Kind.NUMBER), Column("cannot go now", Kind.NUMBER)],
        rows,
        title=f"What tillbridge posted for {days[0]} to {days[1]}",
    )  # fmt: skip
    for here in found:
        _say_rest(here)
    deletes = sum(len(here.plan.sale_ids) + here.plan.already for here in found)
    if deletes:
        say(f"That is {cost_words(bridge, deletes)}: each sale is deleted by its id.")
    else:
        say("There is nothing to take out.")


def _say_rest(here: _Here) -> None:
    """What stays, and why; one sentence each."""
    name, plan = here.place.name, here.plan
    for reason, count in sorted(plan.left.items()):
        say(f"{name}: {counted(count, 'sale')} without a transaction id cannot be taken out: "
            f"{reason}. Delete them in Connecteam by hand, if they must go.")  # fmt: skip
    if plan.by_window:
        say(f"{name}: {counted(plan.by_window, 'sale')} without a transaction id; their time is "
            "emptied, and what else stood there is posted anew.")  # fmt: skip
    if plan.undecided:
        say(f"{name}: {counted(plan.undecided, 'sale')} may or may not be in Connecteam. Run this "
            "again once `tillbridge doubts list` is empty.")  # fmt: skip
    if plan.waiting:
        say(f"{name}: {counted(plan.waiting, 'sale')} of these days wait to be posted, and will "
            "be.")  # fmt: skip


def _json(
    found: list[_Here], days: tuple[date, date], *, dry_run: bool, asked: int, code: int
) -> dict[str, Any]:
    return {
        "schema": 1,
        "dry_run": dry_run,
        "from": days[0].isoformat(),
        "to": days[1].isoformat(),
        "asked": asked,
        "exit_code": code,
        "locations": [
            {
                "name": here.place.name,
                "sales": len(here.plan.sale_ids),
                "already_asked": here.plan.already,
                "by_window": here.plan.by_window,
                "amounts": {
                    currency: minor_text(amount, minor_digits(currency))
                    for currency, amount in sorted(here.plan.amount.items())
                },
                "cannot_go": dict(here.plan.left),
                "undecided": here.plan.undecided,
                "waiting": here.plan.waiting,
            }
            for here in found
        ],
    }
