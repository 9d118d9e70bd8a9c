"""The answer was lost: and now? Decides from totals alone what became of a part. Pure.

Connecteam shows only the total of a day, late and for everybody's rows together. All figures here
are for one Connecteam location and one span of days, in minor units; all times are seconds of
CLOCK_BOOTTIME. Words:

- wait (T): the longest that a request may still act after we stopped waiting for it;
- patience (L): the longest that totals lag behind writes;
- change (D): a reading of the totals now, minus the base reading;
- acknowledged (E): what acknowledged writes added since the base, deletes counted negative;
- mature: no acknowledged write can still be missing from the totals;
- final: mature, and the doubtful request can no longer act unseen.

The rules, their proof and their limits: docs/exactly-once.md.
"""

from collections.abc import Sequence
from itertools import combinations, product

from msgspec import Struct

MAX_DOUBTS = 12
"""More parts in doubt at one location than could ever be under way at once."""

NEVER = float("inf")


class Patience(Struct, frozen=True):
    """`wait_s` is T and `lag_s` is L."""

    wait_s: float
    lag_s: float

    @property
    def confirm_s(self) -> float:
        """How long after a first reading the confirming one may be taken."""
        return self.lag_s / 10


class Quiet(Struct, frozen=True):
    """Seconds since the last of each; NEVER if there was none since the base.

    Attributes:
        acked_s: since the last acknowledged write.
        deleted_s: since the last delete that got no answer.
    """

    acked_s: float = NEVER
    deleted_s: float = NEVER

    def mature_in(self, patience: Patience) -> float:
        """Seconds until a reading is mature; 0 if it is."""
        after_ack = patience.lag_s - self.acked_s
        after_delete = patience.wait_s + patience.lag_s - self.deleted_s
        return max(0.0, after_ack, after_delete)


class Doubt(Struct, frozen=True):
    """A part in doubt: its id, its sum (S), and seconds since we stopped waiting for its answer."""

    part_id: int
    total: int
    ended_s: float


class Verdict(Struct, frozen=True):
    """What a final reading suggested, and how many seconds ago; it needs a second one."""

    text: str
    age_s: float


class Situation(Struct, frozen=True):
    """All that is known about one Connecteam location with parts in doubt.

    Attributes:
        change: D; None if there is no usable reading yet.
        acknowledged: E.
        doubts: the parts.
        quiet: how long nothing was written.
        patience: T and L.
        may_replace: exclusive, and the configuration prefers replacing to holding.
        totals_prove: false where totals are known not to show what was posted.
        earlier: the verdict of the reading before.
    """

    change: int | None
    acknowledged: int
    doubts: tuple[Doubt, ...]
    quiet: Quiet
    patience: Patience
    may_replace: bool
    totals_prove: bool = True
    earlier: Verdict | None = None


class ReadLater(Struct, frozen=True):
    """Nothing can be decided yet; `verdict` is kept if the next reading must confirm it."""

    after_s: float
    verdict: str | None = None


class Decided(Struct, frozen=True):
    """These parts landed, those did not."""

    landed: tuple[int, ...]
    not_landed: tuple[int, ...]


class ReplaceWindow(Struct, frozen=True):
    """Totals cannot tell; take the window out and send its rows again."""

    reason: str


class Hold(Struct, frozen=True):
    """Totals cannot tell, and only a person may decide."""

    reason: str


Decision = ReadLater | Decided | ReplaceWindow | Hold


def final_in(situation: Situation) -> float:
    """Seconds until a reading is final; 0 if it would be now."""
    patience = situation.patience
    latest = min(doubt.ended_s for doubt in situation.doubts)
    open_s = patience.wait_s + patience.lag_s - latest
    return max(0.0, situation.quiet.mature_in(patience), open_s)


def decide(situation: Situation) -> Decision:
    """What became of the parts in doubt, or when to look again.

    Landed needs only a mature reading: the sum of the part is there, and nothing else explains
    it. Everything else needs a final reading and a second one that says the same, because a
    request may act after we gave up on it, and totals lag. Parts of both signs need it too: some
    rows of a gain, seen before the others, can equal the gain less a loss that never arrives.
    """
    mature_s = situation.quiet.mature_in(situation.patience)
    if mature_s > 0 or situation.change is None:
        return _read_later(mature_s)
    everything = tuple(doubt.part_id for doubt in situation.doubts)
    explanations = _explanations(situation)
    one_sign = len({doubt.total > 0 for doubt in situation.doubts}) == 1
    if explanations == [everything] and one_sign:
        return Decided(everything, ())
    final_s = final_in(situation)
    if final_s > 0:
        return _read_later(min(final_s, max(_step_s(situation.patience), final_s / 4)))
    verdict = f"landed {explanations[0]}" if len(explanations) == 1 else "unclear"
    earlier = situation.earlier
    if earlier is None or earlier.text != verdict:
        return _read_later(situation.patience.confirm_s, verdict)
    if earlier.age_s < situation.patience.confirm_s:
        return _read_later(situation.patience.confirm_s - earlier.age_s, verdict)
    if len(explanations) == 1:
        landed = explanations[0]
        return Decided(landed, tuple(part for part in everything if part not in landed))
    return _unclear(situation)


def _read_later(after_s: float, verdict: str | None = None) -> ReadLater:
    # What rounding leaves of a wait is too short to move a clock that counts in floats.
    return ReadLater(max(after_s, 0.001) if after_s > 0 else 0.0, verdict)


def _step_s(patience: Patience) -> float:
    """The least time between two looks at a doubt that is not final: each costs a request."""
    return (patience.wait_s + patience.lag_s) / 10


def _explanations(situation: Situation) -> list[tuple[int, ...]]:
    """Every set of doubtful parts that, landed, would make the totals what they are."""
    assert situation.change is not None
    missing = situation.change - situation.acknowledged
    doubts = situation.doubts
    if not situation.totals_prove or len(doubts) > MAX_DOUBTS:
        return []
    return [
        tuple(doubt.part_id for doubt in chosen)
        for size in range(len(doubts) + 1)
        for chosen in combinations(doubts, size)
        if sum(doubt.total for doubt in chosen) == missing
    ]


def _unclear(situation: Situation) -> ReplaceWindow | Hold:
    assert situation.change is not None
    missing = situation.change - situation.acknowledged
    low = sum(min(0, doubt.total) for doubt in situation.doubts)
    high = sum(max(0, doubt.total) for doubt in situation.doubts)
    if not situation.totals_prove:
        reason = "the totals of this location do not show what was posted"
    elif not any(doubt.total for doubt in situation.doubts):
        reason = "the sales add up to zero, so that no total can show them"
    elif len(situation.doubts) > 1 and low <= missing <= high:
        reason = "more than one reading of the totals is possible"
    else:
        reason = "the totals changed by an amount that neither the sales nor their absence explain"
    if situation.may_replace and (low <= missing <= high or not situation.totals_prove):
        return ReplaceWindow(reason)
    return Hold(reason)


class Examination(Struct, frozen=True):
    """One location without open doubts: do its totals show what the ledger put there?

    Attributes:
        change: D.
        acknowledged: E.
        quiet: how long nothing was written.
        patience: T and L.
        exclusive: nobody else may write there.
        abandoned: (part id, sum) of attempts that were decided as not landed.
        waiting_sums: the sums of the first one, two, three, ... of the waiting sales; an old
            ledger thinks that sales wait which are there already.
    """

    change: int
    acknowledged: int
    quiet: Quiet
    patience: Patience
    exclusive: bool
    abandoned: Sequence[tuple[int, int]] = ()
    waiting_sums: Sequence[int] = ()


class AsExpected(Struct, frozen=True):
    """The totals are explained to the cent."""


class LookAgain(Struct, frozen=True):
    """They may still be catching up."""

    after_s: float


class Foreign(Struct, frozen=True):
    """Somebody else wrote this much; allowed here, and taken into a new base."""

    amount: int


class AppliedLate(Struct, frozen=True):
    """An attempt that was decided as not landed was applied after all; its rows are there twice."""

    part_id: int


class StopPosting(Struct, frozen=True):
    """Going on could double sales; `name` is what a person's command refers to."""

    name: str
    reason: str


Finding = AsExpected | LookAgain | Foreign | AppliedLate | StopPosting


def examine(case: Examination) -> Finding:
    """Compare the totals with the ledger, before the first write after a start and at each base."""
    difference = case.change - case.acknowledged
    if difference == 0:
        return AsExpected()
    mature_s = case.quiet.mature_in(case.patience)
    if mature_s > 0:
        return LookAgain(mature_s)
    for part_id, total in case.abandoned:
        if total == difference:
            return AppliedLate(part_id)
    if case.exclusive:
        return StopPosting(
            "unexplained",
            "the totals differ from what tillbridge posted, though nobody else should write there",
        )
    if difference in case.waiting_sums:
        return StopPosting(
            "old_ledger",
            "the totals already hold just what the next waiting sales add up to, as if the ledger "
            "were an old copy",
        )
    return Foreign(difference)


def signs_explain(sums: Sequence[int], change: int) -> bool:
    """Whether the change is what was posted, with the sign of at least one type of sale turned.

    Args:
        sums: the sum of what was posted since the base, by type of sale; zeros do not count.
        change: D.
    """
    figures = [total for total in sums if total != 0]
    signs = product((1, -1), repeat=len(figures))
    return any(
        -1 in chosen
        and change == sum(sign * total for sign, total in zip(chosen, figures, strict=True))
        for chosen in signs
    )
