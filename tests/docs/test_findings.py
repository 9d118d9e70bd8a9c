"""Every finding of health that the program can have is explained, and no other."""

import re
from pathlib import Path

import tillbridge

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_explains_each_finding_of_the_program():
    package = Path(tillbridge.__file__).parent
    sources = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    codes = {code for text in sources for code in re.findall(r'\bFinding\(\s*"([a-z_]+)"', text)}
    assert len(codes) > 12
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("### Findings of health\n", 1)[1].split("\n## ", 1)[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section.split("\n### ", 1)[0], re.MULTILINE)
    explained = set(re.findall(r"`([a-z_]+)`", " ".join(cells)))
    assert explained == codes
