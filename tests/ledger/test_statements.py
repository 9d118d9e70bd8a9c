"""Lists that are handed to SQLite as one parameter come out of it as they went in."""

import json
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tillbridge.ledger.statements import as_json, listed

# SQLite ends a text at a zero character; such names are not kept (see record.py).
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def taken_apart(text: str) -> list[tuple[str, object]]:
    with closing(sqlite3.connect(":memory:")) as database:
        return database.execute("SELECT key, value FROM json_each(?)", (text,)).fetchall()


@given(st.lists(NAMES))
def test_texts(names):
    assert [value for _, value in taken_apart(listed(names))] == names


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers(numbers):
    assert [value for _, value in taken_apart(listed(numbers))] == numbers


@given(st.dictionaries(st.integers(1, 2**62), NAMES))
def test_texts_by_number(ids):
    assert {int(key): value for key, value in taken_apart(as_json(ids))} == ids


@pytest.mark.parametrize("value", ["\ud800", "a\udfff", "\0"])
def test_what_only_an_escape_can_hold_is_escaped(value):
    assert json.loads(as_json([value, "b"])) == [value, "b"]
