"""What became of a request whose answer was lost: each rule as a table, then many small worlds."""

import random
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from tillbridge.doubt import (
    MAX_DOUBTS,
    NEVER,
    AppliedLate,
    AsExpected,
    Decided,
    Doubt,
    Examination,
    Foreign,
    Hold,
    LookAgain,
    Patience,
    Quiet,
    ReadLater,
    ReplaceWindow,
    Situation,
    StopPosting,
    Verdict,
    decide,
    examine,
    final_in,
)

T, L = 120.0, 1000.0
PATIENCE = Patience(T, L)
S = 5_000
LONG_AGO = T + L
LANDED, NOT_LANDED = "landed (1,)", "landed ()"


def case(change, *, ended_s=LONG_AGO, total=S, **more):
    facts = {
        "change": change,
        "acknowledged": 0,
        "doubts": (Doubt(1, total, ended_s),),
        "quiet": Quiet(),
        "patience": PATIENCE,
        "may_replace": False,
    }
    return Situation(**{**facts, **more})


def confirmed(situation, text):
    return replace(situation, earlier=Verdict(text, PATIENCE.confirm_s))


# -- landed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended_s", [0.0, 1.0, T, L, LONG_AGO])
@pytest.mark.parametrize("total", [S, -S, 1])
def test_a_part_whose_sum_is_in_the_totals_has_landed_however_soon(ended_s, total):
    decision = decide(case(total + 7, total=total, acknowledged=7, ended_s=ended_s))
    assert decision == Decided((1,), ())


@pytest.mark.parametrize(
    ("quiet", "after_s"),
    [
        (Quiet(acked_s=0), L),
        (Quiet(acked_s=L - 1), 1),
        (Quiet(deleted_s=0), T + L),
        (Quiet(deleted_s=L), T),
        (Quiet(acked_s=L - 5, deleted_s=T + L - 9), 9),
    ],
)
@pytest.mark.parametrize("change", [None, 0, S, 3])
def test_nothing_is_decided_while_an_acknowledged_write_may_be_missing(quiet, after_s, change):
    assert decide(case(change, quiet=quiet)) == ReadLater(after_s)


@pytest.mark.parametrize("quiet", [Quiet(), Quiet(acked_s=L), Quiet(deleted_s=T + L)])
def test_a_reading_is_mature_exactly_when_nothing_can_be_missing(quiet):
    assert decide(case(S, quiet=quiet)) == Decided((1,), ())


def test_without_a_reading_the_answer_is_to_read():
    assert decide(case(None)) == ReadLater(0)


# -- not landed --------------------------------------------------------------------------------


def test_a_part_that_is_not_there_finally_needs_a_second_reading():
    first = decide(case(0))
    assert first == ReadLater(PATIENCE.confirm_s, NOT_LANDED)
    assert decide(confirmed(case(0), NOT_LANDED)) == Decided((), (1,))


def test_the_second_reading_comes_no_sooner_than_a_tenth_of_the_patience():
    early = replace(case(0), earlier=Verdict(NOT_LANDED, PATIENCE.confirm_s - 1))
    assert decide(early) == ReadLater(1, NOT_LANDED)


@pytest.mark.parametrize("earlier", [LANDED, "unclear", ""])
def test_a_second_reading_that_says_something_else_begins_anew(earlier):
    assert decide(confirmed(case(0), earlier)) == ReadLater(PATIENCE.confirm_s, NOT_LANDED)


@pytest.mark.parametrize("ended_s", [0, 1, T, L, T + L - 0.5])
@pytest.mark.parametrize("change", [0, 1, -S, 2 * S])
def test_before_final_a_missing_sum_means_only_to_look_again(ended_s, change):
    decision = decide(confirmed(case(change, ended_s=ended_s), NOT_LANDED))
    assert isinstance(decision, ReadLater)
    assert decision.verdict is None
    assert 0 < decision.after_s <= T + L - ended_s


def test_final_counts_from_the_youngest_doubt_and_the_last_writes():
    doubts = (Doubt(1, S, 900), Doubt(2, S, 400))
    assert final_in(case(0, doubts=doubts)) == T + L - 400
    assert final_in(case(0, quiet=Quiet(acked_s=0))) == L
    assert final_in(case(0, quiet=Quiet(deleted_s=0))) == T + L
    assert final_in(case(0)) == 0


# -- unclear -----------------------------------------------------------------------------------

UNCLEAR = "unclear"


@pytest.mark.parametrize(
    ("change", "may_replace", "expected"),
    [
        (1, False, Hold),
        (S - 1, False, Hold),
        (S + 1, False, Hold),
        (1, True, ReplaceWindow),
        (S - 1, True, ReplaceWindow),
        (S + 1, True, Hold),  # more than the part could explain: somebody else wrote there
        (-1, True, Hold),
        (2 * S, True, Hold),
    ],
)
def test_totals_that_fit_neither_way_lead_to_replacing_or_holding(change, may_replace, expected):
    situation = case(change, may_replace=may_replace)
    assert decide(situation) == ReadLater(PATIENCE.confirm_s, UNCLEAR)
    assert isinstance(decide(confirmed(situation, UNCLEAR)), expected)


@pytest.mark.parametrize(
    ("change", "may_replace", "expected"),
    [(0, False, Hold), (0, True, ReplaceWindow), (5, True, Hold), (5, False, Hold)],
)
def test_a_sum_of_zero_shows_in_no_total(change, may_replace, expected):
    decision = decide(confirmed(case(change, total=0, may_replace=may_replace), UNCLEAR))
    assert isinstance(decision, expected)
    assert "zero" in decision.reason


@pytest.mark.parametrize("change", [0, S, 17])
@pytest.mark.parametrize(("may_replace", "expected"), [(False, Hold), (True, ReplaceWindow)])
def test_totals_that_are_known_to_prove_nothing_decide_nothing(change, may_replace, expected):
    situation = case(change, totals_prove=False, may_replace=may_replace)
    assert decide(situation) == ReadLater(PATIENCE.confirm_s, UNCLEAR)
    assert isinstance(decide(confirmed(situation, UNCLEAR)), expected)


# -- several doubts ----------------------------------------------------------------------------


def several(*totals, change, **more):
    doubts = tuple(Doubt(n, total, LONG_AGO) for n, total in enumerate(totals, 1))
    return case(change, doubts=doubts, **more)


@pytest.mark.parametrize(
    ("totals", "change", "landed"),
    [
        ((100, 250), 0, ()),
        ((100, 250), 100, (1,)),
        ((100, 250), 250, (2,)),
        ((100, -30, 7), 77, (1, 2, 3)),
        ((100, -30, 7), -23, (2, 3)),
        ((1, 2, 4, 8, 16), 21, (1, 3, 5)),
    ],
)
def test_the_one_set_of_doubts_that_explains_the_totals_has_landed(totals, change, landed):
    situation = confirmed(several(*totals, change=change), f"landed {landed}")
    everything = set(range(1, len(totals) + 1))
    assert decide(situation) == Decided(landed, tuple(sorted(everything - set(landed))))


@pytest.mark.parametrize(
    ("totals", "change"),
    [
        ((100, 100), 100),
        ((100, 200, 300), 300),
        ((50, -50), 0),
        ((50, -50, 20), 20),
        ((100, 0), 100),
        ((100, 0), 0),
        ((100, 250), 99),
    ],
)
@pytest.mark.parametrize(("may_replace", "expected"), [(False, Hold), (True, ReplaceWindow)])
def test_doubts_that_the_totals_cannot_tell_apart_stay_unclear(
    totals, change, may_replace, expected
):
    situation = several(*totals, change=change, may_replace=may_replace)
    assert isinstance(decide(confirmed(situation, UNCLEAR)), expected)


def test_gains_and_losses_in_doubt_together_are_not_believed_before_final():
    """20 of a gain of 30 is seen; a loss of 10 that never arrives would explain it, too."""
    young = (Doubt(1, 30, 1.0), Doubt(2, -10, 1.0))
    assert isinstance(decide(case(20, doubts=young)), ReadLater)
    assert decide(case(40, doubts=(Doubt(1, 30, 1.0), Doubt(2, 10, 1.0)))) == Decided((1, 2), ())


def test_more_doubts_than_can_be_are_not_searched():
    situation = several(*[1] * (MAX_DOUBTS + 1), change=0)
    assert isinstance(decide(confirmed(situation, UNCLEAR)), Hold)


# -- how often a doubt is looked at ------------------------------------------------------------


@pytest.mark.parametrize("wait_s", [0, 1, 120, 3600])
@pytest.mark.parametrize("lag_s", [0, 0.5, 5, 3600, 86_400])
def test_a_doubt_costs_a_bounded_number_of_readings(wait_s, lag_s):
    """Even where totals never lag: each reading is a request of the account's quota."""
    now, looks, earlier = 0.0, 0, None
    while looks < 100:
        looks += 1
        seen = Verdict(earlier[0], now - earlier[1]) if earlier else None
        decision = decide(case(0, ended_s=now, patience=Patience(wait_s, lag_s), earlier=seen))
        if isinstance(decision, Decided):
            break
        if decision.verdict and not earlier:
            earlier = (decision.verdict, now)
        now += decision.after_s
    assert looks <= 16
    assert now <= (wait_s + lag_s) + lag_s / 10 + 0.01


# -- worlds ------------------------------------------------------------------------------------


@dataclass
class World:
    """One Connecteam location that knows the truth, and shows only late totals."""

    chance: random.Random
    wait_s: float
    lag_s: float
    effects: list[tuple[float, int]] = field(default_factory=list)  # (visible at, amount)

    def write(self, applied_s, amounts):
        for amount in amounts:
            self.effects.append((applied_s + self.chance.uniform(0, self.lag_s), amount))

    def total(self, now):
        return sum(amount for visible_s, amount in self.effects if visible_s <= now)


@dataclass
class Attempt:
    part_id: int
    amounts: list[int]
    ended_s: float
    applied: int | None = None  # how many of its rows; None if all

    @property
    def total(self):
        return sum(self.amounts)

    @property
    def fate(self):
        done = len(self.amounts) if self.applied is None else self.applied
        return "landed" if done == len(self.amounts) else "partly" if done else "not landed"


def amounts_of(chance, sign=1, largest=40):
    rows = [sign * chance.randint(1, largest) for _ in range(chance.randint(1, 6))]
    if len(rows) > 1 and chance.random() < 0.3:
        rows.insert(1, 0)
    return rows


def act(world, attempt, start_s, fates):
    """What the server does with a request whose answer is lost."""
    fate = world.chance.choice(fates)
    attempt.applied = {
        "landed": None,
        "never": 0,
        "partly": world.chance.randint(0, len(attempt.amounts)),
    }[fate]
    applied_s = world.chance.uniform(start_s, attempt.ended_s + world.wait_s)
    world.write(applied_s, attempt.amounts[: attempt.applied])


def live_through(world, attempts, *, acked, acked_s, deleted_s, may_replace):
    """Ask decide() at the times that it names, until it decides; returns it and the time."""
    chance = world.chance
    now = max(attempt.ended_s for attempt in attempts)
    final_s = max(
        now + world.wait_s + world.lag_s, acked_s + world.lag_s,
        deleted_s + world.wait_s + world.lag_s,
    )  # fmt: skip
    patience, earlier, delays = Patience(world.wait_s, world.lag_s), None, 0.0
    for _ in range(60):
        situation = Situation(
            change=world.total(now),
            acknowledged=acked,
            doubts=tuple(Doubt(a.part_id, a.total, now - a.ended_s) for a in attempts),
            quiet=Quiet(now - acked_s, now - deleted_s),
            patience=patience,
            may_replace=may_replace,
            earlier=Verdict(earlier[0], now - earlier[1]) if earlier else None,
        )
        decision = decide(situation)
        if not isinstance(decision, ReadLater):
            bound_s = max(final_s, 0) + 2 * patience.confirm_s + delays + 0.1
            assert now <= bound_s, "the decision came late"
            return decision
        if decision.verdict is None:
            earlier = None
        elif earlier is None or earlier[0] != decision.verdict:
            earlier = (decision.verdict, now)
        delay_s = chance.uniform(0, world.lag_s) if chance.random() < 0.2 else 0.0
        delays += delay_s
        now += decision.after_s + delay_s
    raise AssertionError("no decision in sixty readings")


def history(world):
    """Acknowledged writes before the doubt: (their sum, when the last was answered)."""
    acked, now = 0, 0.0
    for _ in range(world.chance.randint(0, 4)):
        amounts = amounts_of(world.chance, world.chance.choice([1, -1]))
        answered_s = now + world.chance.uniform(0, 5)
        world.write(world.chance.uniform(now, answered_s), amounts)
        acked, now = acked + sum(amounts), answered_s
    return acked, now if acked or now else -NEVER


def unanswered_delete(world, now):
    """A row is deleted; the answer is lost, the second try is acknowledged."""
    amount = world.chance.randint(1, 40)
    world.effects.append((-1.0, amount))
    removed_s = world.chance.uniform(now, now + 3)
    world.write(removed_s, [-amount])
    # The base was taken when the row was there already.
    world.effects.append((-1.0, -amount))
    return -amount, now + 1, now + 3


def worlds(seeds, fates, *, parts=1, foreign=False, signs=(1,), largest=40):
    for seed in seeds:
        chance = random.Random(seed)
        world = World(
            chance, chance.choice([0.0, 1.0, 60.0]), chance.choice([0.0, 1.0, 30.0, 600.0])
        )
        acked, acked_s = history(world)
        deleted_s = -NEVER
        now = max(acked_s, 0.0)
        if chance.random() < 0.3:
            removed, deleted_s, acked_s = unanswered_delete(world, now)
            acked, now = acked + removed, acked_s
        attempts = []
        for part_id in range(1, parts + 1):
            ended_s = now + chance.uniform(0, 20)
            amounts = amounts_of(chance, chance.choice(signs), largest)
            attempt = Attempt(part_id, amounts, ended_s)
            act(world, attempt, now, fates)
            attempts.append(attempt)
        if foreign and chance.random() < 0.6:
            # Never an amount that a part could explain: that limit is stated in the docs.
            world.write(chance.uniform(0, now + 700), [chance.choice([-1, 1]) * 10_000])
        yield seed, world, attempts, acked, acked_s, deleted_s


def check(decision, attempts, where):
    match decision:
        case Decided(landed, not_landed):
            assert sorted((*landed, *not_landed)) == [a.part_id for a in attempts], where
            for attempt in attempts:
                expected = "landed" if attempt.part_id in landed else "not landed"
                assert attempt.fate == expected, where
        case ReplaceWindow() | Hold():
            pass
    return decision


def run(seeds, fates, *, may_replace=False, **facts):
    found = []
    for seed, world, attempts, acked, acked_s, deleted_s in worlds(seeds, fates, **facts):
        decision = live_through(
            world, attempts, acked=acked, acked_s=acked_s, deleted_s=deleted_s,
            may_replace=may_replace,
        )  # fmt: skip
        found.append((check(decision, attempts, f"seed {seed}"), attempts))
    return found


def test_one_doubt_is_always_decided_and_always_truly():
    found = run(range(3000), ["landed", "never"])
    assert all(isinstance(decision, Decided) for decision, _ in found)
    assert {attempts[0].fate for _, attempts in found} == {"landed", "not landed"}


@pytest.mark.parametrize("may_replace", [True, False])
def test_a_partly_applied_request_is_never_taken_for_either(may_replace):
    found = run(range(3000), ["landed", "never", "partly"], may_replace=may_replace)
    for decision, (attempt,) in found:
        if attempt.fate == "partly" and 0 < sum(attempt.amounts[: attempt.applied]) < attempt.total:
            assert isinstance(decision, ReplaceWindow if may_replace else Hold)
        elif attempt.fate != "partly":
            assert isinstance(decision, Decided)
    assert any(attempts[0].fate == "partly" for _, attempts in found)


def test_foreign_amounts_lead_to_holding_never_to_a_false_decision():
    found = run(range(3000), ["landed", "never", "partly"], foreign=True)
    assert {type(decision) for decision, _ in found} >= {Decided, Hold}


@pytest.mark.parametrize("signs", [(1,), (-1,), (1, -1)])
def test_several_doubts_are_decided_truly_or_not_at_all(signs):
    found = run(range(2000), ["landed", "never"], parts=3, may_replace=True, signs=signs)
    decided = sum(isinstance(decision, Decided) for decision, _ in found)
    assert decided > len(found) / 2
    assert not any(isinstance(decision, Hold) for decision, _ in found)


def test_gains_and_losses_that_add_up_alike_by_chance_are_never_decided_falsely():
    run(range(4000), ["landed", "never"], parts=2, may_replace=True, signs=(1, -1), largest=4)


# -- without a doubt ---------------------------------------------------------------------------


def look(change, **more):
    facts = {
        "acknowledged": 100,
        "quiet": Quiet(acked_s=L),
        "patience": PATIENCE,
        "exclusive": True,
    }
    return examine(Examination(change, **{**facts, **more}))


@pytest.mark.parametrize(
    ("change", "more", "expected"),
    [
        (100, {}, AsExpected()),
        (100, {"quiet": Quiet(acked_s=0)}, AsExpected()),
        (100, {"exclusive": False, "waiting_sums": (0,), "abandoned": ((3, 0),)}, AsExpected()),
        (60, {"quiet": Quiet(acked_s=L - 40)}, LookAgain(40)),
        (60, {"quiet": Quiet(deleted_s=0), "exclusive": False}, LookAgain(T + L)),
        (140, {"exclusive": False}, Foreign(40)),
        (60, {"exclusive": False}, Foreign(-40)),
        (140, {"abandoned": ((7, 39), (8, 40))}, AppliedLate(8)),
        (140, {"abandoned": ((7, 40),), "exclusive": False}, AppliedLate(7)),
        (140, {"abandoned": ((7, 40),), "quiet": Quiet(acked_s=1)}, LookAgain(L - 1)),
    ],
)
def test_totals_without_a_doubt_are_explained_or_looked_at_again(change, more, expected):
    assert look(change, **more) == expected


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "unexplained"),
        ({"abandoned": ((7, 39),)}, "unexplained"),
        ({"exclusive": False, "waiting_sums": (10, 40, 90)}, "old_ledger"),
    ],
)
def test_a_difference_that_could_double_sales_stops_the_location(more, name):
    finding = look(140, **more)
    assert isinstance(finding, StopPosting)
    assert finding.name == name


def test_a_difference_that_is_no_first_part_of_the_waiting_sales_is_foreign():
    assert look(140, exclusive=False, waiting_sums=(10, 39, 41)) == Foreign(40)
