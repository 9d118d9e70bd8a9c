"""The sandbox seen from another process: `/_sandbox/...` on both servers, for this machine only.

None of it is the vendors': it tells what is true, closes sales and orders faults.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, cast, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tillbridge.sandbox.amounts import Row, Totals
from tillbridge.sandbox.options import FaultKind
from tillbridge.sandbox.options import Route as FaultRoute
from tillbridge.sandbox.vendors import Vendors
from tillbridge.sandbox.wire import INSPECTION, only_loopback

Json = dict[str, Any]


def inspection_routes(sandbox: Vendors) -> list[Route]:
    """`truth`, `rows`, `ids`, `expected`, `counters`, `about` (GET); `close-sale`, `fault`,
    `refresh-token` (POST); and `by_hand`. Amounts are strings.
    """

    def truth(_: Request) -> Json:
        return {
            "lightspeed": _totals(sandbox.lightspeed_truth()),
            "connecteam": _totals(sandbox.connecteam_truth()),
        }

    def rows(request: Request) -> Json:
        location = int(request.query_params["location"])
        return {"rows": [row_json(row) for row in sandbox.connecteam_rows(location)]}

    def expected(request: Request) -> Json:
        location = int(request.query_params["location"])
        return {"rows": [row_json(row) for row in sandbox.expected_rows(location)]}

    def close_sale(request: Request) -> Json:
        return {"sale": sandbox.close_sale(int(request.query_params.get("location", "0")))}

    def fault(request: Request) -> Json:
        asked = request.query_params
        route, kind, times = asked["route"], asked["kind"], int(asked.get("times", "1"))
        if route not in get_args(FaultRoute) or kind not in get_args(FaultKind):
            raise ValueError("unknown route or kind")
        sandbox.fail_next(cast(FaultRoute, route), cast(FaultKind, kind), times)
        return {}

    def counters(_: Request) -> Json:
        return sandbox.counters()

    def about(_: Request) -> Json:
        return about_json(sandbox)

    def refresh_token(_: Request) -> Json:
        return {"refresh_token": sandbox.new_refresh_token()}

    return [
        _route("truth", truth),
        _route("rows", rows),
        _route("expected", expected),
        _route("counters", counters),
        _route("about", about),
        _route("close-sale", close_sale, "POST"),
        _route("fault", fault, "POST"),
        _route("refresh-token", refresh_token, "POST"),
        *by_hand(sandbox),
    ]


def by_hand(sandbox: Vendors) -> list[Route]:
    """What a person may do at Connecteam: `ids` (GET); `delete-row`, `double-row`, `add-row`
    (POST).
    """

    def ids(request: Request) -> Json:
        return {"ids": sandbox.connecteam_ids(int(request.query_params["location"]))}

    def delete_row(request: Request) -> Json:
        sandbox.delete_at_connecteam(request.query_params["id"])
        return {}

    def double_row(request: Request) -> Json:
        return {"id": sandbox.double_at_connecteam(request.query_params["id"])}

    def add_row(request: Request) -> Json:
        asked = request.query_params
        row = Row(
            int(asked["location"]), asked.get("type", "MANUAL"), int(asked["created"]),
            Decimal(asked["amount"]), Decimal(asked.get("tax", "0")), asked.get("currency"),
        )  # fmt: skip
        return {"id": sandbox.write_at_connecteam(row)}

    return [
        _route("ids", ids),
        _route("delete-row", delete_row, "POST"),
        _route("double-row", double_row, "POST"),
        _route("add-row", add_row, "POST"),
    ]


def about_json(sandbox: Vendors) -> Json:
    """Addresses, made-up credentials and locations: enough to point a program at the sandbox."""
    names = (
        "lightspeed_url",
        "token_url",
        "authorize_url",
        "connecteam_url",
        "auth",
        "client_id",
        "client_secret",
        "redirect_uri",
        "refresh_token",
        "api_key",
    )
    facts: Json = {name: getattr(sandbox, name) for name in names}
    facts["day"] = sandbox.day.isoformat()
    facts["first_day"] = sandbox.first_day.isoformat()
    facts["locations"] = [
        {
            "name": place.name,
            "lightspeed_id": place.lightspeed_id,
            "connecteam_id": place.connecteam_id,
            "timezone": place.timezone,
            "currency": place.currency,
        }
        for place in sandbox.locations
    ]
    return facts


def row_json(row: Row) -> Json:
    """A row with Connecteam's field names and its amounts as strings."""
    return {
        "locationId": row.location_id,
        "saleType": row.sale_type,
        "createdAt": row.created_at,
        "finalSaleAmount": str(row.amount),
        "taxAmount": None if row.tax is None else str(row.tax),
        "currency": row.currency,
    }


def _totals(truth: dict[int, Totals]) -> Json:
    return {
        str(location): {"sales": it.sales, "net": str(it.net), "tax": str(it.tax)}
        for location, it in truth.items()
    }


def _route(name: str, tell: Callable[[Request], Json], method: str = "GET") -> Route:
    def endpoint(request: Request) -> Response:
        refusal = only_loopback(request)
        if refusal is not None:
            return refusal
        try:
            return JSONResponse(tell(request))
        except (KeyError, ValueError, IndexError, InvalidOperation) as error:
            return JSONResponse({"error": f"not understood: {error}"}, 400)

    return Route(f"{INSPECTION}/{name}", endpoint, methods=[method])
