"""`run` and `once`."""

import os

from tillbridge.cli.options import Common, counted, say
from tillbridge.cli.stopping import Stopper
from tillbridge.cli.unposted import not_yet_posted
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.ledger.status import needs_person
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.log import get_logger
from tillbridge.recording import Delivered
from tillbridge.scheduler import Service
from tillbridge.sync import PassReport
from tillbridge.wiring import Bridge

_log = get_logger("tillbridge.cli")

_LEAST_POST_S = 2.0


def run(common: Common) -> None:
    """The service. Waits for the lock if another process is posting."""
    config = common.load(is_service=True)
    clock = SystemClock()
    ledger = Ledger(common.ledger_path(config), clock)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    post_for_s = max(config.sync.poll_every, _LEAST_POST_S)
    service = Service(
        lambda should_stop: bridge.make_pass(patient=True).run(should_stop, post_for_s=post_for_s),
        config.sync.poll_every,
        clock,
    )
    service.handle_signals()
    try:
        if service.wait_for_lock(lock):
            _begin(bridge, config)
            service.run()
    finally:
        bridge.close()
        ledger.close()
        lock.release()


def _begin(bridge: Bridge, config: Config) -> None:
    found = bridge.begin_posting()
    _log.info(
        "service_started", name=config.name, locations=len(bridge.sources),
        ledger=str(bridge.ledger.path), unconfirmed_requests=found,
    )  # fmt: skip


def once(common: Common) -> int:
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
        return _exit_code(report, ledger, posts=posts)
    finally:
        bridge.close()
        ledger.close()
        lock.release()


def _exit_code(report: PassReport, ledger: Ledger, *, posts: bool) -> int:
    """The contract's exit code of a pass; says what is behind it."""
    if report.lightspeed_refused is not None:
        say(str(report.lightspeed_refused))
    for error in report.read_errors:
        say(str(error))
    posting = say_posting_trouble(report.delivered, ledger, posts=posts)
    attention = needs_person(ledger)
    for sentence in attention:
        say(sentence)
    if report.lightspeed_refused is not None:
        return report.lightspeed_refused.exit_code
    if posting == 77:
        return posting
    if report.read_errors:
        return max(error.exit_code for error in report.read_errors)
    return posting or (3 if attention else 0)


def say_posting_trouble(delivered: Delivered, ledger: Ledger, *, posts: bool) -> int:
    """Say what keeps sales from being posted now, other than what needs a person.

    Returns:
        77 or 69, or 0 if nothing does.
    """
    if not posts:
        return 0
    if delivered.refused is not None:
        say(
            f"Connecteam refused the credentials: {delivered.refused}. Put a valid API key with "
            "the right to write sales data where [connecteam] names it."
        )
        return 77
    waits = not_yet_posted(ledger)
    if delivered.quota_wait_s is not None:
        say(
            "The share of Connecteam's quota is used; the rest goes out with a run in "
            f"{counted(round(delivered.quota_wait_s), 'second')} or later."
        )
    elif delivered.trouble is not None:
        say(f"Connecteam gave no usable answer ({delivered.trouble}); run it again later.")
    elif not waits:
        return 0
    for sentence in waits:
        say(sentence)
    return 69


def _sentence(report: PassReport, *, posts: bool) -> str:
    read = f"{counted(report.new, 'new sale')} read, {report.changed} changed"
    if not posts:
        return f"{read}."
    delivered = report.delivered
    requests = counted(delivered.requests, "request")
    return f"{read}, {delivered.posted} posted in {requests}."
