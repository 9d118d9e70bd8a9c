"""`run`: the service."""

import faulthandler
import os
from collections.abc import Callable

from tillbridge.alerting import make_watch
from tillbridge.cli.checkup import Checkup
from tillbridge.cli.options import Common
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.configured import retention_of
from tillbridge.findings import headline
from tillbridge.health import alarms_of
from tillbridge.housekeeping import Housekeeper
from tillbridge.ledger import account_name
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.log import get_logger
from tillbridge.neighbours import AccountName
from tillbridge.scheduler import Service, status_line
from tillbridge.sides import connecteam_account
from tillbridge.sync import PassReport
from tillbridge.watch import Watch
from tillbridge.wiring import Bridge

_log = get_logger("tillbridge.cli")

_LEAST_POST_S = 2.0
_MOST_SPREAD_S = 60.0
_LAST_WORDS_S = 1.5
"""How long an alarm that is on its way may hold up the end of the process."""


def run(common: Common) -> None:
    """The service. Waits for the lock if another process is posting."""
    config = common.load(is_service=True)
    clock = SystemClock()
    ledger = Ledger(common.ledger_path(config), clock)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    post_for_s = max(config.sync.poll_every, _LEAST_POST_S)
    watch = make_watch(config, ledger, bridge.alarms, os.environ, clock)
    keeper = Housekeeper(ledger, retention_of(config), clock)
    account = AccountName(connecteam_account(config, os.environ))
    checkup = Checkup(config, ledger, clock, account)

    def one_pass(should_stop: Callable[[], bool]) -> PassReport:
        good = False
        try:
            bridge.keep_signed_in()
            report = bridge.make_pass(patient=True).run(should_stop, post_for_s=post_for_s)
            good = report.is_good
            bridge.keeping.nightly.step(should_stop)
        finally:
            _look_after(watch, keeper, checkup, good=good)  # a failed pass has to be told of, too
        return report

    service = Service(
        one_pass,
        config.sync.poll_every,
        clock,
        spread_s=_spread_s(config.sync.poll_every) if common.instance else 0.0,
        say=lambda report: headline(checkup.latest) or status_line(report),
    )
    service.handle_signals()
    # If the watchdog ends a pass that hangs, the log shall tell where. Names of functions only.
    faulthandler.enable()
    try:
        if service.wait_for_lock(lock, lambda should_stop: bridge.make_pass().run(should_stop)):
            watch.begin()
            _begin(bridge, config, account)
            service.run()
    finally:
        watch.close(_LAST_WORDS_S)
        account.release()
        bridge.close()
        ledger.close()
        lock.release()


def _look_after(watch: Watch, keeper: Housekeeper, checkup: Checkup, *, good: bool) -> None:
    """Tell people what stands, and tidy up; whatever goes wrong here must not hurt a pass."""
    try:
        found = checkup.findings_if_readable()
        watch.after_pass(None if found is None else alarms_of(found), good=good)
        keeper.step()
    except Exception:  # noqa: BLE001  # the last line of defence around what is not the heart
        _log.exception("looking_after_failed")


def _spread_s(poll_every_s: float) -> float:
    """Within which time the first poll comes where there are several customers on the machine:
    started together, they shall not ask the vendors together.
    """
    return min(_MOST_SPREAD_S, poll_every_s / 5)


def _begin(bridge: Bridge, config: Config, account: AccountName) -> None:
    found = bridge.begin_posting()
    with bridge.ledger.commit() as commit:
        account_name.write(commit, account.name)
    _log.info(
        "service_started", name=config.name, locations=len(bridge.sources),
        ledger=str(bridge.ledger.path), unconfirmed_requests=found,
    )  # fmt: skip
