"""The planted bugs still fit the source; `make mutants` shows that each is caught."""

from pathlib import Path

import pytest

import tillbridge
from simulation.mutants.table import MUTANTS

PACKAGE = Path(tillbridge.__file__).parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_still_has_its_place(mutant):
    text = (PACKAGE / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    assert mutant.new != mutant.old
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")


def test_no_two_planted_bugs_have_the_same_name():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20
