"""Lightspeed and Connecteam once more, written from the contracts alone and by another hand.

Nothing here is shared with the sandbox or with the bridge, so that a misreading which those two
share is found. Sales are given as raw JSON; what is posted is kept as it came, digits and all.
"""

import base64
import json
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from system.installation import Installation

Posted = tuple[int, str, int, Decimal, Decimal | None, str | None]


class OddVendors:
    """Both vendors on one loopback port.

    Args:
        sales: raw sales by Lightspeed location, in the order in which they are listed.
        token_style: offset; stamp-inclusive or stamp-exclusive (a bare stamp in milliseconds, the
            next page begins with it, or after it).
    """

    def __init__(self, sales: dict[int, list[Any]], token_style: str = "offset") -> None:
        self.sales = sales
        self.token_style = token_style
        self.posted: list[Posted] = []
        self.requests: Counter[str] = Counter()
        self.read_from: list[str] = []
        self.window: set[tuple[str, str]] = set()
        self.refresh_token = "odd-refresh-0"
        self.earliest: datetime | None = None
        self.broken_pages: dict[int, bytes] = {}  # by number of the sales request
        self.refuses: Decimal | None = None  # amounts from this on are answered with a 422
        self.names_rows = True  # whether such a 422 names the rows
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- Lightspeed -------------------------------------------------------------------------------

    def token(self, form: dict[str, str]) -> tuple[int, Any]:
        if form.get("refresh_token") != self.refresh_token:
            return 400, {"error": "invalid_grant", "error_description": "Token is not active"}
        self.refresh_token = f"odd-refresh-{self.requests['token']}"
        return 200, {
            "access_token": f"odd-access-{self.requests['token']}",
            "refresh_token": self.refresh_token,
            "expires_in": 1500, "refresh_expires_in": 0, "token_type": "Bearer",
        }  # fmt: skip

    def page(self, location: int, query: dict[str, str]) -> tuple[int, Any]:
        number = self.requests["sales"]
        if number in self.broken_pages:
            return 200, self.broken_pages[number]
        assert query["pageSize"] == "100"
        assert query["from"].endswith("Z")
        assert query["to"].endswith("Z")
        self.read_from.append(query["from"])
        self.window.add((query["from"], query["to"]))
        first, last = (datetime.fromisoformat(query[name]) for name in ("from", "to"))
        assert last - first <= timedelta(days=365)
        if self.earliest is not None and first < self.earliest:
            named = self.earliest.isoformat()
            return 400, {
                "error": "Invalid 'from' date query parameter. The requested business location was "
                "not operational on the provided date.\nPlease specify a date and time after: "
                f"{named}, which is the earliest available date for this location.\n"
            }
        inside = [s for s in self.sales[location] if _inside(s, first, last)]
        page, token = self._cut(inside, query.get("nextPageToken", ""))
        body: dict[str, Any] = {"sales": page, "futureField": {"x": [1, 2.5, None]}}
        if token:
            body["nextPageToken"] = token
        return 200, body

    def _cut(self, inside: list[Any], token: str) -> tuple[list[Any], str]:
        told = base64.urlsafe_b64decode(token).decode() if token else ""
        if self.token_style == "offset":
            begin = int(told.removeprefix("page-") or 0)
            more = begin + 100 < len(inside)
            return inside[begin : begin + 100], _b64(f"page-{begin + 100}") if more else ""
        stamp = int(told or -1)
        after = self.token_style == "stamp-exclusive"
        rest = [s for s in inside if not told or _ms(s) > stamp - (0 if after else 1)]
        page = rest[:100]
        return page, _b64(str(_ms(page[-1]))) if len(rest) > 100 else ""

    # -- Connecteam -------------------------------------------------------------------------------

    def post(self, body: bytes) -> tuple[int, Any]:
        items = json.loads(body, parse_float=Decimal)["transactionsCreateRequest"]
        assert 1 <= len(items) <= 100
        bad = [n for n, item in enumerate(items) if self._is_refused(item)]
        if bad:
            places = [["body", "transactionsCreateRequest", n, "finalSaleAmount"] for n in bad]
            detail = [{"loc": loc, "msg": "ensure this value is less", "type": "value_error"}
                      for loc in (places if self.names_rows else [["body"]])]  # fmt: skip
            return 422, {"detail": detail}
        echoed = []
        with self._lock:
            for item in items:
                amount, tax = Decimal(item["finalSaleAmount"]), item.get("taxAmount")
                self.posted.append((
                    item["locationId"], item["saleType"], item["createdAt"], amount,
                    None if tax is None else Decimal(tax), item.get("currency"),
                ))  # fmt: skip
                plain = {k: float(v) if isinstance(v, Decimal) else v for k, v in item.items()}
                echoed.append({"transactionId": f"odd-{len(self.posted)}", **plain, "newField": 1})
        # Sorted by amount: their order is not ours.
        echoed.sort(key=lambda row: row["finalSaleAmount"])
        return 200, {"requestId": "odd", "data": {"transactions": echoed}}

    def _is_refused(self, item: dict[str, Any]) -> bool:
        return self.refuses is not None and Decimal(item["finalSaleAmount"]) >= self.refuses

    def totals(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        wanted = {int(text) for text in query["locationIds"]}
        first, last = (date.fromisoformat(query[n][0]) for n in ("startDate", "endDate"))
        sums: Counter[tuple[int, date]] = Counter()
        for location, _type, created, amount, *_ in self.posted:
            sums[location, datetime.fromtimestamp(created, UTC).date()] += amount  # type: ignore[assignment]
        rows = [
            {"locationId": key[0], "date": key[1].isoformat(), "totalSales": float(total),
             "projectedSales": None}
            for key, total in sums.items()
            if key[0] in wanted and first <= key[1] <= last
        ]  # fmt: skip
        return 200, {"requestId": "odd", "data": {"dailySales": rows}}


def _inside(sale: Any, first: datetime, last: datetime) -> bool:
    stamp = _ms(sale)
    return stamp < 0 or first.timestamp() * 1000 <= stamp <= last.timestamp() * 1000


def _ms(sale: Any) -> int:
    """Epoch milliseconds of timeClosed; -1 where there is none to be read."""
    try:
        return int(datetime.fromisoformat(sale["timeClosed"]).timestamp() * 1000)
    except (KeyError, TypeError, ValueError):
        return -1


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _handler(vendors: OddVendors) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            plain = {name: values[0] for name, values in query.items()}
            if parts.path.endswith("/sales"):
                vendors.requests["sales"] += 1
                self._answer(*vendors.page(int(parts.path.split("/")[-2]), plain))
            elif parts.path == "/sales/v1/daily-sales":
                vendors.requests["totals"] += 1
                self._answer(*vendors.totals(query))
            else:
                self._answer(404, {"detail": "Not Found"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.startswith("/sales/v1/transactions"):
                vendors.requests["post"] += 1
                self._answer(*vendors.post(body))
            else:
                vendors.requests["token"] += 1
                form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
                self._answer(*vendors.token(form))

        def _answer(self, status: int, document: Any) -> None:
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def install_at(
    vendors: OddVendors, folder: Any, places: dict[int, tuple[int, str, str]], extra: str = ""
) -> Installation:
    """A signed-in installation at these vendors.

    Args:
        vendors: running.
        folder: for configuration and ledger.
        places: Lightspeed id: (Connecteam id, time zone, currency).
        extra: further sections.
    """
    text = f"""
config_version = 1
name = "Odd"
[lightspeed]
api_url = "{vendors.url}"
token_url = "{vendors.url}/token"
authorize_url = "{vendors.url}/auth"
client_id = "odd"
client_secret = "odd-client-secret"
redirect_uri = "https://localhost:8443/callback"
[connecteam]
base_url = "{vendors.url}"
api_key = "odd-api-key"
[ledger]
path = "{folder}/state/ledger.db"
{extra}
"""
    for lightspeed_id, (connecteam_id, zone, currency) in places.items():
        text += f"""
[[locations]]
name = "Place {lightspeed_id}"
lightspeed_id = {lightspeed_id}
connecteam_id = {connecteam_id}
timezone = "{zone}"
currency = "{currency}"
exclusive = true
start = {(datetime.now(UTC) - timedelta(days=20)).date()}
"""
    home = Installation(folder, text, vendors.refresh_token)
    home.write()
    home.begin_signed_in()
    return home
