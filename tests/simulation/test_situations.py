"""Situations that no seed is sure to reach, made by hand from a themed world."""

from simulation.harness import run_seed
from simulation.themes import seeds_of
from tillbridge.account import Account
from tillbridge.replace import NOT_TODAY, Replacer


def test_what_only_waits_for_quota_is_not_held(monkeypatch):
    """Rule 17: without the requests for it, a window waits for the next day. The checker of the
    world would call it held without need.
    """
    left_today, refusal = Account.left_today, Replacer._refusal
    answers = []

    def little_left(account):
        return 2 if account._clock.true_s < 16_000 else left_today(account)

    def noted(replacer, *args):
        answers.append(refusal(replacer, *args))
        return answers[-1]

    monkeypatch.setattr(Account, "left_today", little_left)
    monkeypatch.setattr(Replacer, "_refusal", noted)
    assert run_seed(seeds_of("windows", 1)[0]).failure is None
    assert NOT_TODAY in answers
    assert None in answers
