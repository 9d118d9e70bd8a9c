"""Odd but legal payloads, end to end, against vendors that another hand wrote."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from system.odd_vendors import OddVendors, install_at

HARBOUR, KYOTO, KUWAIT = 45454565682155, 9007199254740993, 3
PLACES = {
    HARBOUR: (123, "Europe/London", "GBP"),
    KYOTO: (456, "Asia/Tokyo", "JPY"),
    KUWAIT: (789, "Asia/Kuwait", "KWD"),
}
BEGIN = (datetime.now(UTC) - timedelta(days=3)).replace(microsecond=0)


def line(net: str | None = "1.00", tax: str | None = "0.20", **more: Any) -> dict[str, Any]:
    return {"totalNetAmountWithoutTax": net, "taxAmount": tax, **more}


def sale(number: int, closed: str | datetime, *lines: Any, **more: Any) -> dict[str, Any]:
    stamp = closed if isinstance(closed, str) else f"{closed.isoformat()[:-6]}Z"
    return {
        "accountReference": f"ref-{number}", "accountFiscId": f"A65315.{number}", "type": "SALE",
        "timeClosed": stamp, "salesLines": list(lines), **more,
    }  # fmt: skip


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def second(moment: datetime) -> int:
    return int(moment.timestamp())


def row(
    place: int, closed: datetime, net: str, tax: str, kind: str = "SALE", currency: str = ""
) -> tuple[Any, ...]:
    connecteam_id, _, usual = PLACES[place]
    money = (Decimal(net), Decimal(tax), currency or usual)
    return (connecteam_id, kind, second(closed), *money)


@pytest.mark.parametrize("token_style", ["offset", "stamp-inclusive", "stamp-exclusive"])
def test_no_sale_is_lost_or_doubled_where_equal_stamps_lie_across_page_edges(
    tmp_path: Path, token_style: str
):
    # Groups of seven and eleven with the same millisecond: an edge at each hundred falls into one.
    harbour = [sale(n, at(60 * (n // 7)), line(f"{n + 1}.01")) for n in range(330)]
    kyoto = [sale(n, at(3 * (n // 11)), line(f"{n + 1}", "0")) for n in range(210)]
    kuwait = [sale(n, at(n), line("1.234", "0.001")) for n in range(100)]  # one page, exactly full
    vendors = OddVendors({HARBOUR: harbour, KYOTO: kyoto, KUWAIT: kuwait}, token_style)
    with vendors:
        home = install_at(vendors, tmp_path, PLACES)
        done = home.call("once")
    assert done.code == 0, done.err
    wanted = [row(HARBOUR, at(60 * (n // 7)), f"{n + 1}.01", "0.20") for n in range(330)]
    wanted += [row(KYOTO, at(3 * (n // 11)), f"{n + 1}", "0") for n in range(210)]
    wanted += [row(KUWAIT, at(n), "1.234", "0.001") for n in range(100)]
    assert Counter(vendors.posted) == Counter(wanted)
    # Three locations side by side; each needs a request for every hundred of its rows.
    assert vendors.requests["post"] <= ceil(330 / 100) + ceil(210 / 100) + 1
    assert len(vendors.window) <= 3 + 5  # a window keeps its ends; an edge may be looked at once


def odd_sales() -> tuple[list[Any], list[tuple[Any, ...]], dict[str, str]]:
    """Raw sales of one location in their order, the rows that they must become, and the
    references of those to be set aside with a word of the reason.
    """
    sales: list[Any] = []
    rows: list[tuple[Any, ...]] = []

    def good(raw: dict[str, Any], *expected: Any) -> None:
        sales.append(raw)
        rows.append(row(HARBOUR, *expected))

    berlin = timezone(timedelta(hours=5, minutes=45))
    good(sale(1, at(1).astimezone(berlin).isoformat(), line("2.50", "0.5")), at(1), "2.50", "0.50")
    good(sale(2, at(2).isoformat(), line("3", "1")), at(2), "3.00", "1.00")
    good(sale(3, f"{at(3).isoformat()[:-6]}.999999999Z", line()), at(3), "1.00", "0.20")
    # Six decimals, rounded once per sale and half-even, never line by line.
    thirds = [line("0.333333", "0.066667")] * 3
    good(sale(4, at(4), *thirds), at(4), "1.00", "0.20")
    good(sale(5, at(5), line("0.125000", "0.135000")), at(5), "0.12", "0.14")
    good(sale(6, at(6), line("8.33", None), line("-8.33", "0")), at(6), "0.00", "0.00")
    # A voided item is a second, negative line; child lines carry their own amounts.
    good(
        sale(7, at(7), line("10", "2", id="a"), line("-10", "-2", voidReason="寿司が冷めた"),
             line("0.75", "0.15", parentLineId="a", discountAmount="99", serviceCharge="5")),
        at(7), "0.75", "0.15",
    )  # fmt: skip
    # Everything that may be missing is missing, or null, or new.
    good(
        {"accountFiscId": "A65315.8", "timeClosed": f"{at(8).isoformat()[:-6]}Z", "type": "SALE",
         "salesLines": [{"totalNetAmountWithoutTax": "1.10"}]},
        at(8), "1.10", "0.00",
    )  # fmt: skip
    good(
        sale(9, at(9), line("4", "1", currency=None, accountingGroup=None), receiptId=None,
             source=None, cancelled=None, nbCovers=2.5, тип="новый", staff={"name": "Ивана"},
             newObject={"deep": [{"er": True}]}),
        at(9), "4.00", "1.00",
    )  # fmt: skip
    good(
        sale(10, at(10), line("7", "0", currency="GBP", name="Crème brûlée 🍮",
             accountingGroup={"accountingGroupId": 2**62, "name": "デザート"})),
        at(10), "7.00", "0.00",
    )  # fmt: skip
    good(sale(11, at(11), type="FLOAT"), at(11), "0.00", "0.00", "FLOAT")  # no lines at all
    good(sale(12, at(12), type="TRANSFER", salesLines=None), at(12), "0.00", "0.00", "TRANSFER")
    others = ("VOID", "RECALL", "REFUND", "SPLIT", "UPDATE", "TRANSITORY", "CROSS_BL", "CANCEL")
    for n, kind in enumerate(others, 13):
        sign = "-" if kind in {"VOID", "REFUND", "CANCEL"} else ""
        good(
            sale(n, at(n), line(f"{sign}{n}.005", f"{sign}1", currency="GBP"), type=kind),
            at(n), f"{sign}{n}.00", f"{sign}1.00", kind,
        )  # fmt: skip
    good(sale(30, at(30), line("5.00", "1", currency="EUR")), at(30), "5.00", "1.00", "SALE", "EUR")
    aside = {
        "ref-40": "currenc", "ref-41": "amount", "ref-42": "timeClosed", "ref-43": "type",
        "ref-44": "salesLines", "ref-45": "timeClosed", "ref-46": "amount",
    }  # fmt: skip
    sales += [
        sale(40, at(40), line("1", currency="GBP"), line("1", currency="EUR")),
        sale(41, at(41), line("twelve")),
        sale(42, at(42), line()) | {"timeClosed": None},
        sale(43, at(43), line(), type="HAPPY_HOUR"),
        sale(44, at(44)) | {"salesLines": "none"},
        sale(45, "yesterday", line()),
        sale(
            46, at(46), line("1e2")
        ),  # not how Lightspeed writes amounts: better asked than guessed
    ]
    good(sale(50, at(50), line("9.99", "2.00")), at(50), "9.99", "2.00")
    return sales, rows, aside


def test_odd_sales_arrive_cent_for_cent_and_broken_ones_hold_up_nobody(tmp_path: Path):
    sales, wanted, aside = odd_sales()
    vendors = OddVendors({HARBOUR: sales, KYOTO: [], KUWAIT: []})
    with vendors:
        home = install_at(vendors, tmp_path, PLACES)
        first = home.call("once")
        again = home.call("once")
        listed = home.call("quarantine", "list", "--json")
        status = home.call("status", "--json")
    assert first.code == 3, first.err  # done, but the broken ones need a person
    assert again.code == 3
    assert Counter(vendors.posted) == Counter(wanted)
    reasons = {found["reference"]: found["reason"] for found in listed.json["sales"]}
    assert reasons.keys() == aside.keys()
    for reference, word in aside.items():
        assert word.casefold() in reasons[reference].casefold(), reasons[reference]
    place = status.json["locations"][0]
    assert (place["seen"], place["posted"], place["quarantined"]) == (
        len(sales), len(wanted), len(aside),
    )  # fmt: skip
    assert place["cursor"] is not None  # the broken ones do not stop the reading either


def test_currencies_have_their_own_minor_units(tmp_path: Path):
    vendors = OddVendors({
        HARBOUR: [sale(1, at(1), line("2.675", "0.005"))],
        KYOTO: [sale(1, at(1), line("1234.5", "123.5")), sale(2, at(2), line("1235.5", "0.4"))],
        KUWAIT: [sale(1, at(1), line("0.0005", "0.0015"))],
    })  # fmt: skip
    with vendors:
        assert install_at(vendors, tmp_path, PLACES).call("once").code == 0
    assert Counter(vendors.posted) == Counter([
        row(HARBOUR, at(1), "2.68", "0.00"), row(KYOTO, at(1), "1234", "124"),
        row(KYOTO, at(2), "1236", "0"), row(KUWAIT, at(1), "0.000", "0.002"),
    ])  # fmt: skip
    assert vendors.requests["post"] == 1  # locations share a request where that saves one


def test_two_locations_may_feed_one(tmp_path: Path):
    places = PLACES | {KYOTO: (123, "Europe/London", "GBP")}
    sales = {HARBOUR: [sale(1, at(1), line())], KYOTO: [sale(1, at(1), line())], KUWAIT: []}
    with OddVendors(sales) as vendors:
        assert install_at(vendors, tmp_path, places).call("once").code == 0
        assert vendors.posted == [row(HARBOUR, at(1), "1.00", "0.20")] * 2


def test_reading_goes_on_from_the_date_that_lightspeed_names(tmp_path: Path):
    with OddVendors({HARBOUR: [sale(1, at(1), line())], KYOTO: [], KUWAIT: []}) as vendors:
        vendors.earliest = BEGIN - timedelta(hours=1)
        home = install_at(vendors, tmp_path, {HARBOUR: PLACES[HARBOUR]})
        done = home.call("once")
        assert done.code == 0, done.err
        assert len(vendors.posted) == 1


@pytest.mark.parametrize(
    "body", [b"<html>Maintenance</html>", b"", b"[]", b'{"sales": 3}'], ids=repr
)
def test_a_page_that_is_none_leaves_the_cursor_and_posts_what_was_read(tmp_path: Path, body: bytes):
    harbour = [sale(n, at(n), line(f"{n + 1}")) for n in range(150)]
    with OddVendors({HARBOUR: harbour}) as vendors:
        vendors.broken_pages[2] = body
        home = install_at(vendors, tmp_path, {HARBOUR: PLACES[HARBOUR]})
        done = home.call("once")
        assert done.code == 69, done.err
        assert "Lightspeed" in done.words
        place = home.status()["locations"][0]
        assert place["cursor"] is None
        assert "answer" in place["last_error"]
        assert place["posted"] == len(vendors.posted) == 100
        assert home.call("once").code == 0
        assert len(vendors.posted) == 150


def test_a_token_that_does_not_advance_is_said_and_moves_no_cursor(tmp_path: Path):
    # 150 sales of one millisecond, and a token that is just that stamp: it leads nowhere.
    harbour = [sale(n, at(0), line(f"{n + 1}")) for n in range(150)]
    with OddVendors({HARBOUR: harbour}, "stamp-inclusive") as vendors:
        home = install_at(vendors, tmp_path, {HARBOUR: PLACES[HARBOUR]})
        done = home.call("once")
        assert done.code == 69
        assert "token" in done.words
        assert home.status()["locations"][0]["cursor"] is None
