"""`once`: a single pass. It loads nothing of what only the service needs."""

import os
from collections.abc import Sequence

from tillbridge.cli.checkup import Checkup, for_a_person
from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.stopping import Stopper
from tillbridge.cli.unposted import say_posting_trouble
from tillbridge.clock import SystemClock
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.sync import PassReport
from tillbridge.wiring import Bridge


def once(common: Common, *, as_json: bool = False) -> int:
    """One pass; beside a running service it only reads, and the service posts."""
    config = common.load()
    clock = SystemClock()
    ledger = Ledger(common.ledger_path(config), clock)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    try:
        with Stopper(clock) as stopper:
            posts = lock.try_acquire()
            if posts:
                bridge.begin_posting()
            else:
                say("A running tillbridge posts what is read here.")
            report = bridge.make_pass().run(stopper)
        say(_sentence(report, posts=posts))
        if stopper():
            return stopper.say_interrupted()
        found = Checkup(config, ledger, clock).findings()
        if report.lightspeed_refused is not None:  # it says more about the same
            found = [item for item in found if item.code != "sign_in"]
        attention = for_a_person(found, common.program)
        code = _exit_code(report, ledger, attention, posts=posts)
        if as_json:
            _print_pass(report, code, posts=posts)
        return code
    finally:
        bridge.close()
        ledger.close()
        lock.release()


def _print_pass(report: PassReport, code: int, *, posts: bool) -> None:
    print_json({
        "schema": 1, "new": report.new, "changed": report.changed,
        "quarantined": report.quarantined, "posts": posts, "posted": report.delivered.posted,
        "requests": report.delivered.requests, "unconfirmed_requests": report.delivered.doubts,
        "exit_code": code,
    })  # fmt: skip


def _exit_code(report: PassReport, ledger: Ledger, attention: Sequence[str], *, posts: bool) -> int:
    """The contract's exit code of a pass; says what is behind it."""
    if report.lightspeed_refused is not None:
        say(str(report.lightspeed_refused))
    for error in report.read_errors:
        say(str(error))
    posting = say_posting_trouble(report.delivered, ledger, posts=posts)
    for sentence in attention:
        say(sentence)
    if report.lightspeed_refused is not None:
        return report.lightspeed_refused.exit_code
    if posting == 77:
        return posting
    if report.read_errors:
        return max(error.exit_code for error in report.read_errors)
    return posting or (3 if attention else 0)


def _sentence(report: PassReport, *, posts: bool) -> str:
    read = f"{counted(report.new, 'new sale')} read, {report.changed} changed"
    if not posts:
        return f"{read}."
    delivered = report.delivered
    requests = counted(delivered.requests, "request")
    return f"{read}, {delivered.posted} posted in {requests}."
