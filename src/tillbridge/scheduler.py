"""The service: when a pass runs, and how it ends. The only user of APScheduler.

One worker runs one pass at a time. A pass runs every `poll_every`, and earlier where something
waits for a moment: a doubt's next look, or the quota's reset. What counts as hanging is `health`'s
word; here it only decides whether systemd's watchdog is fed.
"""

import logging
import os
import random
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from tillbridge.clock import SystemClock
from tillbridge.errors import TillbridgeError
from tillbridge.health import hangs
from tillbridge.lock import PostingLock
from tillbridge.log import Seldom, get_logger
from tillbridge.memory import give_back
from tillbridge.notify import notify
from tillbridge.sync import PassReport

_log = get_logger("tillbridge.scheduler")

TICK_S = 1.0
STOP_WITHIN_S = 8.0
"""How long a request under way may take after SIGTERM; systemd kills after more than that."""

_STEP_S = 5.0
"""A wall clock that moves by more than that against boot time was set by somebody."""

_LEAST_PAUSE_S = 1.0

_FEEDS_PER_LIMIT = 10
"""How often the watchdog is fed within its limit, so that a slow machine does not miss it."""


class Service:
    """Runs passes until it is told to stop.

    Args:
        run_pass: does one pass; is asked to stop by the callable that it is given.
        poll_every_s: seconds between polls.
        clock: its sleeps end when the service stops.
        spread_s: the first poll comes at a random moment within so many seconds, so that the
            services of many customers, started together, do not knock together.
        say: one line about a pass, for `systemctl status`.
    """

    def __init__(
        self,
        run_pass: Callable[[Callable[[], bool]], PassReport],
        poll_every_s: float,
        clock: SystemClock,
        *,
        spread_s: float = 0.0,
        say: Callable[[PassReport], str] | None = None,
    ) -> None:
        self._run_pass = run_pass
        self._poll_every_s = poll_every_s
        self._clock = clock
        self._stop = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._spread_s = spread_s
        self._say = say or status_line
        self._quiet_ticks = 0
        self._unfed_ticks = 0
        self._feed_every_s = _feed_every_s()
        self._scheduler = _scheduler()
        self._seldom = Seldom()

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End after the request under way; safe to call from a signal handler."""
        self._stop.set()
        self._clock.interrupt()

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def handle_signals(self) -> None:
        """Let SIGTERM and SIGINT end the service."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)

    def wait_for_lock(
        self, lock: PostingLock, read: Callable[[Callable[[], bool]], object] | None = None
    ) -> bool:
        """Wait until this process may post; false if it was told to stop before.

        The holder may be a backfill, or a service that is being replaced by this one. A backfill
        posts what is live first, if somebody reads it: hours of history must not hide the day.

        Args:
            lock: of whom posts.
            read: a pass that only reads, done at each poll meanwhile.
        """
        if lock.try_acquire():
            return True
        _log.info("waiting_for_lock", note="Another tillbridge process is posting.")
        notify(READY="1", STATUS="Waiting: another tillbridge process is posting.")
        ended = threading.Event()
        reading = threading.Thread(target=self._read_meanwhile, args=(read, ended), name="reading")
        reading.start()
        try:
            while not self._stop.wait(TICK_S):
                self._progress()  # asking for the lock is an attempt, and it ended
                self._feed_watchdog()
                if lock.try_acquire():
                    return True
            return False
        finally:
            ended.set()
            reading.join()  # the ledger is used by one thread

    def _read_meanwhile(
        self, read: Callable[[Callable[[], bool]], object] | None, ended: threading.Event
    ) -> None:
        def must_end() -> bool:
            return ended.is_set() or self._stop.is_set()

        while read is not None and not must_end():
            try:
                read(must_end)
            except TillbridgeError as error:
                _log.error("pass_failed", reason=error.message, remedy=error.remedy)
            except Exception:  # noqa: BLE001  # a bug in reading must not keep from waiting
                _log.exception("pass_failed_unexpectedly")
            ended.wait(max(_LEAST_PAUSE_S, self._poll_every_s))

    def run(self) -> None:
        """Run until stopped; returns when no request is under way, or `STOP_WITHIN_S` later."""
        first_after_s = random.uniform(0.0, self._spread_s)
        offset_s = self._offset_s()
        self._add_poll(first_after_s)
        self._scheduler.start()
        notify(READY="1", STATUS=f"Running; the first poll comes in {first_after_s:.0f} seconds.")
        self._watch_clock(offset_s)
        notify(STOPPING="1", STATUS="Stopping after the request under way.")
        self._scheduler.shutdown(wait=False)
        if not self._idle.wait(STOP_WITHIN_S):
            # The request is in the ledger as being sent; the next start will settle it.
            _log.warning("stopped_with_request_under_way")
            os._exit(0)

    def _watch_clock(self, offset_s: float) -> None:
        """Wait for the end; meanwhile notice a wall clock that somebody sets.

        An interval job of APScheduler 3 runs at wall times: after the clock is set back by three
        hours, it would stand still for three hours.

        Args:
            offset_s: of wall time against boot time when the first poll was planned.
        """
        while not self._stop.wait(TICK_S):
            self._feed_watchdog()
            moved_s = self._offset_s() - offset_s
            if abs(moved_s) > _STEP_S:
                _log.warning("wall_clock_set", seconds=round(moved_s))
                self._add_poll(first_after_s=0.0)
            if moved_s:
                offset_s += moved_s

    def _progress(self) -> None:
        """An attempt was begun or came to its end, however it ended."""
        self._quiet_ticks = 0

    def _feed_watchdog(self) -> None:
        """Tell systemd, if it asked to be told, that nothing hangs; else it restarts us.

        Time is counted in ticks of the loop that calls this, not in a clock's seconds: while the
        machine is suspended nothing can end, and nothing hangs.
        """
        self._quiet_ticks += 1
        self._unfed_ticks += 1
        if self._feed_every_s is None or self._unfed_ticks * TICK_S < self._feed_every_s:
            return
        in_pass = not self._idle.is_set()
        if not hangs(self._quiet_ticks * TICK_S, self._poll_every_s, in_pass=in_pass):
            self._unfed_ticks = 0
            notify(WATCHDOG="1")

    def _should_stop(self) -> bool:
        self._progress()
        return self._stop.is_set()

    def _offset_s(self) -> float:
        return self._clock.now().timestamp() - self._clock.boot_s()

    def _add_poll(self, first_after_s: float) -> None:
        self._scheduler.add_job(
            self._tick,
            IntervalTrigger(
                seconds=max(_LEAST_PAUSE_S, self._poll_every_s),
                timezone=UTC,
                # Several services on one account must not knock in step.
                jitter=min(10.0, self._poll_every_s / 20),
            ),
            id="poll",
            next_run_time=datetime.now(UTC) + timedelta(seconds=first_after_s),
            replace_existing=True,
        )

    def _tick(self) -> None:
        # First this, then the question: else a stop between the two would not wait for the pass.
        self._idle.clear()
        try:
            if self._should_stop():
                return
            report = self._run_pass(self._should_stop)
            self._wake_early(report.next_look_s)
            notify(STATUS=self._say(report))
        except TillbridgeError as error:
            # A full disk fails every pass; it is an error once an hour.
            is_new = self._seldom.is_new(error.message, self._clock.boot_s())
            say = _log.error if is_new else _log.debug
            say("pass_failed", reason=error.message, remedy=error.remedy)
            notify(STATUS=f"The last pass ended early: {error}")
        except Exception:  # noqa: BLE001  # a bug in one pass must not end the service
            _log.exception("pass_failed_unexpectedly")
            notify(STATUS="The last pass failed unexpectedly; see the log.")
        finally:
            give_back()
            self._progress()
            self._idle.set()

    def _wake_early(self, after_s: float | None) -> None:
        if after_s is None or after_s >= self._poll_every_s:
            try:
                self._scheduler.remove_job("look")
            except JobLookupError:
                return
            return
        self._scheduler.add_job(
            self._tick,
            DateTrigger(datetime.now(UTC) + timedelta(seconds=max(_LEAST_PAUSE_S, after_s)), UTC),
            id="look",
            replace_existing=True,
        )


def status_line(report: PassReport) -> str:
    """One line for `systemctl status`."""
    if report.lightspeed_refused is not None:
        return "Lightspeed refused the sign-in: run `tillbridge authorize`."
    if report.delivered.refused is not None:
        return "Connecteam refused the credentials; sales are read but not posted."
    if report.read_errors:
        return f"Not everything could be read: {report.read_errors[0].message}"
    if report.delivered.trouble is not None:
        return f"Connecteam gave no clear answer: {report.delivered.trouble}."
    posted, new = report.delivered.posted, report.new
    return f"Last pass: {new} new sales read, {posted} posted."


def _feed_every_s() -> float | None:
    """How often systemd's watchdog is to be fed; None if there is none."""
    try:
        limit_s = int(os.environ["WATCHDOG_USEC"]) / 1e6
    except (KeyError, ValueError):
        return None
    return limit_s / _FEEDS_PER_LIMIT


def _scheduler() -> BackgroundScheduler:
    # A pass that outlasts two polls is no fault, and APScheduler would warn of it at every poll.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    options: dict[str, Any] = {
        "coalesce": True,  # after a pause one pass does the work of all that were missed
        "max_instances": 2,  # one runs and the next may queue: there is one worker
        "misfire_grace_time": None,  # however late, a pass is never left out
    }
    return BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(1)}, job_defaults=options, timezone=UTC
    )
