"""`backfill`: history, resumable, with progress."""

import os
from datetime import date

from tillbridge import backfill as engine
from tillbridge.cli.bar import Show, progress_bar
from tillbridge.cli.checkup import Checkup, for_a_person
from tillbridge.cli.estimate import announce
from tillbridge.cli.estimate import dry_run as show_plan
from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.stopping import Stopper, sleep_until_free
from tillbridge.cli.unposted import say_posting_trouble
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.days import local_date
from tillbridge.errors import UsageError
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.one_core import on_one_core
from tillbridge.recording import Delivered
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
    clock = SystemClock()
    _check(config, clock, days, names)
    ledger = Ledger(common.ledger_path(config), clock)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    try:
        histories = bridge.histories(*days, names)
        if dry_run:
            return show_plan(bridge, histories, as_json=as_json)
        with Stopper(clock) as stopper, on_one_core():
            if lock.try_acquire():
                bridge.begin_posting()
            else:
                say("A running tillbridge posts what is read here, behind its live sales.")
            announce(bridge, histories)
            state = _carry(bridge, histories, stopper)
        return _finish(common, bridge, state, stopper, as_json=as_json)
    finally:
        bridge.close()
        ledger.close()
        lock.release()


def _check(
    config: Config, clock: SystemClock, days: tuple[date, date | None], names: list[str]
) -> None:
    enabled = [place for place in config.locations if place.enabled]
    unknown = set(names) - {place.name for place in enabled}
    if unknown:
        raise UsageError(
            f"The configuration has no enabled location {', '.join(sorted(unknown))}.",
            f"There are: {', '.join(place.name for place in enabled) or 'none'}.",
        )
    first, last = days
    if last is not None and last < first:
        raise UsageError(f"--to {last} is before --from {first}.", "Exchange the two days.")
    chosen = [place for place in enabled if not names or place.name in names]
    latest = max((local_date(clock.now(), place.timezone) for place in chosen), default=first)
    if first > latest:
        raise UsageError(f"--from {first} is in the future.", f"Today is {latest}.")


def _carry(bridge: Bridge, histories: list[engine.History], stopper: Stopper) -> engine.Progress:
    job = bridge.make_backfill(histories)
    state = engine.Progress(0, 0, 0.0, [], Delivered())
    with progress_bar() as show:
        for state in job.run(stopper):
            show(state, "Reading")
        _post_rest(bridge, job, state, stopper, show)
    return state


def _post_rest(
    bridge: Bridge, job: engine.Backfill, state: engine.Progress, stopper: Stopper, show: Show
) -> None:
    """Wait for the minute's quota, as often as it takes."""
    while (wait_s := state.delivered.quota_wait_s) is not None and wait_s <= _LONGEST_WAIT_S:
        show(state, "Waiting for Connecteam's quota")
        if not sleep_until_free(bridge.clock, wait_s, stopper):
            return
        state.delivered = job.post_rest(stopper)
        state.posted += state.delivered.posted
        show(state, "Posting")


def _finish(
    common: Common, bridge: Bridge, state: engine.Progress, stopper: Stopper, *, as_json: bool
) -> int:
    for error in state.errors:
        say(str(error))
    code = max((error.exit_code for error in state.errors), default=0)
    posting = 0
    if not stopper():
        posting = say_posting_trouble(state.delivered, bridge.ledger, posts=bridge.lock.is_held)
    checkup = Checkup(bridge.config, bridge.ledger, bridge.clock)
    attention = for_a_person(checkup.findings(), common.program)
    for sentence in attention:
        say(sentence)
    code = posting if posting == 77 else code or posting or (3 if attention else 0)
    if stopper():
        code = stopper.say_interrupted()
    if as_json:
        print_json({
            "schema": 1, "read": state.read, "posted": state.posted,
            "read_to_the_end": state.done_share >= 1.0 and not state.errors, "exit_code": code,
        })  # fmt: skip
    else:
        new = f"{counted(state.read, 'sale')} new to the ledger"
        say(f"{new}, {state.posted} posted." if bridge.lock.is_held else f"{new}.")
    return code
