"""Connecteam's sales API on loopback: what its published reference says, and nothing more.

Owns the answers; what is held is in `books`, what is asked is checked in `checks`.
"""

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from decimal import Decimal
from random import Random
from threading import Lock
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tillbridge.sandbox import checks
from tillbridge.sandbox import options as opt
from tillbridge.sandbox.answers import (
    answer,
    data,
    day_json,
    location_json,
    transaction_json,
)
from tillbridge.sandbox.books import Books, DayTotal
from tillbridge.sandbox.limits import Limits
from tillbridge.sandbox.signin import basic_credentials
from tillbridge.sandbox.wire import Counters

_TOKEN_TTL_S: Final = 86_400
_V1: Final = "/sales/v1"
Json = dict[str, Any]
_Endpoint = Callable[[Request], Awaitable[Response]]


class _Refused(Exception):
    """Answered as `{"error": "CODE: text", "path", "request_id"}`."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(f"{code}: {text}")
        self.status = status


class Connecteam:
    """The double's routes over its books.

    Args:
        options: how it behaves.
        books: what it holds.
        limits: how many requests it takes.
        counters: where refused requests are counted.
    """

    def __init__(
        self, options: opt.SandboxOptions, books: Books, limits: Limits, counters: Counters
    ) -> None:
        self.api_key = secrets.token_urlsafe(24)
        self.client_id = "connecteam-sandbox"
        self.client_secret = secrets.token_urlsafe(24)
        self._options = options
        self._books = books
        self._limits = limits
        self._counters = counters
        self._shuffle = Random(f"{options.seed}/echo")
        self._lock = Lock()
        self._tokens: dict[str, tuple[float, frozenset[str]]] = {}

    def end_tokens(self) -> None:
        """Every access token stops working now."""
        with self._lock:
            self._tokens.clear()

    def app(self, more: Sequence[Route] = ()) -> Starlette:
        read, write, delete = opt.CONNECTEAM_SCOPES
        location = f"{_V1}/locations"
        one = f"{_V1}/transactions/{{transaction}}"
        routes = [
            Route("/oauth/v1/token", self._token, methods=["POST"]),
            self._guarded(location, "GET", self._list_locations, read),
            self._guarded(location, "POST", self._create_location, write),
            self._guarded(f"{location}/{{location}}/daily-sales", "PUT", self._project, write),
            self._guarded(f"{_V1}/transactions", "POST", self._post, write),
            self._guarded(f"{_V1}/transactions", "DELETE", self._delete_period, delete),
            self._guarded(one, "DELETE", self._delete_one, delete),
            self._guarded(f"{_V1}/daily-sales", "GET", self._daily, read),
        ]
        return Starlette(routes=[*routes, *more])

    def _guarded(self, path: str, method: str, endpoint: _Endpoint, scope: str) -> Route:
        """A route behind the credentials and the rate limit; turns refusals into answers."""

        async def guarded(request: Request) -> Response:
            refusal = self._refuse(request, scope)
            if refusal is not None:
                return refusal
            passes, headers = self._limits.admit()
            if not passes:
                self._counters.add("connecteam.throttled")
                status = 200 if self._options.throttle_as_200 else 429
                response = answer({"detail": "Too many requests"}, status)
            else:
                response = await _decided(endpoint, request)
            response.headers.update(headers)
            return response

        return Route(path, guarded, methods=[method])

    def _refuse(self, request: Request, scope: str) -> Response | None:
        key = request.headers.get("x-api-key")
        if key is not None:
            if not secrets.compare_digest(key.encode(), self.api_key.encode()):
                return answer({"detail": "Invalid API key"}, 403)
            return _unless(scope, self._options.connecteam_scopes)
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return answer({"detail": "Not authenticated"}, 401)
        with self._lock:
            ends_at_s, scopes = self._tokens.get(token, (0.0, frozenset[str]()))
        if ends_at_s < time.monotonic():
            return answer({"detail": "Invalid or expired token"}, 401)
        return _unless(scope, scopes)

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if basic_credentials(request) != (self.client_id, self.client_secret):
            return answer({"detail": "Invalid client credentials"}, 401)
        if form.get("grant_type", ["client_credentials"])[0] != "client_credentials":
            return answer({"detail": "Invalid grant type"}, 400)
        scopes = form.get("scope", [" ".join(self._options.connecteam_scopes)])[0].split()
        if not set(scopes) <= set(self._options.connecteam_scopes):
            return answer({"detail": "Unauthorized scopes requested"}, 403)
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = (time.monotonic() + _TOKEN_TTL_S, frozenset(scopes))
        return answer(
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": _TOKEN_TTL_S,
                "scope": " ".join(scopes),
            }
        )

    async def _list_locations(self, request: Request) -> Response:
        query = checks.Query(request.query_params)
        ids, names = query.whole_numbers("locationIds"), query.all("locationNames")
        active = query.optional("isActive", checks.truth)
        limit = query.within("limit", 100, 1, 1000)
        offset = query.within("offset", 0, 0, None)
        query.finish()
        chosen = [
            account
            for account in self._books.accounts()
            if (not ids or account.location_id in ids)
            and (not names or account.name in names)
            and active in (None, account.is_active)
        ]
        page = [location_json(account) for account in chosen[offset : offset + limit]]
        body: Json = data({"locations": page})
        if offset + limit < len(chosen):
            body["paging"] = {"offset": offset + limit}
        return answer(body)

    async def _create_location(self, request: Request) -> Response:
        body = await _body(request)
        reader = checks.Reader(body if isinstance(body, dict) else {}, ("body",))
        name = reader.required("name", checks.text)
        active = reader.optional("isActive", checks.truth)
        if reader.problems:
            raise checks.Invalid(reader.problems)
        if any(account.name == name for account in self._books.accounts()):
            raise _Refused("LOCATION_ALREADY_EXISTS", "A location has this name", 409)
        account = self._books.open_account(name, is_active=active is not False)
        return answer(data(location_json(account)))

    async def _post(self, request: Request) -> Response:
        rows = checks.read_rows(await _body(request))
        self._must_know(row.location_id for row in rows)
        made = [transaction_json(transaction) for transaction in self._books.post(rows)]
        self._counters.add("connecteam.rows_posted", len(made))
        if self._options.echo_shuffled:
            self._shuffle.shuffle(made)
        return answer(data({"transactions": made}))

    async def _delete_period(self, request: Request) -> Response:
        query = checks.Query(request.query_params)
        location = query.required("locationId", checks.whole_number)
        start = query.required("startTime", checks.whole_number)
        end = query.required("endTime", checks.whole_number)
        query.finish()
        self._must_know([location])
        if start > end:
            raise _Refused("INVALID_PERIOD", "endTime must not be before startTime")
        hold_end = self._options.delete_ends == "inclusive"
        gone = self._books.delete_period(location, start, end, hold_end=hold_end)
        self._counters.add("connecteam.rows_deleted", gone)
        return answer(data({}))

    async def _delete_one(self, request: Request) -> Response:
        if not self._books.delete(request.path_params["transaction"]):
            raise _Refused("TRANSACTION_NOT_FOUND", "Transaction not found", 404)
        self._counters.add("connecteam.rows_deleted")
        return answer(data({}))

    async def _daily(self, request: Request) -> Response:
        query = checks.Query(request.query_params)
        first = query.required("startDate", checks.calendar_day)
        last = query.required("endDate", checks.calendar_day)
        ids = query.whole_numbers("locationIds")
        query.finish()
        self._must_know(ids)
        if first > last:
            raise _Refused("INVALID_DATE_RANGE", "endDate must not be before startDate")
        chosen = ids or [account.location_id for account in self._books.accounts()]
        entries = self._books.day_totals(first, last, chosen)
        return answer(data({"dailySales": [day_json(entry) for entry in entries]}))

    async def _project(self, request: Request) -> Response:
        try:
            location = int(request.path_params["location"])
        except ValueError:
            place = ("path", "locationId")
            words = "value is not a valid integer"
            raise checks.Invalid([checks.problem(place, words, "type_error.integer")]) from None
        updates = checks.read_projections(await _body(request))
        self._must_know([location])
        days = [day for day, _ in updates]
        if len(set(days)) != len(days):
            raise _Refused("DUPLICATE_DATES", "Each date may appear only once")
        updated: list[DayTotal] = []
        for day, amount in updates:
            self._books.project(location, day, amount)
            updated += self._books.day_totals(day, day, [location])
        shown = [day_json(entry) for entry in updated]
        return answer(data({"daysAffected": len(shown), "updatedDays": shown}))

    def _must_know(self, location_ids: Any) -> None:  # noqa: ANN401  # any iterable of integers
        unknown = self._books.unknown(location_ids)
        if unknown:
            named = ", ".join(map(str, unknown))
            raise _Refused("LOCATION_NOT_FOUND", f"No such location: {named}")


def _unless(scope: str, granted: Collection[str]) -> Response | None:
    return None if scope in granted else answer({"detail": f"Missing scope: {scope}"}, 403)


def error_body(status: int, _path: str) -> Mapping[str, object]:
    """How this vendor words a failure of its own."""
    return {"detail": "Too many requests" if status == 429 else "Internal Server Error"}


def route_of(method: str, path: str) -> opt.Route | None:
    """The name by which faults, latency and counters know a request."""
    if path == "/oauth/v1/token":
        return "connecteam-token"
    if path.startswith(f"{_V1}/transactions"):
        return "post" if method == "POST" else "delete"
    if path == f"{_V1}/daily-sales":
        return "daily"
    if path == f"{_V1}/locations":
        return "create" if method == "POST" else "locations"
    return "projections" if path.endswith("/daily-sales") else None


async def _decided(endpoint: _Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except checks.Invalid as invalid:
        return answer({"detail": invalid.problems}, 422)
    except _Refused as refused:
        body = {
            "error": str(refused),
            "path": request.url.path,
            "request_id": secrets.token_hex(8),
        }
        return answer(body, refused.status)


async def _body(request: Request) -> Any:  # noqa: ANN401  # JSON is any value
    try:
        return json.loads(await request.body(), parse_float=Decimal, parse_constant=str)
    except ValueError as error:
        position = getattr(error, "pos", 0)
        words = str(error)
        kind = "value_error.jsondecode"
        raise checks.Invalid([checks.problem(("body", position), words, kind)]) from None
