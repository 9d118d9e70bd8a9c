"""A peer: what a careful person writes in an afternoon with requests and sqlite3.

Pages through all sales, maps each, remembers which it has, posts in hundreds, and remembers what
was posted, each step in a commit. (A lost answer would make it post twice; that is not timed.)
"""

import os
import sqlite3
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

import requests

CENT = Decimal("0.01")
LIGHTSPEED = (
    f"{os.environ['BENCH_URL']}/f/v2/business-location/{os.environ['BENCH_LOCATION']}/sales"
)
CONNECTEAM = f"{os.environ['BENCH_URL']}/sales/v1/transactions"


def mapped(sale: dict) -> dict:
    lines = sale.get("salesLines") or []
    net = sum((Decimal(line["totalNetAmountWithoutTax"]) for line in lines), Decimal(0))
    tax = sum((Decimal(line["taxAmount"]) for line in lines), Decimal(0))
    return {
        "locationId": int(os.environ["BENCH_TARGET"]),
        "saleType": sale["type"],
        "createdAt": int(datetime.fromisoformat(sale["timeClosed"]).timestamp()),
        "finalSaleAmount": float(net.quantize(CENT, ROUND_HALF_EVEN)),
        "taxAmount": float(tax.quantize(CENT, ROUND_HALF_EVEN)),
        "currency": "GBP",
    }


def pages(session: requests.Session):
    query = {"from": os.environ["BENCH_FROM"], "to": os.environ["BENCH_TO"], "pageSize": "100"}
    while True:
        answer = session.get(LIGHTSPEED, params=query, timeout=30)
        answer.raise_for_status()
        page = answer.json()
        yield page["sales"]
        if not page.get("nextPageToken"):
            return
        query["nextPageToken"] = page["nextPageToken"]


def post(session: requests.Session, book: sqlite3.Connection, batch: list) -> None:
    body = {"transactionsCreateRequest": [row for _, row in batch]}
    answer = session.post(CONNECTEAM, json=body, timeout=90)
    answer.raise_for_status()
    made = answer.json()["data"]["transactions"]
    assert len(made) == len(batch)
    with book:
        book.executemany(
            "UPDATE sale SET posted = 1 WHERE reference = ?", [(key,) for key, _ in batch]
        )


def main() -> None:
    book = sqlite3.connect("plain.db")
    book.execute("PRAGMA journal_mode = WAL")
    book.execute("CREATE TABLE IF NOT EXISTS sale (reference TEXT PRIMARY KEY, posted INTEGER)")
    session = requests.Session()
    session.headers["X-API-KEY"] = os.environ["BENCH_KEY"]
    session.headers["Authorization"] = f"Bearer {os.environ['BENCH_ACCESS']}"
    batch: list = []
    for page in pages(session):
        with book:
            for sale in page:
                key = sale["accountReference"]
                new = book.execute("INSERT OR IGNORE INTO sale VALUES (?, 0)", (key,)).rowcount
                if new:
                    batch.append((key, mapped(sale)))
        while len(batch) >= 100:
            post(session, book, batch[:100])
            batch = batch[100:]
    if batch:
        post(session, book, batch)


if __name__ == "__main__":
    main()
