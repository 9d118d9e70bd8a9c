"""What the ledger keeps of a sale: made of the wire's sale and the mapper's answer. Pure.

Only what is needed is kept: ids, times, type, exact sums, a digest, and the transaction to send.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from tillbridge.days import epoch_ms
from tillbridge.mapper import Rules, map_sale, summarise
from tillbridge.money import plain_text
from tillbridge.sale import Quarantined, Sale, Skipped, Transaction
from tillbridge.states import SaleState

FISC_PREFIX = "fisc:"
"""Begins the key of a sale that has no accountReference yet; `:` is in no real reference."""


_WAITING = SaleState.WAITING.value
"""Nearly every sale's; looking a member up takes an enumeration longer than making a sum."""


class Record(NamedTuple):
    """One row of the ledger's `sale` table as it comes from Lightspeed; see there for units."""

    reference: str
    fisc_id: str | None
    receipt_id: str | None
    opened_ms: int | None
    closed_ms: int | None
    source_type: str | None
    net: str | None
    tax: str | None
    service_charge: str | None
    digest: bytes
    rules: str
    connecteam_id: int
    sale_type: str | None
    created_at: int | None
    amount: int | None
    tax_amount: int | None
    currency: str | None
    state: str
    reason: str | None
    kept: Mapping[str, Any] | None

    @property
    def transaction(self) -> tuple[Any, ...]:
        """What Connecteam would be told; equal for two records that differ in nothing it sees."""
        return (
            self.state == SaleState.WAITING,
            self.sale_type,
            self.created_at,
            self.amount,
            self.tax_amount,
            self.currency,
        )


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A sale that the wire could not read: where, why, and what could be read of it."""

    place: str
    reason: str
    reference: str | None
    fisc_id: str | None
    kept: Mapping[str, Any]


def record_of(sale: Sale, rules: Rules) -> Record:
    """Summarise and map one sale."""
    summary = summarise(sale)
    if isinstance(summary, Quarantined):
        return _record_of_unclear(sale, summary.reason, rules)
    opened, fisc_id = sale.opened, _storable(sale.fisc_id)
    opened_ms = epoch_ms(opened) if opened else None
    reference = _key(_storable(sale.reference), fisc_id, opened_ms, summary.digest)
    answer = map_sale(summary, rules)
    if isinstance(answer, Transaction) and reference.startswith("digest:"):
        # Two such sales with the same content could not be told apart, so a person must look.
        answer = Quarantined("the sale has no accountReference and no accountFiscId")
    sale_type = created_at = amount = tax_amount = currency = reason = kept = None
    if isinstance(answer, Transaction):
        state = _WAITING
        _, sale_type, created_at, amount, tax_amount, currency = answer
    elif isinstance(answer, Skipped):
        state, reason = SaleState.SKIPPED, answer.reason
    else:
        state, reason, kept = SaleState.QUARANTINED, answer.reason, _kept(sale)
    total = summary.total
    # What `Record(...)` does, in half the time: that is a function of Python with twenty arguments.
    return tuple.__new__(
        Record,
        (
            reference,
            fisc_id,
            _storable(sale.receipt_id),
            opened_ms,
            summary.closed_ms,
            summary.type,
            plain_text(total.net),
            plain_text(total.tax),
            plain_text(total.service_charge),
            summary.digest,
            rules.version,
            rules.connecteam_id,
            sale_type,
            created_at,
            amount,
            tax_amount,
            currency,
            state,
            reason,
            kept,
        ),
    )


def _record_of_unclear(sale: Sale, reason: str, rules: Rules) -> Record:
    """A sale that cannot be added up goes to quarantine with all that was read of it."""
    kept = _kept(sale)
    return _set_aside(
        kept,
        reason,
        rules,
        reference=sale.reference,
        fisc_id=sale.fisc_id,
        receipt_id=sale.receipt_id,
        opened_ms=epoch_ms(sale.opened) if sale.opened else None,
        closed_ms=epoch_ms(sale.closed) if sale.closed else None,
        source_type=sale.type,
    )


def record_of_undecodable(broken: Undecodable, rules: Rules) -> Record:
    """A sale that could not be read goes to quarantine with its place and what was read of it."""
    reason = f"{broken.place}: {broken.reason}"
    return _set_aside(
        broken.kept, reason, rules, reference=broken.reference, fisc_id=broken.fisc_id
    )


def _set_aside(
    kept: Mapping[str, Any],
    reason: str,
    rules: Rules,
    *,
    reference: str | None,
    fisc_id: str | None,
    receipt_id: str | None = None,
    opened_ms: int | None = None,
    closed_ms: int | None = None,
    source_type: str | None = None,
) -> Record:
    digest = _digest(kept)
    fisc_id = _storable(fisc_id)
    return Record(
        reference=_key(_storable(reference), fisc_id, opened_ms, digest),
        fisc_id=fisc_id,
        receipt_id=_storable(receipt_id),
        opened_ms=opened_ms,
        closed_ms=closed_ms,
        source_type=source_type,
        net=None,
        tax=None,
        service_charge=None,
        digest=digest,
        rules=rules.version,
        connecteam_id=rules.connecteam_id,
        sale_type=None,
        created_at=None,
        amount=None,
        tax_amount=None,
        currency=None,
        state=SaleState.QUARANTINED,
        reason=reason,
        kept=kept,
    )


def _key(reference: str | None, fisc_id: str | None, opened_ms: int | None, digest: bytes) -> str:
    if reference:
        return reference
    if fisc_id:
        # A till that is reset numbers its accounts anew; the opening time tells them apart.
        return f"{FISC_PREFIX}{fisc_id}@{opened_ms if opened_ms is not None else '?'}"
    return f"digest:{digest.hex()}"


def _storable(name: str | None) -> str | None:
    """A name as it can be looked up again: SQLite's JSON ends a text at a zero character."""
    return name.replace("\0", "\ufffd") if name else None


def _digest(kept: Mapping[str, Any]) -> bytes:
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode(), digest_size=16).digest()


def _kept(sale: Sale) -> dict[str, Any]:
    """The fields that tillbridge reads, as they came, so that the sale can be tried again."""
    return {
        "reference": sale.reference,
        "fisc_id": sale.fisc_id,
        "receipt_id": sale.receipt_id,
        "opened": sale.opened.isoformat() if sale.opened else None,
        "closed": sale.closed.isoformat() if sale.closed else None,
        "type": sale.type,
        "lines": [
            {
                "net": line.net,
                "gross": line.gross,
                "tax": line.tax,
                "service_charge": line.service_charge,
                "currency": line.currency,
                "group": [line.group.name, line.group.code] if line.group else None,
            }
            for line in sale.lines or ()
        ],
    }
