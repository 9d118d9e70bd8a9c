"""What does an answer to a POST prove? One table. Pure.

Connecteam offers no idempotency key and no read-back, so the answer is all there is, and it is
taken at its word only where its shape leaves no room:

| answer                                            | outcome                                  |
|---------------------------------------------------|------------------------------------------|
| no connection was made                            | not sent                                 |
| 200, every row echoed once, ids distinct          | accepted                                 |
| 200, some rows echoed, nothing else               | those accepted, the rest unknown         |
| 200 with anything else (HTML, "Too many requests")| unknown                                  |
| 422 naming fields of the request                  | refused: these rows, or one to be found  |
| 401, or 403                                       | refused: the credentials                 |
| 429                                               | refused: not now                         |
| another 4xx to a request of one row               | refused: this row                        |
| 408, 425 or 499, which blame no row               | unknown                                  |
| another 4xx to a request of several rows          | unknown, until shown that nothing is written |
| 3xx, 5xx, a cut or late answer, a broken connection | unknown                                |
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from operator import mul
from typing import NamedTuple

from msgspec import Struct

from tillbridge.money import minor_digits, to_minor
from tillbridge.sale import Transaction


class EchoedRow(NamedTuple):
    """A transaction as Connecteam says that it made it; tax and currency may be left out."""

    transaction_id: str
    location_id: int
    sale_type: str
    created_at: int
    amount: Decimal
    tax: Decimal | None
    currency: str | None


class Echo(Struct, frozen=True):
    """200 with a decoded list of transactions."""

    rows: tuple[EchoedRow, ...]


class Fault(Struct, frozen=True):
    """One entry of a validation error: which row (None if it names none), which field, why."""

    position: int | None
    field: str | None
    message: str


class ValidationError(Struct, frozen=True):
    """422 in the documented form."""

    faults: tuple[Fault, ...]


class OtherAnswer(Struct, frozen=True):
    """Any other answer: its status and what it says, for a person."""

    status: int
    text: str


class Silence(Struct, frozen=True):
    """No complete answer."""

    not_sent: bool
    reason: str


Shape = Echo | ValidationError | OtherAnswer | Silence


class Accepted(Struct, frozen=True):
    """`ids[i]` is the transaction id of the i-th row sent."""

    ids: tuple[str, ...]


class RowsRefused(Struct, frozen=True):
    """Nothing was written. `faults` maps positions to reasons; empty if no row was named."""

    faults: dict[int, str]
    reason: str


class LocationsRefused(Struct, frozen=True):
    """Nothing was written: Connecteam does not know these locations."""

    location_ids: frozenset[int]
    reason: str


class CredentialsNotAccepted(Struct, frozen=True):
    """Nothing was written: the key, its scope or the account's right to the interface."""

    reason: str


class Throttled(Struct, frozen=True):
    """Nothing was written: too many requests."""

    reason: str


class NotSent(Struct, frozen=True):
    """Nothing can have been written: no connection was made."""

    reason: str


class Unknown(Struct, frozen=True):
    """Anything may have happened. `ids` holds what is certain: row positions that were echoed."""

    reason: str
    ids: dict[int, str]


Outcome = (
    Accepted
    | RowsRefused
    | LocationsRefused
    | CredentialsNotAccepted
    | Throttled
    | NotSent
    | Unknown
)


def judge(sent: Sequence[Transaction], shape: Shape) -> Outcome:
    """Decide what an answer to a POST of these rows proves."""
    match shape:
        case Echo(rows):
            return _judge_echo(sent, rows)
        case ValidationError(faults):
            return _judge_faults(sent, faults)
        case OtherAnswer(status, text):
            return _judge_status(len(sent), status, text)
        case Silence(True, reason):
            return NotSent(reason)
        case Silence(_, reason):
            return Unknown(reason, {})


_ABOUT_THE_CONNECTION = (408, 425, 499)
"""Some proxy's word about the time that a request took; it would be wrong to set a sale aside."""


def _judge_status(count: int, status: int, text: str) -> Outcome:
    said = f"{status}: {text}" if text else str(status)
    if status in (401, 403):
        return CredentialsNotAccepted(said)
    if status == 429:
        return Throttled(said)
    if 400 <= status < 500 and status not in _ABOUT_THE_CONNECTION and count == 1:
        return RowsRefused({0: said}, said)
    return Unknown(f"Connecteam answered {said}", {})


def _judge_faults(sent: Sequence[Transaction], faults: Sequence[Fault]) -> Outcome:
    reason = "; ".join(sorted({fault.message for fault in faults}))[:300]
    rows = range(len(sent))
    places = {f.position for f in faults if f.position is not None and f.position in rows}
    wrong_places = places & {f.position for f in faults if f.field == "locationId"}
    if wrong_places:
        # An id that Connecteam does not know is wrong for all of its rows: setting the rows
        # aside one by one would bury one mistake of the configuration under a day of sales.
        ids = frozenset(sent[place].location_id for place in wrong_places)
        return LocationsRefused(ids, reason)
    if len(sent) == 1:
        places = {0}
    return RowsRefused({place: _why(faults, place) or reason for place in places}, reason)


def _why(faults: Sequence[Fault], place: int) -> str:
    return "; ".join(
        f"{f.field}: {f.message}" if f.field else f.message for f in faults if f.position == place
    )[:300]


def _judge_echo(sent: Sequence[Transaction], rows: Sequence[EchoedRow]) -> Outcome:
    ids = [row.transaction_id for row in rows]
    if len(set(ids)) != len(ids) or not all(ids):
        return Unknown("the answer repeats a transaction id or leaves one out", {})
    if "\0" in "".join(ids):
        # SQLite's JSON ends a text there, so that it would be kept as another id.
        return Unknown("the answer has a transaction id that is no text", {})
    if _in_place(sent, rows):
        return Accepted(tuple(ids))
    matched = _match(sent, rows)
    if matched is None:
        return Unknown("the answer lists transactions that were not sent", {})
    if len(matched) < len(sent):
        reason = f"the answer lists {len(matched)} of the {len(sent)} transactions sent"
        return Unknown(reason, matched)
    return Accepted(tuple(matched[place] for place in range(len(sent))))


def _in_place(sent: Sequence[Transaction], rows: Sequence[EchoedRow]) -> bool:
    """Whether each row says, to the digit, what was sent in its place, as is usual. Of all other
    answers `_match` decides; of these it would say the same, in twice the time.
    """
    if len(sent) != len(rows) or not sent:
        return False
    _ids, *facts, amounts, taxes, currencies = zip(*rows, strict=True)
    *wanted, nets, sent_taxes, sent_currencies = zip(*sent, strict=True)
    if facts != wanted or currencies != sent_currencies or None in taxes:
        return False
    units = {currency: Decimal(10) ** minor_digits(currency) for currency in set(sent_currencies)}
    unit = [units[currency] for currency in sent_currencies]
    return tuple(map(mul, amounts, unit)) == nets and tuple(map(mul, taxes, unit)) == sent_taxes


_Waiting = dict[tuple[int, str, int, str, int], list[int]]
"""Positions of the rows sent, by all that an echo must agree with but the tax."""


def _match(sent: Sequence[Transaction], rows: Sequence[EchoedRow]) -> dict[int, str] | None:
    """Match echoed rows to sent ones by value, whatever their order; None if one fits nowhere."""
    waiting: _Waiting = defaultdict(list)
    currencies = sorted({tx.currency for tx in sent})
    for place, tx in enumerate(sent):
        key = (tx.location_id, tx.sale_type, tx.created_at, tx.currency, tx.amount)
        waiting[key].append(place)
    matched: dict[int, str] = {}
    # Rows that say more are matched first, so that a row without tax takes what they leave.
    for echoed in sorted(rows, key=lambda row: (row.tax is None) + (row.currency is None)):
        free = _take(waiting, sent, currencies, echoed)
        if free is None:
            return None
        matched[free] = echoed.transaction_id
    return matched


def _take(
    waiting: _Waiting, sent: Sequence[Transaction], currencies: Sequence[str], row: EchoedRow
) -> int | None:
    for currency in [row.currency] if row.currency else currencies:
        if currency not in currencies:
            continue
        digits = minor_digits(currency)
        amount = to_minor(row.amount, digits)
        key = (row.location_id, row.sale_type, row.created_at, currency, amount)
        places = waiting.get(key, [])
        for place in places:
            if row.tax is None or to_minor(row.tax, digits) == sent[place].tax:
                places.remove(place)
                return place
    return None
