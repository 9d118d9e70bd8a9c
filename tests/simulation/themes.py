"""Worlds made for one situation each, so that it surely happens; see `plan.draw` for random ones.

A seed from `FIRST` on is a themed world: its thousands name the theme, the rest is its number.
"""

from collections.abc import Callable, Sequence
from random import Random
from zoneinfo import ZoneInfo

from simulation.plan import LAG_S, Plan, Target, draw
from simulation.trade import Trade, Venue

FIRST = 1_000_000
EACH = 1000

_Maker = Callable[[Plan, Random], None]


def plan_of(seed: int) -> Plan:
    """The plan of a seed, random or themed."""
    if seed < FIRST:
        return draw(seed)
    place, number = divmod(seed - FIRST, EACH)
    name = list(THEMES)[place]
    rng = Random(f"{name} {number}")
    plan = _calm(seed, rng)
    plan.theme = name
    THEMES[name](plan, rng)
    return plan


def seeds_of(name: str, count: int) -> range:
    """The first seeds of a theme."""
    first = FIRST + list(THEMES).index(name) * EACH
    return range(first, first + count)


def name_of(seed: int) -> str:
    """For people: the theme and the number in it, or the number of a random world."""
    if seed < FIRST:
        return str(seed)
    place, number = divmod(seed - FIRST, EACH)
    return f"{list(THEMES)[place]} {number}"


def mixed(first: int, count: int) -> list[int]:
    """So many seeds from `first` on: three random worlds, then one of the next theme, and so on."""
    names, found = list(THEMES), []
    for number in range(first, first + count):
        turn = number // 4
        themed = number % 4 == 0
        place = seeds_of(names[turn % len(names)], EACH)
        found.append(place[turn // len(names) % EACH] if themed else number)
    return found


# -- what all of them share -----------------------------------------------------------------------


def _calm(seed: int, rng: Random) -> Plan:
    """A few hours at one exclusive place; the vendors lag, but nothing goes wrong."""
    plan = draw(seed)
    for rate in ("post_faults", "read_faults", "crashes", "disk_faults", "restarts", "reboots",
                 "wall_jumps", "second_process", "suspensions", "foreign"):  # fmt: skip
        setattr(plan, rate, 0.0)
    plan.restore = plan.too_late = False
    plan.person_replaces = 0.0
    plan.foreign_at_exclusive = "no"
    plan.days = 0.15
    plan.connecteam_zone = ZoneInfo(rng.choice(("UTC", "Pacific/Kiritimati", "America/New_York")))
    plan.lag_s, plan.patience = LAG_S - 1, f"{LAG_S:g}s"
    plan.headers, plan.page_size, plan.poll_s = "none", 100, 900.0
    plan.least_pause_s, plan.person_waits = 1.0, 0.3
    _places(plan, rng, 1, exclusive=True, replace=False)
    return plan


def _places(
    plan: Plan,
    rng: Random,
    count: int,
    *,
    exclusive: bool,
    replace: bool,
    currencies: Sequence[str] = ("GBP", "JPY"),
) -> None:
    plan.targets = [
        Target(101 + n, rng.choice(currencies), exclusive, replace) for n in range(count)
    ]
    plan.venues = [
        Venue(9001 + n, home.id, home.currency, "Europe/London")
        for n, home in enumerate(plan.targets)
    ]
    plan.trades = [_trade(plan, rng) for _ in plan.venues]


def _trade(plan: Plan, rng: Random) -> Trade:
    until_s = plan.days * 86_400
    return Trade(
        sales=rng.choice((10, 16)),
        until_s=until_s,
        bursts=[rng.uniform(0.1, 0.7) * until_s for _ in range(2)],
    )


def _each_trade(plan: Plan, **values: float) -> None:
    for trade in plan.trades:
        for name, value in values.items():
            setattr(trade, name, value)


_PARTIAL = ("applied in part", "in part and the rest late", "short echo, rest lost")
_DELETED_LATE = ("applied late", "lost before acting", "in part", "502 before")


# -- the themes -----------------------------------------------------------------------------------


def _windows(plan: Plan, rng: Random) -> None:
    """Totals cannot tell, so that windows are replaced, while their deletes are lost or late."""
    _places(plan, rng, 1, exclusive=True, replace=True)
    plan.post_faults, plan.post_kinds = rng.choice((0.4, 0.7)), _PARTIAL
    plan.delete_faults, plan.delete_kinds = 0.6, _DELETED_LATE
    plan.crashes = rng.choice((0.0, 0.0, 0.01))
    # Where sales follow each other by the second, one second more or less matters.
    _each_trade(plan, sales=30, losses=0.25, late=0.5, spread_s=rng.choice((2.0, 2.0, 6.0, 2400.0)))


def _late_deletes(plan: Plan, rng: Random) -> None:
    """As `windows`, and an unanswered delete acts as late as it may."""
    _windows(plan, rng)
    plan.delete_faults, plan.delete_kinds = 0.7, ("applied late",)
    plan.crashes, plan.reboots = 0.0, rng.choice((0.0, 0.1))


def _amended(plan: Plan, rng: Random) -> None:
    """Sales come back changed, their deletes are lost, and echoes come in any order."""
    replace = rng.random() < 0.5
    _places(plan, rng, 1, exclusive=rng.random() < 0.7 or replace, replace=replace)
    plan.post_faults = 0.3
    plan.post_kinds = ("shuffled echo", "shuffled echo", "lost after acting")
    plan.delete_faults = 0.6
    plan.early_404, plan.poll_s = rng.random() < 0.9, 120.0
    _each_trade(plan, sales=20, amended=0.5, amended_within_s=rng.choice((500.0, 20_000.0)))


def _reboots(plan: Plan, rng: Random) -> None:
    """The first answers are lost, and the machine goes down at once."""
    _places(plan, rng, 3, exclusive=rng.random() < 0.7, replace=False)
    plan.post_faults = 0.6
    plan.post_kinds = ("lost after acting", "lost after acting", "applied late", "502 after")
    plan.reboots, plan.lag_s = 0.85, LAG_S
    # Two looks soon after the start, while what acted before it does not show yet.
    plan.patience, plan.poll_s = f"{LAG_S:g}s", 60.0


def _planted(plan: Plan, rng: Random) -> None:
    """An exclusive place is not empty, on the very days of the sales, whosever days those are."""
    _places(plan, rng, 2, exclusive=True, replace=rng.random() < 0.5)
    zones = ["UTC", "Europe/London"]
    if rng.random() < 0.7:
        # Connecteam's day may be that of either location that feeds the place.
        zones += ["Asia/Tokyo", "Asia/Tokyo"]
        home = plan.targets[0]
        plan.venues.insert(rng.randrange(2), Venue(9003, home.id, home.currency, zones[-1]))
        plan.trades.append(_trade(plan, rng))
    plan.connecteam_zone = ZoneInfo(rng.choice(zones))
    plan.foreign_at_exclusive, plan.planted_among = "before", True
    plan.lag_s = rng.choice((0.0, 30.0))
    plan.post_faults = rng.choice((0.0, 0.3))


def _refused(plan: Plan, rng: Random) -> None:
    """Some rows are refused, by name or not; others are refused for the moment."""
    plan.post_faults = rng.choice((0.2, 0.5))
    plan.post_kinds = ("429", "403", "connect error", "connect timeout", "400 after", "502 after")
    _each_trade(plan, sales=20, refused=0.15, unmappable=0.05)


def _pages(plan: Plan, rng: Random) -> None:
    """Windows of many pages, which break off."""
    plan.page_size, plan.read_faults = rng.choice((3, 5)), rng.choice((0.2, 0.4))
    plan.crashes = rng.choice((0.0, 0.005))
    _each_trade(plan, sales=40, late=0.1)


def _signs(plan: Plan, rng: Random) -> None:
    """Many refunds and rows of zero, and requests of which only some rows are applied."""
    replace = rng.random() < 0.3
    _places(plan, rng, 1, exclusive=rng.random() < 0.8 or replace, replace=replace)
    plan.post_faults = 0.7
    plan.post_kinds = (*_PARTIAL, "short echo, rest applied", "short echo, rest late")
    plan.person_replaces = 1.0
    plan.poll_s = 1800.0  # so that a request has several rows
    _each_trade(plan, sales=40, losses=0.4, zeros=0.2)


def _lags(plan: Plan, rng: Random) -> None:
    """Answers are lost, and totals are as late as they may be when somebody looks."""
    _places(plan, rng, rng.choice((1, 2)), exclusive=rng.random() < 0.5, replace=False)
    plan.post_faults = 0.6
    plan.post_kinds = (
        "lost after acting", "lost before acting", "applied late", "504 and applied late",
        "200 too many after", "200 too many and applied late", "502 before", "502 after",
    )  # fmt: skip
    plan.restarts = rng.choice((0.0, 0.3))


def _kills(plan: Plan, rng: Random) -> None:
    """The process is killed again and again, mostly beside its requests."""
    replace = rng.random() < 0.5
    _places(plan, rng, rng.choice((1, 2)), exclusive=rng.random() < 0.7 or replace, replace=replace)
    plan.crashes = rng.choice((0.03, 0.06))
    plan.post_faults = rng.choice((0.0, 0.5))
    plan.second_process = 0.3
    _each_trade(plan, amended=0.3)


def _old_copies(plan: Plan, rng: Random) -> None:
    """An old copy of the ledger is put in place."""
    _places(plan, rng, 1, exclusive=rng.random() < 0.6, replace=rng.random() < 0.3)
    plan.targets = [
        Target(one.id, one.currency, one.exclusive, one.exclusive and one.replace)
        for one in plan.targets
    ]
    plan.restore = True
    plan.post_faults = rng.choice((0.0, 0.2))
    _each_trade(plan, amended=0.1)
    if rng.random() < 0.5:
        # What the copy has forgotten lies on days of which it knows nothing.
        plan.days, plan.poll_s = 4.0, 7200.0
        for trade in plan.trades:
            trade.until_s, trade.steady, trade.amended = plan.until_s, 0.0, 0.0
            trade.bursts = [0.05 * plan.until_s, 0.55 * plan.until_s]


def _strangers(plan: Plan, rng: Random) -> None:
    """Others write and delete at the same place, in ordinary amounts."""
    _places(plan, rng, 2, exclusive=False, replace=False)
    plan.foreign, plan.foreign_is_plain = 0.3, True
    plan.post_faults = 0.3
    plan.restarts = rng.choice((0.0, 0.1))
    _each_trade(plan, amended=0.1)


def _sleepers(plan: Plan, rng: Random) -> None:
    """The machine sleeps in the middle of things, and a second service is tried meanwhile."""
    plan.suspensions, plan.second_process = 0.3, 0.2
    plan.post_faults = rng.choice((0.0, 0.3))


def _intruders(plan: Plan, rng: Random) -> None:
    """A stranger writes at an exclusive place, in the middle of the day; windows may be replaced."""
    _places(plan, rng, 1, exclusive=True, replace=True)
    plan.foreign_at_exclusive, plan.planted_among = "meanwhile", True
    plan.post_faults, plan.post_kinds = 0.5, _PARTIAL
    _each_trade(plan, sales=20, losses=0.25)


def _retold(plan: Plan, rng: Random) -> None:
    """Sales come back with the same amount and another type: what is deleted, and what is posted
    instead and lost, add up to nothing while the delete does not show yet.
    """
    _places(plan, rng, 1, exclusive=rng.random() < 0.7, replace=False)
    plan.post_faults = 0.6
    plan.post_kinds = ("lost before acting", "502 before", "200 too many before", "applied late")
    plan.delete_faults, plan.lag_s = 0.0, LAG_S
    # Few sales, so that what is posted instead travels alone, and its sum is the deleted one's.
    _each_trade(plan, sales=6, amended=0.9, retold=1.0)


def _latecomers(plan: Plan, rng: Random) -> None:
    """Requests act later than they may: a stated limit, but noticed afterwards."""
    _places(plan, rng, 1, exclusive=rng.random() < 0.5, replace=False)
    plan.days, plan.too_late = 0.3, True
    plan.post_faults, plan.post_kinds = 0.4, ("applied late",)
    plan.restarts = 0.3
    plan.lag_s = 30.0
    _each_trade(plan, sales=10, until_s=plan.until_s)


def _repairs(plan: Plan, rng: Random) -> None:
    """People delete and double rows that are ours, and ask for repairs."""
    exclusive = rng.random() < 0.8
    replace = exclusive and rng.random() < 0.6
    # Small amounts would add up to each other by chance.
    _places(plan, rng, 1, exclusive=exclusive, replace=replace, currencies=("GBP",))
    plan.damage, plan.repairs = rng.choice((0.1, 0.2)), rng.choice((0.05, 0.3))
    plan.post_faults = rng.choice((0.0, 0.2))
    plan.delete_faults = rng.choice((0.0, 0.4))
    plan.crashes = rng.choice((0.0, 0.01))
    plan.connecteam_zone = ZoneInfo(rng.choice(("UTC", "Europe/London")))
    plan.lag_s = rng.choice((0.0, 30.0, LAG_S - 1))
    # That totals cannot show rows of zero, nor one row for another of its amount, is a stated limit.
    _each_trade(plan, zeros=0.0, nothing=0.0, kept=0.0, amended=rng.choice((0.0, 0.1)))


def _old_repairs(plan: Plan, rng: Random) -> None:
    """As `repairs`, of an old ledger; the newest one has emptied windows and filled them again."""
    _repairs(plan, rng)
    plan.restore = plan.restore_soon = True
    plan.damage = rng.choice((0.0, 0.1, 0.3))
    if rng.random() < 0.5:
        _places(plan, rng, 1, exclusive=True, replace=True, currencies=("GBP",))
        plan.post_faults, plan.post_kinds = 0.5, _PARTIAL
        # Late sales, whose windows reach into those of before the copy.
        _each_trade(plan, zeros=0.0, nothing=0.0, kept=0.0, late=0.5)


THEMES: dict[str, _Maker] = {
    "windows": _windows,
    "late deletes": _late_deletes,
    "amended": _amended,
    "reboots": _reboots,
    "planted": _planted,
    "refused": _refused,
    "pages": _pages,
    "signs": _signs,
    "lags": _lags,
    "kills": _kills,
    "old copies": _old_copies,
    "strangers": _strangers,
    "sleepers": _sleepers,
    "intruders": _intruders,
    "retold": _retold,
    "latecomers": _latecomers,
    "repairs": _repairs,
    "old repairs": _old_repairs,
}
"""New ones at the end: a seed names its theme by its place."""
