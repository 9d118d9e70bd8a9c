"""docs/operations.md names every event that the log can hold, with its levels, and no other."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import tillbridge

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(tillbridge.__file__).parent
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def levels_in(node):
    """The levels that an expression such as `_log.info` or `_log.a if x else _log.b` stands for."""
    return {
        part.attr.replace("exception", "error")
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and part.attr in LEVELS
        and isinstance(part.value, ast.Name)
        and part.value.id == "_log"
    }


def events_of(tree):
    """{event: levels} of a module: calls of `_log`, and of names that stand for its methods."""
    found = defaultdict(set)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.Module):
            continue
        nodes = list(ast.walk(function))
        aliases = {
            node.targets[0].id: levels_in(node.value)
            for node in nodes
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            levels = levels_in(node.func)
            if isinstance(node.func, ast.Name) and not isinstance(function, ast.Module):
                levels = aliases.get(node.func.id, set())
            if levels:
                (name, *_) = node.args
                assert isinstance(name, ast.Constant), f"line {node.lineno}: no plain name"
                found[name.value] |= levels
    return found


@cache
def in_code():
    found = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for name, levels in events_of(ast.parse(path.read_text(encoding="utf-8"))).items():
            found[name] |= levels
    return found


@cache
def on_the_page():
    section = PAGE.split("\n## In the log\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`[^|]*`) \| ([a-z, ]+) \|", section, re.MULTILINE)
    return {
        name: set(levels.split(", "))
        for names, levels in rows
        for name in re.findall(r"`([a-z_]+)`", names)
    }


def test_the_page_and_the_code_name_the_same_events():
    assert set(on_the_page()) == set(in_code())


@pytest.mark.parametrize("name", sorted(in_code()))
def test_an_event_has_the_levels_that_the_page_says(name):
    assert on_the_page().get(name) == in_code()[name]


def test_names_are_made_of_small_letters_and_underscores():
    assert [name for name in in_code() if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_this_check_sees_aliases_and_exceptions():
    tree = ast.parse(
        "def f(busy):\n"
        "    say = _log.info if busy else _log.debug\n"
        "    say('one', a=1)\n"
        "    _log.exception('two')\n"
    )
    assert events_of(tree) == {"one": {"info", "debug"}, "two": {"error"}}
