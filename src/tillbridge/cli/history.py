"""`backfill`: history, resumable, with progress."""

import os
from datetime import date

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tillbridge import backfill as engine
from tillbridge.cli.options import Common, print_json, say
from tillbridge.clock import SystemClock
from tillbridge.delivery import Delivered
from tillbridge.errors import TillbridgeError, UsageError
from tillbridge.ledger.status import needs_person
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.scheduler import sleep_until_free
from tillbridge.wiring import Bridge

_LONGEST_WAIT_S = 120.0
"""A minute's quota is worth waiting for; a day's is not."""


def backfill(
    common: Common,
    days: tuple[date, date | None],
    names: list[str],
    *,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Read and post the days; beside a running service only read."""
    config = common.load()
    unknown = set(names) - {place.name for place in config.locations if place.enabled}
    if unknown:
        raise UsageError(
            f"The configuration has no enabled location {', '.join(sorted(unknown))}.",
            "Use the names in [[locations]].",
        )
    clock = SystemClock()
    first, last = days[0], days[1] or clock.now().date()
    if last < first:
        raise UsageError(f"--to {last} is before --from {first}.")
    ledger = Ledger(common.ledger_path(config), clock)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    try:
        if dry_run:
            return _dry_run(bridge, first, last, names, as_json=as_json)
        if lock.try_acquire():
            bridge.begin_posting()
        else:
            say("A running tillbridge posts what is read here, behind its live sales.")
        return _carry(bridge, first, last, names, as_json=as_json)
    finally:
        bridge.close()
        ledger.close()
        lock.release()


def _dry_run(bridge: Bridge, first: date, last: date, names: list[str], *, as_json: bool) -> int:
    chosen = [place for place in bridge.sources if not names or place in names]
    windows = {
        window.name: {"limit": window.limit, "spent": window.spent}
        for window in bridge.account.windows()
    }
    if as_json:
        print_json({"schema": 1, "dry_run": True, "from": first.isoformat(),
                    "to": last.isoformat(), "locations": chosen, "quota": windows})  # fmt: skip
    else:
        print(f"Would read {first} to {last} at: {', '.join(chosen)}.")
        print("Every 100 sales cost one of Connecteam's requests.")
    return 0


def _carry(bridge: Bridge, first: date, last: date, names: list[str], *, as_json: bool) -> int:
    job = bridge.make_backfill(first, last, names)
    state = engine.Progress(0, 0, 0.0, [], Delivered())
    with _bar() as bar:
        task = bar.add_task("Reading", total=1.0, read=0, posted=0)
        for state in job.run():
            bar.update(task, completed=state.done_share, read=state.read, posted=state.posted)
        delivered = state.delivered
        while delivered.quota_wait_s is not None and delivered.quota_wait_s <= _LONGEST_WAIT_S:
            bar.update(task, description="Waiting for Connecteam's quota")
            sleep_until_free(bridge.clock, delivered.quota_wait_s, lambda: False)
            delivered = job.post_rest()
            state.posted += delivered.posted
            bar.update(task, description="Posting", posted=state.posted)
    return _finish(bridge, state.read, state.posted, state.errors, delivered, as_json=as_json)


def _finish(
    bridge: Bridge,
    read: int,
    posted: int,
    errors: list[TillbridgeError],
    delivered: Delivered,
    *,
    as_json: bool,
) -> int:
    for error in errors:
        say(str(error))
    attention = needs_person(bridge.ledger)
    code = 3 if attention else 0
    if delivered.refused is not None:
        say(f"Connecteam refused the credentials: {delivered.refused}.")
        code = 77
    elif errors:
        code = max(error.exit_code for error in errors)
    elif delivered.trouble is not None or delivered.quota_wait_s is not None:
        say("Not everything could be posted now; run the same command again, or start the service.")
        code = 69
    for sentence in attention:
        say(sentence)
    if as_json:
        print_json({"schema": 1, "read": read, "posted": posted, "exit_code": code})
    else:
        say(f"{read} sales new to the ledger, {posted} posted.")
    return code


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(
            "{task.percentage:>3.0f} %  {task.fields[read]} read, {task.fields[posted]} posted"
        ),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
