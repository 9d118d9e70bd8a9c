"""docs/json.md names every command that prints JSON, and what the commands of figures print."""

import re
from pathlib import Path

from docs.test_commands import LEAVES
from tillbridge.cli.export import COLUMNS
from tillbridge.revise import Kind

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
_PIECES = re.split(r"^## `([a-z ]+)`$", PAGE, flags=re.MULTILINE)
SECTIONS = dict(zip(_PIECES[1::2], _PIECES[2::2], strict=True))


def test_every_command_that_prints_json_has_its_section_and_no_other():
    printing = {
        name
        for name, leaf in LEAVES.items()
        if any("--json" in parameter.opts for parameter in leaf.params)
    }
    assert set(SECTIONS) == printing


def test_the_columns_of_an_export_and_the_kinds_of_changes_are_named():
    assert set(re.findall(r"`(\w+)`", SECTIONS["export"])) - {"sales"} == set(COLUMNS)
    named = set(re.findall(r"`(\w+)`", SECTIONS["rules"]))
    assert {kind.name.lower() for kind in Kind} <= named
