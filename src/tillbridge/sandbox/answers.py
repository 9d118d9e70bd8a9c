"""How Connecteam's double words its answers: JSON shapes, request ids, exact numbers."""

import json
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from tillbridge.sandbox.books import Account, DayTotal, Transaction

Json = dict[str, Any]


def answer(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer with a request id, amounts digit for digit."""
    request_id = str(body.get("requestId") or body.get("request_id") or secrets.token_hex(8))
    return Response(
        exact_json(body),
        status,
        headers={"x-request-id": request_id},
        media_type="application/json",
    )


def exact_json(value: Any) -> str:  # noqa: ANN401  # JSON is any value
    """JSON in which a Decimal is the number that it is; the json module would make it a float."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        inside = ",".join(f"{json.dumps(str(key))}:{exact_json(it)}" for key, it in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(exact_json, value))}]"
    return json.dumps(value, ensure_ascii=False)


def data(data: Json) -> Json:
    return {"requestId": secrets.token_hex(8), "data": data}


def location_json(account: Account) -> Json:
    return {"id": account.location_id, "name": account.name, "isActive": account.is_active}


def transaction_json(transaction: Transaction) -> Json:
    row = transaction.row
    return {
        "transactionId": transaction.transaction_id,
        "locationId": row.location_id,
        "saleType": row.sale_type,
        "createdAt": row.created_at,
        "finalSaleAmount": row.amount,
        "taxAmount": row.tax,
        "currency": row.currency,
    }


def day_json(entry: DayTotal) -> Json:
    return {
        "date": entry.day.isoformat(),
        "locationId": entry.location_id,
        "totalSales": entry.total,
        "projectedSales": entry.projected,
    }
