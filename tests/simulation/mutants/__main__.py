"""`make mutants`: how many seeds each planted bug survives; exit 1 if one survives them all.

`make mutants ARGS="lease"` tries only the bugs with that word in their names.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import tillbridge
from simulation import pool
from simulation.mutants.table import MUTANTS, Mutant

MOST_SEEDS = int(os.environ.get("SEEDS", "300"))


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


def seeds_survived(mutant: Mutant) -> tuple[int | None, str]:
    """How many seeds it took to catch it, and how it showed; None if it survived."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(mutant, folder)
        results = pool.run(1, MOST_SEEDS, source=folder, stop=True)
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
        number, how = seeds_survived(mutant)
        survived += number is None
        print(f"{number or '-':>4}  {mutant.name:<70}  {how[:90]}", flush=True)  # noqa: T201
    return int(survived > 0)


if __name__ == "__main__":
    sys.exit(main())
