"""The composition root: makes the parts from the configuration and puts them together.

Nothing connects at import, and nothing here decides anything.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.backfill import Backfill, History
from tillbridge.bases import Bases
from tillbridge.clock import Clock
from tillbridge.config import Config, Location
from tillbridge.configured import (
    bounds_of,
    left_policies,
    night_of,
    rescans_of,
    rules_of,
    shares_of,
    target_policies,
)
from tillbridge.days import epoch_ms, local_date, start_of_day
from tillbridge.delivery import Delivery
from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.ledger import alarmed, generation, locations, removals, rulebook, targets
from tillbridge.ledger.locations import Identity
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.log import get_logger
from tillbridge.memory import share_one_pool
from tillbridge.policy import DoubtPolicy
from tillbridge.reader import Reader, Source
from tillbridge.readings import Readings
from tillbridge.recording import Recorder
from tillbridge.replace import Replacer
from tillbridge.settle import Settler
from tillbridge.sides import (
    NETWORK,
    Transports,
    authenticator,
    connecteam_client,
    lightspeed_client,
)
from tillbridge.stops import UNTIL_RESTART
from tillbridge.watermark import Mark, Watermark
from tillbridge.windows import Period

if TYPE_CHECKING:
    from tillbridge.by_hand import ByHand
    from tillbridge.fitting import Fitted
    from tillbridge.reconcile.assembly import Keeping
    from tillbridge.sync import Pass

_log = get_logger("tillbridge.wiring")

POSTS_AT_ONCE = 6
"""Requests to Connecteam under way at once, where there may be several. With so many, four readers
of Lightspeed keep them busy; with more, fewer totals could tell which of them landed."""


class Bridge:
    """Everything that one process needs to carry sales over.

    Args:
        config: as checked.
        ledger: open.
        lock: the posting lock, held or not; without it the parts that post are left out.
        environ: where secrets may be.
        clock: both times.
        transports: a test's own.
        executor: a test's own; threads otherwise.

    Raises:
        ConfigError: a secret is missing, or the configuration does not fit the ledger.
    """

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        lock: PostingLock,
        environ: Mapping[str, str],
        clock: Clock,
        *,
        transports: Transports = NETWORK,
        executor: Executor | None = None,
    ) -> None:
        self.config = config
        self.ledger = ledger
        self.lock = lock
        self.clock = clock
        self.alarms = _standing(ledger)
        share_one_pool()
        self._executor = executor or ThreadPoolExecutor(
            config.lightspeed.max_concurrency + POSTS_AT_ONCE, thread_name_prefix="request"
        )
        # A test's own executor decides what runs when; nothing runs beside it.
        self._poster = ThreadPoolExecutor(1, "posting") if executor is None else None
        self.policies = target_policies(config)
        self.watermark = Watermark(ledger.path)
        self._mark = Mark()
        self.sources = self._register()
        with ledger.view() as view:
            # Where a location moved away, what it left there is still to be taken back or settled.
            self.policies |= left_policies(config, locations.left_behind(view))
        client = connecteam_client(config, environ, clock, transports.connecteam)
        self.account = Account(ledger, client, clock, shares_of(config))
        self._tokens = authenticator(config, ledger.path, environ, clock, transports.token)
        self.pages = lightspeed_client(
            config, ledger.path, environ, clock, transports, self._tokens
        )
        self._reader = Reader(
            ledger, self.pages, clock, self._executor, config.lightspeed.max_concurrency
        )
        self._put_together()

    def _put_together(self) -> None:
        """Make what posts: everything behind the account and the readings."""
        ledger, account, policies, alarms = self.ledger, self.account, self.policies, self.alarms
        patience = self.config.doubt.patience
        doubts = DoubtPolicy(self.config.doubt.wait, None if patience == "auto" else patience)
        currencies = {key: policy.currency for key, policy in policies.items()}
        readings = Readings(ledger, account, currencies)
        self._doubts, self._readings = doubts, readings
        self._bases = Bases(ledger, account, readings, policies, doubts, alarms)
        self.replacer = Replacer(ledger, account, policies, doubts, alarms)
        self.settler = Settler(ledger, account, readings, policies, doubts, self.replacer, alarms)
        self._recorder = Recorder(ledger, account, policies, alarms)
        self.delivery = self._make_delivery()

    @cached_property
    def _fitted(self) -> "Fitted":
        from tillbridge.fitting import Basics, fit  # noqa: PLC0415  # see that module

        basics = Basics(
            self.ledger, self.account, self._readings, self._bases, self.replacer, self.settler,
            self._recorder, self.delivery, self.pages, self.policies, self._doubts, self.clock,
            self.alarms, self._executor, self.config.lightspeed.max_concurrency,
            lambda: self.watermark.read().wall_ms or None,
        )  # fmt: skip
        places = [place for place in self.config.locations if place.enabled]
        return fit(
            basics,
            [(self.sources[place.name], bounds_of(place)) for place in places],
            night_of(self.config, {s.lightspeed_id: s.id for s in self.sources.values()}),
        )

    @property
    def by_hand(self) -> "ByHand":
        """A person's word on what is in doubt."""
        return self._fitted.by_hand

    @property
    def keeping(self) -> "Keeping":
        """Comparing, and putting right."""
        return self._fitted.keeping

    def _make_delivery(self) -> Delivery:
        batch_age = self.config.sync.max_batch_age
        return Delivery(
            self.ledger, self.account, self._bases, self._recorder, self.policies, self.clock,
            self._executor, POSTS_AT_ONCE, None if batch_age == "auto" else batch_age,
            self._note_intent,
        )  # fmt: skip

    def _register(self) -> dict[str, Source]:
        """Make the ledger know the locations; by name."""
        wanted = [
            Identity(place.name, place.lightspeed_id, place.connecteam_id, place.currency)
            for place in self.config.locations
        ]
        with self.ledger.commit() as commit:
            ids = locations.register(commit, wanted, epoch_ms(self.clock.now()))
            rulebook.remember(commit, [rules_of(self.config, p) for p in self.config.locations])
        return {
            place.name: Source(
                ids[place.lightspeed_id],
                place.lightspeed_id,
                place.name,
                rules_of(self.config, place),
            )
            for place in self.config.locations
            if place.enabled
        }

    def keep_signed_in(self) -> None:
        """Renew Lightspeed's sign-in where nothing has used it for long: a paused location's must
        not run out.
        """
        try:
            if self._tokens.keep_alive():
                self.alarms.resolve("lightspeed_credentials")
        except CredentialsRefused as error:
            self.alarms.raise_("lightspeed_credentials", error.message, error.remedy)
        except TryLater as error:
            _log.info("sign_in_not_renewed", reason=error.message)

    def begin_posting(self) -> int:
        """With the lock held: notice an old ledger, and turn what was being sent into doubts.

        Returns:
            How many requests were found under way.
        """
        assert self.lock.is_held
        now = self.account.moment()
        mark = self.watermark.read()
        with self.ledger.commit() as commit:
            known, newest = generation.read(commit), generation.newest_batch(commit)
            is_old = mark.generation > known or mark.batch_id > newest
            if is_old:
                generation.note_old(commit)
            # The newest ledger, put back after an old copy that sent nothing, knows every request.
            others = mark.batch_id > newest or mark.wall_ms > generation.newest_started_ms(commit)
            for row in targets.every(commit):
                if row.stop in UNTIL_RESTART:
                    targets.clear_stop(commit, row.connecteam_id, "restarted", now)
                if is_old and row.connecteam_id in self.policies:
                    targets.stop(
                        commit, row.connecteam_id, "old_ledger", "the ledger is an old copy", now
                    )
                    if others:
                        targets.note_strange_writes(commit, row.connecteam_id, now)
                    removals.begin_old_windows_anew(commit, row.connecteam_id, now)
        # First the ledger, then the file: were the file ahead after a crash between the two, the
        # ledger would look like an old copy.
        mark = Mark(max(mark.generation, known) + 1, newest, mark.wall_ms)
        with self.ledger.commit() as commit:
            generation.write(commit, mark.generation)
        self.watermark.write(mark, durable=True)
        self._mark = mark
        return self.settler.recover()

    def _note_intent(self, batch_id: int, wall_ms: int) -> None:
        self._mark = Mark(self._mark.generation, batch_id, wall_ms)
        self.watermark.write(self._mark, durable=False)

    def make_pass(self, *, patient: bool = False) -> "Pass":
        """A pass; it posts only if this process holds the lock.

        Args:
            patient: sales may wait for company, because another pass will come.
        """
        from tillbridge.sync import Pass, SyncPlan  # noqa: PLC0415  # see `fitting`

        posts = self.lock.is_held
        plans = [
            SyncPlan(
                self.sources[place.name],
                bounds_of(place),
                timedelta(seconds=self.config.sync.overlap),
                rescans_of(self.config),
            )
            for place in self.config.locations
            if place.enabled
        ]
        return Pass(
            self.ledger,
            self._reader,
            self._fitted.writers if posts else None,
            plans,
            self.clock,
            self.alarms,
            patient=patient,
        )

    def histories(self, first: date, last: date | None, names: Sequence[str]) -> list[History]:
        """What a backfill of these days (both included) at these locations covers.

        Args:
            first: first day, in each location's own zone.
            last: last day; each location's today if None.
            names: of the locations; all if empty.
        """
        now = self.clock.now()
        return [
            History(self.sources[place.name], _days_of(place, first, last, now), now)
            for place in self.config.locations
            if place.enabled and (not names or place.name in names)
        ]

    def make_backfill(self, histories: Sequence[History]) -> Backfill:
        """A backfill; it posts only if this process holds the lock."""
        delivery = self.delivery if self.lock.is_held else None
        return Backfill(self.ledger, self._reader, delivery, histories, self._poster)

    def close(self) -> None:
        if self._poster is not None:
            self._poster.shutdown(wait=True)
        self._executor.shutdown(wait=False, cancel_futures=True)


def _standing(ledger: Ledger) -> Alarms:
    """What stood when the last process ended is not said again by this one."""
    with ledger.view() as view:
        book = alarmed.load(view).values()
    return Alarms(entry.alarm for entry in book if entry.gone is None)


def _days_of(place: Location, first: date, last: date | None, now: datetime) -> Period:
    after = (last or local_date(now, place.timezone)) + timedelta(days=1)
    return Period(start_of_day(first, place.timezone), start_of_day(after, place.timezone))
