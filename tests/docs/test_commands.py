"""docs/commands.md and the program name the same commands and options; examples elsewhere exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tillbridge import errors
from tillbridge.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
COMMANDS_MD = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

SHARED = {"--config", "--instance", "--help"}
GLOBAL = {"--version"}


def _leaves(command: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every command that does something, by its full name."""
    below = getattr(command, "commands", None)
    if below is None:
        return {" ".join(path): command}
    return {
        name: leaf
        for word, child in below.items()
        for name, leaf in _leaves(child, (*path, word)).items()
    }


ROOT_COMMAND = typer.main.get_command(app)
LEAVES = _leaves(ROOT_COMMAND)


def _options(command: Any) -> set[str]:
    return {name for p in command.params for name in p.opts if name.startswith("--")}


def _sections() -> dict[str, str]:
    """The page's text below each heading that is a command's name."""
    pieces = re.split(r"^### `([a-z -]+)`$", COMMANDS_MD, flags=re.MULTILINE)
    return {
        name: text.split("\n## ", 1)[0]
        for name, text in zip(pieces[1::2], pieces[2::2], strict=True)
    }


SECTIONS = _sections()


def _table_options(text: str) -> set[str]:
    return set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))


def test_every_command_has_its_section_and_every_section_its_command():
    assert set(SECTIONS) == set(LEAVES)
    assert COMMANDS_MD.count("\n### `") == len(LEAVES), "a command has two sections"


@pytest.mark.parametrize("name", LEAVES)
def test_a_section_explains_the_options_that_the_command_takes_and_no_others(name: str):
    assert _table_options(SECTIONS[name]) == _options(LEAVES[name]) - SHARED


def test_the_options_of_every_command_are_explained_once_at_the_top():
    top = COMMANDS_MD.split("\n## Exit codes", 1)[0]
    assert _table_options(top) == SHARED | GLOBAL
    assert _options(ROOT_COMMAND) == (SHARED | GLOBAL) - {"--help"}


def test_the_page_names_the_commands_that_read_no_configuration():
    without = {name for name, leaf in LEAVES.items() if "--config" not in _options(leaf)}
    top = COMMANDS_MD.split("\n## Exit codes", 1)[0]
    sentence = re.search(r"([^.\n]*) read no configuration", top)
    assert sentence is not None
    assert set(re.findall(r"`([a-z -]+)`", sentence[1])) == without


def _exit_codes_of_errors() -> set[int]:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    return {c.exit_code for c in classes if issubclass(c, errors.TillbridgeError)}


@pytest.mark.parametrize("page", ["README.md", "docs/commands.md"])
def test_a_table_of_exit_codes_is_what_the_errors_say(page: str):
    section = (ROOT / page).read_text(encoding="utf-8").split("## Exit codes\n", 1)[1]
    section = section.split("\n## ", 1)[0]
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
    assert codes == sorted({0, *_exit_codes_of_errors()})


@pytest.mark.parametrize("name", [name for name in LEAVES if not name.startswith("config")])
def test_a_section_names_exit_codes_and_only_such_as_exist(name: str):
    sentence = re.search(r"Exit codes: ([^\n]*)", SECTIONS[name])
    assert sentence is not None
    outside = re.sub(r"\([^)]*\)", "", sentence[1])
    found = {int(code) for code in re.findall(r"\b\d+\b", outside)}
    assert 0 in found
    assert found <= {0, *_exit_codes_of_errors()}


def _typed(page: Path) -> list[str]:
    """What a page tells its reader to type: `tillbridge ...`, in code blocks and in sentences."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.split(r"\n|&&|\|", block)]
    inline = re.findall(r"`((?:sudo )?tillbridge [^`]*)`", prose)
    command = re.compile(r"(?:^\s*(?:\$ |sudo )?|/bin/)tillbridge ([^#]+)")
    return [found[1] for found in map(command.search, [*lines, *inline]) if found]


def _wrong(typed: str) -> str | None:
    """Why a command line cannot be typed; None if it can."""
    command, path = ROOT_COMMAND, []
    words = iter(typed.split())
    for word in words:
        below = getattr(command, "commands", None)
        if word.startswith("--"):
            name = word.split("=", 1)[0]
            if name not in _options(command) | {"--help"}:
                return f"`{' '.join(path)}` has no {name}"
            option = next((p for p in command.params if name in p.opts), None)
            if option is not None and not option.is_flag and "=" not in word:
                next(words, None)
        elif below is not None:
            if word not in below:
                return f"there is no command `{' '.join([*path, word])}`"
            command = below[word]
            path.append(word)
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_on_a_page_can_be_typed(page: Path):
    assert {line: wrong for line in _typed(page) if (wrong := _wrong(line))} == {}


def test_this_check_sees_a_command_and_an_option_that_do_not_exist(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "Run `tillbridge chek` or\n\n```sh\nsudo -u x /opt/bin/tillbridge status --jason\n```\n",
        encoding="utf-8",
    )
    wrong = [_wrong(line) for line in _typed(page)]
    assert wrong == ["`status` has no --jason", "there is no command `chek`"]
