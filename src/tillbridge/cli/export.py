"""`export`: the ledger's sales of a period, as CSV for a spreadsheet or as one JSON document.

Rows are written as they are read, so that years of them need no memory. Amounts are plain decimal
numbers; a text that a spreadsheet would take for a formula is disarmed.
"""

import csv
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, Any

from tillbridge.cli.options import Common, counted, say
from tillbridge.cli.periods import bounds, chosen
from tillbridge.cli.state import open_ledger
from tillbridge.config import Config, Location
from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.errors import UsageError
from tillbridge.ledger import history, locations
from tillbridge.ledger.history import SaleRow
from tillbridge.ledger.status import iso
from tillbridge.ledger.store import Ledger
from tillbridge.money import minor_digits, minor_text

COLUMNS = (
    "location", "reference", "account", "receipt", "type", "closed", "closed_local", "net_exact",
    "tax_exact", "service_charge_exact", "state", "reason", "connecteam_location", "sale_type",
    "stamped", "amount", "tax_amount", "currency", "transaction_id", "batch", "request_id",
    "rules", "seen",
)  # fmt: skip
_WORDS = ("location", "reason")
"""Free text; ids stay as they are, even those that begin with a dash."""

Days = tuple[date | None, date | None]


def export(
    common: Common, days: Days, names: list[str], output: Path | None, *, as_json: bool
) -> int:
    """Write the sales of the period; returns the exit code."""
    config = common.load(as_owner=False)
    ledger = open_ledger(common)
    try:
        rows = _rows(ledger, config, days, names)
        with _target(output) as file:
            count = _write_json(file, rows) if as_json else _write_csv(file, rows)
    except BrokenPipeError:
        # The reader, `head` perhaps, has seen enough. Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        ledger.close()
    say(f"{counted(count, 'sale')} written.")
    return 0


@contextmanager
def _target(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        # Sales are nobody else's business, and a file that is there is never lost by a slip.
        handle = os.open(output, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise UsageError(
            f"{output} cannot be made: {error.strerror}.", "Name a file that does not exist yet."
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        yield file


def _rows(ledger: Ledger, config: Config, days: Days, names: list[str]) -> Iterator[dict[str, Any]]:
    for place in chosen(config, names):
        start, end = bounds(place, days)
        start_ms, end_ms = epoch_ms(start), epoch_ms(end)
        with ledger.view() as view:
            row = locations.by_lightspeed_id(view, place.lightspeed_id)
            if row is None:
                continue
            for sale in history.in_period(view, row.id, start_ms, end_ms):
                if sale.closed_ms < end_ms:
                    yield _told(sale, place, sale.batch_id, sale.request_id)
            if days[0] is None:
                for sale in history.without_time(view, row.id):
                    yield _told(sale, place, None, None)


def _told(
    row: SaleRow, place: Location, batch_id: int | None, request_id: str | None
) -> dict[str, Any]:
    digits = None if row.currency is None else minor_digits(row.currency)
    local = None
    if row.closed_ms is not None:
        local = from_epoch_ms(row.closed_ms).astimezone(place.timezone)
    values = (
        place.name, row.reference, row.fisc_id, row.receipt_id, row.source_type,
        iso(row.closed_ms), None if local is None else local.isoformat(timespec="milliseconds"),
        row.net, row.tax, row.service_charge, row.state, row.reason, row.connecteam_id,
        row.sale_type, None if row.created_at is None else iso(row.created_at * 1000),
        None if digits is None else minor_text(row.amount, digits),
        None if digits is None else minor_text(row.tax_amount, digits),
        row.currency, row.transaction_id, batch_id, request_id, row.rules, iso(row.seen_ms),
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _write_csv(file: IO[str], rows: Iterator[dict[str, Any]]) -> int:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    count = 0
    for count, row in enumerate(rows, start=1):  # noqa: B007  # the last number is the count
        writer.writerow({k: _disarmed(v) if k in _WORDS else v for k, v in row.items()})
    return count


def _disarmed(value: object) -> object:
    """A text that a spreadsheet would run as a formula begins with an apostrophe."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _write_json(file: IO[str], rows: Iterator[dict[str, Any]]) -> int:
    file.write('{"schema": 1, "sales": [')
    count = 0
    for count, row in enumerate(rows, start=1):
        file.write(",\n" if count > 1 else "\n")
        file.write(json.dumps(row, ensure_ascii=False))
    file.write("\n]}\n")
    return count
