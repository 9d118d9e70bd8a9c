"""What the fake Connecteam may do wrong, how it words rows, and what it remembers of requests."""

import json
from dataclasses import dataclass, field
from decimal import Decimal

from simulation.shelf import Row
from simulation.trade import Value
from simulation.world import WrongError

DIGITS = {"GBP": 2, "EUR": 2, "JPY": 0}

POST_FAULTS = (
    "lost after acting",
    "lost before acting",
    "applied late",
    "applied in part",
    "applied in part",
    "in part and the rest late",
    "502 before",
    "502 after",
    "504 and applied late",
    "200 too many and applied late",
    "200 too many before",
    "200 too many after",
    "200 html after",
    "400 after",
    "short echo, rest lost",
    "short echo, rest applied",
    "short echo, rest late",
    "shuffled echo",
    "repeated id",
    "earlier id",
    "429",
    "403",
    "connect error",
    "connect timeout",
)
DELETE_FAULTS = (
    "lost after acting",
    "lost before acting",
    "applied late",
    "applied late",
    "in part",
    "502 before",
    "502 after",
    "200 too many before",
    "429",
    "connect error",
)
READ_FAULTS = ("429", "500", "garbage", "200 too many", "lost", "connect error", "html")


@dataclass(slots=True)
class Request:
    """A POST as it arrived, and which of its rows were ever applied.

    Attributes:
        batch: the ledger's id of it.
        sale_ids: in the order of the rows.
        rows: what was asked for.
        applied: the row that each became, as far as it did.
    """

    batch: int
    sale_ids: tuple[int, ...]
    rows: list[Value]
    applied: dict[int, Row] = field(default_factory=dict)


@dataclass(slots=True)
class Manners:
    """How this Connecteam behaves; drawn from the seed.

    Attributes:
        wait_s: T: the latest that it acts after the client gave up.
        timeout_s: the client's.
        fault_rate: of each request; 0 once the faults stop.
        delete_rate: of each delete; the same as of the others if None.
        post_kinds: which faults of a POST there are.
        delete_kinds: which faults of a delete there are.
        start_inclusive: of a delete of a window.
        end_inclusive: of a delete of a window.
        early_404: a row is not found by its id as long as totals do not show it.
        refusal: how a row that is too large is refused: "422", "422 unnamed" or "400".
        headers: "none", "wide" or "tight" (a small plan).
        too_late: now and then a POST acts much later than T.
    """

    wait_s: float
    timeout_s: float
    fault_rate: float = 0.0
    delete_rate: float | None = None
    post_kinds: tuple[str, ...] = POST_FAULTS
    delete_kinds: tuple[str, ...] = DELETE_FAULTS
    start_inclusive: bool = True
    end_inclusive: bool = True
    early_404: bool = False
    refusal: str = "422"
    headers: str = "none"
    too_late: bool = False


def decode(body: bytes) -> list[Value]:
    items = json.loads(body, parse_float=Decimal)["transactionsCreateRequest"]
    if not 1 <= len(items) <= 100:
        raise WrongError(f"{len(items)} rows in a request")
    return [
        Value(
            item["locationId"],
            item["saleType"],
            item["createdAt"],
            int(Decimal(item["finalSaleAmount"]).scaleb(DIGITS[item["currency"]])),
            int(Decimal(item["taxAmount"]).scaleb(DIGITS[item["currency"]])),
            item["currency"],
        )
        for item in items
    ]


def encode(key: str, value: Value) -> dict[str, object]:
    scale = 10 ** DIGITS[value.currency]
    return {
        "transactionId": key,
        "locationId": value.location_id,
        "saleType": value.sale_type,
        "createdAt": value.created_at,
        "finalSaleAmount": value.amount / scale,
        "taxAmount": value.tax / scale,
        "currency": value.currency,
    }
