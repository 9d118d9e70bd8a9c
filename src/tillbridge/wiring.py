"""The composition root: makes the parts from the configuration and puts them together.

Nothing connects at import, and nothing here decides anything.
"""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

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
    user_agent,
)
from tillbridge.connecteam.auth import ApiKey, ClientCredentials
from tillbridge.connecteam.client import ConnecteamClient, Headers
from tillbridge.connecteam.projections import Projections
from tillbridge.connecteam.setup import Setup
from tillbridge.correct import Corrector
from tillbridge.days import epoch_ms, local_date, start_of_day
from tillbridge.delivery import Delivery
from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.http import Http, Observer, Timeouts, Transport
from tillbridge.learning import Learner
from tillbridge.ledger import alarmed, generation, locations, rulebook, targets
from tillbridge.ledger.locations import Identity
from tillbridge.ledger.store import Ledger
from tillbridge.lightspeed import OAuthSettings
from tillbridge.lightspeed.client import LightspeedClient
from tillbridge.lightspeed.oauth import Authenticator
from tillbridge.lightspeed.tokens import TokenFile
from tillbridge.lock import PostingLock
from tillbridge.log import get_logger
from tillbridge.memory import share_one_pool
from tillbridge.neighbours import account_name
from tillbridge.policy import DoubtPolicy
from tillbridge.reader import Reader, Source
from tillbridge.readings import Readings
from tillbridge.reconcile.assembly import Means, assemble
from tillbridge.reconcile.whole_days import Place
from tillbridge.recording import Recorder
from tillbridge.replace import Replacer
from tillbridge.secrets import resolve
from tillbridge.settle import Settler
from tillbridge.stops import UNTIL_RESTART
from tillbridge.sync import Pass, SyncPlan, Writers
from tillbridge.watermark import Mark, Watermark
from tillbridge.windows import Period

_log = get_logger("tillbridge.wiring")


@dataclass(frozen=True, slots=True)
class Transports:
    """A test's own transports instead of the network."""

    lightspeed: Transport | None = None
    token: Transport | None = None
    connecteam: Transport | None = None


def token_path(ledger_path: Path) -> Path:
    """The token file: beside the ledger, but never part of its backups."""
    return ledger_path.with_name("lightspeed-token.json")


def sign_in_pool(
    config: Config, transport: Transport | None = None, observer: Observer | None = None
) -> Http:
    """Connections to the host of Lightspeed's sign-in."""
    section = config.lightspeed
    return Http(
        section.addresses.token_url,
        timeouts=Timeouts(min(10.0, section.timeout), section.timeout),
        max_connections=1,
        user_agent=user_agent(config.name),
        transport=transport,
        observer=observer,
    )


def authenticator(
    config: Config,
    ledger_path: Path,
    environ: Mapping[str, str],
    clock: Clock,
    transport: Transport | None = None,
    observer: Observer | None = None,
) -> Authenticator:
    """Lightspeed's sign-in."""
    section = config.lightspeed
    secret = resolve(section.client_secret, environ, where="lightspeed.client_secret")
    http = sign_in_pool(config, transport, observer)
    settings = OAuthSettings(
        section.auth,
        section.addresses.token_url,
        section.client_id,
        secret.reveal(),
        section.redirect_uri or "",
    )
    return Authenticator(http, settings, TokenFile(token_path(ledger_path)), clock)


@dataclass(frozen=True, slots=True)
class ConnecteamSide:
    """Connecteam's side: for work, and for setting up."""

    client: ConnecteamClient
    setup: Setup
    projections: Projections
    headers: Headers


def connecteam_side(
    config: Config,
    environ: Mapping[str, str],
    clock: Clock,
    transport: Transport | None = None,
    observer: Observer | None = None,
) -> ConnecteamSide:
    """Connecteam's side, with one sign-in for all of it."""
    section = config.connecteam
    http = Http(
        section.address,
        timeouts=Timeouts(section.connect_timeout, section.timeout),
        max_connections=8,
        user_agent=user_agent(config.name),
        transport=transport,
        observer=observer,
    )
    headers = _connecteam_headers(config, environ, http, clock)
    return ConnecteamSide(
        ConnecteamClient(http, headers),
        Setup(http, headers),
        Projections(http, headers),
        headers,
    )


def connecteam_client(
    config: Config,
    environ: Mapping[str, str],
    clock: Clock,
    transport: Transport | None = None,
) -> ConnecteamClient:
    """Connecteam's side, for work."""
    return connecteam_side(config, environ, clock, transport).client


def _connecteam_headers(
    config: Config, environ: Mapping[str, str], http: Http, clock: Clock
) -> Headers:
    section = config.connecteam
    if section.api_key is not None:
        key = resolve(section.api_key, environ, where="connecteam.api_key")
        return ApiKey(key.reveal())
    assert section.client_id is not None
    assert section.client_secret is not None
    secret = resolve(section.client_secret, environ, where="connecteam.client_secret")
    return ClientCredentials(http, section.client_id, secret.reveal(), clock)


def connecteam_account(config: Config, environ: Mapping[str, str]) -> str:
    """The account that is posted to, by a name that gives nothing of its key away.

    Raises:
        ConfigError: the key is missing.
    """
    section = config.connecteam
    if section.api_key is None:
        return account_name(section.address, section.client_id or "")
    key = resolve(section.api_key, environ, where="connecteam.api_key")
    return account_name(section.address, key.reveal())


def lightspeed_client(
    config: Config,
    ledger_path: Path,
    environ: Mapping[str, str],
    clock: Clock,
    transports: Transports = Transports(),
    tokens: Authenticator | None = None,
) -> LightspeedClient:
    """Lightspeed's side; with this sign-in, or one of its own."""
    section = config.lightspeed
    tokens = tokens or authenticator(config, ledger_path, environ, clock, transports.token)
    http = Http(
        section.addresses.api_url,
        timeouts=Timeouts(min(10.0, section.timeout), section.timeout),
        max_connections=section.max_concurrency,
        user_agent=user_agent(config.name),
        transport=transports.lightspeed,
    )
    return LightspeedClient(
        http, tokens, clock, random.Random(), max_in_flight=section.max_concurrency
    )


def lightspeed_looks_once(
    config: Config,
    ledger_path: Path,
    environ: Mapping[str, str],
    clock: Clock,
    observer: Observer,
    sign_in_observer: Observer,
) -> LightspeedClient:
    """Lightspeed's side for a check: each read is tried once, and each exchange is counted."""
    section = config.lightspeed
    http = Http(
        section.addresses.api_url,
        timeouts=Timeouts(min(10.0, section.timeout), section.timeout),
        max_connections=1,
        user_agent=user_agent(config.name),
        observer=observer,
    )
    tokens = authenticator(config, ledger_path, environ, clock, observer=sign_in_observer)
    return LightspeedClient(http, tokens, clock, random.Random(), most_tries=1)


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
        transports: Transports = Transports(),
        executor: Executor | None = None,
    ) -> None:
        self.config = config
        self.ledger = ledger
        self.lock = lock
        self.clock = clock
        with ledger.view() as view:
            book = alarmed.load(view).values()
        # What stood when the last process ended is not said again by this one.
        self.alarms = Alarms(entry.alarm for entry in book if entry.gone is None)
        share_one_pool()
        self._executor = executor or ThreadPoolExecutor(
            config.lightspeed.max_concurrency + 4, thread_name_prefix="request"
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
        pages = lightspeed_client(config, ledger.path, environ, clock, transports, self._tokens)
        self.pages = pages
        self._reader = Reader(
            ledger, pages, clock, self._executor, config.lightspeed.max_concurrency
        )
        patience = config.doubt.patience
        doubts = DoubtPolicy(config.doubt.wait, None if patience == "auto" else patience)
        currencies = {key: policy.currency for key, policy in self.policies.items()}
        readings = Readings(ledger, self.account, currencies)
        bases = Bases(ledger, self.account, readings, self.policies, doubts, self.alarms)
        replacer = Replacer(ledger, self.account, self.policies, doubts, self.alarms)
        self.replacer = replacer
        corrector = Corrector(ledger, self.account, self.policies, doubts, replacer, self.alarms)
        self.settler = Settler(
            ledger, self.account, readings, self.policies, doubts, replacer, self.alarms
        )
        batch_age = config.sync.max_batch_age
        recorder = Recorder(ledger, self.account, self.policies, self.alarms)
        self.delivery = Delivery(
            ledger,
            self.account,
            bases,
            recorder,
            self.policies,
            clock,
            self._executor,
            4,
            None if batch_age == "auto" else batch_age,
            self._note_intent,
        )
        learner = Learner(ledger, self.account, readings, self.policies)
        places = [Place(self.sources[p.name], bounds_of(p)) for p in config.locations if p.enabled]
        self.keeping = assemble(
            Means(ledger, self.account, readings, pages, clock, self.alarms, self._executor,
                  config.lightspeed.max_concurrency, corrector, replacer, bases),
            self.policies,
            places,
            doubts,
            night_of(config, {s.lightspeed_id: s.id for s in self.sources.values()}),
        )  # fmt: skip
        self._writers = Writers(
            self.settler, recorder, replacer, corrector, bases, self.delivery, learner,
            self.keeping.repairer,
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
            for row in targets.every(commit):
                if row.stop in UNTIL_RESTART:
                    targets.clear_stop(commit, row.connecteam_id, "restarted", now)
                if is_old and row.connecteam_id in self.policies:
                    targets.stop(
                        commit, row.connecteam_id, "old_ledger", "the ledger is an old copy", now
                    )
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

    def make_pass(self, *, patient: bool = False) -> Pass:
        """A pass; it posts only if this process holds the lock.

        Args:
            patient: sales may wait for company, because another pass will come.
        """
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
            self._writers if posts else None,
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


def _days_of(place: Location, first: date, last: date | None, now: datetime) -> Period:
    after = (last or local_date(now, place.timezone)) + timedelta(days=1)
    return Period(start_of_day(first, place.timezone), start_of_day(after, place.timezone))
