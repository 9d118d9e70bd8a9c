"""What a sale is, for the mapper: the shape it reads, and the values it makes of it.

`Sale`, `SaleLine` and `AccountingGroup` are the shapes of what Lightspeed reports (an *account*);
the wire models have them. `Summary` is a sale added up exactly as it came, before any rule of
ours. `Transaction` is what Connecteam is to hold for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from msgspec import Struct


class SaleType(StrEnum):
    """Lightspeed's types of account; Connecteam takes the same words."""

    SALE = "SALE"
    VOID = "VOID"
    RECALL = "RECALL"
    REFUND = "REFUND"
    SPLIT = "SPLIT"
    UPDATE = "UPDATE"
    TRANSFER = "TRANSFER"
    FLOAT = "FLOAT"
    TRANSITORY = "TRANSITORY"
    CROSS_BL = "CROSS_BL"
    CANCEL = "CANCEL"


MANUAL = "MANUAL"
"""Connecteam's twelfth type; stands in for an unknown one where the configuration allows it."""


class AccountingGroup(Protocol):
    @property
    def id(self) -> int | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def code(self) -> str | None: ...


class SaleLine(Protocol):
    """Amounts are decimal strings, after discounts; `net` is before tax, `gross` with it."""

    @property
    def net(self) -> str | None: ...
    @property
    def gross(self) -> str | None: ...
    @property
    def tax(self) -> str | None: ...
    @property
    def service_charge(self) -> str | None: ...
    @property
    def currency(self) -> str | None: ...
    @property
    def group(self) -> AccountingGroup | None: ...


class Sale(Protocol):
    @property
    def reference(self) -> str | None: ...
    @property
    def fisc_id(self) -> str | None: ...
    @property
    def receipt_id(self) -> str | None: ...
    @property
    def opened(self) -> datetime | None: ...
    @property
    def closed(self) -> datetime | None: ...
    @property
    def type(self) -> str | None: ...
    @property
    def lines(self) -> Sequence[SaleLine] | None: ...


_ZERO = Decimal(0)


class Sums(Struct, frozen=True, gc=False):
    """Exact sums over lines: net without tax, tax, and old-style service charge."""

    net: Decimal
    tax: Decimal
    service_charge: Decimal


Triple = list[Decimal]
"""Net, tax and service charge of one accounting group, as they grow line by line."""


def add_up(groups: Iterable[Triple]) -> Sums:
    """The sum over accounting groups."""
    net = tax = service_charge = _ZERO
    for group_net, group_tax, group_service_charge in groups:
        net += group_net
        tax += group_tax
        service_charge += group_service_charge
    return Sums(net, tax, service_charge)


class GroupName(NamedTuple):
    """How a rule may name an accounting group."""

    name: str = ""
    code: str = ""


class Summary(Struct, frozen=True, gc=False):
    """A sale added up as it came; no rule of ours has touched it yet.

    Attributes:
        type: as reported.
        closed: `timeClosed`, aware.
        closed_ms: the same in milliseconds since the epoch, rounded down.
        groups: exact sums by accounting group.
        total: the sum of those.
        currency: the one that the lines name, or None where no line names any.
        digest: a hash of all of the above; two reports of a sale with the same digest say the
            same thing under every possible rule.
    """

    type: str
    closed: datetime
    closed_ms: int
    groups: Mapping[GroupName, Triple]
    total: Sums
    currency: str | None
    digest: bytes


class Transaction(NamedTuple):
    """One row of Connecteam's.

    Attributes:
        location_id: Connecteam's id.
        sale_type: one of the twelve types.
        created_at: whole seconds since the epoch, UTC.
        amount: net, in minor units of the currency, signed.
        tax: in minor units, signed.
        currency: ISO 4217.
    """

    location_id: int
    sale_type: str
    created_at: int
    amount: int
    tax: int
    currency: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Left out by configuration."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Cannot be sent as it is; the reason says why and where, for a person."""

    reason: str
