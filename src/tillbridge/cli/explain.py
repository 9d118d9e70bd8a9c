"""`explain SALE`: from Lightspeed's lines to the transaction's id, as arithmetic.

For a person who has to defend a figure. The lines are read again from Lightspeed, because the
ledger keeps only their sums; if that is not possible now, that is said and the rest is told.
"""

import os
import re
from datetime import date, datetime, timedelta
from typing import Any

from tillbridge.breakdown import Breakdown, break_down, rule_sentences
from tillbridge.cli.explain_text import print_story
from tillbridge.cli.options import Common, print_json
from tillbridge.cli.state import open_ledger
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.days import from_epoch_ms
from tillbridge.errors import TillbridgeError, UsageError
from tillbridge.ledger import history, locations, rulebook
from tillbridge.ledger.history import SaleRow
from tillbridge.ledger.store import Ledger
from tillbridge.mapper import Rules
from tillbridge.money import minor_digits, minor_text
from tillbridge.record import record_of
from tillbridge.sale import Quarantined, Sale, Skipped, Transaction
from tillbridge.sides import lightspeed_client

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def explain(
    common: Common, what: str, names: list[str], *, as_json: bool, ledger_only: bool
) -> int:
    """A sale, or a location's day."""
    if _DAY.fullmatch(what):
        from tillbridge.cli.explain_day import explain_day

        return explain_day(common, _day(what), names, as_json=as_json)
    if names:
        raise UsageError("--location goes with a day.", f"Leave it out to explain sale {what}.")
    return _explain_sale(common, what, as_json=as_json, ledger_only=ledger_only)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"There is no day {text}.", "Write it as YYYY-MM-DD.") from None


def _explain_sale(common: Common, key: str, *, as_json: bool, ledger_only: bool) -> int:
    config = common.load()
    ledger = open_ledger(common)
    try:
        with ledger.view() as view:
            told = [(row, history.tell(view, row)) for row in history.find(view, key)]
            rules = {row.id: rulebook.find(view, row.rules) for row, _ in told}
            places = {row.id: row.lightspeed_id for row in locations.every(view)}
        stories = [
            _complete(row, story, rules[row.id], config)
            | _lines(config, ledger, row, places[row.location_id], rules[row.id],
                     ledger_only=ledger_only)
            for row, story in told
        ]  # fmt: skip
    finally:
        ledger.close()
    if not stories:
        raise UsageError(
            f"The ledger has no sale {key!r}.",
            "Give its accountReference, accountFiscId, receipt or transaction id; or a day, as "
            "YYYY-MM-DD.",
        )
    if as_json:
        print_json({"schema": 1, "sales": stories})
    else:
        for story in stories:
            print_story(story)
    return 0


def _complete(
    row: SaleRow, story: dict[str, Any], rules: Rules | None, config: Config
) -> dict[str, Any]:
    """The ledger's story with amounts as decimal text, the location's time and its rules."""
    place = next((p for p in config.locations if p.name == story["location"]), None)
    zone = rules.zone if rules else place.timezone if place else None
    closed = None if row.closed_ms is None or zone is None else from_epoch_ms(row.closed_ms)
    story["closed_local"] = (
        None if closed is None else closed.astimezone(zone).isoformat(timespec="milliseconds")
    )
    story["rules_settings"] = _settings(rules) if rules else None
    story["rules_words"] = rule_sentences(rules) if rules else None
    for request in story["requests"]:
        request["total"] = minor_text(request["total"], minor_digits(request["currency"]))
    if story["amount"] is None:
        return story
    digits = minor_digits(story["currency"])
    for event in story["events"]:
        event["detail"] = _detail_as_text(event["detail"], digits)
    return story | {name: minor_text(story[name], digits) for name in ("amount", "tax_amount")}


def _settings(rules: Rules) -> dict[str, Any]:
    """The rules as values; elsewhere in the document `service_charge` is an amount."""
    settings = rulebook.settings_of(rules)
    return {"with_service_charge": settings.pop("service_charge")} | settings


def _detail_as_text(detail: dict[str, Any] | None, digits: int) -> dict[str, Any] | None:
    amounts = ("amount", "amount_before", "total")
    return {
        name: minor_text(value, digits) if name in amounts and isinstance(value, int) else value
        for name, value in (detail or {}).items()
    } or None


def _lines(
    config: Config,
    ledger: Ledger,
    row: SaleRow,
    lightspeed_id: int,
    rules: Rules | None,
    *,
    ledger_only: bool,
) -> dict[str, Any]:
    """Lightspeed's lines as they are now, and the arithmetic; or why they cannot be shown."""
    absent: dict[str, Any] = {"lines": None, "arithmetic": None, "changed_since": None}
    if ledger_only:
        return absent | {"lines_missing": "they were not asked for (--ledger-only)"}
    if row.closed_ms is None:
        return absent | {"lines_missing": "the sale has no closing time to look it up by"}
    try:
        sale = _read_again(config, ledger, row, lightspeed_id)
    except TillbridgeError as error:
        return absent | {"lines_missing": error.message}
    if sale is None:
        return absent | {"lines_missing": "Lightspeed does not list the sale at that time any more"}
    if rules is None:
        return absent | {"lines_missing": f"the rules {row.rules} are not in the ledger's book"}
    return {"lines_missing": None} | _told(break_down(sale, rules), row, sale, rules)


def _read_again(config: Config, ledger: Ledger, row: SaleRow, lightspeed_id: int) -> Sale | None:
    pages = lightspeed_client(config, ledger.path, os.environ, SystemClock())
    margin = timedelta(milliseconds=1)
    closed: datetime = from_epoch_ms(row.closed_ms)
    token: str | None = None
    for _ in range(20):  # a thousand sales in one millisecond are no restaurant's
        page = pages.sales_page(lightspeed_id, closed - margin, closed + margin, token)
        for sale in page.sales:
            nameless = not sale.reference and sale.fisc_id == row.fisc_id
            if sale.reference == row.reference or nameless:
                return sale
        token = page.next_token
        if not token:
            break
    return None


def _told(found: Breakdown, row: SaleRow, sale: Sale, rules: Rules) -> dict[str, Any]:
    return {
        "lines": [
            {
                "number": line.number,
                "group": line.group,
                "net": f"{line.net:f}",
                "tax": f"{line.tax:f}",
                "service_charge": f"{line.service_charge:f}",
                "left_out": line.left_out,
            }
            for line in found.lines
        ],
        "arithmetic": {
            "steps": [
                {"words": step.words, "net": f"{step.net:f}", "tax": f"{step.tax:f}"}
                for step in found.steps
            ],
            "net": f"{found.net:f}",
            "tax": f"{found.tax:f}",
            **_result(found.result),
        },
        "changed_since": record_of(sale, rules).digest != row.digest,
    }


def _result(result: Transaction | Skipped | Quarantined) -> dict[str, str | None]:
    if not isinstance(result, Transaction):
        return {"rounded": None, "rounded_tax": None, "not_sent": result.reason}
    digits = minor_digits(result.currency)
    rounded, tax = minor_text(result.amount, digits), minor_text(result.tax, digits)
    return {"rounded": rounded, "rounded_tax": tax, "not_sent": None}
