"""What `purge` and `rules --apply` share: asking a person, and carrying out what was asked for.

The process that holds the lock carries it out: this one, or a service that runs beside it.
"""

import sys

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tillbridge.cli.options import counted, say
from tillbridge.cli.stopping import Stopper, sleep_until_free
from tillbridge.cli.unposted import not_yet_posted, say_posting_trouble
from tillbridge.errors import UsageError
from tillbridge.ledger import corrections, targets
from tillbridge.ledger.removals import Purpose
from tillbridge.sync import PassReport
from tillbridge.wiring import Bridge

_LONGEST_WAIT_S = 120.0
"""Without anything done: a minute's quota is worth waiting for, a day's is not; nor is an hour in
which a transaction that was written just now may not be there to be deleted yet."""

_IDLE_PASSES = 3

_DONE = {Purpose.PURGE: "taken out", Purpose.RULES: "changed"}


def agreed(question: str, *, yes: bool) -> bool:
    """Whether a person agrees; asked on the terminal, where --yes was not given.

    Raises:
        UsageError: there is nobody to ask.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "This changes what Connecteam shows, and there is no terminal to ask at.",
            "Look at it with --dry-run, then give --yes.",
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def carry_out(bridge: Bridge, stopper: Stopper, purpose: Purpose) -> int:
    """Do what was asked for, as far as it goes now; beside a running service, leave it to that.

    Returns:
        The exit code: 0, 69 if the rest comes with the next run, 3 if it needs a person, 77 if
        the credentials are refused, 130 or 143 after a signal.
    """
    if not bridge.lock.try_acquire():
        say("A running tillbridge carries this out, behind its live sales.")
        if purpose is Purpose.RULES:
            say("Restart it, so that new sales are mapped by the changed configuration, too.")
        return 0
    bridge.begin_posting()
    begun = _left(bridge, purpose)
    report = _work(bridge, stopper, purpose)
    left = _left(bridge, purpose)
    if begun:
        say(f"{counted(begun - left, 'sale')} {_DONE[purpose]}.")
    if stopper():
        return stopper.say_interrupted()
    trouble = say_posting_trouble(report.delivered, bridge.ledger, posts=True)
    if not left:
        return trouble
    say(f"{counted(left, 'sale')} still to do; the service, or the same command, goes on with it.")
    stops = _stops(bridge)
    for sentence in stops:
        say(sentence)
    return 77 if trouble == 77 else 3 if stops else 69


def _work(bridge: Bridge, stopper: Stopper, purpose: Purpose) -> PassReport:
    """Passes without reading, until nothing is left or nothing goes on."""
    job, report = bridge.make_pass(), PassReport()
    begun = left = _left(bridge, purpose)
    went_on_s, idle = bridge.clock.boot_s(), 0
    with _bar() as bar:
        task = bar.add_task("Working", total=max(1, begun))
        while not stopper():
            job.post(report, stopper)
            before, left = left, _left(bridge, purpose)
            bar.update(task, completed=begun - left)
            if left < before:
                went_on_s, idle = bridge.clock.boot_s(), 0
            idle += 1
            wait_s = report.next_look_s
            if not left and not not_yet_posted(bridge.ledger):
                break
            # A window is wanted in one pass and emptied in the next, so one idle pass is no end.
            if wait_s is None and idle > _IDLE_PASSES:
                break
            if bridge.clock.boot_s() + (wait_s or 0.0) - went_on_s > _LONGEST_WAIT_S:
                break
            if wait_s and not sleep_until_free(bridge.clock, wait_s, stopper):
                break
    return report


def _left(bridge: Bridge, purpose: Purpose) -> int:
    with bridge.ledger.view() as view:
        return sum(corrections.count_asked_for(view, purpose).values())


def _stops(bridge: Bridge) -> list[str]:
    with bridge.ledger.view() as view:
        return [
            f"Nothing is changed at {bridge.policies[row.connecteam_id].name}: {row.stop_reason}."
            for row in targets.every(view)
            if row.stop is not None and row.connecteam_id in bridge.policies
        ]


def cost_words(bridge: Bridge, requests: int) -> str:
    """About what so many requests cost; they have the share of the day that history has."""
    day = next(window for window in bridge.account.windows() if window.name == "day")
    shares = bridge.account.shares
    per_day = max(1, int(shares.limit_of(day) * shares.quota * shares.backfill))
    words = f"about {counted(requests, 'request')} to Connecteam"
    if requests <= per_day:
        return words
    days = -(-requests // per_day)
    return f"{words}, and so about {counted(days, 'day')} at this account's limits"


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} sales"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
