"""The table for people, the JSON for programs, and the README's copy of the table."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.sections import Line

BEGIN = "<!-- the table of make bench -->"
END = "<!-- end of the table -->"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def table(lines: Sequence[Line]) -> str:
    """In Markdown, which a terminal shows well enough."""
    rows = ["| what | measured | promised |", "|---|---|---|"]
    for line in lines:
        mark = "" if line.kept is None or line.kept else " (not kept)"
        rows.append(f"| {line.what} | {line.figure} | {line.wanted}{mark} |")
    return "\n".join(rows)


def caption(options: str) -> str:
    facts = machine()
    return (
        f"Measured on {time.strftime('%d %B %Y').lstrip('0')} on {facts['cores']} cores of a "
        f"{facts['cpu']}, {facts['system']}, Python {facts['python']}, by `make bench{options}`."
    )


def write_json(lines: Sequence[Line], path: Path, options: str) -> None:
    document = {
        "schema": 1,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "options": options.strip(),
        "lines": [
            {"what": line.what, "value": line.value, "measured": line.figure,
             "promised": line.wanted, "kept": line.kept}
            for line in lines
        ],
    }  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_readme(lines: Sequence[Line], path: Path, options: str) -> None:
    """Put the table in the place of the one that is there."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no place for the table: {BEGIN} and {END}.")
    inside = f"\n\n{table(lines)}\n\n{caption(options)}\n\n"
    path.write_text(before + begin + inside + end + after, encoding="utf-8")
