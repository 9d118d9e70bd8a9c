"""`make mutants`: how many worlds each planted bug survives; exit 1 if one survives them all.

The worlds made for the situation come first, then random ones. `make mutants ARGS="lease"` tries
only the bugs with that word in their names.
"""

import os
import shutil
import sys
import tempfile
from itertools import chain
from pathlib import Path

import tillbridge
from simulation import pool
from simulation.mutants.table import MUTANTS, Mutant
from simulation.themes import seeds_of

MOST_THEMED = int(os.environ.get("THEMED_SEEDS", "40"))
MOST_RANDOM = int(os.environ.get("SEEDS", "60"))
JOBS = int(os.environ.get("JOBS", "0")) or None


def plant(mutant: Mutant, folder: Path) -> None:
    """Copy the package there and change the copy."""
    assert tillbridge.__file__ is not None
    copy = folder / "tillbridge"
    shutil.copytree(
        Path(tillbridge.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    path = copy / mutant.file
    text = path.read_text()
    assert text.count(mutant.old) == 1, (mutant.name, text.count(mutant.old))
    path.write_text(text.replace(mutant.old, mutant.new))


def worlds_for(mutant: Mutant) -> list[int]:
    """The seeds to try, in order: of its themes in turn, then random ones."""
    themed = zip(*(seeds_of(name, MOST_THEMED) for name in mutant.themes), strict=True)
    return [*chain.from_iterable(themed), *range(1, MOST_RANDOM + 1)]


def worlds_survived(mutant: Mutant) -> tuple[int | None, str]:
    """How many worlds it took to catch it, and how it showed; None if it survived."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(mutant, folder)
        results = pool.run(worlds_for(mutant), source=folder, stop=True, jobs=JOBS)
        for number, result in enumerate(results, 1):
            if result["failure"]:
                return number, result["failure"].splitlines()[0]
    return None, "SURVIVED"


def main() -> int:
    words = sys.argv[1:]
    survived = 0
    for mutant in MUTANTS:
        if words and not any(word in mutant.name for word in words):
            continue
        number, how = worlds_survived(mutant)
        survived += number is None
        where = "random worlds" if number and number > MOST_THEMED * len(mutant.themes) else ""
        where = where or ", ".join(mutant.themes)
        print(f"{number or '-':>4}  {where:<14} {mutant.name:<70}  {how[:90]}", flush=True)  # noqa: T201
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
