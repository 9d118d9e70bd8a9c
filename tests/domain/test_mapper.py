"""Every rule of the mapping as a table: which sale becomes which transaction, and which none."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillbridge.mapper import Rules, map_sale, summarise
from tillbridge.sale import Quarantined, SaleType, Skipped, Summary, Transaction

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOON_S = 1_793_534_400


@dataclass(frozen=True)
class Group:
    id: int | None = None
    name: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Line:
    net: str | None = "0"
    gross: str | None = None
    tax: str | None = None
    service_charge: str | None = None
    currency: str | None = None
    group: Group | None = None


@dataclass(frozen=True)
class Till:
    """A sale as the wire gives it."""

    reference: str | None = "45454565682155.1"
    fisc_id: str | None = "A1.1"
    receipt_id: str | None = None
    opened: datetime | None = NOON
    closed: datetime | None = NOON
    type: str | None = "SALE"
    lines: tuple[Line, ...] | None = field(default_factory=tuple)


LONDON = Rules(connecteam_id=123, currency="GBP", zone=ZoneInfo("Europe/London"))


def mapped(sale, rules=LONDON):
    summary = summarise(sale)
    return summary if isinstance(summary, Quarantined) else map_sale(summary, rules)


def amounts(*nets, rules=LONDON, **line):
    answer = mapped(Till(lines=tuple(Line(net=net, **line) for net in nets)), rules)
    assert isinstance(answer, Transaction), answer
    return answer.amount


@pytest.mark.parametrize("sale_type", list(SaleType))
@pytest.mark.parametrize("net", ["12.50", "-12.50", "0"])
def test_all_eleven_types_go_over_unchanged_with_their_sign(sale_type, net):
    answer = mapped(Till(type=str(sale_type), lines=(Line(net=net, tax="-0.10"),)))
    assert isinstance(answer, Transaction)
    assert (answer.sale_type, answer.amount, answer.tax) == (
        sale_type,
        round(float(net) * 100),
        -10,
    )
    assert answer.location_id == 123


def test_there_are_eleven_types():
    assert len(SaleType) == 11


@pytest.mark.parametrize(
    ("closed", "seconds"),
    [
        ("2026-11-01T12:00:00+00:00", NOON_S),
        ("2026-11-01T12:00:00.999999+00:00", NOON_S),
        ("2026-11-01T12:00:59.500+00:00", NOON_S + 59),
        ("2026-11-01T08:30:00.999999-03:30", NOON_S),
        ("2026-11-01T23:00:00.1+11:00", NOON_S),
        ("1969-12-31T23:59:59.25+00:00", -1),
    ],
)
def test_the_second_is_that_of_the_closing_rounded_down(closed, seconds):
    answer = mapped(Till(closed=datetime.fromisoformat(closed)))
    assert answer.created_at == seconds


@pytest.mark.parametrize(
    ("nets", "minor"),
    [
        (["0.125"], 12),
        (["0.125", "0.010"], 14),  # 0.135, once: not 0.12 + 0.01
        (["0.005"] * 5, 2),  # 0.025, once: not five times nothing
        (["0.333333", "0.333333", "0.333334"], 100),
        (["-0.125", "-0.010"], -14),
        (["1.005", "-1.005"], 0),
        (["10.004999", "0.000001"], 1000),
        (["8.33", "0", "-0.00"], 833),
        (["0.1"] * 3, 30),
    ],
)
def test_lines_add_up_exactly_and_are_rounded_once_half_even(nets, minor):
    assert amounts(*nets) == minor


def test_tax_is_added_and_rounded_by_itself():
    lines = (Line(net="1.005", tax="0.125"), Line(net="1.0", tax="0.010"))
    answer = mapped(Till(lines=lines))
    assert (answer.amount, answer.tax) == (200, 14)


@unhurried
@given(
    st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(-(10**9), 10**9)), max_size=60)
)
def test_sums_equal_those_of_exact_fractions(pairs):
    lines = tuple(Line(net=_six(n), tax=_six(t)) for n, t in pairs)
    summary = summarise(Till(lines=lines))
    assert isinstance(summary, Summary)
    assert Fraction(summary.total.net) == Fraction(sum(n for n, _ in pairs), 10**6)
    assert Fraction(summary.total.tax) == Fraction(sum(t for _, t in pairs), 10**6)


def _six(millionths):
    whole, part = divmod(abs(millionths), 10**6)
    return f"{'-' if millionths < 0 else ''}{whole}.{part:06d}"


@pytest.mark.parametrize(
    ("currency", "net", "minor"),
    [
        ("JPY", "1200.4", 1200),
        ("JPY", "0.5", 0),
        ("JPY", "1.5", 2),
        ("KWD", "1.2345", 1234),
        ("KWD", "1.2355", 1236),
        ("EUR", "1.005", 100),
    ],
)
def test_amounts_are_rounded_to_the_currency_s_own_minor_unit(currency, net, minor):
    answer = mapped(Till(lines=(Line(net=net, currency=currency),)))
    assert (answer.amount, answer.currency) == (minor, currency)


@pytest.mark.parametrize(
    ("currencies", "expected"),
    [
        ([], "GBP"),
        ([None, None], "GBP"),
        (["", "  "], "GBP"),
        (["EUR"], "EUR"),
        ([None, "EUR"], "EUR"),
        (["", "EUR", "  "], "EUR"),
        (["eur", " EUR "], "EUR"),
    ],
)
def test_the_currency_is_that_of_the_lines_else_the_configured_one(currencies, expected):
    answer = mapped(Till(lines=tuple(Line(net="1", currency=code) for code in currencies)))
    assert isinstance(answer, Transaction), answer
    assert answer.currency == expected


@pytest.mark.parametrize(
    ("sale", "words"),
    [
        (Till(closed=None), "timeClosed"),
        (Till(type=None), "no type"),
        (Till(type=""), "no type"),
        (Till(type="LAYAWAY"), "'LAYAWAY'"),
        (Till(type="sale"), "'sale'"),
        (Till(type="MANUAL"), "'MANUAL'"),
        (Till(lines=(Line(currency="GBP"), Line(currency="EUR"))), "EUR, GBP"),
        (Till(lines=(Line(currency="QQQ"),)), "'QQQ'"),
        (Till(lines=(Line(currency="XAU"),)), "'XAU'"),
        (Till(lines=(Line(), Line(net="NaN"))), "salesLines[1].totalNetAmountWithoutTax"),
        (Till(lines=(Line(net="1e2"),)), "'1e2'"),
        (Till(lines=(Line(net="1,20"),)), "'1,20'"),
        (Till(lines=(Line(net=""),)), "salesLines[0].totalNetAmountWithoutTax"),
        (Till(lines=(Line(net=" "),)), "is not an amount"),
        (Till(lines=(Line(net="\uff11\uff12"),)), "is not an amount"),
        (Till(lines=(Line(tax="Infinity"),)), "salesLines[0].taxAmount"),
        (Till(lines=(Line(service_charge="10%"),)), "salesLines[0].serviceCharge"),
        (Till(lines=(Line(net=None, gross="5.00"),)), "missing, though the line has an amount"),
    ],
)
def test_what_cannot_be_sent_as_it_is_goes_to_quarantine_with_its_reason(sale, words):
    answer = mapped(sale)
    assert isinstance(answer, Quarantined)
    assert words in answer.reason
    assert len(answer.reason) < 200


def test_an_unreadable_amount_of_any_length_gives_a_short_reason():
    assert len(mapped(Till(lines=(Line(net="x" * 10_000),))).reason) < 200
    assert len(mapped(Till(type="T" * 10_000)).reason) < 200


def test_an_unknown_type_is_sent_as_manual_where_that_is_allowed():
    answer = mapped(Till(type="LAYAWAY"), replace(LONDON, unknown_as_manual=True))
    assert answer.sale_type == "MANUAL"


@pytest.mark.parametrize("lines", [None, ()])
def test_a_sale_without_lines_is_sent_with_amount_zero(lines):
    answer = mapped(Till(lines=lines))
    assert (answer.amount, answer.tax, answer.currency) == (0, 0, "GBP")


@pytest.mark.parametrize(
    "line", [Line(net=None), Line(net=None, gross="0.00"), Line(net=None, gross="-0")]
)
def test_a_line_without_any_amount_counts_nothing(line):
    assert mapped(Till(lines=(line, Line(net="2.00")))).amount == 200


def test_child_lines_and_voided_lines_count_as_they_stand():
    burger, extra_cheese, cola, cola_voided = (
        Line(net="9.00"), Line(net="1.50"), Line(net="3.00"), Line(net="-3.00", gross="-3.60"),
    )  # fmt: skip
    assert mapped(Till(lines=(burger, extra_cheese, cola, cola_voided))).amount == 1050


@pytest.mark.parametrize(
    ("include", "minor"),
    [(False, 1000), (True, 1125)],
)
def test_the_old_service_charge_is_added_only_where_configured(include, minor):
    rules = replace(LONDON, service_charge=include)
    assert amounts("10.00", rules=rules, service_charge="1.25") == minor


def test_the_service_charge_is_rounded_together_with_the_amount():
    assert amounts("0.004", rules=replace(LONDON, service_charge=True), service_charge="0.004") == 1


def test_types_that_are_left_out_are_skipped_even_when_they_are_not_known():
    rules = replace(LONDON, skip_types=frozenset({"FLOAT", "LAYAWAY"}))
    assert isinstance(mapped(Till(type="FLOAT"), rules), Skipped)
    assert isinstance(mapped(Till(type="LAYAWAY"), rules), Skipped)
    assert isinstance(mapped(Till(type="SALE"), rules), Transaction)


@pytest.mark.parametrize(
    ("group", "minor"),
    [
        (None, 1500),
        (Group(name="Food"), 1500),
        (Group(name="Gift cards"), 1000),
        (Group(name="GIFT CARDS"), 1000),
        (Group(name="  gift Cards "), 1000),
        (Group(code="Gc1", name="Vouchers"), 1000),
        (Group(name="STRASSE"), 1000),
        (Group(name="Gift cards 2"), 1500),
        (Group(name="", code=""), 1500),
    ],
)
def test_lines_of_groups_that_are_left_out_do_not_count_by_name_or_code(group, minor):
    rules = replace(LONDON, skip_groups=frozenset({"gift cards", "gc1", "strasse"}))
    lines = (Line(net="10.00", tax="2.00"), Line(net="5.00", tax="1.00", group=group))
    answer = mapped(Till(lines=lines), rules)
    assert (answer.amount, answer.tax) == (minor, minor // 5)


def test_a_sale_of_nothing_but_skipped_lines_is_sent_with_amount_zero():
    rules = replace(LONDON, skip_groups=frozenset({"gift cards"}))
    answer = mapped(Till(lines=(Line(net="5", group=Group(name="Gift cards")),)), rules)
    assert (answer.amount, answer.tax) == (0, 0)


@pytest.mark.parametrize(
    ("closed", "stamped"),
    [
        ("2026-10-25T01:30:00+00:00", "2026-10-24T23:59:59+01:00"),  # a day of 25 hours
        ("2026-03-29T02:30:00+01:00", "2026-03-28T23:59:59+00:00"),  # a day of 23 hours
        ("2026-11-01T04:00:00+00:00", "2026-11-01T04:00:00+00:00"),  # this day starts at 04:00
    ],
)
def test_sales_after_midnight_move_to_the_evening_where_configured(closed, stamped):
    sale = Till(closed=datetime.fromisoformat(closed))
    evening = replace(LONDON, evening_date=True, day_starts_at=time(4))
    assert mapped(sale, evening).created_at == datetime.fromisoformat(stamped).timestamp()
    assert mapped(sale).created_at == datetime.fromisoformat(closed).timestamp()


# -- the digest --------------------------------------------------------------------------------

BASE = Till(
    lines=(
        Line(net="9.10", tax="1.82", currency="GBP", group=Group(name="Food")),
        Line(net="3", tax="0.60", group=Group(name="Drinks", code="D")),
        Line(net="-3.00", tax="-0.6", group=Group(name="Drinks", code="D"), service_charge="0.5"),
    )
)


def digest(sale):
    summary = summarise(sale)
    assert isinstance(summary, Summary)
    return summary.digest


@pytest.mark.parametrize(
    "same",
    [
        replace(BASE, lines=BASE.lines[::-1]),
        replace(BASE, lines=(replace(BASE.lines[0], net="9.100000", tax="+1.82"), *BASE.lines[1:])),
        replace(BASE, receipt_id="another", opened=None),
        replace(BASE, lines=(*BASE.lines, Line(net="-0.00", group=Group(name="Food")))),
        replace(BASE, closed=datetime.fromisoformat("2026-11-01T13:00:00+01:00")),
    ],
)
def test_the_digest_does_not_depend_on_how_the_same_is_said(same):
    assert digest(same) == digest(BASE)


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, type="REFUND"),
        replace(BASE, closed=datetime.fromisoformat("2026-11-01T12:00:01+00:00")),
        replace(BASE, lines=(replace(BASE.lines[0], net="9.100001"), *BASE.lines[1:])),
        replace(BASE, lines=(replace(BASE.lines[0], tax="1.83"), *BASE.lines[1:])),
        replace(BASE, lines=(replace(BASE.lines[0], currency="EUR"), *BASE.lines[1:])),
        replace(BASE, lines=(replace(BASE.lines[0], currency=None), *BASE.lines[1:])),
        replace(BASE, lines=(replace(BASE.lines[0], group=None), *BASE.lines[1:])),
        replace(BASE, lines=(replace(BASE.lines[0], service_charge="0.01"), *BASE.lines[1:])),
        replace(BASE, lines=BASE.lines[:-1]),
        replace(BASE, lines=()),
    ],
)
def test_the_digest_changes_with_anything_that_some_rule_could_look_at(other):
    assert digest(other) != digest(BASE)


_lines = st.lists(
    st.builds(
        Line,
        net=st.integers(-(10**8), 10**8).map(_six),
        tax=st.integers(-(10**8), 10**8).map(_six),
        group=st.sampled_from([None, Group(name="Food"), Group(code="D")]),
    ),
    max_size=12,
)


@unhurried
@given(_lines, st.randoms(use_true_random=False))
def test_the_digest_is_stable_under_the_order_of_lines(lines, chance):
    shuffled = list(lines)
    chance.shuffle(shuffled)
    assert digest(Till(lines=tuple(shuffled))) == digest(Till(lines=tuple(lines)))


@unhurried
@given(_lines, st.integers(0, 11), st.integers(1, 10**6))
def test_the_digest_changes_with_any_amount(lines, place, more):
    if not lines:
        return
    place %= len(lines)
    net = lines[place].net
    millionths = round(Fraction(net) * 10**6) + more
    changed = [*lines[:place], replace(lines[place], net=_six(millionths)), *lines[place + 1 :]]
    assert digest(Till(lines=tuple(changed))) != digest(Till(lines=tuple(lines)))


def test_a_sale_cannot_be_forged_by_odd_group_names():
    chance = random.Random(7)
    pieces = ["", "a", "'", ", ", "('a', '')", '"', "\\", "1", "0"]
    seen = {}
    for _ in range(400):
        name, code = "".join(chance.sample(pieces, 3)), "".join(chance.sample(pieces, 2))
        found = digest(Till(lines=(Line(net="1", group=Group(name=name, code=code)),)))
        assert seen.setdefault(found, (name.strip(), code.strip())) == (name.strip(), code.strip())


# -- the version of the rules ------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"connecteam_id": 124},
        {"currency": "EUR"},
        {"zone": ZoneInfo("Europe/Paris")},
        {"day_starts_at": time(4)},
        {"evening_date": True},
        {"service_charge": True},
        {"unknown_as_manual": True},
        {"skip_types": frozenset({"FLOAT"})},
        {"skip_groups": frozenset({"gift cards"})},
    ],
)
def test_each_rule_shows_in_the_version_and_nothing_else_does(change):
    other = replace(LONDON, **change)
    assert other.version != LONDON.version
    assert replace(LONDON).version == LONDON.version
    assert other.version.startswith("1-")


def test_the_version_does_not_depend_on_the_order_of_a_set():
    one = replace(LONDON, skip_types=frozenset(["FLOAT", "VOID", "CANCEL"]))
    two = replace(LONDON, skip_types=frozenset(["CANCEL", "FLOAT", "VOID"]))
    assert one.version == two.version
