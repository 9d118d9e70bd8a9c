"""Which reports are one sale. A sale may come first without an accountReference and later with
one, or the other way round; the till's own number and the opening time then tell.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update

from tillbridge.ledger.schema import sale
from tillbridge.record import FISC_PREFIX, Record

KnownRow = Row[*tuple[Any, ...]]

known = select(
    sale.c.id,
    sale.c.reference,
    sale.c.fisc_id,
    sale.c.opened_ms,
    sale.c.digest,
    sale.c.state,
    sale.c.part_id,
    sale.c.connecteam_id,
    sale.c.sale_type,
    sale.c.created_at,
    sale.c.amount,
    sale.c.tax_amount,
    sale.c.currency,
)
"""What must be known of a sale to compare it with a new report."""


def find_known(
    commit: Connection, location_id: int, records: dict[str, Record]
) -> dict[str, KnownRow]:
    """The ledger's rows for these sales, by the reference that the records use."""
    here = known.where(sale.c.location_id == location_id)
    rows = commit.execute(here.where(sale.c.reference.in_(list(records))))
    found: dict[str, KnownRow] = {row.reference: row for row in rows}
    missing = [record for ref, record in records.items() if ref not in found and record.fisc_id]
    nameless = [record for record in missing if _is_keyless(record.reference)]
    if nameless:
        found.update(_nameless(commit, here, nameless))
    named = [record for record in missing if record not in nameless]
    if named:
        found.update(_named(commit, here, named))
    return found


def _nameless(
    commit: Connection, here: Select[Any], records: Sequence[Record]
) -> dict[str, KnownRow]:
    """Reports without a reference of sales that are known, with or without one."""
    rows = commit.execute(here.where(sale.c.fisc_id.in_([r.fisc_id for r in records])))
    by_account = {(row.fisc_id, row.opened_ms): row for row in rows}
    matches = {r.reference: by_account.get((r.fisc_id, r.opened_ms)) for r in records}
    return {reference: row for reference, row in matches.items() if row is not None}


def _named(commit: Connection, here: Select[Any], records: Sequence[Record]) -> dict[str, KnownRow]:
    """Reports with a reference of sales that came without one before: they have it from now on."""
    # A till that was reset uses its numbers again, so one page may hold a number twice.
    by_account = {(record.fisc_id, record.opened_ms): record for record in records}
    found: dict[str, KnownRow] = {}
    for row in _without_reference(commit, here, records):
        same = by_account.get((row.fisc_id, row.opened_ms))
        if same is not None:
            commit.execute(update(sale).where(sale.c.id == row.id).values(reference=same.reference))
            found[same.reference] = row
    return found


def _without_reference(
    commit: Connection, here: Select[Any], records: Sequence[Record]
) -> Sequence[KnownRow]:
    # ';' follows ':' in ASCII: the range holds just the keys made of a till's number.
    keys = here.where(sale.c.reference >= FISC_PREFIX, sale.c.reference < "fisc;")
    numbers = {record.fisc_id for record in records}
    return commit.execute(keys.where(sale.c.fisc_id.in_(numbers))).all()


def _is_keyless(reference: str) -> bool:
    return reference.startswith(FISC_PREFIX)


def unclear(
    commit: Connection, location_id: int, records: Sequence[Record]
) -> dict[str, list[KnownRow]]:
    """New sales that may be known ones: the till's number is the same, one of the two has no
    accountReference, and an opening time that would tell is missing.

    Returns:
        {reference of the record: the rows that it may be}.
    """
    here = known.where(sale.c.location_id == location_id)
    numbered = [record for record in records if record.fisc_id]
    blind = [record for record in numbered if record.opened_ms is None]
    rows = list(_without_reference(commit, here, numbered)) if numbered else []
    if blind:
        numbers = {record.fisc_id for record in blind}
        rows += commit.execute(here.where(sale.c.fisc_id.in_(numbers))).all()
    found: dict[str, list[KnownRow]] = {}
    for record in numbered:
        for row in rows:
            keyless = _is_keyless(record.reference) or _is_keyless(row.reference)
            untold = record.opened_ms is None or row.opened_ms is None
            if row.fisc_id == record.fisc_id and keyless and untold:
                found.setdefault(record.reference, []).append(row)
    return found
