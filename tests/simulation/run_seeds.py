"""Runs seeds and prints one JSON line for each: `PYTHONPATH=tests python -m simulation.run_seeds`.

Examples: `--first 17 --seeds 1 --story` tells the story of seed 17 to repeat a failure.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from simulation.harness import run_seed
from simulation.themes import THEMES, seeds_of


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--first", type=int, default=1)
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--theme", choices=THEMES, help="the first seeds of a theme")
    options.add_argument("--only", help="these seeds: 1,5,9")
    options.add_argument("--story", action="store_true")
    options.add_argument("--stop", action="store_true", help="end at the first failure")
    chosen = options.parse_args()
    failed = False
    seeds: Sequence[int] = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.theme:
        seeds = seeds_of(chosen.theme, chosen.seeds)
    if chosen.only:
        seeds = [int(seed) for seed in chosen.only.split(",")]
    for seed in seeds:
        began = time.perf_counter()
        result = run_seed(seed, keep_lines=chosen.story)
        failed = failed or result.failure is not None
        if chosen.story:
            print(*result.lines, sep="\n")  # noqa: T201
            result.lines = []
        took = {"seconds": round(time.perf_counter() - began, 3)}
        print(json.dumps(asdict(result) | took), flush=True)  # noqa: T201
        if failed and chosen.stop:
            break
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
