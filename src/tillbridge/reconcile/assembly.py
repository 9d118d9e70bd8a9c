"""Puts the parts of the comparison together; decides nothing."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.bases import Bases
from tillbridge.clock import Clock
from tillbridge.correct import Corrector
from tillbridge.ledger.store import Ledger
from tillbridge.policy import DoubtPolicy, NightPlan, TargetPolicy
from tillbridge.readings import Readings
from tillbridge.reconcile.deeds import Deeds
from tillbridge.reconcile.ending import Ender
from tillbridge.reconcile.nightly import Nightly
from tillbridge.reconcile.reconciler import Reconciler
from tillbridge.reconcile.repairing import Repairer
from tillbridge.reconcile.rounds import Looker
from tillbridge.reconcile.totals import TotalsReader
from tillbridge.reconcile.vanished import Holder
from tillbridge.reconcile.whole_days import DayReader, Place, WholeDays
from tillbridge.replace import Replacer


@dataclass(frozen=True, slots=True)
class Means:
    """What the comparison stands on, made elsewhere; see each."""

    ledger: Ledger
    account: Account
    readings: Readings
    lightspeed: WholeDays
    clock: Clock
    alarms: Alarms
    executor: Executor
    max_in_flight: int
    corrector: Corrector
    replacer: Replacer
    bases: Bases
    last_request_ms: Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Keeping:
    """Comparing, comparing by night, and putting right."""

    reconciler: Reconciler
    nightly: Nightly
    repairer: Repairer


def assemble(
    means: Means,
    policies: Mapping[int, TargetPolicy],
    places: Sequence[Place],
    doubts: DoubtPolicy,
    night: NightPlan,
) -> Keeping:
    """Make them.

    Args:
        means: what they stand on.
        policies: by Connecteam id.
        places: the Lightspeed locations.
        doubts: T and L.
        night: when, and how far.
    """
    reader = DayReader(
        means.ledger, means.lightspeed, means.clock, means.executor, means.max_in_flight
    )
    totals = TotalsReader(means.ledger, means.account, means.readings, doubts, means.clock)
    holder = Holder(means.ledger, reader, means.alarms)
    reconciler = Reconciler(means.ledger, reader, totals, holder, policies, places, means.clock)
    feeding: dict[int, list[int]] = {key: [] for key in policies}
    for place in places:
        feeding[place.source.rules.connecteam_id].append(place.source.id)
    return Keeping(
        reconciler,
        Nightly(means.ledger, reconciler, policies, places, night, means.clock, means.alarms),
        Repairer(
            means.ledger,
            means.account,
            means.readings,
            policies,
            doubts,
            Looker(
                means.ledger,
                means.account,
                means.readings,
                totals,
                policies,
                feeding,
                means.last_request_ms,
            ),
            Deeds(means.ledger, means.account, means.corrector, means.replacer),
            Ender(means.ledger, means.alarms, means.bases.look_now),
        ),
    )
