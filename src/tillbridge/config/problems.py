"""From pydantic's errors to sentences for the person who wrote the file.

Values are repeated only by the types' own messages and for choices, never for secrets, addresses
or unknown keys.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tillbridge.config.layout import field_at, keys_at, section_of
from tillbridge.config.parsing import shown, toml_string
from tillbridge.config.render import toml_value
from tillbridge.errors import Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Loc = tuple[int | str, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WRONG_TYPES = {
    "int_type": ("This is not a whole number.", "Write it without quotation marks."),
    "float_type": ("This is not a number.", "Write it without quotation marks, such as 0.8."),
    "string_type": ("This is not a text.", "Put it in quotation marks."),
    "bool_type": (
        "This is neither true nor false.",
        "Write true or false, without quotation marks.",
    ),
    "finite_number": ("This is not a usable number.", "Write a number such as 0.8."),
    "tuple_type": ("This is not a list.", "Put the entries in square brackets."),
}


def path_text(loc: Sequence[int | str]) -> str:
    """A place in the file as a person would write it: `locations[0].timezone`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else toml_string(part)
            text += f".{key}" if text else key
    return text


def explain(error: "ErrorDetails") -> Problem:
    """One of pydantic's errors as a problem with a path and a remedy."""
    # "<every>" names an arm of a union and "[key]" a key of a table: neither stands in the file.
    loc: Loc = tuple(
        part for part in error["loc"] if isinstance(part, int) or part[:1] not in {"<", "["}
    )
    message, remedy = _sentences(error, loc)
    return Problem(path_text(loc), message, remedy)


def _sentences(error: "ErrorDetails", loc: Loc) -> tuple[str, str]:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "tillbridge":
        return str(context["message"]), str(context["remedy"])
    if kind == "tillbridge_rescan":
        remedy = 'Write { every = "1h", back = "12h" } or { at = "05:30", back = "3d" }.'
        return "A rescan has back, and either every or at.", remedy
    if kind == "missing":
        return _missing(loc)
    if kind == "extra_forbidden":
        return _unknown(loc)
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        choices = " or ".join(toml_string(word) for word in words)
        return f"{shown(error['input'])} is not one of the choices.", f"Write {choices}."
    if kind in _WRONG_TYPES and not (kind == "tuple_type" and keys_at(loc)):
        return _WRONG_TYPES[kind]
    if kind in {"model_type", "model_attributes_type", "dict_type", "tuple_type"}:
        return _not_a_table(loc)
    return _out_of_range(kind, context, error["msg"])


def _missing(loc: Loc) -> tuple[str, str]:
    name, field = str(loc[-1]), field_at(loc)
    if field is None:  # inside an entry of a list, such as a rescan
        return "This is missing.", f"Add {name}."
    inner, is_many = section_of(field)
    if inner is not None:
        header = f"[[{name}]]" if is_many else f"[{name}]"
        return "This table is missing.", f"Add {header}; `tillbridge config example` shows it."
    example = toml_value(field.examples[0]) if field.examples else "true or false"
    return "This is missing.", f"Add it, for example: {name} = {example}"


def _unknown(loc: Loc) -> tuple[str, str]:
    known = keys_at(loc[:-1])
    near = get_close_matches(str(loc[-1]).lower(), known, n=1, cutoff=0.6)
    if near:
        return "There is no such key here.", f"Did you mean {near[0]}?"
    if known:
        return "There is no such key here.", f"Remove it. The keys here are {', '.join(known)}."
    return "There is no such key here.", "Remove it."


def _not_a_table(loc: Loc) -> tuple[str, str]:
    field = field_at(loc)
    is_many = field is not None and section_of(field)[1]
    dotted = path_text([part for part in loc if not isinstance(part, int)])
    header = f"[[{dotted}]]" if is_many else f"[{dotted}]"
    if is_many and not isinstance(loc[-1], int):
        return "This is not a list of tables.", f"Write {header}, with two brackets, above each."
    return "This is not a table.", f"Write {header} on a line of its own and its keys below it."


def _out_of_range(kind: str, context: dict[str, object], text: str) -> tuple[str, str]:
    limits = {
        "greater_than": ("This is too small.", "Write a number above {gt}."),
        "greater_than_equal": ("This is too small.", "Write {ge} or more."),
        "less_than_equal": ("This is too large.", "Write {le} or less."),
        "too_short": ("There is no entry here.", "Write at least {min_length}."),
        "too_long": ("There are too many entries.", "Write at most {max_length}."),
    }
    if kind in limits:
        message, remedy = limits[kind]
        return message, remedy.format_map({key: _number(value) for key, value in context.items()})
    return f"{text[:1].upper()}{text[1:]}.", "See `tillbridge config example`."


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
