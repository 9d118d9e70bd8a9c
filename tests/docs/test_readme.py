"""The README opens as promised and its tables are the program's; alarms and states are explained."""

import re
import tomllib
from pathlib import Path

import tillbridge
from tillbridge import errors
from tillbridge.states import PartState, SaleState
from tillbridge.stops import STOP_REMEDIES

ROOT = Path(__file__).resolve().parents[2]


def _page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next heading of any level but the first."""
    _, found, rest = _page(page).partition(f"# {heading}\n")
    assert found, f"{page} has no heading {heading}"
    return re.split(r"^##+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _first_cells(text: str) -> list[str]:
    """The first cell of each row of a table that begins with a code span or a number."""
    return re.findall(r"^\| ((?:`|\d)[^|]*?) \|", text, re.MULTILINE)


def _commands_with_a_section() -> set[str]:
    return set(re.findall(r"^### `([a-z -]+)`$", _page("docs/commands.md"), re.MULTILINE))


def test_the_readme_opens_with_what_for_whom_when_not_and_the_two_commands():
    readme = _page("README.md")
    headings = re.findall(r"^## (.+)$", readme, re.MULTILINE)
    assert headings[:3] == ["When you do not need it", "See it work", "Install it"]
    lines = _blocks(readme, "sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in lines] == ["make demo", "make test"]


def test_a_real_installation_is_ten_lines():
    assert len(_blocks(_section("README.md", "Install it"), "sh")[0].splitlines()) == 10


def test_the_table_of_commands_and_the_page_of_commands_name_the_same():
    cells = " ".join(_first_cells(_section("README.md", "Commands")))
    assert set(re.findall(r"`([a-z -]+)`", cells)) == _commands_with_a_section()


def test_what_is_planned_is_not_there_yet():
    planned = set(re.findall(r"`([a-z -]+)`", _section("README.md", "Not there yet")))
    assert planned
    assert not planned & _commands_with_a_section()


def test_the_readme_explains_each_exit_code_in_the_words_of_the_errors():
    tree = re.compile(r"^(?:[├└]── )?\w+ +(\d+) +(.+)$", re.MULTILINE)
    row = re.compile(r"^\| (\d+) \| (.+?) \|$", re.MULTILINE)
    told = dict(tree.findall(errors.__doc__ or ""))
    assert len(told) >= 7
    written = dict(row.findall(_section("README.md", "Exit codes")))
    assert written.pop("0").startswith("done")
    assert written == told


def test_every_reason_to_stop_posting_is_explained_with_what_to_do():
    rows = _first_cells(_section("docs/operations.md", "Nothing is posted to a location"))
    assert {row.strip("`") for row in rows} == set(STOP_REMEDIES)


def test_every_alarm_that_the_program_can_raise_is_explained():
    sources = Path(tillbridge.__file__).parent.rglob("*.py")
    raised = re.compile(r'alarms\.raise_\(\s*f?"([a-z_]+:?)')
    causes = {cause for path in sources for cause in raised.findall(path.read_text("utf-8"))}
    assert len(causes) >= 4
    page = _page("docs/operations.md")
    assert [cause for cause in sorted(causes) if f"`{cause}`" not in page] == []


def test_the_diagrams_name_every_state_and_no_other():
    for heading, states in (("sale", SaleState), ("part", PartState)):
        diagram = _blocks(_section("docs/exactly-once.md", f"The states of a {heading}"), "mermaid")
        arrows = re.findall(r"^ *(\S+) --> (\S+?)(?::|$)", diagram[0], re.MULTILINE)
        named = {state for arrow in arrows for state in arrow} - {"[*]"}
        assert named == {str(state) for state in states}


def test_the_layers_on_the_page_are_those_that_the_linter_keeps():
    project = tomllib.loads(_page("pyproject.toml"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    written = _blocks(_section("docs/architecture.md", "Import layers"), "text")[0].splitlines()
    assert written == layers


def test_every_module_is_on_the_map():
    package = Path(tillbridge.__file__).parent
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    text = _page("docs/architecture.md")
    missing = [name for name in sorted(modules) if not re.search(rf"`{name}(?:\.py)?`", text)]
    assert missing == []
