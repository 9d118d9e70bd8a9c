"""The parts beyond reading and posting, put together: correcting, comparing, learning, a person's
word. Decides nothing.

A module of its own because a backfill has no use for any of them: `wiring` loads it when one is
first asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

from msgspec import Struct

from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.bases import Bases
from tillbridge.by_hand import ByHand
from tillbridge.clock import Clock
from tillbridge.correct import Corrector
from tillbridge.delivery import Delivery
from tillbridge.learning import Learner
from tillbridge.ledger.store import Ledger
from tillbridge.policy import DoubtPolicy, NightPlan, TargetPolicy
from tillbridge.reader import Source
from tillbridge.readings import Readings
from tillbridge.reconcile.assembly import Keeping, Means, assemble
from tillbridge.reconcile.whole_days import Place, WholeDays
from tillbridge.recording import Recorder
from tillbridge.replace import Replacer
from tillbridge.settle import Settler
from tillbridge.sync import Writers
from tillbridge.windows import Bounds


class Basics(Struct, frozen=True):
    """What there is already; see each."""

    ledger: Ledger
    account: Account
    readings: Readings
    bases: Bases
    replacer: Replacer
    settler: Settler
    recorder: Recorder
    delivery: Delivery
    lightspeed: WholeDays
    policies: Mapping[int, TargetPolicy]
    doubts: DoubtPolicy
    clock: Clock
    alarms: Alarms
    executor: Executor
    max_in_flight: int
    last_request_ms: Callable[[], int | None]


class Fitted(Struct, frozen=True):
    """A person's word; comparing and putting right; everything that writes, for a pass."""

    by_hand: ByHand
    keeping: Keeping
    writers: Writers


def fit(basics: Basics, places: Sequence[tuple[Source, Bounds]], night: NightPlan) -> Fitted:
    """Make them.

    Args:
        basics: what they stand on.
        places: the Lightspeed locations, each with its first and last moment.
        night: when is compared, and how far back.
    """
    ledger, account, policies = basics.ledger, basics.account, basics.policies
    doubts, replacer, alarms = basics.doubts, basics.replacer, basics.alarms
    corrector = Corrector(ledger, account, policies, doubts, replacer, alarms)
    means = Means(
        ledger, account, basics.readings, basics.lightspeed, basics.clock, alarms,
        basics.executor, basics.max_in_flight, corrector, replacer, basics.bases,
        basics.last_request_ms,
    )  # fmt: skip
    keeping = assemble(means, policies, [Place(*place) for place in places], doubts, night)
    learner = Learner(ledger, account, basics.readings, policies)
    writers = Writers(
        basics.settler, basics.recorder, replacer, corrector, basics.bases, basics.delivery,
        learner, keeping.repairer,
    )  # fmt: skip
    by_hand = ByHand(ledger, account, policies, doubts, replacer, alarms)
    return Fitted(by_hand, keeping, writers)
