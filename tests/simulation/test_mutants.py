"""The planted bugs still fit the source; `make mutants` shows that each is caught."""

import re
from pathlib import Path

import pytest

import tillbridge
from simulation.mutants.table import MUTANTS
from simulation.themes import THEMES

PACKAGE = Path(tillbridge.__file__).parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_still_has_its_place(mutant):
    text = (PACKAGE / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    assert mutant.new != mutant.old
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")


def test_no_two_planted_bugs_have_the_same_name():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_page_tells_how_many_worlds_a_planted_bug_took(mutant):
    page = (Path(__file__).parents[2] / "docs" / "exactly-once.md").read_text()
    line = rf"^\| {re.escape(mutant.name)} \| {', '.join(mutant.themes)} \| \d+ \|$"
    assert re.search(line, page, re.MULTILINE)


def test_every_planted_bug_names_themes_that_there_are():
    assert {name for mutant in MUTANTS for name in mutant.themes} <= THEMES.keys()
