"""The types of the configuration's values: how each is read, shown, described and checked.

A duration is a float of seconds once it is read, a time of day a `time`, a zone a `ZoneInfo`.
Reading and showing are in `parsing`; this module only names the types.
"""

from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema

from tillbridge import secrets
from tillbridge.config import parsing


@dataclass(frozen=True, slots=True)
class Kind:
    """In a type's metadata: what a person writes for it, in a few words."""

    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """In a field's metadata: the sample shows the key in force although it may be left out."""


_DURATION_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,6})?[smhd]$"

Seconds = Annotated[
    float,
    PlainValidator(parsing.parse_duration),
    PlainSerializer(parsing.format_duration),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN}),
    Kind("a duration"),
]
PositiveSeconds = Annotated[Seconds, AfterValidator(parsing.positive)]
AutoSeconds = Annotated[
    float | Literal["auto"],
    PlainValidator(parsing.parse_auto),
    PlainSerializer(parsing.format_auto),
    WithJsonSchema({"type": "string", "pattern": f"^auto$|{_DURATION_PATTERN}"}),
    Kind('`"auto"` or a duration'),
]
TimeOfDay = Annotated[
    time,
    PlainValidator(parsing.parse_time),
    PlainSerializer(lambda value: f"{value:%H:%M}"),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9](:00)?$"}),
    Kind("a time of day"),
]
Day = Annotated[
    date,
    PlainValidator(parsing.parse_date),
    WithJsonSchema({"type": "string", "format": "date"}),
    Kind("a date"),
]
Zone = Annotated[
    ZoneInfo,
    PlainValidator(parsing.parse_zone),
    PlainSerializer(lambda zone: zone.key),
    WithJsonSchema({"type": "string"}),
    Kind("a time zone"),
]
CurrencyCode = Annotated[
    str,
    PlainValidator(parsing.parse_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"}),
    Kind("a currency"),
]
Text = Annotated[
    str,
    PlainValidator(parsing.parse_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 100}),
    Kind("a text"),
]
Address = Annotated[
    str,
    PlainValidator(parsing.parse_address),
    WithJsonSchema({"type": "string", "format": "uri"}),
    Kind("an address"),
]
WholePath = Annotated[
    Path,
    PlainValidator(parsing.parse_path),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^/"}),
    Kind("a path from the root on"),
]
VendorId = Annotated[
    int,
    PlainValidator(parsing.parse_id),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 2**63 - 1}),
    Kind("a whole number"),
]
SaleTypeName = Annotated[
    str,
    PlainValidator(parsing.parse_sale_type),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,39}$"}),
]
Secret = Annotated[
    secrets.SecretRef,
    PlainValidator(parsing.parse_secret),
    PlainSerializer(parsing.show_secret),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "minLength": 1},
                *(
                    {
                        "type": "object",
                        "properties": {form: {"type": "string"}},
                        "required": [form],
                        "additionalProperties": False,
                    }
                    for form in ("env", "file", "credential")
                ),
            ]
        }
    ),
    Kind("a secret"),
]
