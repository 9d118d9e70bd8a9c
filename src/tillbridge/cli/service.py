"""`run` and `once`."""

import os

from tillbridge.cli.options import Common, say
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.ledger.status import needs_person
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.log import get_logger
from tillbridge.scheduler import Service
from tillbridge.sync import PassReport
from tillbridge.wiring import Bridge

_log = get_logger("tillbridge.cli")


def run(common: Common) -> None:
    """The service. Waits for the lock if another process is posting."""
    config = common.load()
    clock = SystemClock()
    ledger = Ledger(common.ledger_path(config), clock)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    service = Service(
        lambda should_stop: bridge.make_pass().run(should_stop), config.sync.poll_every, clock
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
        if lock.try_acquire():
            bridge.begin_posting()
        else:
            say("A running tillbridge posts what is read here.")
        report = bridge.make_pass().run()
        say(_sentence(report))
        return exit_code(report, needs_person(ledger))
    finally:
        bridge.close()
        ledger.close()
        lock.release()


def exit_code(report: PassReport, attention: list[str]) -> int:
    """The contract's exit code of a pass; says what is behind it."""
    if report.lightspeed_refused is not None:
        say(str(report.lightspeed_refused))
        return 77
    if report.delivered.refused is not None:
        say(f"Connecteam refused the credentials: {report.delivered.refused}.")
        return 77
    for error in report.read_errors:
        say(str(error))
    if report.read_errors:
        return max(error.exit_code for error in report.read_errors)
    if report.delivered.trouble is not None:
        say(f"Connecteam gave no clear answer ({report.delivered.trouble}); run it again later.")
        return 69
    if report.delivered.quota_wait_s is not None:
        say(
            "The share of Connecteam's quota is used; the rest goes out with a run in "
            f"{round(report.delivered.quota_wait_s)} seconds or later."
        )
        return 69
    for sentence in attention:
        say(sentence)
    return 3 if attention else 0


def _sentence(report: PassReport) -> str:
    return (
        f"{report.new} new sales read, {report.changed} changed, "
        f"{report.delivered.posted} posted in {report.delivered.requests} requests."
    )
