"""The half of `check` that asks Connecteam: key, rights, quota, totals. At most ten requests.

Every request passes the account's quota gate where there is a ledger: a check must not take the
last requests from the service. What there is no room for is left out, and that is said.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from tillbridge.account import Account
from tillbridge.check.report import Item, failed, not_looked_at, passed, warned
from tillbridge.check.writers import Bucket, Target, judge_writers
from tillbridge.cli.check_watch import Exchanges
from tillbridge.cli.sides import connecteam_places
from tillbridge.clock import Clock
from tillbridge.config import Config
from tillbridge.configured import shares_of, target_policies
from tillbridge.connecteam.auth import SCOPES, ClientCredentials
from tillbridge.connecteam.client import NoEvidence, Totals
from tillbridge.connecteam.quota import Purpose
from tillbridge.connecteam.setup import Right, RightAnswer
from tillbridge.errors import CredentialsRefused, TillbridgeError
from tillbridge.ledger import daily, targets
from tillbridge.ledger.store import Ledger
from tillbridge.matching import Place
from tillbridge.policy import FIRST_PATIENCE_S, TargetPolicy
from tillbridge.sides import connecteam_side

_KEY = "Connecteam: key"
_QUOTA = "Connecteam: quota"
_TOTALS = "Other writers"
_DAYS = 14
_Answer = TypeVar("_Answer")
_PLANS = {100: "the small-business plan", 10_000: "the Expert plan", 20_000: "the Enterprise plan"}


class ConnecteamCheck:
    """Asks, and keeps what the other half needs.

    Attributes:
        places: all of the account; None if they could not be listed.
        exchanges: what was exchanged.
    """

    def __init__(
        self, config: Config, ledger: Ledger | None, environ: Mapping[str, str], clock: Clock
    ) -> None:
        self.places: list[Place] | None = None
        self.exchanges = Exchanges(clock)
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self._side = connecteam_side(config, environ, clock, observer=self.exchanges.note)
        self._account: Account | None = None
        if ledger is not None:
            self._account = Account(ledger, self._side.client, clock, shares_of(config))

    def items(self) -> Iterator[Item]:
        """Look at everything, in order; what depends on something that failed is left out."""
        refused: TillbridgeError | None = None
        if not self._has_room():
            yield _no_room(_KEY)
            return
        try:
            self.places = self._counted(lambda: connecteam_places(self._side.client))
        except TillbridgeError as error:
            refused = error
        yield self.exchanges.connection("Connecteam", self._config.connecteam.address)
        if refused is not None:
            code = 77 if isinstance(refused, CredentialsRefused) else 3
            yield failed(_KEY, refused.message, refused.remedy, code)
            return
        yield passed(_KEY, f"Connecteam accepts {self._what()}.")
        yield from self._rights()
        yield from self._writers()
        yield self._quota()

    def _what(self) -> str:
        headers = self._side.headers
        if not isinstance(headers, ClientCredentials):
            return "the API key"
        told = headers.granted
        return f"the app, with {' '.join(sorted(told))}" if told else "the app"

    def _rights(self) -> Iterator[Item]:
        # It has just listed the locations, so it may read.
        yield _judge_right("reading", SCOPES[0], RightAnswer(Right.GIVEN, ""))
        setup = self._side.setup
        for right, scope, ask in (
            ("writing", SCOPES[1], setup.may_write),
            ("deleting", SCOPES[2], setup.may_delete),
        ):
            if self._has_room():
                yield _judge_right(right, scope, self._counted(ask))
            else:
                yield _no_room(f"Connecteam: {right} sales")

    def _writers(self) -> Iterator[Item]:
        listed = {place.id for place in self.places or ()}
        policies = {key: one for key, one in target_policies(self._config).items() if key in listed}
        if not policies:
            return
        if not self._has_room():
            yield _no_room(_TOTALS)
            return
        today = self._clock.now().date()
        first, last = today - timedelta(days=_DAYS), today + timedelta(days=1)
        currencies = {key: one.currency for key, one in policies.items()}
        answer = self._counted(lambda: self._side.client.totals(currencies, first, last))
        if isinstance(answer, NoEvidence):
            yield not_looked_at(_TOTALS, f"the totals could not be read ({answer.reason})")
            return
        for key, policy in policies.items():
            yield self._judge_writers(key, policy, answer)

    def _judge_writers(self, key: int, policy: TargetPolicy, answer: Totals) -> Item:
        buckets, zone, unsettled = self._from_ledger(key, min(answer.by_location[key]))
        zones = (zone,) if zone else policy.day_zones
        starts = [one.start for one in self._config.locations if one.connecteam_id == key]
        target = Target(key, policy.name, policy.currency, policy.exclusive, zones, min(starts))
        return judge_writers(target, answer.by_location[key], buckets, unsettled=unsettled)

    def _from_ledger(self, key: int, first: date) -> tuple[Sequence[Bucket], ZoneInfo | None, bool]:
        """What the ledger has of these days, the zone of Connecteam's day if it is known, and
        whether sales are being taken back there.
        """
        if self._ledger is None or self._account is None:
            return (), None, False
        now = self._account.moment()
        with self._ledger.view() as view:
            row = targets.get(view, key)
            if row is None:
                return (), None, False
            lag_s = max(FIRST_PATIENCE_S, row.lag_worst_s or 0.0)
            midnight = datetime.combine(first, datetime.min.time(), ZoneInfo("UTC"))
            begins_s = int(midnight.timestamp()) - 86_400
            ends_s = now.wall_ms // 1000 + 2 * 86_400
            found = daily.quarters(view, key, begins_s, ends_s, now, lag_s)
            unsettled = daily.is_taking_back(view, key, now, lag_s)
        zone = ZoneInfo(row.day_zone) if row.day_zone else None
        return [Bucket(*one) for one in found], zone, unsettled

    def _quota(self) -> Item:
        headers = self.exchanges.headers
        try:
            limit = int(headers["x-ratelimit-day-limit"])
            left = int(headers["x-ratelimit-day-remaining"])
        except (KeyError, ValueError):
            return warned(
                _QUOTA,
                "Connecteam's answers do not name the limits of the account.",
                "Write minute_limit and day_limit of your plan under [connecteam].",
            )
        plan = _PLANS.get(limit, "a plan that is not known here")
        text = f"{left} of {limit} requests are left today: {plan}."
        if left < limit // 10:
            return warned(
                _QUOTA, text, "Find the other programs that use the account, or lower quota_share."
            )
        return passed(_QUOTA, text)

    def _has_room(self) -> bool:
        return self._account is None or self._account.wait_s(Purpose.LIVE) <= 0

    def _counted(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask, and let the account's gate know of it."""
        if self._ledger is None or self._account is None:
            return ask()
        with self._ledger.commit() as commit:
            self._account.spend(commit)
        try:
            return ask()
        finally:
            with self._ledger.commit() as commit:
                self._account.learn(commit, self.exchanges.headers)


def _judge_right(right: str, scope: str, answer: RightAnswer) -> Item:
    name = f"Connecteam: {right} sales"
    if answer.right is Right.GIVEN:
        return passed(name, f"The key or app may do it ({scope}).")
    if answer.right is Right.UNKNOWN:
        return warned(name, f"Not known: {answer.reason}.", "Run the check again later.")
    return failed(
        name,
        f"Connecteam does not let this key or app do it: {answer.reason}.",
        f"Use an API key, or an app with the scope {scope} (scopes are fixed when an app is made), "
        f"under [connecteam]; {right} is needed.",
        77,
    )


def _no_room(name: str) -> Item:
    return not_looked_at(name, "the quota of the Connecteam account is used for now")
