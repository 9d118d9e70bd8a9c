"""Situations that no seed is sure to reach, made by hand from a themed world."""

import pytest

from simulation.accidents import Accidents
from simulation.harness import run_seed
from simulation.themes import seeds_of
from tillbridge.account import Account
from tillbridge.ledger import parts, removals, targets
from tillbridge.ledger.removals import Purpose
from tillbridge.replace import FRESH_S, NOT_TODAY, Replacer


def test_what_only_waits_for_quota_is_not_held(monkeypatch):
    """Rule 17: without the requests for it, a window waits for the next day. The checker of the
    world would call it held without need.
    """
    left_today, refusal = Account.left_today, Replacer._refusal
    answers = []

    def little_left(account):
        return 2 if account._clock.true_s < 16_000 else left_today(account)

    def noted(replacer, *args, **named):
        answers.append(refusal(replacer, *args, **named))
        return answers[-1]

    monkeypatch.setattr(Account, "left_today", little_left)
    monkeypatch.setattr(Replacer, "_refusal", noted)
    for seed in seeds_of("windows", 8):  # some come to their window after the quota is back
        assert run_seed(seed).failure is None
        if {NOT_TODAY, None} <= set(answers):
            return
    pytest.fail(f"no window waited for the quota: {answers}")


def test_a_doubt_whose_base_is_gone_is_held_and_keeps_no_other_location_back(monkeypatch):
    """A person who ends a stop takes the base away, for a new one; a doubt that was not known then
    (a process died in the middle of a request) has nothing to be compared with.
    """
    happen = Accidents.happen
    taken = []

    def take_base(accidents):
        sim = accidents._sim
        if sim.process is not None and not taken:
            with sim.process.ledger.commit() as commit:
                taken.extend(row.connecteam_id for row in parts.open_parts(commit)[:1])
                for key in taken:
                    targets.set_values(commit, key, base_id=None)
                    sim.checker.was_touched = True
        happen(accidents)

    monkeypatch.setattr(Accidents, "happen", take_base)
    result = run_seed(seeds_of("lags", 1)[0])
    assert result.failure is None
    assert taken
    assert result.reached["held: totals were changed by hand"] > 0


def test_a_window_that_had_to_wait_is_decided_by_the_totals_of_now(monkeypatch):
    """Between the decision and the first DELETE the machine was off, and somebody wrote there."""
    happen, step = Accidents.happen, Replacer.step
    written_s = []

    def write_into_it(accidents):
        sim = accidents._sim
        if sim.process is not None and not written_s:
            with sim.process.ledger.view() as view:
                wanted = [r for r in removals.blocking(view) if r.purpose == Purpose.REPLACE]
            for row in wanted:
                written_s.append(sim.clock.true_s)
                sim.checker.planted.add(row.connecteam_id)
                money = sim.plan.targets[0].currency
                accidents._foreign(row.connecteam_id, money, sim.clock.true_s, row.start_s + 1)
                sim.clock.advance(sim.plan.lag_s + FRESH_S)
        happen(accidents)

    def not_yet(replacer, reread):
        return step(replacer, reread) if written_s else 60.0

    monkeypatch.setattr(Accidents, "happen", write_into_it)
    monkeypatch.setattr(Replacer, "step", not_yet)
    met = 0
    for seed in seeds_of("windows", 4):
        written_s.clear()
        result = run_seed(seed)
        assert result.failure is None
        if written_s:
            assert result.reached["event part_held"] > 0
            met += 1
    assert met > 1
