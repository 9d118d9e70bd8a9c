"""A Connecteam that knows the truth, and loses answers, acts late, acts in part, and lags."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from random import Random

import httpx

from simulation.manners import DIGITS, READ_FAULTS, Manners, Request, decode, encode
from simulation.shelf import Row, Shelf
from simulation.trade import BAD_AMOUNT, Value
from simulation.world import Story, VirtualClock, WrongError

_REFUSALS = ("429", "403", "connect error", "connect timeout")
_SILENCES: tuple[type[httpx.TransportError], ...] = (
    httpx.ReadTimeout,
    httpx.ReadError,
    httpx.RemoteProtocolError,
)


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
        replaceable: Iterable[int],
    ) -> None:
        self._clock = clock
        self._story = story
        self._rng = rng
        self.shelf = shelf
        self.manners = manners
        self._currencies = currencies
        self.replaceable = set(replaceable)
        """Where a window may be deleted; a person may add to it."""
        self.flight: tuple[int, tuple[int, ...]] = (0, ())
        self.requests: dict[int, Request] = {}
        self.sent: dict[str, int] = {"POST": 0, "GET": 0, "DELETE": 0}
        self.before_post: Callable[[list[Value]], None] = lambda _rows: None
        """The checker's word on what is about to be written."""
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
        rows = decode(request.read())
        batch, sale_ids = self.flight
        if len(sale_ids) != len(rows):
            raise WrongError(f"a request that the ledger does not know: {rows}")
        self.before_post(rows)
        record = Request(batch, sale_ids, rows)
        self.requests[batch] = record
        self._story.tell(f"POST {batch} {rows}")
        refusal = self._refuse(rows)
        if refusal is not None:
            return refusal
        fault = self._fault("post", self.manners.post_kinds, self.manners.fault_rate)
        if fault is None or (fault == "400 after" and len(rows) == 1):
            self._apply(record, range(len(rows)))
            return self._echo(record, range(len(rows)))
        return self._go_wrong(fault, record, request)

    def _go_wrong(self, fault: str, record: Request, request: httpx.Request) -> httpx.Response:
        if fault in _REFUSALS:
            return self._refuse_all(fault, request)
        everything = range(len(record.rows))
        some = self._some(record.rows)
        if "part" in fault or fault in ("short echo, rest lost", "short echo, rest late"):
            self._apply(record, some)
        elif "after" in fault or "echo" in fault or " id" in fault:
            self._apply(record, everything)
        silence = None
        if fault.startswith(("lost", "applied", "in part")):
            silence = self._silence(request)
        if fault.endswith("applied late"):
            self._apply_later(record, everything)
        elif fault.endswith("rest late"):
            self._apply_later(record, [place for place in everything if place not in some])
        if silence is not None:
            raise silence
        return self._late_or_odd_answer(fault, record, some)

    def _some(self, rows: list[Value]) -> Sequence[int]:
        """The rows of which a partial application consists: the first few, or just any.

        At each location, rows of amount zero go with the others there: that no total shows whether
        only they are missing, or only they are there, is a stated limit.
        """
        count = self._rng.randint(1, max(1, len(rows) - 1))
        if self._rng.random() < 0.5:
            return range(count)
        chosen = set(self._rng.sample(range(len(rows)), count))
        for location_id in {row.location_id for row in rows}:
            here = [place for place, row in enumerate(rows) if row.location_id == location_id]
            sized = {place for place in here if rows[place].amount}
            zeros = set(here) - sized
            if sized and sized <= chosen:
                chosen |= zeros
            elif sized and not sized & chosen:
                chosen -= zeros
        return sorted(chosen) or range(count)

    def _late_or_odd_answer(
        self, fault: str, record: Request, some: Sequence[int]
    ) -> httpx.Response:
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
        if fault.startswith("400"):
            return self._answer(400, {"error": "BAD_REQUEST: try again", "path": "/"})
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
        rows = [encode(key, record.rows[place]) for key, place in zip(named, places, strict=True)]
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
            if location_id not in self.replaceable:
                raise WrongError(f"a window was deleted at {location_id}, where that is forbidden")

            def act() -> bool:
                for row in self._in_window(location_id, start_s, end_s):
                    self.shelf.remove(row, in_window=True)
                return True

            def act_in_part() -> None:
                for row in self._in_window(location_id, start_s, end_s)[::2]:
                    self.shelf.remove(row, in_window=True)
        else:
            key = path.rsplit("/", 1)[1]
            self._story.reach("delete by id")

            def act() -> bool:
                return self._remove_one(key)

            def act_in_part() -> None:
                """Of one row there is no part."""

        return self._delete_or_go_wrong(act, act_in_part, request)

    def _remove_one(self, key: str) -> bool:
        row = self.shelf.rows.get(key)
        if row is None or not row.live:
            return False
        if self.manners.early_404 and row.visible_s > self._clock.true_s:
            self._story.reach("delete answered 404 too early")
            return False
        self.shelf.remove(row)
        return True

    def _in_window(self, location_id: int, start_s: int, end_s: int) -> list[Row]:
        manners = self.manners
        return self.shelf.inside(
            location_id,
            start_s if manners.start_inclusive else start_s + 1,
            end_s if manners.end_inclusive else end_s - 1,
        )

    def _delete_or_go_wrong(
        self, act: Callable[[], bool], act_in_part: Callable[[], None], request: httpx.Request
    ) -> httpx.Response:
        manners = self.manners
        rate = manners.delete_rate if manners.fault_rate else 0.0
        fault = self._fault(
            "delete", manners.delete_kinds, manners.fault_rate if rate is None else rate
        )
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
            case "in part":
                act_in_part()
                raise self._silence(request)
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
        fault = self._fault("totals", READ_FAULTS, self.manners.fault_rate)
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

    def _fault(self, route: str, kinds: tuple[str, ...], rate: float) -> str | None:
        if self._rng.random() >= rate:
            return None
        kind = self._rng.choice(kinds)
        if route == "post" and self.manners.too_late and self._rng.random() < 0.4:
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
