"""Sale -> transaction: why this amount, this sign, this type. Pure.

Two steps. `summarise` adds a sale up exactly as Lightspeed reported it; `map_sale` applies the
rules of the configuration to that. Sources: Lightspeed's reference for K-Series sales (amounts
are after discounts, a voided item is an extra negative line, a child line has its own amount),
Connecteam's reference for transactions (whole seconds, amount before tax).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal
from functools import cached_property, lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

from tillbridge.days import epoch_ms, epoch_s, evening_stamp
from tillbridge.money import (
    AMOUNTS,
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
    Triple,
    add_up,
)

RULES_VERSION = 1
"""Raised whenever the code of this module would map the same sale differently."""

_KNOWN_TYPES = frozenset(known.value for known in SaleType)
_ZERO = Decimal(0)
_NO_GROUP = (None, None)

_HASH = blake2b(digest_size=16)
"""Copied for each digest: setting one up takes as long as hashing a sale."""


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
    closed, sale_type = sale.closed, sale.type
    if closed is None:
        return Quarantined("the sale has no closing time (timeClosed)")
    if not sale_type:
        return Quarantined("the sale has no type")
    lines = sale.lines or ()
    try:
        groups, codes = _add_lines(lines)
    except UnreadableAmount:
        return Quarantined(_complaint(lines))
    if len(codes) > 1:
        return Quarantined(f"the sale has more than one currency: {', '.join(sorted(codes))}")
    currency = codes.pop() if codes else None
    closed_ms = epoch_ms(closed)
    digest = _digest(sale_type, closed_ms, groups, currency)
    return Summary(sale_type, closed, closed_ms, groups, add_up(groups.values()), currency, digest)


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
    kept = _kept(summary, rules) if rules.skip_groups else summary.total
    net = kept.net + kept.service_charge if rules.service_charge else kept.net
    created_at = summary.closed_ms // 1000
    if rules.evening_date:
        created_at = epoch_s(evening_stamp(summary.closed, rules.zone, rules.day_starts_at))
    amount, tax = to_minor(net, digits), to_minor(kept.tax, digits)
    return Transaction(rules.connecteam_id, sale_type, created_at, amount, tax, currency)


def _kept(summary: Summary, rules: Rules) -> Sums:
    kept = (sums for group, sums in summary.groups.items() if not is_skipped_group(group, rules))
    return add_up(kept)


def is_skipped_group(group: GroupName, rules: Rules) -> bool:
    """Whether the rules leave an accounting group out, by its name or its code."""
    return group.name.casefold() in rules.skip_groups or group.code.casefold() in rules.skip_groups


def _add_lines(lines: Iterable[SaleLine]) -> tuple[dict[GroupName, Triple], set[str]]:
    """Net, tax and service charge by accounting group, and the codes of the currencies named.

    A third of a sale's time is spent here, three amounts a line: hence no call for each, and no
    word on which of them it is that cannot be read; `_complaint` finds it.

    Raises:
        UnreadableAmount: or one that would count is missing.
    """
    groups: dict[GroupName, Triple] = {}
    as_written: dict[tuple[str | None, str | None], Triple] = {}
    codes: set[str] = set()
    latest = None
    for line in lines:
        group = line.group
        name = _NO_GROUP if group is None else (group.name, group.code)
        sums = as_written.get(name)
        if sums is None:
            # Two spellings of one name share their sums.
            sums = groups.setdefault(_named(*name), [_ZERO, _ZERO, _ZERO])
            as_written[name] = sums
        net = line.net
        if net is not None:
            sums[0] += AMOUNTS[net]
        elif line.gross is not None and AMOUNTS[line.gross]:
            raise UnreadableAmount
        tax = line.tax
        if tax is not None:
            sums[1] += AMOUNTS[tax]
        service_charge = line.service_charge
        if service_charge is not None and service_charge != "0.00":  # which is what most have
            sums[2] += AMOUNTS[service_charge]
        currency = line.currency
        if currency != latest:
            latest = currency
            if currency and (code := currency.strip().upper()):
                codes.add(code)
    return groups, codes


def _complaint(lines: Iterable[SaleLine]) -> str:
    """Which amount it is that `_add_lines` would not take, and why."""
    for index, line in enumerate(lines):
        problem = _problem(line)
        if problem is not None:
            return f"salesLines[{index}].{problem}"
    raise AssertionError(lines)


def _problem(line: SaleLine) -> str | None:
    amounts = [
        ("totalNetAmountWithoutTax", line.net),
        ("taxAmount", line.tax),
        ("serviceCharge", line.service_charge),
    ]
    if line.net is None:
        amounts.append(("totalNetAmountWithTax", line.gross))
    for name, text in amounts:
        try:
            amount = _ZERO if text is None else parse_amount(text)
        except UnreadableAmount as unreadable:
            return f"{name}: {unreadable.args[0]!r} is not an amount"
    if line.net is None and amount:
        # The line cost something, and what is missing is just the figure that counts.
        return "totalNetAmountWithoutTax: missing, though the line has an amount"
    return None


@lru_cache(maxsize=1024)
def _named(name: str | None, code: str | None) -> GroupName:
    return GroupName((name or "").strip(), (code or "").strip())


@lru_cache(maxsize=1024)
def _begin_row(group: GroupName) -> str:
    # Names with their lengths, so that no two sales of different content make one text.
    name, code = group
    return f"{len(name)}:{name},{len(code)}:{code},"


def _digest(
    sale_type: str, closed_ms: int, groups: Mapping[GroupName, Triple], currency: str | None
) -> bytes:
    rows = [
        f"{_begin_row(name)}{plain_text(net)},{plain_text(tax)},{plain_text(service_charge)}"
        for name, (net, tax, service_charge) in groups.items()
    ]
    rows.sort()
    content = f"{len(sale_type)}:{sale_type},{closed_ms},{currency};{';'.join(rows)}"
    digest = _HASH.copy()
    digest.update(content.encode())
    return digest.digest()
