"""Lightspeed K-Series on loopback: what its published reference says, and nothing more.

Three kinds of `nextPageToken`, since nobody documents it:

- `offset`: opaque, counts the sales before the next page. Nothing repeats, nothing is skipped.
- `stamp-inclusive`: base64 of the last sale's closing time in milliseconds; the next page starts
  with every sale of that very stamp, so equal stamps repeat.
- `stamp-exclusive`: the same token, but the next page starts after the stamp, so sales of an
  equal stamp that did not fit on the page are skipped.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tillbridge.sandbox import options as opt
from tillbridge.sandbox.archive import Archive
from tillbridge.sandbox.signin import SignIn

_LONGEST: Final = timedelta(days=365)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_WHOLE_DAY: Final = 1_000_000  # more sales than any one day has


class _BadRequest(Exception):
    """Answered as 400 `{"error": ...}`."""


class Lightspeed:
    """The double's state and its routes.

    Args:
        options: how it behaves.
        archives: what each place has sold.
        sign_in: which tokens are good.
        operational_since: the first date that its locations know.
        now: tells the time, aware.
    """

    def __init__(
        self,
        options: opt.SandboxOptions,
        archives: Sequence[Archive],
        sign_in: SignIn,
        *,
        operational_since: date,
        now: Callable[[], datetime],
    ) -> None:
        self._options = options
        self._archives = {archive.place.lightspeed_id: archive for archive in archives}
        self._sign_in = sign_in
        self._operational_since = operational_since
        self._now = now

    def app(self, more: Sequence[Route] = ()) -> Starlette:
        location = "/f/v2/business-location/{location:int}"
        data = [
            Route(f"{location}/sales", self._sales),
            Route(f"{location}/sales-daily", self._sales_of_day),
            Route("/f/data/businesses", self._businesses),
        ]
        return Starlette(
            routes=[*data, *self._sign_in.routes(), *more],
            exception_handlers={_BadRequest: _bad_request},
        )

    async def _sales(self, request: Request) -> Response:
        archive = self._admit(request)
        if isinstance(archive, Response):
            return archive
        asked = request.query_params
        low, high = self._window(archive, asked)
        size = _page_size(asked.get("pageSize"))
        token, style = asked.get("nextPageToken", ""), self._options.token_style
        skip = 0
        if token and style == "offset":
            skip = _read_offset(token, asked)
        elif token:
            low = max(low, _read_stamp(token) + (style == "stamp-exclusive"))
        found = archive.page(low, high, skip=skip, limit=size + 1)
        page, more = found[:size], len(found) > size
        following = ""
        if more and style == "offset":
            following = _write_offset(skip + size, asked)
        elif more:
            following = base64.b64encode(str(page[-1][0]).encode()).decode()
        body = b'{"sales":[' + b",".join(encoded for _, encoded in page) + b"]"
        body += f',"nextPageToken":"{following}"}}'.encode() if following else b"}"
        return Response(body, media_type="application/json")

    async def _sales_of_day(self, request: Request) -> Response:
        archive = self._admit(request)
        if isinstance(archive, Response):
            return archive
        text = request.query_params.get("date")
        if text is None:
            raise _BadRequest(_missing("date", "LocalDate"))
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise _BadRequest(f"Invalid date format: {text}") from None
        place = archive.place
        start, end = place.day_start(day), place.day_start(day + timedelta(days=1))
        now = self._now()
        high = min(_floor_ms(end), _floor_ms(now) + 1)
        found = archive.page(_floor_ms(start), high, skip=0, limit=_WHOLE_DAY)
        rest = {
            "nextStartOfDayAsIso8601": end.astimezone(place.zone).isoformat(),
            "dataComplete": now >= end,
        }
        body = b'{"sales":[' + b",".join(encoded for _, encoded in found) + b"],"
        return Response(body + json.dumps(rest)[1:].encode(), media_type="application/json")

    async def _businesses(self, request: Request) -> Response:
        refusal = self._refuse_token(request)
        if refusal is not None:
            return refusal
        by_currency: dict[str, list[dict[str, object]]] = {}
        for archive in list(self._archives.values())[: self._options.lightspeed_sees]:
            place = archive.place
            by_currency.setdefault(place.currency, []).append(
                {
                    "blName": place.name,
                    "blID": place.lightspeed_id,
                    "country": place.country,
                    "timezone": place.timezone,
                }
            )
        businesses = [
            {
                "businessName": f"Sandbox Restaurants {currency}",
                "businessId": 1234 + index,
                "currencyCode": currency,
                "businessLocations": locations,
            }
            for index, (currency, locations) in enumerate(by_currency.items())
        ]
        page = _whole_number(request.query_params.get("page", "0"), "page", 0, 10**6)
        size = _whole_number(request.query_params.get("size", "20"), "size", 1, 1000)
        shown = businesses[page * size : (page + 1) * size]
        return JSONResponse({"_embedded": {"businessList": shown}})

    def _refuse_token(self, request: Request) -> Response | None:
        if self._sign_in.accepts(request.headers.get("authorization")):
            return None
        return JSONResponse({"error": "invalid_token"}, self._options.rejected_token_status)

    def _admit(self, request: Request) -> Archive | Response:
        refusal = self._refuse_token(request)
        if refusal is not None:
            return refusal
        number = request.path_params["location"]
        if number not in list(self._archives)[: self._options.lightspeed_sees]:
            raise _BadRequest(f"Business location {number} was not found")
        return self._archives[number]

    def _window(self, archive: Archive, asked: Mapping[str, str]) -> tuple[int, int]:
        """The window in milliseconds, half-open, after the checks of the published reference."""
        now = self._now()
        start = _read_moment(asked, "from")
        end = min(_read_moment(asked, "to"), now) if asked.get("to") else now
        if start > end:
            raise _BadRequest(
                f"Invalid date range: 'from' date {_java(start)} should not be after "
                f"'to' date {_java(end)}"
            )
        if end - start > _LONGEST:
            raise _BadRequest("Invalid date range: the period must not be longer than 365 days")
        zone = archive.place.zone
        earliest = datetime.combine(self._operational_since, time(), zone)
        if start < earliest:
            raise _BadRequest(
                "Invalid 'from' date query parameter. The requested business location was not "
                "operational on the provided date.\nPlease specify a date and time after: "
                f"{earliest.isoformat()}, which is the earliest available date for this "
                "location.\n"
            )
        low = _ceil_ms(start) + (self._options.from_ends == "exclusive" and start >= _whole(start))
        high = _floor_ms(end) + 1
        if self._options.to_ends == "exclusive":
            high = _ceil_ms(end)
        return low, high


async def _bad_request(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def error_body(status: int, path: str) -> Mapping[str, object]:
    """The reference's `ErrorResponse`; a 429 is not documented, so it says little."""
    if status == 429:
        return {"error": "Too many requests"}
    return {
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "path": path,
        "status": status,
        "error": "Internal Server Error",
        "requestId": secrets.token_hex(4),
    }


def route_of(method: str, path: str) -> opt.Route | None:
    """The name by which faults and counters know a request."""
    if method == "POST" and path.endswith("/token"):
        return "token"
    if path.endswith(("/sales", "/sales-daily")):
        return "sales"
    return "businesses" if path == "/f/data/businesses" else None


def _missing(name: str, kind: str) -> str:
    return f"Required request parameter '{name}' for method parameter type {kind} is not present"


def _read_moment(asked: Mapping[str, str], name: str) -> datetime:
    text = asked.get(name, "")
    if not text:
        raise _BadRequest(_missing(name, "OffsetDateTime"))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _BadRequest(f"Invalid date format: {text}") from None
    if moment.tzinfo is None or "T" not in text:
        raise _BadRequest(f"Invalid date format: {text}")
    return moment.astimezone(UTC)


def _java(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _floor_ms(moment: datetime) -> int:
    return (moment - _EPOCH) // _MS


def _ceil_ms(moment: datetime) -> int:
    return -((_EPOCH - moment) // _MS)


def _whole(moment: datetime) -> datetime:
    return _EPOCH + _ceil_ms(moment) * _MS


def _page_size(text: str | None) -> int:
    return 50 if not text else _whole_number(text, "pageSize", 1, 100)


def _whole_number(text: str, name: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise _BadRequest(f"Invalid '{name}' query parameter: must be between {least} and {most}")
    return int(text)


def _write_offset(offset: int, asked: Mapping[str, str]) -> str:
    state = [offset, asked.get("from"), asked.get("to")]
    return base64.urlsafe_b64encode(json.dumps(state).encode()).decode()


def _read_offset(token: str, asked: Mapping[str, str]) -> int:
    try:
        offset, start, end = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        raise _BadRequest("Invalid nextPageToken") from None
    if [start, end] != [asked.get("from"), asked.get("to")] or not isinstance(offset, int):
        raise _BadRequest("Invalid nextPageToken: it belongs to another 'from' or 'to'")
    return offset


def _read_stamp(token: str) -> int:
    try:
        return int(base64.b64decode(token, validate=True))
    except ValueError:
        raise _BadRequest("Invalid nextPageToken") from None
