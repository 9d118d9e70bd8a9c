"""What the page about comparing claims: causes, kinds, states, actions and fields, both ways."""

import re
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from tillbridge.policy import TargetPolicy
from tillbridge.reconcile.causes import AS_INTENDED, IN_PROGRESS, Cause, CauseName
from tillbridge.reconcile.document import location_document, repair_document
from tillbridge.reconcile.figures import DayFigures
from tillbridge.reconcile.finality import DayState
from tillbridge.reconcile.lines import _ACTIONS
from tillbridge.reconcile.reconciler import Compared

PAGE = Path(__file__).resolve().parents[2].joinpath("docs/reconcile.md").read_text("utf-8")


def _column(heading: str) -> set[str]:
    """The names in the first column of the table that begins with this heading."""
    table = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    firsts = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    return {name for first in firsts for name in re.findall(r"`(\w+)`", first)}


def test_every_cause_is_explained_with_its_kind():
    pattern = r"^\| `(\w+)` \| (in progress|as intended|needs a look) \|"
    rows = dict(re.findall(pattern, PAGE, re.MULTILINE))
    kinds = {
        name: "in progress"
        if name in IN_PROGRESS
        else "as intended"
        if name in AS_INTENDED
        else "needs a look"
        for name in CauseName
    }
    assert rows == {str(name): kind for name, kind in kinds.items()}


def test_every_action_and_every_state_of_a_day_is_explained():
    assert _column("action") == set(_ACTIONS.values())
    for state in DayState:
        assert f"*{state}*" in PAGE
        assert f"`day_{state}`" in PAGE


def test_the_fields_of_the_document_are_those_that_are_explained():
    policy = TargetPolicy(1, "Harbour Street", "GBP", ZoneInfo("UTC"), True, False)
    day = date(2026, 11, 19)
    cause = Cause(CauseName.MISSING, -50, 1, "why")
    figures = DayFigures(day, (1, 100), (1, 100), (1, 100), 50, True, (cause,))
    compared = Compared(policy, (), days=[figures], states={day: (DayState.CLOSING, "why")})
    document = location_document(compared)
    assert _column("field of a location") - {"reference", "day", "doubt"} == (
        document.keys() | {"fed_by"}
    )
    (told,) = document["days"]
    fields = _column("field of a day")
    assert fields == told.keys()
    assert told["difference"] == "-0.50"
    assert told["causes"][0].keys() == {"name", "kind", "amount", "sales", "detail"}
    repair = repair_document("Harbour Street", "done", [{"difference": -50}], "GBP")
    assert _column("field of a repair") == repair.keys()
