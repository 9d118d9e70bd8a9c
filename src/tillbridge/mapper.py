"""Sale -> transaction: why this amount, this sign, this type. Pure.

Two steps. `summarise` adds a sale up exactly as Lightspeed reported it; `map_sale` applies the
rules of the configuration to that. Sources: Lightspeed's reference for K-Series sales (amounts
are after discounts, a voided item is an extra negative line, a child line has its own amount),
Connecteam's reference for transactions (whole seconds, amount before tax).
"""

from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from functools import cached_property, lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

from tillbridge.days import epoch_ms, epoch_s, evening_stamp
from tillbridge.money import (
    UnknownCurrency,
    UnreadableAmount,
    minor_digits,
    parse_amount,
    plain_text,
    to_minor,
)
from tillbridge.sale import (
    MANUAL,
    GroupName,
    Quarantined,
    Sale,
    SaleLine,
    SaleType,
    Skipped,
    Summary,
    Sums,
    Transaction,
    add_up,
)

RULES_VERSION = 1
"""Raised whenever the code of this module would map the same sale differently."""

_KNOWN_TYPES = frozenset(SaleType)
_ZERO = Decimal(0)
_NO_GROUP = GroupName()


@dataclass(frozen=True)
class Rules:
    """What the configuration decides for one location.

    Attributes:
        connecteam_id: the Connecteam location that the sales go to.
        currency: used where no line names one.
        zone: the location's time zone.
        day_starts_at: local time at which a business day begins.
        evening_date: stamp sales closed before `day_starts_at` on the evening's date.
        service_charge: add the lines' old-style service charge to the net amount.
        unknown_as_manual: send an unknown type as MANUAL instead of setting it aside.
        skip_types: types that are left out, upper case.
        skip_groups: accounting groups that are left out, names or codes, case-folded.
    """

    connecteam_id: int
    currency: str
    zone: ZoneInfo
    day_starts_at: time = time(5)
    evening_date: bool = False
    service_charge: bool = False
    unknown_as_manual: bool = False
    skip_types: frozenset[str] = field(default_factory=frozenset)
    skip_groups: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def version(self) -> str:
        """Names this set of rules: the code's version and a fingerprint of the settings."""
        settings = (
            self.connecteam_id,
            self.currency,
            self.zone.key,
            self.day_starts_at.isoformat(),
            self.evening_date,
            self.service_charge,
            self.unknown_as_manual,
            sorted(self.skip_types),
            sorted(self.skip_groups),
        )
        return f"{RULES_VERSION}-{blake2b(repr(settings).encode(), digest_size=4).hexdigest()}"


def summarise(sale: Sale) -> Summary | Quarantined:
    """Add a sale up as it came; or say why that cannot be done."""
    if sale.closed is None:
        return Quarantined("the sale has no closing time (timeClosed)")
    if not sale.type:
        return Quarantined("the sale has no type")
    added: dict[GroupName, _Added] = {}
    currencies: set[str] = set()
    for index, line in enumerate(sale.lines or ()):
        group = line.group
        name = _NO_GROUP if group is None else _named(group.name, group.code)
        sums = added.get(name)
        if sums is None:
            sums = added[name] = _Added()
        try:
            _add(line, sums)
        except _UnreadableField as problem:
            return Quarantined(f"salesLines[{index}].{problem.args[0]}")
        if line.currency:
            currencies.add(line.currency)
    groups = {name: Sums(sums.net, sums.tax, sums.service_charge) for name, sums in added.items()}
    codes = {code for currency in currencies if (code := currency.strip().upper())}
    if len(codes) > 1:
        return Quarantined(f"the sale has more than one currency: {', '.join(sorted(codes))}")
    currency = codes.pop() if codes else None
    closed_ms = epoch_ms(sale.closed)
    total = next(iter(groups.values())) if len(groups) == 1 else add_up(groups.values())
    digest = _digest(sale.type, closed_ms, groups, currency)
    return Summary(sale.type, sale.closed, closed_ms, groups, total, currency, digest)


def map_sale(summary: Summary, rules: Rules) -> Transaction | Skipped | Quarantined:
    """Apply the rules of a location: one transaction, or why there is none."""
    sale_type = summary.type
    if sale_type in rules.skip_types:
        return Skipped(f"sales of type {sale_type} are left out by the configuration")
    if sale_type not in _KNOWN_TYPES:
        if not rules.unknown_as_manual:
            return Quarantined(f"the type {sale_type[:40]!r} is not one that Connecteam knows")
        sale_type = MANUAL
    currency = summary.currency or rules.currency
    try:
        digits = minor_digits(currency)
    except UnknownCurrency:
        return Quarantined(f"{currency[:12]!r} is not a currency of ISO 4217")
    kept = _kept(summary, rules)
    net = kept.net + kept.service_charge if rules.service_charge else kept.net
    created_at = summary.closed_ms // 1000
    if rules.evening_date:
        created_at = epoch_s(evening_stamp(summary.closed, rules.zone, rules.day_starts_at))
    return Transaction(
        location_id=rules.connecteam_id,
        sale_type=sale_type,
        created_at=created_at,
        amount=to_minor(net, digits),
        tax=to_minor(kept.tax, digits),
        currency=currency,
    )


def _kept(summary: Summary, rules: Rules) -> Sums:
    if not rules.skip_groups:
        return summary.total
    kept = (sums for group, sums in summary.groups.items() if not is_skipped_group(group, rules))
    return add_up(kept)


def is_skipped_group(group: GroupName, rules: Rules) -> bool:
    """Whether the rules leave an accounting group out, by its name or its code."""
    return group.name.casefold() in rules.skip_groups or group.code.casefold() in rules.skip_groups


class _UnreadableField(Exception):
    """Carries `field: reason`."""


class _Added:
    """Sums as they grow, line by line."""

    __slots__ = ("net", "service_charge", "tax")

    def __init__(self) -> None:
        self.net = self.tax = self.service_charge = _ZERO


def _add(line: SaleLine, sums: _Added) -> None:
    net, tax, service_charge = line.net, line.tax, line.service_charge
    try:
        if net is not None:
            sums.net += parse_amount(net)
        if tax is not None:
            sums.tax += parse_amount(tax)
        if service_charge is not None:
            sums.service_charge += parse_amount(service_charge)
    except UnreadableAmount:
        raise _unreadable(line) from None
    if net is None and line.gross is not None and _amount(line.gross, "totalNetAmountWithTax"):
        # The line cost something, and what is missing is just the figure that counts.
        raise _UnreadableField("totalNetAmountWithoutTax: missing, though the line has an amount")


def _unreadable(line: SaleLine) -> "_UnreadableField":
    """Which of a line's amounts cannot be read."""
    try:
        _amount(line.net, "totalNetAmountWithoutTax")
        _amount(line.tax, "taxAmount")
        _amount(line.service_charge, "serviceCharge")
    except _UnreadableField as problem:
        return problem
    raise AssertionError(line)


def _amount(text: str | None, name: str) -> Decimal:
    if text is None:
        return _ZERO
    try:
        return parse_amount(text)
    except UnreadableAmount:
        raise _UnreadableField(f"{name}: {text[:40]!r} is not an amount") from None


@lru_cache(maxsize=1024)
def _named(name: str | None, code: str | None) -> GroupName:
    return GroupName((name or "").strip(), (code or "").strip())


def _digest(
    sale_type: str, closed_ms: int, groups: dict[GroupName, Sums], currency: str | None
) -> bytes:
    # Names with their lengths, so that no two sales of different content make one text.
    rows = [
        f"{len(name)}:{name},{len(code)}:{code},{plain_text(sums.net)},{plain_text(sums.tax)},"
        f"{plain_text(sums.service_charge)}"
        for (name, code), sums in groups.items()
    ]
    rows.sort()
    content = f"{len(sale_type)}:{sale_type},{closed_ms},{currency};{';'.join(rows)}"
    return blake2b(content.encode(), digest_size=16).digest()
