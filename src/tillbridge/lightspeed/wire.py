"""Lightspeed's answers: with `account`, the only module that knows their names and shapes.

Shapes name only the fields that the bridge uses; everything else in an answer is skipped inside
the parser and never becomes a Python object. A page is decoded in one go from its bytes; only if
that fails are its sales looked at one by one, so that one bad sale costs nobody but itself.
Never here: a decision about money, types or days (the mapper), a request (the client), a float.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from tillbridge.errors import TryLater
from tillbridge.lightspeed.account import Moment, Sale, Stamp, one_sale, read_moment
from tillbridge.lightspeed.oddities import BrokenSale, explain
from tillbridge.log import redact


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


class _QuickPage(msgspec.Struct, rename={"next_token": "nextPageToken"}):
    sales: list[Sale] | None = None
    next_token: str | None = None


class _QuickDay(
    msgspec.Struct,
    rename={"next_start_of_day": "nextStartOfDayAsIso8601", "data_complete": "dataComplete"},
):
    sales: list[Sale] | None = None
    next_start_of_day: Moment | None = None
    data_complete: bool | None = None


_QUICK_PAGE = msgspec.json.Decoder(_QuickPage, dec_hook=read_moment)
_QUICK_DAY = msgspec.json.Decoder(_QuickDay, dec_hook=read_moment)

_NOT_QUICK = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the quick decoder says of an answer that needs a careful look, or is none."""


class _PageBody(_Wire):
    next_token: str | None = Field(None, validation_alias="nextPageToken")


class _DayBody(_Wire):
    next_start_of_day: Stamp | None = Field(None, validation_alias="nextStartOfDayAsIso8601")
    data_complete: bool | None = Field(None, validation_alias="dataComplete")


class BusinessLocation(_Wire):
    id: int = Field(validation_alias=AliasChoices("blID", "blId"))
    name: str | None = Field(None, validation_alias="blName")
    country: str | None = None
    timezone: str | None = None


class Business(_Wire):
    id: int | None = Field(None, validation_alias="businessId")
    name: str | None = Field(None, validation_alias="businessName")
    currency: str | None = Field(None, validation_alias="currencyCode")
    locations: list[BusinessLocation] | None = Field(None, validation_alias="businessLocations")


class _Embedded(_Wire):
    businesses: list[Business] | None = Field(None, validation_alias="businessList")


class _Paging(_Wire):
    total_pages: int | None = Field(None, validation_alias="totalPages")


class _BusinessesBody(_Wire):
    embedded: _Embedded | None = Field(None, validation_alias="_embedded")
    page: _Paging | None = None


class TokenAnswer(_Wire):
    """What the token address grants. Lifetimes in seconds; None where the server gives none."""

    access_token: str = Field(min_length=1, repr=False)
    refresh_token: str | None = Field(None, repr=False)
    expires_in: float | None = Field(None, ge=0, le=1e9)
    refresh_expires_in: float | None = Field(None, ge=0, le=1e9)
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a window. `next_token` is None on the last page."""

    sales: list[Sale]
    next_token: str | None
    broken: list[BrokenSale]


@dataclass(frozen=True, slots=True)
class Day:
    """A whole business day. `next_start_of_day` keeps Lightspeed's local offset."""

    sales: list[Sale]
    broken: list[BrokenSale]
    next_start_of_day: datetime | None
    data_complete: bool | None


@dataclass(frozen=True, slots=True)
class BusinessesPage:
    """Businesses that the sign-in may see, and how many such pages there are."""

    businesses: list[Business]
    total_pages: int


def decode_page(body: bytes) -> Page:
    """A page of the sales address.

    Raises:
        TryLater: the body is no page at all; its message says what it is instead.
    """
    try:
        page = _QUICK_PAGE.decode(body)
    except _NOT_QUICK:
        document, sales, broken = _piece_by_piece(body)
        rest = _whole(_PageBody, document)
        return Page(sales, rest.next_token or None, broken)
    return Page(page.sales or [], page.next_token or None, [])


def decode_day(body: bytes) -> Day:
    """A business day of the sales-daily address.

    Raises:
        TryLater: as for `decode_page`.
    """
    try:
        day = _QUICK_DAY.decode(body)
    except _NOT_QUICK:
        document, sales, broken = _piece_by_piece(body)
        rest = _whole(_DayBody, document)
        return Day(sales, broken, rest.next_start_of_day, rest.data_complete)
    return Day(day.sales or [], [], day.next_start_of_day, day.data_complete)


def decode_businesses(body: bytes) -> BusinessesPage:
    """A page of the businesses address.

    Raises:
        TryLater: the body is not such a page.
    """
    found = _whole(_BusinessesBody, _load(body))
    businesses = (found.embedded and found.embedded.businesses) or []
    total = (found.page and found.page.total_pages) or 1
    return BusinessesPage(businesses, total)


def decode_token(body: bytes) -> TokenAnswer | None:
    """What a 200 of the token address grants; None if there is no access token to be read.

    An odd lifetime or scope is left out: it must not cost the single-use refresh token beside it.
    """
    try:
        return TokenAnswer.model_validate_json(body)
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
    if not wrong or wrong & {"access_token", "refresh_token"}:
        return None
    document = _load(body)
    return TokenAnswer.model_validate({key: document[key] for key in document.keys() - wrong})


_Body = TypeVar("_Body", bound=_Wire)


def _load(body: bytes) -> dict[str, Any]:
    """The JSON object in the body, every number as the text that was written: no float is made."""
    # A byte that is not UTF-8, in some item's name, must not hold up the hundred sales around it.
    text = body.decode("utf-8-sig", errors="replace")
    try:
        document = json.loads(
            text,
            parse_float=str,
            parse_int=str,
            parse_constant=str,
            object_pairs_hook=_storable,
        )
    except (ValueError, RecursionError):
        raise TryLater(f"the answer is not JSON ({_beginning(text)})") from None
    if not isinstance(document, dict):
        raise TryLater(f"the answer is JSON, but not an object ({_beginning(text)})")
    return document


def _storable(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose texts UTF-8 can hold: JSON may escape half a character, a ledger may not."""
    return {
        key: value.encode("utf-8", errors="replace").decode() if isinstance(value, str) else value
        for key, value in pairs
    }


def _beginning(text: str) -> str:
    begins = " ".join(redact(text).split())[:80]
    return f"it begins with: {begins}" if begins else "it is empty"


def _whole(model: type[_Body], document: dict[str, Any]) -> _Body:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        place, reason = explain("", error.errors(include_url=False))
        raise TryLater(f"the answer has an unexpected shape ({place}: {reason})") from None


def _piece_by_piece(body: bytes) -> tuple[dict[str, Any], list[Sale], list[BrokenSale]]:
    """The rest of the document without its sales, the good sales, the broken ones."""
    document = _load(body)
    listed = document.pop("sales", None)
    if listed is None:
        listed = []
    if not isinstance(listed, list):
        raise TryLater("the answer has an unexpected shape (sales: a list was expected)")
    sales: list[Sale] = []
    broken: list[BrokenSale] = []
    for index, raw in enumerate(listed):
        decoded = one_sale(index, raw)
        if isinstance(decoded, Sale):
            sales.append(decoded)
        else:
            broken.append(decoded)
    return document, sales, broken
