"""The request checks of Connecteam's double: FastAPI's and pydantic 1's rules and words.

Every item of a request is checked, and every fault is named with its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.datastructures import QueryParams

from tillbridge.sandbox.amounts import Row

Json = dict[str, Any]
Place = tuple[str | int, ...]

SALE_TYPES: Final = (
    "SALE",
    "VOID",
    "RECALL",
    "REFUND",
    "SPLIT",
    "UPDATE",
    "TRANSFER",
    "FLOAT",
    "TRANSITORY",
    "CROSS_BL",
    "CANCEL",
    "MANUAL",
)
MOST_ITEMS: Final = 100
_LAST_S: Final = 253_402_300_799 - 86_400  # a day before the end of the year 9999


class Invalid(Exception):
    """Answered as 422 `{"detail": [...]}`."""

    def __init__(self, problems: list[Json]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def problem(place: Place, message: str, kind: str) -> Json:
    return {"loc": list(place), "msg": message, "type": kind}


def missing(*place: str | int) -> Json:
    return problem(place, "field required", "value_error.missing")


@dataclass(slots=True)
class Reader:
    """Reads the fields of one object and collects what is wrong with them."""

    values: Mapping[str, Any]
    place: Place
    problems: list[Json] = field(default_factory=list)

    def required(self, name: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # as `read`
        if name not in self.values:
            self.problems.append(missing(*self.place, name))
            return None
        if self.values[name] is None:
            words = "none is not an allowed value"
            self.problems.append(problem((*self.place, name), words, "type_error.none.not_allowed"))
            return None
        return self._read(name, read)

    def optional(self, name: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # as `read`
        return None if self.values.get(name) is None else self._read(name, read)

    def _read(self, name: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # as `read`
        try:
            return read(self.values[name])
        except _Wrong as wrong:
            self.problems.append(problem((*self.place, name), wrong.message, wrong.kind))
            return None


class _Wrong(Exception):
    """One value that cannot be read; becomes a part of an `Invalid`."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


def whole_number(value: Any) -> int:  # noqa: ANN401  # JSON is any value
    """An integer, also as text or with a fraction that is cut off: pydantic 1 is that lenient."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise _Wrong("value is not a valid integer", "type_error.integer") from None


def epoch_seconds(value: Any) -> int:  # noqa: ANN401  # JSON is any value
    """Seconds since 1970; milliseconds by mistake would name a year that no calendar has."""
    found = whole_number(value)
    if not 0 <= found <= _LAST_S:
        raise _Wrong("value is not a valid UNIX timestamp", "value_error.timestamp")
    return found


def number(value: Any) -> Decimal:  # noqa: ANN401  # JSON is any value
    """A finite number, exact."""
    try:
        found = Decimal(value) if isinstance(value, int | str | Decimal) else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite():
        raise _Wrong("value is not a valid float", "type_error.float")
    return found


def text(value: Any) -> str:  # noqa: ANN401  # JSON is any value
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise _Wrong("str type expected", "type_error.str")


def truth(value: Any) -> bool:  # noqa: ANN401  # JSON is any value
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "1", "on", "yes"):
        return True
    if str(value).lower() in ("false", "0", "off", "no"):
        return False
    raise _Wrong("value could not be parsed to a boolean", "type_error.bool")


def sale_type(value: Any) -> str:  # noqa: ANN401  # JSON is any value
    if value in SALE_TYPES:
        return str(value)
    allowed = ", ".join(f"'{name}'" for name in SALE_TYPES)
    message = f"value is not a valid enumeration member; permitted: {allowed}"
    raise _Wrong(message, "type_error.enum")


def calendar_day(value: Any) -> date:  # noqa: ANN401  # JSON is any value
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        raise _Wrong("invalid date format", "value_error.date") from None


def items_of(body: Any, name: str, most: int | None = None) -> list[Any]:  # noqa: ANN401  # JSON
    """The list in a request's body; raises Invalid where it is absent, empty or too long."""
    if not isinstance(body, dict):
        words = "value is not a valid dict"
        raise Invalid([problem(("body",), words, "type_error.dict")])
    if name not in body:
        raise Invalid([missing("body", name)])
    items = body[name]
    place = ("body", name)
    if not isinstance(items, list):
        raise Invalid([problem(place, "value is not a valid list", "type_error.list")])
    if not items:
        words, kind = "ensure this value has at least 1 items", "value_error.list.min_items"
        raise Invalid([{**problem(place, words, kind), "ctx": {"limit_value": 1}}])
    if most is not None and len(items) > most:
        words, kind = f"ensure this value has at most {most} items", "value_error.list.max_items"
        raise Invalid([{**problem(place, words, kind), "ctx": {"limit_value": most}}])
    return items


def read_rows(body: Any) -> list[Row]:  # noqa: ANN401  # JSON is any value
    """The transactions of a POST; raises Invalid with every fault of every item."""
    name = "transactionsCreateRequest"
    problems: list[Json] = []
    rows: list[Row] = []
    for index, item in enumerate(items_of(body, name, MOST_ITEMS)):
        place: Place = ("body", name, index)
        if not isinstance(item, dict):
            problems.append(problem(place, "value is not a valid dict", "type_error.dict"))
            continue
        reader = Reader(item, place)
        row = Row(
            location_id=reader.required("locationId", whole_number),
            sale_type=reader.required("saleType", sale_type),
            created_at=reader.required("createdAt", epoch_seconds),
            amount=reader.required("finalSaleAmount", number),
            tax=reader.optional("taxAmount", number),
            currency=reader.optional("currency", text),
        )
        problems += reader.problems
        rows.append(row)
    if problems:
        raise Invalid(problems)
    return rows


def read_projections(body: Any) -> list[tuple[date, Decimal]]:  # noqa: ANN401  # JSON is any value
    """The days and amounts of a PUT of projections; raises Invalid with every fault."""
    problems: list[Json] = []
    found: list[tuple[date, Decimal]] = []
    for index, item in enumerate(items_of(body, "updates")):
        place: Place = ("body", "updates", index)
        if not isinstance(item, dict):
            problems.append(problem(place, "value is not a valid dict", "type_error.dict"))
            continue
        reader = Reader(item, place)
        found.append(
            (
                reader.required("date", calendar_day),
                reader.required("projectedSales", number),
            )
        )
        problems += reader.problems
    if problems:
        raise Invalid(problems)
    return found


class Query:
    """The query string, read as FastAPI reads it: all faults at once, by `finish`."""

    def __init__(self, values: QueryParams) -> None:
        self._values = values
        self._reader = Reader(dict(self._values), ("query",))

    def required(self, name: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # as `read`
        return self._reader.required(name, read)

    def optional(self, name: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # as `read`
        return self._reader.optional(name, read)

    def all(self, name: str) -> list[str]:
        return self._values.getlist(name)

    def whole_numbers(self, name: str) -> list[int]:
        found = []
        for index, value in enumerate(self._values.getlist(name)):
            reader = Reader({"": value}, ())
            number = reader.required("", whole_number)
            for fault in reader.problems:
                self._reader.problems.append({**fault, "loc": ["query", name, index]})
            found.append(number)
        return found

    def within(self, name: str, default: int, least: int, most: int | None) -> int:
        value = self.optional(name, whole_number)
        if value is None:
            return default
        if value < least or (most is not None and value > most):
            words = f"ensure this value lies between {least} and {most}"
            fault = problem(("query", name), words, "value_error.number.not_in_range")
            self._reader.problems.append(fault)
        return int(value)

    def finish(self) -> None:
        if self._reader.problems:
            raise Invalid(self._reader.problems)
