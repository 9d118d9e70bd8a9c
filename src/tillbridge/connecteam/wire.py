"""The only place that knows Connecteam's JSON: requests out, answers in. Decides nothing.

Amounts are written digit by digit from minor units, so that 8.33 is never 8.329999999999998.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import (
    Annotated,
    Any,
    NotRequired,  # pydantic needs these before Python 3.12
)

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from tillbridge import outcome
from tillbridge.http import Answer
from tillbridge.log import redact
from tillbridge.money import minor_digits, minor_text
from tillbridge.sale import Transaction

_WORD = re.compile(r"[A-Z_]{1,20}")


def encode_transactions(rows: Sequence[Transaction]) -> bytes:
    """The body of a POST of these rows, in this order."""
    items = ",".join(_encode(row) for row in rows)
    return f'{{"transactionsCreateRequest":[{items}]}}'.encode("ascii")


def _encode(row: Transaction) -> str:
    location_id, sale_type, created_at, net, tax, currency = row
    pattern, unit = _pattern(location_id, sale_type, currency)
    return pattern % (
        created_at,
        "-" if net < 0 else "", abs(net) // unit, abs(net) % unit,
        "-" if tax < 0 else "", abs(tax) // unit, abs(tax) % unit,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _pattern(location_id: int, sale_type: str, currency: str) -> tuple[str, int]:
    """What rows of a kind have in common, with holes for the rest, and how many minor units make a
    whole one. An amount's holes are its sign, its whole and its minor units.
    """
    # Both come from closed lists; a quote in one of them would break the whole request.
    assert _WORD.fullmatch(sale_type)
    assert _WORD.fullmatch(currency)
    digits = minor_digits(currency)
    holes = f"%s%d.%0{digits}d" if digits else "%s%d%.0s"  # the last takes no place
    row = (
        f'{{"locationId":{location_id},"saleType":"{sale_type}","createdAt":%d,'
        f'"finalSaleAmount":{holes},"taxAmount":{holes},"currency":"{currency}"}}'
    )
    return row, 10**digits


# A number beyond this is no money; read as a Decimal, "1e999999" would fill the memory.
_NO_MONEY = Decimal(10**15)
_NO_DEBT = -_NO_MONEY
_Money = Annotated[Decimal, Field(gt=_NO_DEBT, lt=_NO_MONEY)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=False, defer_build=True)


class _Transaction(TypedDict):
    transaction_id: Annotated[
        str, Field(validation_alias="transactionId", coerce_numbers_to_str=True)
    ]
    location_id: Annotated[int, Field(validation_alias="locationId")]
    sale_type: Annotated[str, Field(validation_alias="saleType")]
    created_at: Annotated[int, Field(validation_alias="createdAt")]
    amount: Annotated[_Money, Field(validation_alias="finalSaleAmount")]
    tax: NotRequired[Annotated[_Money | None, Field(validation_alias="taxAmount")]]
    currency: NotRequired[str | None]


class _Created(_Wire):
    transactions: list[_Transaction]


class _CreatedAnswer(_Wire):
    data: _Created


class _QuickTransaction(
    msgspec.Struct,
    gc=False,
    rename={
        "transaction_id": "transactionId",
        "location_id": "locationId",
        "sale_type": "saleType",
        "created_at": "createdAt",
        "amount": "finalSaleAmount",
        "tax": "taxAmount",
    },
):
    """In the order of `outcome.EchoedRow`."""

    transaction_id: str
    location_id: int
    sale_type: str
    created_at: int
    amount: Decimal
    tax: Decimal | None = None
    currency: str | None = None


class _QuickCreated(msgspec.Struct):
    transactions: list[_QuickTransaction]


class _QuickAnswer(msgspec.Struct, rename={"camel": "requestId", "snake": "request_id"}):
    data: _QuickCreated
    camel: object = None
    snake: object = None


_QUICK_ANSWER = msgspec.json.Decoder(_QuickAnswer)


class _RequestIds(_Wire):
    camel: Annotated[Any, Field(validation_alias="requestId")] = None
    snake: Annotated[Any, Field(validation_alias="request_id")] = None


class _Day(_Wire):
    day: Annotated[date, Field(validation_alias="date")]
    location_id: Annotated[int, Field(validation_alias="locationId")]
    total: Annotated[_Money | None, Field(validation_alias="totalSales")] = None
    projected: Annotated[_Money | None, Field(validation_alias="projectedSales")] = None


class _Days(_Wire):
    days: Annotated[list[_Day], Field(validation_alias="dailySales")]


class _DaysAnswer(_Wire):
    data: _Days


class Location(_Wire):
    """A location as Connecteam lists it."""

    id: int
    name: str
    is_active: Annotated[bool, Field(validation_alias="isActive")] = True


class _Locations(_Wire):
    locations: list[Location]


class _LocationsAnswer(_Wire):
    data: _Locations


class _LocationAnswer(_Wire):
    data: Location


def decode_post(answer: Answer) -> tuple[outcome.Shape, str | None]:
    """The shape of an answer to a POST of transactions, and the vendor's id of the request.

    What the shape proves is `outcome`'s to say.
    """
    if answer.status == 200:
        quick = _decode_quickly(answer)
        return quick or (_decode_carefully(answer), request_id(answer))
    return _decode_refusal(answer), request_id(answer)


def _decode_refusal(answer: Answer) -> outcome.Shape:
    if answer.status == 422:
        document = _document(answer.body)
        faults = _faults(document)
        if not faults and isinstance(document, dict) and document.keys() & {"detail", "error"}:
            # A validation error in another form: it names no row, but it is one.
            faults = (outcome.Fault(None, None, error_text(answer)),)
        if faults:
            return outcome.ValidationError(faults)
    return outcome.OtherAnswer(answer.status, error_text(answer))


def _decode_quickly(answer: Answer) -> tuple[outcome.Echo, str | None] | None:
    """An echo that is written as documented; of all others the careful way decides."""
    try:
        document = _QUICK_ANSWER.decode(answer.body)
        rows = document.data.transactions
        if not all(
            _NO_DEBT < row.amount < _NO_MONEY
            and (row.tax is None or _NO_DEBT < row.tax < _NO_MONEY)
            for row in rows
        ):
            return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation):
        return None  # InvalidOperation: what is no number is neither more nor less than one
    told = tuple(map(outcome.EchoedRow._make, map(msgspec.structs.astuple, rows)))
    return outcome.Echo(told), _chosen_id(answer, document.camel, document.snake)


def _decode_carefully(answer: Answer) -> outcome.Shape:
    try:
        created = _CreatedAnswer.model_validate_json(answer.body)
    except ValidationError:
        return outcome.OtherAnswer(200, error_text(answer) or "an answer that cannot be read")
    rows = created.data.transactions
    return outcome.Echo(
        tuple(
            outcome.EchoedRow(
                row["transaction_id"], row["location_id"], row["sale_type"], row["created_at"],
                row["amount"], row.get("tax"), row.get("currency"),
            )
            for row in rows
        )
    )  # fmt: skip


def _faults(document: Any) -> tuple[outcome.Fault, ...]:  # noqa: ANN401  # any JSON
    details = document.get("detail") if isinstance(document, dict) else None
    if not isinstance(details, list):
        return ()
    return tuple(_fault(detail) for detail in details if isinstance(detail, dict))


def _fault(detail: dict[str, Any]) -> outcome.Fault:
    place = detail.get("loc")
    steps = place if isinstance(place, list) else []
    position = next((s for s in steps if isinstance(s, int) and not isinstance(s, bool)), None)
    after = steps[steps.index(position) + 1 :] if position is not None else []
    field = next((step for step in after if isinstance(step, str)), None)
    return outcome.Fault(position, field, redact(str(detail.get("msg") or "not valid"))[:200])


class UnreadableTotals(Exception):
    """The answer is no evidence of anything."""


def decode_totals(answer: Answer) -> list[tuple[int, date, Decimal]]:
    """(location, day, total) of every day that has data; null totals are left out.

    Raises:
        UnreadableTotals: an error, a throttled answer, or a 200 with another body.
    """
    days = decode_figures(answer)
    return [
        (entry.location_id, entry.day, entry.total) for entry in days if entry.total is not None
    ]


def encode_projections(amounts: Mapping[date, int], currency: str) -> bytes:
    """The body of a PUT of projected sales: each day once, amounts in minor units."""
    digits = minor_digits(currency)
    items = ",".join(
        f'{{"date":"{day.isoformat()}","projectedSales":{minor_text(amount, digits)}}}'
        for day, amount in sorted(amounts.items())
    )
    return f'{{"updates":[{items}]}}'.encode("ascii")


class _UpdatedDays(_Wire):
    days: Annotated[list[_Day], Field(validation_alias="updatedDays")]


class _UpdatedAnswer(_Wire):
    data: _UpdatedDays


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One location's day as Connecteam shows it; None where it has nothing of that kind."""

    location_id: int
    day: date
    total: Decimal | None
    projected: Decimal | None


def decode_figures(answer: Answer) -> list[DayFigures]:
    """Totals and projected sales of the days that have data.

    Raises:
        UnreadableTotals: the answer is not such a list.
    """
    return [
        DayFigures(entry.location_id, entry.day, entry.total, entry.projected)
        for entry in _days_of(answer, lambda body: _DaysAnswer.model_validate_json(body).data.days)
    ]


def decode_updated(answer: Answer) -> list[DayFigures]:
    """The days that a PUT of projected sales says it has set.

    Raises:
        UnreadableTotals: the answer is not such a list, so that it proves nothing.
    """
    return [
        DayFigures(entry.location_id, entry.day, entry.total, entry.projected)
        for entry in _days_of(
            answer, lambda body: _UpdatedAnswer.model_validate_json(body).data.days
        )
    ]


def _days_of(answer: Answer, decode: Callable[[bytes], list[_Day]]) -> list[_Day]:
    if answer.status != 200:
        raise UnreadableTotals(f"{answer.status}: {error_text(answer)}")
    try:
        return decode(answer.body)
    except ValidationError:
        raise UnreadableTotals(error_text(answer) or "an answer that cannot be read") from None


def decode_locations(answer: Answer) -> list[Location] | None:
    """The listed locations; None if the answer is not a list of them."""
    try:
        return _LocationsAnswer.model_validate_json(answer.body).data.locations
    except ValidationError:
        return None


def decode_location(answer: Answer) -> Location | None:
    """The location that was created; None if the answer does not tell one."""
    try:
        return _LocationAnswer.model_validate_json(answer.body).data
    except ValidationError:
        return None


def is_base_response(answer: Answer) -> bool:
    """Whether a delete was acknowledged: 200 with the documented envelope, nothing else."""
    document = _document(answer.body)
    return answer.status == 200 and isinstance(document, dict) and "data" in document


def request_id(answer: Answer) -> str | None:
    """The id that Connecteam's support asks for, wherever this answer keeps it."""
    try:
        ids = _RequestIds.model_validate_json(answer.body)
    except ValidationError:
        ids = _RequestIds()
    return _chosen_id(answer, ids.camel, ids.snake)


def _chosen_id(answer: Answer, *told: object) -> str | None:
    for one in (*told, answer.headers.get("x-request-id") or None):
        if isinstance(one, str):
            return redact(one)[:100]
    return None


def error_text(answer: Answer) -> str:
    """What an answer says, for a person: at most 200 characters, secrets hidden."""
    document = _document(answer.body)
    text = ""
    if isinstance(document, dict):
        said = document.get("error") or document.get("detail") or document.get("message")
        text = said if isinstance(said, str) else json.dumps(said) if said else ""
        text = text or f"an unexpected document: {redact(json.dumps(document))[:200]}"
    elif answer.body:
        kind = answer.headers.get("content-type", "")
        text = "a web page" if "html" in kind or answer.body[:1] == b"<" else "no JSON"
    else:
        text = "an empty answer"
    return redact(text)[:200]


def _document(body: bytes) -> Any:  # noqa: ANN401  # any JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # RecursionError: brackets in brackets in brackets
        return None
