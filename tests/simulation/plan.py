"""What a seed decides: the places, the vendors' manners, and what will happen when."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from simulation.manners import DELETE_FAULTS, POST_FAULTS
from simulation.trade import Trade, Venue
from simulation.world import UTC_START

WAIT_S = 60.0
LAG_S = 600.0
FIRST_PATIENCE_S = 3600.0
_ZONES = ("UTC", "Europe/London", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York")


@dataclass(frozen=True, slots=True)
class Target:
    """A Connecteam location."""

    id: int
    currency: str
    exclusive: bool
    replace: bool


@dataclass(slots=True)
class Plan:
    """Everything that is drawn before the first second passes; rates are per pass or per step.

    Attributes (those that do not speak for themselves):
        early_404: a transaction is not found by its id before totals show it.
        many_copies: each reading of the totals is behind by a time of its own.
        foreign_is_plain: others' amounts are of ordinary size, and sometimes negative.
        planted_among: what is planted at an exclusive place lies on the days of its sales.
        delete_faults: rate of the faults of deletes; that of the others if None.
        damage: people delete or double rows that are ours.
        repairs: they ask for a repair; then an old ledger is repaired, too, instead of the newest
            put back.
        restore_soon: an old ledger is put in place just after the newest one has posted.
        theme: the situation that the world is made for; see `themes`.
    """

    seed: int
    start_number: int
    days: float
    targets: list[Target]
    venues: list[Venue]
    trades: list[Trade]
    connecteam_zone: ZoneInfo
    lag_s: float
    patience: str
    post_faults: float
    read_faults: float
    crashes: float
    disk_faults: float
    restarts: float
    reboots: float
    wall_jumps: float
    second_process: float
    suspensions: float
    foreign: float
    foreign_at_exclusive: str
    restore: bool
    refusal: str
    headers: str
    start_inclusive: bool
    end_inclusive: bool
    too_late: bool
    page_size: int
    token_kind: str
    poll_s: float
    least_pause_s: float
    person_waits: float
    person_replaces: float = 0.0
    early_404: bool = False
    many_copies: bool = False
    foreign_is_plain: bool = False
    planted_among: bool = False
    delete_faults: float | None = None
    post_kinds: tuple[str, ...] = POST_FAULTS
    delete_kinds: tuple[str, ...] = DELETE_FAULTS
    damage: float = 0.0
    repairs: float = 0.0
    restore_soon: bool = False
    theme: str = ""

    @property
    def patience_s(self) -> float:
        """The longest that settling may take the totals to lag."""
        return FIRST_PATIENCE_S if self.patience == "auto" else LAG_S

    @property
    def until_s(self) -> float:
        return self.days * 86_400

    def config(self, ledger_path: str) -> dict[str, Any]:
        """The configuration of the bridge, as TOML would give it."""
        return {
            "config_version": 1,
            "name": f"Seed {self.seed}",
            "lightspeed": {"client_id": "id", "client_secret": "sim-secret"},
            "connecteam": {"api_key": "sim-api-key", "timeout": "30s"},
            "ledger": {"path": ledger_path},
            "sync": {
                "poll_every": f"{self.poll_s:g}s",
                "rescans": [{"every": "1h", "back": "12h"}, {"every": "5h", "back": "3d"}],
            },
            "doubt": {"wait": f"{WAIT_S:g}s", "patience": self.patience},
            "locations": [self._location(venue) for venue in self.venues],
        }

    def _location(self, venue: Venue) -> dict[str, Any]:
        target = next(t for t in self.targets if t.id == venue.connecteam_id)
        return {
            "name": f"Venue {venue.lightspeed_id}",
            "lightspeed_id": venue.lightspeed_id,
            "connecteam_id": venue.connecteam_id,
            "timezone": venue.timezone,
            "currency": venue.currency,
            "exclusive": target.exclusive,
            "when_unclear": "replace" if target.replace else "hold",
            "start": self.first_day,
        }

    @property
    def first_day(self) -> date:
        return (UTC_START[self.start_number] - timedelta(days=1)).date()


def draw(seed: int) -> Plan:
    """The plan of a random world."""
    plan = _draw(seed)
    rng = Random(f"more {seed}")
    known_lag = plan.patience != "auto"  # else it is learned, from what may not be the worst
    plan.start_inclusive = rng.random() < 0.5
    plan.early_404 = known_lag and rng.random() < 0.4
    plan.many_copies = known_lag and rng.random() < 0.3
    plan.foreign_is_plain = rng.random() < 0.5
    plan.person_replaces = rng.choice((0.0, 0.0, 0.5))
    plan.planted_among = rng.random() < 0.5
    return plan


def _draw(seed: int) -> Plan:
    rng = Random(f"plan {seed}")
    targets = _targets(rng)
    restore = len(targets) == 1 and rng.random() < 0.3
    days = rng.choice((0.15, 0.3, 0.6))
    venues = _venues(rng, targets)
    too_late = rng.random() < 0.15
    calm = rng.random() < 0.1
    some = lambda share, rate: 0.0 if calm or rng.random() >= share else rate  # noqa: E731
    return Plan(
        seed=seed,
        start_number=rng.randrange(len(UTC_START)),
        days=days,
        targets=targets,
        venues=venues,
        trades=[_trade(rng, days) for _ in venues],
        connecteam_zone=ZoneInfo(rng.choice(_ZONES)),
        lag_s=rng.choice((0.0, 30.0, 300.0, LAG_S - 1, LAG_S - 1)),
        patience="auto" if rng.random() < 0.12 else f"{LAG_S:g}s",
        post_faults=some(0.9, rng.choice((0.1, 0.3, 0.6))),
        read_faults=some(0.5, rng.choice((0.05, 0.2))),
        crashes=some(0.6, rng.choice((0.002, 0.01, 0.03))),
        disk_faults=some(0.2, 0.01),
        restarts=some(1.0 if too_late else 0.4, 0.05),
        reboots=some(0.35, 0.1),
        wall_jumps=some(0.3, 0.05),
        second_process=some(0.3, 0.15),
        suspensions=some(0.3, 0.08),
        foreign=some(0.5, 0.05),
        foreign_at_exclusive=rng.choice(("no", "no", "no", "before", "meanwhile")),
        restore=restore,
        refusal=rng.choice(("422", "422 unnamed", "400")),
        headers=rng.choice(("none", "none", "wide", "wide", "tight")),
        start_inclusive=True,
        end_inclusive=rng.random() < 0.5,
        too_late=too_late,
        page_size=rng.choice((5, 20, 100)),
        token_kind=rng.choice(("stamp", "opaque")),
        poll_s=rng.choice((900.0, 1800.0, 3600.0)),
        least_pause_s=rng.choice((1.0, 10.0, 60.0, 240.0)),
        person_waits=rng.choice((0.3, 0.9)),
    )


def _targets(rng: Random) -> list[Target]:
    found = []
    for number in range(rng.choice((1, 1, 2, 3))):
        exclusive = rng.random() < 0.7
        replace = exclusive and rng.random() < 0.6
        currency = rng.choice(("GBP", "GBP", "EUR", "JPY"))
        found.append(Target(101 + number, currency, exclusive, replace))
    return found


def _venues(rng: Random, targets: list[Target]) -> list[Venue]:
    homes = [*targets, rng.choice(targets)] if rng.random() < 0.3 else targets
    return [
        Venue(9001 + number, home.id, home.currency, rng.choice(("Europe/London", "Asia/Tokyo")))
        for number, home in enumerate(homes)
    ]


def _trade(rng: Random, days: float) -> Trade:
    until_s = days * 86_400
    picky = rng.random() < 0.4
    return Trade(
        sales=rng.choice((8, 20, 40)),
        until_s=until_s,
        late=rng.choice((0.0, 0.1)),
        amended=rng.choice((0.0, 0.0, 0.15, 0.3)),
        refused=0.05 if picky else 0.0,
        unmappable=0.03 if picky else 0.0,
        nameless=rng.choice((0.0, 0.0, 0.1)),
        bursts=[rng.uniform(0, until_s) for _ in range(3)],
    )
