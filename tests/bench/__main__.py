"""`make bench`: measure, print the table, write JSON. See docs/performance.md for what it means."""

import argparse
import compileall
import sys
import time
from pathlib import Path

from bench import report
from bench.runs import peers_installed
from bench.sections import FULL, QUICK, SECTIONS, USUAL, Line

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller figures, a few minutes")
    parser.add_argument("--full", action="store_true", help="a million sales; half an hour")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="only these sections")
    parser.add_argument("--json", type=Path, default=ROOT / ".bench" / "results.json")
    parser.add_argument("--readme", action="store_true", help="put the table into the README")
    wanted = parser.parse_args()
    if not peers_installed():
        say("The peers are not installed (`make bench` does that); measuring without them.")
    # As pip does it for all that is installed; else a start would be measured with a compiler in it.
    compileall.compile_dir(ROOT / "src", quiet=2)
    sizes = QUICK if wanted.quick else FULL if wanted.full else USUAL
    options = next((f' ARGS="--{n}"' for n in ("quick", "full") if getattr(wanted, n)), "")
    lines: list[Line] = []
    for name in wanted.only or SECTIONS:
        began_s = time.monotonic()
        for line in SECTIONS[name](sizes):
            lines.append(line)
            say(f"  {line.what}: {line.figure}" + (f" ({line.wanted})" if line.wanted else ""))
        say(f"{name}: {time.monotonic() - began_s:.0f} s")
    print(f"{report.table(lines)}\n\n{report.caption(options)}")  # noqa: T201  # its result
    report.write_json(lines, wanted.json, options)
    if wanted.readme:
        report.write_readme(lines, ROOT / "README.md", options)
    return 0


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)  # noqa: T201  # progress, for a person


if __name__ == "__main__":
    raise SystemExit(main())
