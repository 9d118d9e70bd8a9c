"""One account of Lightspeed's JSON: the fields that the bridge reads, and nothing else of it.

There are two ways to the same `Sale`. The quick one, msgspec's decoder for these classes, takes
what is written as documented, in a quarter of the time. What it refuses, the careful one looks at,
field by field: it takes other spellings, and says of what cannot be taken where it is and why.
Never here: pages and days (`wire`), a decision about money, types or days (the mapper), a float.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from tillbridge.lightspeed.oddities import BrokenSale, explain, kept_fields, readable

if TYPE_CHECKING:
    Moment = datetime
else:

    class _Made(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Moment(metaclass=_Made):
        """Any datetime; but the quick decoder leaves a stamp of this name to `read_moment`.

        It would round what is finer than a microsecond, which must be cut off: a sale that closed
        in the last instant of a second must not move to the next one, which may be another day's.
        A real subclass would take four times as long to make.
        """


class AccountingGroup(msgspec.Struct, frozen=True, gc=False, rename={"id": "accountingGroupId"}):
    id: int | None = None
    name: str | None = None
    code: str | None = None


class SaleLine(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "net": "totalNetAmountWithoutTax",
        "gross": "totalNetAmountWithTax",
        "tax": "taxAmount",
        "service_charge": "serviceCharge",
        "group": "accountingGroup",
    },
):
    """Amounts are decimal strings exactly as Lightspeed wrote them, up to six places."""

    net: str | None = None
    gross: str | None = None
    tax: str | None = None
    service_charge: str | None = None
    currency: str | None = None
    group: AccountingGroup | None = None


class Source(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Which earlier accounts (by `fisc_id`) this one corrects or continues."""

    initial_account_id: str | None = None
    previous_account_id: str | None = None


class Sale(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "reference": "accountReference",
        "fisc_id": "accountFiscId",
        "receipt_id": "receiptId",
        "opened": "timeOfOpening",
        "closed": "timeClosed",
        "lines": "salesLines",
    },
):
    """One account. A field that is absent or null reads as None."""

    reference: str | None = None
    fisc_id: str | None = None
    receipt_id: str | None = None
    source: Source | None = None
    opened: Moment | None = None
    closed: Moment | None = None
    type: str | None = None
    cancelled: bool | None = None
    lines: list[SaleLine] | None = None


class _Stamp:
    """A written date and time with an offset: never a number, never a guess at a zone."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> CoreSchema:
        # pydantic alone would also read "1763632800" and 1763632800, and guess the unit; and its
        # moments have a zone of its own, with which every sum takes eight times as long.
        written = core_schema.str_schema(pattern=r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")
        return core_schema.no_info_after_validator_function(_moment, written)


def _moment(text: str) -> Moment:
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise PydanticCustomError("datetime_parsing", "not a date and time") from None
    if moment.tzinfo is None:
        raise PydanticCustomError("timezone_aware", "a time without an offset")
    return moment


def read_moment(_kind: type, value: object) -> Moment:
    """For the quick decoder, which would round instead.

    Raises:
        ValueError: to be looked at carefully.
    """
    if not isinstance(value, str) or value[4:14:3] not in ("--T:", "--t:", "-- :"):
        raise ValueError
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment


Stamp = Annotated[Moment, _Stamp()]


class _RawGroup(TypedDict, total=False):
    id: Annotated[int | None, Field(validation_alias="accountingGroupId")]
    name: str | None
    code: str | None


class _RawLine(TypedDict, total=False):
    net: Annotated[str | None, Field(validation_alias="totalNetAmountWithoutTax")]
    gross: Annotated[str | None, Field(validation_alias="totalNetAmountWithTax")]
    tax: Annotated[str | None, Field(validation_alias="taxAmount")]
    service_charge: Annotated[str | None, Field(validation_alias="serviceCharge")]
    currency: str | None
    group: Annotated[_RawGroup | None, Field(validation_alias="accountingGroup")]


class _RawSource(TypedDict, total=False):
    initial_account_id: Annotated[str | None, Field(validation_alias="initialAccountId")]
    previous_account_id: Annotated[str | None, Field(validation_alias="previousAccountId")]


class RawSale(TypedDict, total=False):
    """What is decoded of a sale; any field may be absent or null."""

    reference: Annotated[str | None, Field(validation_alias="accountReference")]
    fisc_id: Annotated[str | None, Field(validation_alias="accountFiscId")]
    receipt_id: Annotated[str | None, Field(validation_alias="receiptId")]
    source: _RawSource | None
    opened: Annotated[Stamp | None, Field(validation_alias="timeOfOpening")]
    closed: Annotated[Stamp | None, Field(validation_alias="timeClosed")]
    type: str | None
    cancelled: bool | None
    lines: Annotated[list[_RawLine] | None, Field(validation_alias="salesLines")]


def sale_of(raw: RawSale) -> Sale:
    source, lines = raw.get("source"), raw.get("lines")
    return Sale(
        raw.get("reference"),
        raw.get("fisc_id"),
        raw.get("receipt_id"),
        None if source is None else _source(source),
        raw.get("opened"),
        raw.get("closed"),
        raw.get("type"),
        raw.get("cancelled"),
        None if lines is None else [_line(line) for line in lines],
    )


def _source(raw: _RawSource) -> Source:
    return Source(raw.get("initial_account_id"), raw.get("previous_account_id"))


def _line(raw: _RawLine) -> SaleLine:
    group = raw.get("group")
    return SaleLine(
        raw.get("net"),
        raw.get("gross"),
        raw.get("tax"),
        raw.get("service_charge"),
        raw.get("currency"),
        None if group is None else _group(group),
    )


def _group(raw: _RawGroup) -> AccountingGroup:
    return AccountingGroup(raw.get("id"), raw.get("name"), raw.get("code"))


_PARTS: Mapping[str, type] = {
    "salesLines": _RawLine,
    "source": _RawSource,
    "accountingGroup": _RawGroup,
}

_RAW_SALE = TypeAdapter(RawSale)

# These decide nothing about the transaction: a sale is not held up because one of them is odd.
_INFORMATION = frozenset({"timeOfOpening", "receiptId", "source"})


def one_sale(index: int, raw: object) -> Sale | BrokenSale:
    try:
        return sale_of(_RAW_SALE.validate_python(raw))
    except ValidationError as error:
        found = error.errors(include_url=False)
    wrong = {str(detail["loc"][0]) for detail in found if detail["loc"]}
    fields: dict[str, Any] = raw if isinstance(raw, dict) else {}
    if wrong and wrong <= _INFORMATION:
        return sale_of(_RAW_SALE.validate_python({k: fields[k] for k in fields.keys() - wrong}))
    place, reason = explain(f"sales[{index}]", found)
    kept = kept_fields(RawSale, _PARTS, fields)
    reference, fisc_id = (readable(fields.get(n)) for n in ("accountReference", "accountFiscId"))
    return BrokenSale(index, place, reason, reference, fisc_id, kept)
