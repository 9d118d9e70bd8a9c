"""A Connecteam that knows the truth, and loses answers, acts late, acts in part, and lags."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random

import httpx

from simulation.shelf import Row, Shelf
from simulation.trade import BAD_AMOUNT, Value
from simulation.world import Story, VirtualClock, WrongError

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
    "200 too many before",
    "200 too many after",
    "200 html after",
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
    "502 before",
    "502 after",
    "200 too many before",
    "429",
    "connect error",
)
READ_FAULTS = ("429", "500", "garbage", "200 too many", "lost", "connect error", "html")
_REFUSALS = ("429", "403", "connect error", "connect timeout")
_SILENCES: tuple[type[httpx.TransportError], ...] = (
    httpx.ReadTimeout,
    httpx.ReadError,
    httpx.RemoteProtocolError,
)


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
        ends_inclusive: of a delete of a window.
        refusal: how a row that is too large is refused: "422", "422 unnamed" or "400".
        headers: "none", "wide" or "tight" (a small plan).
        too_late: now and then a POST acts much later than T.
    """

    wait_s: float
    timeout_s: float
    fault_rate: float = 0.0
    ends_inclusive: bool = True
    refusal: str = "422"
    headers: str = "none"
    too_late: bool = False


class FakeConnecteam(httpx.BaseTransport):
    """The account; see the module."""

    def __init__(
        self,
        clock: VirtualClock,
        story: Story,
        rng: Random,
        shelf: Shelf,
        manners: Manners,
        currencies: dict[int, str],
        replaceable: frozenset[int],
    ) -> None:
        self._clock = clock
        self._story = story
        self._rng = rng
        self.shelf = shelf
        self.manners = manners
        self._currencies = currencies
        self._replaceable = replaceable
        self.flight: tuple[int, tuple[int, ...]] = (0, ())
        self.requests: dict[int, Request] = {}
        self.sent: dict[str, int] = {"POST": 0, "GET": 0, "DELETE": 0}
        self.ids_known: Callable[[], list[str]] = list
        """The ids that the ledger knows: one of them in a new answer cannot be true."""
        self._minute: list[float] = []
        self._day: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._clock.advance(self._rng.uniform(0.05, 1.5))
        self.sent[request.method] += 1
        if self._over_limit():
            self._story.reach("real 429 by the limits")
            return self._answer(429, {"detail": "Rate limit exceeded"})
        if request.method == "POST":
            return self._post(request)
        if request.method == "GET":
            return self._get(request)
        return self._delete(request)

    # -- POST -----------------------------------------------------------------------------------

    def _post(self, request: httpx.Request) -> httpx.Response:
        rows = _decode(request.read())
        batch, sale_ids = self.flight
        if len(sale_ids) != len(rows):
            raise WrongError(f"a request that the ledger does not know: {rows}")
        record = Request(batch, sale_ids, rows)
        self.requests[batch] = record
        self._story.tell(f"POST {batch} {rows}")
        refusal = self._refuse(rows)
        if refusal is not None:
            return refusal
        fault = self._fault("post", POST_FAULTS)
        if fault is None:
            self._apply(record, range(len(rows)))
            return self._echo(record, range(len(rows)))
        return self._go_wrong(fault, record, request)

    def _go_wrong(self, fault: str, record: Request, request: httpx.Request) -> httpx.Response:
        if fault in _REFUSALS:
            return self._refuse_all(fault, request)
        everything = range(len(record.rows))
        some = range(self._rng.randint(1, max(1, len(record.rows) - 1)))
        if "part" in fault or fault in ("short echo, rest lost", "short echo, rest late"):
            self._apply(record, some)
        elif "after" in fault or "echo" in fault or " id" in fault:
            self._apply(record, everything)
        silence = None
        if fault.startswith(("lost", "applied", "in part")):
            silence = self._silence(request)
        if fault in ("applied late", "504 and applied late"):
            self._apply_later(record, everything)
        elif fault.endswith("rest late"):
            self._apply_later(record, range(len(some), len(record.rows)))
        if silence is not None:
            raise silence
        return self._late_or_odd_answer(fault, record, some)

    def _late_or_odd_answer(self, fault: str, record: Request, some: range) -> httpx.Response:
        if fault[0].isdigit():
            return self._no_echo(fault)
        if fault.startswith("short echo"):
            shown = sorted(record.applied)
            if fault.endswith("rest applied"):
                shown = sorted(self._rng.sample(shown, len(some)))
            return self._echo(record, shown)
        return self._odd_echo(fault, record)

    def _refuse_all(self, fault: str, request: httpx.Request) -> httpx.Response:
        if fault == "connect error":
            raise httpx.ConnectError("refused", request=request)
        if fault == "connect timeout":
            self._clock.advance(5)
            raise httpx.ConnectTimeout("late", request=request)
        if fault == "429":
            return self._answer(429, {"detail": "Rate limit exceeded"})
        return self._answer(403, {"detail": "Invalid API key"})

    def _odd_echo(self, fault: str, record: Request) -> httpx.Response:
        places = list(range(len(record.rows)))
        if fault == "shuffled echo":
            self._rng.shuffle(places)
            return self._echo(record, places)
        shown = [record.applied[place].id for place in places]
        if fault == "repeated id":
            return self._echo(record, places, [shown[0]] * len(shown))
        older = [key for key in self.ids_known() if key not in shown]
        return self._echo(record, places, (older + shown)[: len(shown)])

    def _no_echo(self, fault: str) -> httpx.Response:
        if fault.startswith("504"):
            return httpx.Response(504, text="upstream timed out")
        if fault.startswith("502"):
            return httpx.Response(502, text="<html><title>Bad gateway</title></html>")
        if "html" in fault:
            return httpx.Response(200, text="<html>Hello</html>")
        return self._answer(200, {"detail": "Too many requests"})

    def _silence(self, request: httpx.Request) -> httpx.TransportError:
        kind = self._rng.choice(_SILENCES)
        longest = self.manners.timeout_s
        self._clock.advance(longest if kind is httpx.ReadTimeout else self._rng.uniform(0, longest))
        return kind("no answer", request=request)

    def _apply(self, record: Request, places: Sequence[int], *, too_late: bool = False) -> None:
        for place in places:
            record.applied[place] = self.shelf.add(record.rows[place], too_late=too_late)

    def _apply_later(self, record: Request, places: Sequence[int]) -> None:
        """The client has given up; apply at the latest T from now, or beyond, if so drawn."""
        too_late = self.manners.too_late and self._rng.random() < 0.5
        delay_s = self._rng.choice((self._rng.random(), 0.99)) * self.manners.wait_s
        if too_late:
            self._story.reach("acted later than it may")
            delay_s = self._rng.uniform(4000.0, 9000.0)
        self._clock.at(
            self._clock.true_s + delay_s, lambda: self._apply(record, places, too_late=too_late)
        )

    def _echo(
        self, record: Request, places: Sequence[int], ids: Sequence[str] | None = None
    ) -> httpx.Response:
        named = ids or [record.applied[place].id for place in places]
        rows = [_encode(key, record.rows[place]) for key, place in zip(named, places, strict=True)]
        return self._answer(200, {"requestId": "r", "data": {"transactions": rows}})

    def _refuse(self, rows: list[Value]) -> httpx.Response | None:
        bad = [place for place, row in enumerate(rows) if abs(row.amount) > BAD_AMOUNT]
        if not bad:
            return None
        how = self.manners.refusal
        self._story.reach(f"refused with {how}")
        if how == "400":
            return self._answer(400, {"error": "BAD_REQUEST: amount", "path": "/"})
        if how == "422 unnamed":
            return self._answer(422, {"detail": [{"loc": ["body"], "msg": "bad", "type": "v"}]})
        details = [
            {
                "loc": ["body", "transactionsCreateRequest", place, "finalSaleAmount"],
                "msg": "too large",
                "type": "value_error",
            }
            for place in bad
        ]
        return self._answer(422, {"detail": details})

    # -- DELETE ---------------------------------------------------------------------------------

    def _delete(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, request.url.params
        self._story.tell(f"DELETE {path} {request.url.query.decode()}")
        if path.endswith("/transactions"):
            location_id = int(query["locationId"])
            start_s, end_s = int(query["startTime"]), int(query["endTime"])
            self._story.reach("delete of a window")
            if location_id not in self._replaceable:
                raise WrongError(f"a window was deleted at {location_id}, where that is forbidden")

            def act() -> bool:
                inclusive = self.manners.ends_inclusive
                for row in self.shelf.inside(location_id, start_s, end_s, inclusive=inclusive):
                    self.shelf.remove(row, in_window=True)
                return True
        else:
            key = path.rsplit("/", 1)[1]
            self._story.reach("delete by id")

            def act() -> bool:
                row = self.shelf.rows.get(key)
                if row is None or not row.live:
                    return False
                self.shelf.remove(row)
                return True

        return self._delete_or_go_wrong(act, request)

    def _delete_or_go_wrong(
        self, act: Callable[[], bool], request: httpx.Request
    ) -> httpx.Response:
        fault = self._fault("delete", DELETE_FAULTS)
        match fault:
            case "connect error":
                raise httpx.ConnectError("refused", request=request)
            case "429":
                return self._answer(429, {"detail": "Rate limit exceeded"})
            case "lost before acting":
                raise self._silence(request)
            case "502 before" | "200 too many before":
                return self._no_echo(fault)
            case "applied late":
                silence = self._silence(request)
                delay_s = self._rng.choice((self._rng.random(), 0.99)) * self.manners.wait_s
                self._clock.at(self._clock.true_s + delay_s, act)
                raise silence
            case "lost after acting":
                act()
                raise self._silence(request)
            case "502 after":
                act()
                return self._no_echo(fault)
        if act():
            return self._answer(200, {"requestId": "r", "data": {}})
        self._story.reach("delete answered 404")
        return self._answer(404, {"error": "NOT_FOUND: no such transaction", "request_id": "r"})

    # -- GET ------------------------------------------------------------------------------------

    def _get(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        self._story.tell(f"GET totals {request.url.query.decode()}")
        fault = self._fault("totals", READ_FAULTS)
        match fault:
            case "connect error":
                raise httpx.ConnectError("refused", request=request)
            case "lost":
                raise self._silence(request)
            case "429":
                return self._answer(429, {"detail": "Rate limit exceeded"})
            case "500":
                return httpx.Response(500, text="oops")
            case "garbage":
                return self._answer(200, {"requestId": "r", "data": {"dailySales": None}})
            case "html":
                return httpx.Response(200, text="<html>hello</html>")
            case "200 too many":
                return self._answer(200, {"detail": "Too many requests"})
        wanted = {int(key) for key in query.get_list("locationIds")}
        first, last = date.fromisoformat(query["startDate"]), date.fromisoformat(query["endDate"])
        shown = self.shelf.totals(wanted, first, last)
        days = [
            {
                "date": day.isoformat(),
                "locationId": location_id,
                "totalSales": self._shown(location_id, total),
                "projectedSales": None,
            }
            for (location_id, day), total in sorted(shown.items())
        ]
        return self._answer(200, {"requestId": "r", "data": {"dailySales": days}})

    def _shown(self, location_id: int, total: int) -> float | None:
        if total == 0 and self._rng.random() < 0.5:
            return None
        return total / 10 ** DIGITS[self._currencies[location_id]]

    # -- manners --------------------------------------------------------------------------------

    def _fault(self, route: str, kinds: tuple[str, ...]) -> str | None:
        if self._rng.random() >= self.manners.fault_rate:
            return None
        kind = self._rng.choice(kinds)
        if route == "post" and self.manners.too_late and self._rng.random() < 0.4:
            kind = "applied late"
        if route == "delete" and self._rng.random() < 0.3:
            kind = "applied late"
        self._story.reach(f"{route} {kind}")
        self._story.tell(f"fault {route} {kind}")
        return kind

    def _limits(self) -> tuple[int, int]:
        return (5, 100) if self.manners.headers == "tight" else (200, 20_000)

    def _over_limit(self) -> bool:
        now = self._clock.true_s
        self._minute = [at for at in self._minute if at // 60 == now // 60]
        self._day = [at for at in self._day if at // 86_400 == now // 86_400]
        minute, day = self._limits()
        if self.manners.headers == "none":
            return False
        if len(self._minute) >= minute or len(self._day) >= day:
            return True
        self._minute.append(now)
        self._day.append(now)
        return False

    def _answer(self, status: int, document: object) -> httpx.Response:
        headers = {}
        if self.manners.headers != "none":
            now = self._clock.true_now().timestamp()
            limits = zip(
                ("minute", "day"), self._limits(), (self._minute, self._day), (60, 86_400),
                strict=True,
            )  # fmt: skip
            for name, limit, used, length in limits:
                into = self._clock.true_s % length
                headers[f"x-ratelimit-{name}-limit"] = str(limit)
                headers[f"x-ratelimit-{name}-remaining"] = str(max(0, limit - len(used)))
                headers[f"x-ratelimit-{name}-reset"] = str(int(now - into + length) + 1)
            headers["date"] = self._clock.true_now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        return httpx.Response(status, headers=headers, json=document)


def _decode(body: bytes) -> list[Value]:
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


def _encode(key: str, value: Value) -> dict[str, object]:
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
