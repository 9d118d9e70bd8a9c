"""Which reports are one sale. A sale may come first without an accountReference and later with
one, or the other way round; the till's own number and the opening time then tell.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from tillbridge.ledger.schema import sale
from tillbridge.ledger.statements import Prepared, among, listed
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

_HERE = sale.c.location_id == bindparam("b_location")
# ';' follows ':' in ASCII: the range holds just the keys made of a till's number.
_KEYS = (_HERE, sale.c.reference >= FISC_PREFIX, sale.c.reference < "fisc;")
_NAMED = Prepared(
    known.where(_HERE, among(sale.c.reference, "b_references")), "b_location", "b_references"
)
_NUMBERED = known.where(_HERE, among(sale.c.fisc_id, "b_numbers"))
_KEYLESS = known.where(*_KEYS, among(sale.c.fisc_id, "b_numbers"))
_ANY_KEYLESS = Prepared(select(sale.c.id).where(*_KEYS).limit(1), "b_location")


def find_known(
    commit: Connection, location_id: int, records: dict[str, Record]
) -> dict[str, KnownRow]:
    """The ledger's rows for these sales, by the reference that the records use."""
    rows = _NAMED.named(commit, location_id, listed(records))
    found: dict[str, KnownRow] = {row.reference: row for row in rows}
    missing = [record for ref, record in records.items() if ref not in found and record.fisc_id]
    nameless = [record for record in missing if _is_keyless(record.reference)]
    if nameless:
        found.update(_nameless(commit, location_id, nameless))
    if len(nameless) < len(missing) and _has_keyless(commit, location_id):
        named = [record for record in missing if not _is_keyless(record.reference)]
        found.update(_named(commit, location_id, named))
    return found


def _has_keyless(commit: Connection, location_id: int) -> bool:
    """Whether any sale came without a reference; as nearly never."""
    return _ANY_KEYLESS.first(commit, location_id) is not None


def _nameless(
    commit: Connection, location_id: int, records: Sequence[Record]
) -> dict[str, KnownRow]:
    """Reports without a reference of sales that are known, with or without one."""
    rows = _numbered(commit, location_id, {r.fisc_id for r in records if r.fisc_id})
    by_account = {(row.fisc_id, row.opened_ms): row for row in rows}
    matches = {r.reference: by_account.get((r.fisc_id, r.opened_ms)) for r in records}
    return {reference: row for reference, row in matches.items() if row is not None}


def _named(commit: Connection, location_id: int, records: Sequence[Record]) -> dict[str, KnownRow]:
    """Reports with a reference of sales that came without one before: they have it from now on."""
    # A till that was reset uses its numbers again, so one page may hold a number twice.
    by_account = {(record.fisc_id, record.opened_ms): record for record in records}
    found: dict[str, KnownRow] = {}
    for row in _without_reference(commit, location_id, records):
        same = by_account.get((row.fisc_id, row.opened_ms))
        if same is not None:
            commit.execute(update(sale).where(sale.c.id == row.id).values(reference=same.reference))
            found[same.reference] = row
    return found


def _without_reference(
    commit: Connection, location_id: int, records: Sequence[Record]
) -> Sequence[KnownRow]:
    numbers = listed({record.fisc_id for record in records if record.fisc_id})
    return commit.execute(_KEYLESS, {"b_location": location_id, "b_numbers": numbers}).all()


def _numbered(commit: Connection, location_id: int, numbers: set[str]) -> Sequence[KnownRow]:
    parameters = {"b_location": location_id, "b_numbers": listed(numbers)}
    return commit.execute(_NUMBERED, parameters).all()


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
    numbered = [record for record in records if record.fisc_id]
    blind = [record for record in numbered if record.opened_ms is None]
    rows: list[KnownRow] = []
    if numbered and _has_keyless(commit, location_id):
        rows += _without_reference(commit, location_id, numbered)
    if blind:
        rows += _numbered(commit, location_id, {r.fisc_id for r in blind if r.fisc_id})
    found: dict[str, list[KnownRow]] = {}
    for record in numbered if rows else ():
        for row in rows:
            keyless = _is_keyless(record.reference) or _is_keyless(row.reference)
            untold = record.opened_ms is None or row.opened_ms is None
            if row.fisc_id == record.fisc_id and keyless and untold:
                found.setdefault(record.reference, []).append(row)
    return found
