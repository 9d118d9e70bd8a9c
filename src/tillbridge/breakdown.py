"""A sale as arithmetic: its lines, what was left out and why, and the one rounding. Pure.

For a person who has to defend a figure. It follows the mapper and never decides anything itself:
what it ends with is compared with what the mapper made of the same sale.
"""

from dataclasses import dataclass
from decimal import Decimal

from tillbridge.mapper import Rules, is_skipped_group, map_sale, summarise
from tillbridge.money import UnreadableAmount, parse_amount
from tillbridge.sale import GroupName, Quarantined, Sale, SaleLine, Skipped, Transaction

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class LineShare:
    """One of Lightspeed's lines and what it adds; amounts as they came, exact.

    Attributes:
        number: from 1, in Lightspeed's order.
        group: name of its accounting group, or its code.
        net: before tax, after discounts.
        tax: its tax.
        service_charge: old style, beside the net amount.
        left_out: why it does not count; None if it does.
    """

    number: int
    group: str
    net: Decimal
    tax: Decimal
    service_charge: Decimal
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the sum: words, and what is added there; exact."""

    words: str
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Breakdown:
    """How a sale becomes a transaction, or why it does not.

    Attributes:
        lines: Lightspeed's.
        steps: what is added up, in order.
        net: the sum of the steps, exact.
        tax: likewise.
        result: what the mapper makes of it.
    """

    lines: tuple[LineShare, ...]
    steps: tuple[Step, ...]
    net: Decimal
    tax: Decimal
    result: Transaction | Skipped | Quarantined


def break_down(sale: Sale, rules: Rules) -> Breakdown:
    """The arithmetic of one sale under one set of rules."""
    lines = tuple(_share(n, line, rules) for n, line in enumerate(sale.lines or (), start=1))
    steps = [Step("all lines", _sum(lines, "net"), _sum(lines, "tax"))]
    for group in sorted({line.group for line in lines if line.left_out}):
        gone = [line for line in lines if line.left_out and line.group == group]
        steps.append(
            Step(f"accounting group {group!r} left out", -_sum(gone, "net"), -_sum(gone, "tax"))
        )
    charge = _sum([line for line in lines if not line.left_out], "service_charge")
    if charge and rules.service_charge:
        steps.append(Step("service charge included", charge, _ZERO))
    elif charge:
        steps.append(Step(f"service charge of {charge:f} left out", _ZERO, _ZERO))
    summary = summarise(sale)
    result = summary if isinstance(summary, Quarantined) else map_sale(summary, rules)
    return Breakdown(
        lines,
        tuple(steps),
        sum((step.net for step in steps), _ZERO),
        sum((step.tax for step in steps), _ZERO),
        result,
    )


def _share(number: int, line: SaleLine, rules: Rules) -> LineShare:
    group = GroupName(
        (line.group.name or "").strip() if line.group else "",
        (line.group.code or "").strip() if line.group else "",
    )
    shown = group.name or group.code or "none"
    left_out = None
    if is_skipped_group(group, rules):
        left_out = f"accounting group {shown!r} is left out"
    net, tax, charge = _read(line.net), _read(line.tax), _read(line.service_charge)
    return LineShare(number, shown, net, tax, charge, left_out)


def _read(text: str | None) -> Decimal:
    try:
        return parse_amount(text) if text is not None else _ZERO
    except UnreadableAmount:
        return _ZERO  # the mapper says so, with its place


def _sum(lines: tuple[LineShare, ...] | list[LineShare], name: str) -> Decimal:
    return sum((getattr(line, name) for line in lines), _ZERO)


def rule_sentences(rules: Rules) -> list[str]:
    """The rules in words, those that are in force by default left out."""
    found = []
    if rules.skip_types:
        found.append(f"sales of type {', '.join(sorted(rules.skip_types))} are left out")
    if rules.skip_groups:
        found.append(f"accounting groups left out: {', '.join(sorted(rules.skip_groups))}")
    if rules.service_charge:
        found.append("service charge is added to the net amount")
    if rules.unknown_as_manual:
        found.append("an unknown type is sent as MANUAL")
    if rules.evening_date:
        starts = rules.day_starts_at.isoformat("minutes")
        found.append(f"sales closed before {starts} are stamped on the evening before")
    return found or ["every type and group counts, at its own time, without service charge"]
