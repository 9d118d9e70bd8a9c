"""A sale's record against a slow and obvious way to the same: fractions, keywords, no shortcuts."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from fractions import Fraction
from hashlib import blake2b
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillbridge.mapper import Rules
from tillbridge.record import Record, record_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIGITS = {"GBP": 2, "EUR": 2, "JPY": 0, "KWD": 3, "CLF": 4}
CONNECTEAMS = {
    "SALE", "VOID", "RECALL", "REFUND", "SPLIT", "UPDATE", "TRANSFER", "FLOAT", "TRANSITORY",
    "CROSS_BL", "CANCEL",
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    name: str | None
    code: str | None
    id: int | None = None


@dataclass(frozen=True)
class Line:
    net: str | None
    gross: str | None
    tax: str | None
    service_charge: str | None
    currency: str | None
    group: Group | None


@dataclass(frozen=True)
class Till:
    reference: str | None
    fisc_id: str | None
    receipt_id: str | None
    opened: datetime | None
    closed: datetime | None
    type: str | None
    lines: list[Line] | None


class Aside(Exception):
    """Why a person must look."""


class LeftOut(Exception):
    """Why it is not sent."""


def amount(text: str | None, name: str) -> Fraction:
    if text is None:
        return Fraction(0)
    unsigned = text[1:] if text[:1] in {"+", "-"} else text
    whole, _, part = unsigned.partition(".")
    plain = (whole or part) and set(whole + part) <= set("0123456789")
    if not plain or len(whole) > 12 or len(part) > 12:
        raise Aside(f"{name}: {text[:40]!r} is not an amount")
    exact = Fraction(int(whole + part), 10 ** len(part))
    return -exact if text[0] == "-" else exact


def written(exact: Fraction) -> str:
    trillionths = exact * 10**12
    assert trillionths.denominator == 1
    digits = f"{abs(trillionths.numerator):013d}"
    text = f"{digits[:-12]}.{digits[-12:].rstrip('0')}".rstrip(".")
    return f"-{text}" if exact < 0 else text


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // timedelta(milliseconds=1)


def shown(name: str | None) -> str | None:
    return name.replace("\0", "\N{REPLACEMENT CHARACTER}") if name else None


def hashed(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def kept(sale: Till) -> dict[str, object]:
    return {
        "reference": sale.reference, "fisc_id": sale.fisc_id, "receipt_id": sale.receipt_id,
        "opened": sale.opened and sale.opened.isoformat(),
        "closed": sale.closed and sale.closed.isoformat(),
        "type": sale.type,
        "lines": [
            {"net": line.net, "gross": line.gross, "tax": line.tax,
             "service_charge": line.service_charge, "currency": line.currency,
             "group": None if line.group is None else [line.group.name, line.group.code]}
            for line in sale.lines or ()
        ],
    }  # fmt: skip


Groups = dict[tuple[str, str], list[Fraction]]


def three(line: Line) -> tuple[Fraction, Fraction, Fraction]:
    net = amount(line.net, "totalNetAmountWithoutTax")
    tax = amount(line.tax, "taxAmount")
    charge = amount(line.service_charge, "serviceCharge")
    if line.net is None and amount(line.gross, "totalNetAmountWithTax") != 0:
        raise Aside("totalNetAmountWithoutTax: missing, though the line has an amount")
    return net, tax, charge


def added(sale: Till) -> tuple[Groups, str | None]:
    """Net, tax and service charge by group, and the currency."""
    if sale.closed is None:
        raise Aside("the sale has no closing time (timeClosed)")
    if not sale.type:
        raise Aside("the sale has no type")
    groups: Groups = {}
    currencies = set()
    for index, line in enumerate(sale.lines or ()):
        try:
            amounts_ = three(line)
        except Aside as problem:
            raise Aside(f"salesLines[{index}].{problem}") from None
        names = (line.group.name, line.group.code) if line.group else ("", "")
        name, code = ((text or "").strip() for text in names)
        sums = groups.get((name, code), [Fraction(0)] * 3)
        groups[name, code] = [a + b for a, b in zip(sums, amounts_, strict=True)]
        currencies.add((line.currency or "").strip().upper())
    currencies.discard("")
    if len(currencies) > 1:
        listed = ", ".join(sorted(currencies))
        raise Aside(f"the sale has more than one currency: {listed}")
    return groups, currencies.pop() if currencies else None


def sent(sale: Till, rules: Rules, groups: Groups, currency: str | None) -> dict[str, object]:
    assert sale.type is not None
    assert sale.closed is not None
    if sale.type in rules.skip_types:
        raise LeftOut(f"sales of type {sale.type} are left out by the configuration")
    if sale.type not in CONNECTEAMS and not rules.unknown_as_manual:
        raise Aside(f"the type {sale.type[:40]!r} is not one that Connecteam knows")
    currency = currency or rules.currency
    if currency not in DIGITS:
        raise Aside(f"{currency[:12]!r} is not a currency of ISO 4217")
    counted = [
        sums
        for names, sums in groups.items()
        if not {name.casefold() for name in names} & rules.skip_groups
    ]
    net, tax, charge = (sum((sums[n] for sums in counted), Fraction(0)) for n in range(3))
    if rules.service_charge:
        net += charge
    seconds = (sale.closed - EPOCH) // timedelta(seconds=1)
    local = sale.closed.astimezone(rules.zone)
    if rules.evening_date and local.time() < rules.day_starts_at:
        midnight = datetime.combine(local.date(), time(), tzinfo=rules.zone).astimezone(UTC)
        seconds = (midnight - EPOCH) // timedelta(seconds=1) - 1
    return {
        "sale_type": sale.type if sale.type in CONNECTEAMS else "MANUAL",
        "created_at": seconds,
        "amount": round(net * 10 ** DIGITS[currency]),
        "tax_amount": round(tax * 10 ** DIGITS[currency]),
        "currency": currency,
    }


def slow_record(sale: Till, rules: Rules) -> dict[str, object]:
    fields: dict[str, object] = dict.fromkeys(Record._fields)
    fields |= {"fisc_id": shown(sale.fisc_id), "receipt_id": shown(sale.receipt_id),
               "opened_ms": milliseconds(sale.opened), "closed_ms": milliseconds(sale.closed),
               "source_type": sale.type, "rules": rules.version,
               "connecteam_id": rules.connecteam_id}  # fmt: skip
    problem = None
    try:
        groups, currency = added(sale)
    except Aside as unclear:
        digest, problem = (
            hashed(json.dumps(kept(sale), sort_keys=True, ensure_ascii=False)),
            unclear,
        )
    else:
        totals = [sum((sums[n] for sums in groups.values()), Fraction(0)) for n in range(3)]
        fields |= zip(("net", "tax", "service_charge"), map(written, totals), strict=True)
        rows = sorted(
            f"{len(name)}:{name},{len(code)}:{code},{','.join(map(written, sums))}"
            for (name, code), sums in groups.items()
        )
        start = f"{len(sale.type or '')}:{sale.type},{fields['closed_ms']},{currency};"
        digest = hashed(start + ";".join(rows))
    key = shown(sale.reference)
    if not key and sale.fisc_id:
        opened = "?" if sale.opened is None else fields["opened_ms"]
        key = f"fisc:{fields['fisc_id']}@{opened}"
    fields |= {"digest": digest, "reference": key or f"digest:{digest.hex()}"}
    aside = fields | {"state": "quarantined", "kept": kept(sale)}
    try:
        if problem is not None:
            raise problem
        told = sent(sale, rules, groups, currency)
    except LeftOut as why:
        return fields | {"state": "skipped", "reason": str(why)}
    except Aside as why:
        return aside | {"reason": str(why)}
    if str(fields["reference"]).startswith("digest:"):
        return aside | {"reason": "the sale has no accountReference and no accountFiscId"}
    return fields | told | {"state": "waiting"}


# -- what is sold --------------------------------------------------------------------------------


@st.composite
def plain_amounts(draw: st.DrawFn) -> str:
    whole = draw(st.text("0123456789", max_size=draw(st.sampled_from([2, 2, 12]))))
    part = draw(st.text("0059", max_size=draw(st.sampled_from([2, 6, 12]))))
    return draw(st.sampled_from(["", "", "-", "+"])) + (whole or "0") + (part and f".{part}")


well_known = st.sampled_from(
    ["0.00", "0", "-0.00", "8.333333", "10.00", "0.005", ".5", "5.", "100"]
)
amounts = well_known | plain_amounts()
odd_amounts = amounts | st.sampled_from(["1e2", "NaN", "", "1,20", " 1", "1" * 60, "\u0661", "."])
names = st.sampled_from([None, "", "Food", " Food", "food", "D", "Gift cards", "\u00dfa;1,2:"])
groups_ = st.none() | st.builds(Group, names, names)
offsets = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])
moments = st.builds(
    lambda microseconds, zone: (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(-(10**12), 2 * 10**15),
    offsets,
)
numbers = st.sampled_from([None, "", "R1", "A1.1", "R\x001", "digest:00"])


def seldom_none(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.integers(0, 9).flatmap(lambda chance: values if chance else st.none())


def lines_of(some_amounts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Line]]:
    currencies = st.sampled_from(
        [[None], [None, "", "GBP", " gbp"], ["JPY"], ["KWD"], ["CLF"], ["XAU"], ["EUR", "GBP"]]
    )
    each = seldom_none(some_amounts)
    return currencies.flatmap(
        lambda codes: st.lists(
            st.builds(Line, each, each, each, each, st.sampled_from(codes), groups_), max_size=7
        )
    )


types = ["SALE", "REFUND", "VOID", "CANCEL", "FLOAT", "LAYAWAY", ""]
sales = st.builds(
    Till,
    reference=numbers,
    fisc_id=numbers,
    receipt_id=numbers,
    opened=seldom_none(moments),
    closed=seldom_none(moments),
    type=seldom_none(st.sampled_from(types)),
    lines=seldom_none(lines_of(amounts) | lines_of(amounts) | lines_of(odd_amounts)),
)
rules_ = st.builds(
    Rules,
    connecteam_id=st.just(123),
    currency=st.just("GBP"),
    zone=st.sampled_from([ZoneInfo("Europe/London"), ZoneInfo("Asia/Kathmandu")]),
    day_starts_at=st.just(time(5)),
    evening_date=st.booleans(),
    service_charge=st.booleans(),
    unknown_as_manual=st.booleans(),
    skip_types=st.sampled_from([frozenset(), frozenset({"FLOAT"})]),
    skip_groups=st.sampled_from([frozenset(), frozenset({"food", "d"})]),
)


@settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(sales, rules_)
def test_a_record_is_what_the_slow_and_obvious_way_makes_of_the_sale(sale, rules):
    assert record_of(sale, rules)._asdict() == slow_record(sale, rules)
