"""The shape of the file, taken from the models: which tables there are, with which keys, in order.

The sample, the effective values, the reference and the messages all walk this one list, so that
none of them can know a key that the others do not.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from tillbridge.config.model import Config
from tillbridge.config.parsing import toml_string
from tillbridge.config.sections import Section
from tillbridge.config.values import Kind, Shown

_PLAIN_KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class Table:
    """One table of the file.

    Attributes:
        path: the names down to it; empty for the keys at the top.
        many: there may be several of it (`[[locations]]`).
        description: what it is for.
        keys: its keys, in order.
        entries: for a table whose keys a person chooses, the model's field; else None.
    """

    path: tuple[str, ...]
    many: bool
    description: str
    keys: Mapping[str, FieldInfo]
    entries: FieldInfo | None = None

    @property
    def header(self) -> str:
        dotted = ".".join(self.path)
        if not dotted:
            return ""
        return f"[[{dotted}]]" if self.many else f"[{dotted}]"


@cache
def tables() -> tuple[Table, ...]:
    """All tables in the order in which the sample shows them."""
    return tuple(_tables((), Config, many=False, description=""))


def _tables(
    path: tuple[str, ...], model: type[Section], *, many: bool, description: str
) -> list[Table]:
    keys: dict[str, FieldInfo] = {}
    below: list[Table] = []
    for name, field in model.model_fields.items():
        inner, is_many = section_of(field)
        text = field.description or ""
        if inner is not None:
            below += _tables((*path, name), inner, many=is_many, description=text)
        elif get_origin(field.annotation) is dict:
            below.append(Table((*path, name), False, text, {}, entries=field))
        else:
            keys[name] = field
    return [Table(path, many, description, keys), *below]


def section_of(field: FieldInfo) -> tuple[type[Section] | None, bool]:
    """The table that a field stands for, and whether there may be several of it."""
    annotation = field.annotation
    is_many = get_origin(annotation) is tuple
    inner: Any = get_args(annotation)[0] if is_many else annotation
    is_section = isinstance(inner, type) and issubclass(inner, Section)
    return (inner, is_many) if is_section else (None, False)


def field_at(loc: tuple[int | str, ...]) -> FieldInfo | None:
    """The field at a place in the file, None where there is none or people choose the keys."""
    model: type[Section] | None = Config
    field: FieldInfo | None = None
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if model is not None else None
        if field is None:
            return None
        model = section_of(field)[0]
    return field


def keys_at(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that a table may have; empty where the place is not a table."""
    if not loc:
        return list(Config.model_fields)
    field = field_at(loc)
    model = section_of(field)[0] if field else None
    return list(model.model_fields) if model else []


def is_shown(field: FieldInfo) -> bool:
    """True if the sample shows the key in force, not as a comment."""
    return field.is_required() or any(isinstance(item, Shown) for item in field.metadata)


def sample_value(table: Table, name: str) -> object:
    """What the sample shows for a key: the contract's example, else the default."""
    field = table.keys[name]
    return field.examples[0] if field.examples else default_value(table, name)


def default_value(table: Table, name: str) -> object:
    """The default as a person would write it; None where there is none."""
    model = model_at(table.path)
    # Built without its required keys, only to let the types show their defaults.
    return model.model_construct().model_dump(include={name}, warnings=False).get(name)


def model_at(path: tuple[str, ...]) -> type[Section]:
    """The model of a table; `()` is the whole file."""
    model: type[Section] = Config
    for name in path:
        inner, _ = section_of(model.model_fields[name])
        if inner is None:
            raise KeyError(name)
        model = inner
    return model


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The words that a key may have, if it has a fixed list of them."""
    for part in (field.annotation, *get_args(field.annotation)):
        if get_origin(part) is Literal:
            return tuple(str(word) for word in get_args(part))
    return ()


def kind_of(field: FieldInfo) -> str:
    """What a person writes for a key, in a few words of Markdown."""
    words = choices(field)
    if words and not any(isinstance(item, Kind) for item in field.metadata):
        return " or ".join(f"`{toml_string(word)}`" for word in words)
    return _kind(field.annotation, tuple(field.metadata))


def _kind(annotation: Any, metadata: tuple[object, ...] = ()) -> str:  # noqa: ANN401  # a type form
    for item in metadata:
        if isinstance(item, Kind):
            return item.text
    if get_origin(annotation) is Annotated:
        return _kind(annotation.__origin__, annotation.__metadata__)
    if get_origin(annotation) in {Union, types.UnionType}:
        return _kind(next(arg for arg in get_args(annotation) if arg is not type(None)))
    return _PLAIN_KINDS.get(annotation, "a value")
