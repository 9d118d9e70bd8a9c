"""What is kept and said about a sale that cannot be decoded: its place, its reason, its fields.

Works from the shapes that it is given and knows no field by name; nothing personal gets through,
because only named fields are copied and nothing may stand where a plain value should be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_MOST_TEXT_CHARS = 200  # of any one value that is kept for a person to look at


@dataclass(frozen=True, slots=True)
class BrokenSale:
    """A sale that cannot be decoded.

    Attributes:
        index: its position in the answer, from 0.
        place: the first field that is wrong, as a person would write it: `sales[17].timeClosed`.
        reason: what is wrong there, in plain words.
        reference: the sale's `accountReference`, if that much can be read.
        fisc_id: the sale's `accountFiscId`, if that much can be read.
        kept: the fields that `Sale` names, under Lightspeed's names, as written; nothing personal.
    """

    index: int
    place: str
    reason: str
    reference: str | None
    fisc_id: str | None
    kept: dict[str, Any]


def readable(value: object) -> str | None:
    """A text, cut short; None for anything else."""
    return value[:_MOST_TEXT_CHARS] if isinstance(value, str) else None


def kept_fields(shape: type, parts: Mapping[str, type], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Only the fields that the shape names, however odd, under the vendor's names.

    Args:
        shape: a TypedDict: says which fields.
        parts: which of them hold objects or lists of objects, and the shapes of these.
        raw: the undecoded object.
    """
    names = [_vendor_name(name, kind) for name, kind in shape.__annotations__.items()]
    return {name: _kept_value(parts, name, raw[name]) for name in names if name in raw}


def _vendor_name(name: str, kind: Any) -> str:  # noqa: ANN401  # any annotation
    for extra in getattr(kind, "__metadata__", ()):
        if isinstance(extra, FieldInfo) and isinstance(extra.validation_alias, str):
            return extra.validation_alias
    return name


def _kept_value(parts: Mapping[str, type], name: str, value: object) -> object:
    part = parts.get(name)
    if part is not None and isinstance(value, dict):
        return kept_fields(part, parts, value)
    if part is not None and isinstance(value, list):
        return [_kept_value(parts, name, item) for item in value]
    if isinstance(value, dict | list):
        return "(an object)" if isinstance(value, dict) else "(a list)"
    return readable(value) if isinstance(value, str) else value


_REASONS = {
    "string_type": "a text was expected",
    "string_unicode": "the text is damaged",
    "string_pattern_mismatch": "this is not a date and time",
    "timezone_aware": "the time has no offset, so it names no moment",
    "list_type": "a list was expected",
    "missing": "this is missing",
}
_REASONS_BY_START = {
    "datetime": "this is not a date and time",
    "int": "a whole number was expected",
    "bool": "true or false was expected",
    "dict": "an object was expected",
    "model": "an object was expected",
}


def explain(root: str, found: Sequence[ErrorDetails]) -> tuple[str, str]:
    """The place of the first error and its reason in plain words."""
    place = root
    for part in found[0]["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    kind = found[0]["type"]
    start = _REASONS_BY_START.get(kind.partition("_")[0], "the value cannot be read")
    reason = _REASONS.get(kind, start)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return place.lstrip(".") or "the whole", reason + more
