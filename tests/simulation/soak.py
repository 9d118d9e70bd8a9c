"""`make soak SEEDS=10000`: many seeds, told as they fail."""

import os
import sys
import time

from simulation import pool
from simulation.themes import mixed, name_of


def main() -> int:
    seeds, first = int(os.environ.get("SEEDS", "1000")), int(os.environ.get("FIRST_SEED", "1"))
    jobs = int(os.environ.get("JOBS", "0")) or None
    began, failed = time.monotonic(), 0
    for number, result in enumerate(pool.run(mixed(first, seeds), jobs=jobs), 1):
        if result["failure"]:
            failed += 1
            print(f"seed {result['seed']} ({name_of(result['seed'])}) failed {result['failure']}")  # noqa: T201
        if number % 100 == 0 or number == seeds:
            took = time.monotonic() - began
            print(f"{number} of {seeds} seeds, {failed} failed, {took:.0f} s", flush=True)  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
