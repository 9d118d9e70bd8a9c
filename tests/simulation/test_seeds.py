"""The seeded simulation. More seeds: `make soak SEEDS=10000`; one seed again: see its message."""

import os
from collections import Counter

import pytest

from simulation import pool
from simulation.coverage import BRANCHES, FAULTS
from simulation.regressions import REGRESSIONS
from simulation.themes import THEMES, name_of, seeds_of

CI_SEEDS = 92
CI_THEMED = 7
SEEDS = int(os.environ.get("SEEDS", str(CI_SEEDS)))
FIRST = int(os.environ.get("FIRST_SEED", "1"))
_RANDOM = range(FIRST, FIRST + SEEDS)
_THEMED = [seed for name in THEMES for seed in seeds_of(name, CI_THEMED)]


@pytest.fixture(scope="session")
def results():
    return {result["seed"]: result for result in pool.run([*_THEMED, *_RANDOM])}


def told(result):
    """A failure, and how to see its whole story."""
    again = f"PYTHONPATH=tests python -m simulation.run_seeds --first {result['seed']} --story"
    return f"seed {result['seed']} failed {result['failure']}\nAgain, with its story: {again}"


@pytest.mark.parametrize("seed", _RANDOM)
def test_a_random_world_ends_with_every_sale_in_its_place(results, seed):
    assert results[seed]["failure"] is None, told(results[seed])


@pytest.mark.parametrize("seed", _THEMED, ids=name_of)
def test_a_themed_world_ends_with_every_sale_in_its_place(results, seed):
    assert results[seed]["failure"] is None, told(results[seed])


@pytest.mark.parametrize(("name", "seed"), REGRESSIONS.items())
def test_a_seed_that_once_failed_does_not_fail_again(results, name, seed):
    result = results.get(seed) or next(pool.run([seed]))
    assert result["failure"] is None, told(result)


def test_the_same_seed_tells_the_same_story_whatever_the_hashes(results):
    some = [*_THEMED[::CI_THEMED], *_RANDOM[:8]]
    again = pool.run(some, hash_seed=7)
    assert {r["seed"]: r["digest"] for r in again}.items() <= {
        seed: result["digest"] for seed, result in results.items()
    }.items()


@pytest.mark.skipif(SEEDS < CI_SEEDS, reason="needs all seeds")
@pytest.mark.parametrize("name", [*FAULTS, *BRANCHES])
def test_every_fault_and_every_branch_is_reached(results, name):
    reached = Counter()
    for result in results.values():
        reached.update(result["reached"])
    assert reached[name] > 0, f"no seed reached: {name}"
