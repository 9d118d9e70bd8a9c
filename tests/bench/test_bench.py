"""The benchmark measures what it says: programs that did their job, and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report, sections
from bench.runs import BenchError, Home, scratch, vendor
from bench.sections import Line
from bench.shop import Shop, draw


def test_a_backfill_is_measured_and_every_cent_is_looked_for():
    with vendor(sales=250, days=1) as served, scratch() as folder:
        with pytest.raises(BenchError, match="0 rows of 250"):
            served.must_hold_all("nobody")
        cost = Home(folder, served).backfill()
        state = served.must_hold_all("tillbridge")
    assert 0.1 < cost.cpu_s < 60
    assert 20 < cost.peak_mb < 400
    assert cost.wall_s > 0.1
    assert state["requests"]["page"] >= 3
    assert 440 <= served.facts["page_kb"] <= 490


def test_pages_hold_every_sale_once_whatever_they_are_asked_for():
    shop = Shop(draw(1000), 1234, start_ms=1_000_000_000_000, step_ms=700)
    assert shop.first_at(0) == 0
    assert shop.first_at(shop.stamp_ms(700)) == 700
    assert shop.first_at(shop.stamp_ms(700) + 1) == 701
    shop.close_one(1_700_000_000_000)
    shop.close_one(1_700_000_000_000)
    assert shop.first_at(1_600_000_000_000) == 1234
    assert shop.first_at(1_700_000_000_001) == 1235
    assert b'"accountReference":"R000001235"' in shop.sale(1235)
    assert shop.cents() == sum(shop.drawn[n % len(shop.drawn)].cents for n in range(1236))


BUSY = "while __import__('time').process_time() < 3: pass"
LAZY = "x = bytearray(300_000_000)"


def costs(program: str, folder: Path) -> dict[str, float]:
    """What a program costs, asked for by a small process: a child's peak begins with its parent's."""
    asks = (
        "import json, pathlib, sys; from bench.runs import run; "
        "cost = run([sys.executable, '-c', sys.argv[1]], pathlib.Path(sys.argv[2])); "
        "print(json.dumps({'cpu_s': cost.cpu_s, 'peak_mb': cost.peak_mb}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", asks, program, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def test_the_cost_of_a_process_is_its_own(tmp_path: Path):
    busy, lazy = (costs(program, tmp_path) for program in (BUSY, LAZY))
    # Three seconds on any machine; what touching memory costs depends on what else is going on.
    assert lazy["cpu_s"] < 3 <= busy["cpu_s"] < 9
    assert lazy["peak_mb"] > 290
    assert busy["peak_mb"] < 100


def test_the_readme_has_a_place_for_the_table_and_nothing_else_changes(tmp_path: Path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    lines = [Line("speed", "3 times", 3.0, "2 times", kept=True),
             Line("memory", "90 MB", 90.0, "80 MB", kept=False)]  # fmt: skip
    report.write_readme(lines, page, ' ARGS="--full"')
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "| memory | 90 MB | 80 MB (not kept) |" in text
    assert "| speed | 3 times | 2 times |" in text
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert readme.count(report.BEGIN) == readme.count(report.END) == 1


def test_each_section_has_sizes_that_it_can_be_run_with():
    for sizes in (sections.QUICK, sections.USUAL, sections.FULL):
        assert sizes.small < sizes.large
        # Less would not fill two minutes of the quota between the first and the last.
        assert sizes.quota / 100 > 2 * sections.MINUTE * sections.SHARE
