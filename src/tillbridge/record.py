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
from tillbridge.sale import Quarantined, Sale, Skipped, Summary, Transaction
from tillbridge.states import SaleState

FISC_PREFIX = "fisc:"
"""Begins the key of a sale that has no accountReference yet; `:` is in no real reference."""


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
    answer = summary if isinstance(summary, Quarantined) else map_sale(summary, rules)
    known = summary if isinstance(summary, Summary) else None
    reason = None if isinstance(answer, Transaction) else answer.reason
    opened_ms = epoch_ms(sale.opened) if sale.opened else None
    kept = _kept(sale) if isinstance(answer, Quarantined) else None
    digest = known.digest if known else _digest(kept)
    fisc_id = _storable(sale.fisc_id)
    reference = _key(_storable(sale.reference), fisc_id, opened_ms, digest)
    if reference.startswith("digest:") and isinstance(answer, Transaction):
        # Two such sales with the same content could not be told apart, so a person must look.
        reason = "the sale has no accountReference and no accountFiscId"
        kept = _kept(sale)
        answer = Quarantined(reason)
    total = known.total if known else None
    sent = answer if isinstance(answer, Transaction) else None
    return Record(
        reference,
        fisc_id,
        _storable(sale.receipt_id),
        opened_ms,
        _closed_ms(sale, known),
        sale.type,
        None if total is None else plain_text(total.net),
        None if total is None else plain_text(total.tax),
        None if total is None else plain_text(total.service_charge),
        digest,
        rules.version,
        rules.connecteam_id,
        sent and sent.sale_type,
        sent and sent.created_at,
        sent and sent.amount,
        sent and sent.tax,
        sent and sent.currency,
        _state(answer),
        reason,
        kept,
    )


def _closed_ms(sale: Sale, known: Summary | None) -> int | None:
    if known is not None:
        return known.closed_ms
    return epoch_ms(sale.closed) if sale.closed else None


def record_of_undecodable(broken: Undecodable, rules: Rules) -> Record:
    """A sale that could not be read goes to quarantine with its place and what was read of it."""
    digest = _digest(broken.kept)
    fisc_id = _storable(broken.fisc_id)
    return Record(
        reference=_key(_storable(broken.reference), fisc_id, None, digest),
        fisc_id=fisc_id,
        receipt_id=None,
        opened_ms=None,
        closed_ms=None,
        source_type=None,
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
        reason=f"{broken.place}: {broken.reason}",
        kept=broken.kept,
    )


def _state(answer: Transaction | Skipped | Quarantined) -> SaleState:
    match answer:
        case Transaction():
            return SaleState.WAITING
        case Skipped():
            return SaleState.SKIPPED
        case Quarantined():
            return SaleState.QUARANTINED


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


def _digest(kept: Mapping[str, Any] | None) -> bytes:
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
