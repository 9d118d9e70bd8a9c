"""The arithmetic that `explain` shows is the mapper's: it ends at the same cent, by the same rules."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tillbridge.breakdown import break_down, rule_sentences
from tillbridge.mapper import Rules
from tillbridge.money import to_minor
from tillbridge.sale import Quarantined, Skipped, Transaction


@dataclass(frozen=True)
class Group:
    name: str | None = None
    code: str | None = None
    id: int | None = None


@dataclass(frozen=True)
class Line:
    net: str | None = "1"
    gross: str | None = None
    tax: str | None = "0.2"
    service_charge: str | None = None
    currency: str | None = "GBP"
    group: Group | None = None


@dataclass(frozen=True)
class Account:
    lines: tuple[Line, ...] = ()
    type: str | None = "SALE"
    reference: str | None = "R1"
    fisc_id: str | None = "A1.1"
    receipt_id: str | None = None
    opened: datetime | None = None
    closed: datetime | None = datetime(2026, 11, 1, 12, tzinfo=UTC)


RULES = Rules(123, "GBP", ZoneInfo("Europe/London"))
FOOD, CARDS = Group("Food"), Group("Gift cards", "GC")


def test_lines_that_are_left_out_say_why_and_stand_in_the_sum_with_the_other_sign():
    rules = replace(RULES, skip_groups=frozenset({"gc"}))
    told = break_down(Account((Line("8.333333", group=FOOD), Line("25", "5", group=CARDS))), rules)
    assert [line.left_out for line in told.lines] == [
        None,
        "accounting group 'Gift cards' is left out",
    ]
    assert [(step.words, step.net) for step in told.steps] == [
        ("all lines", Decimal("33.333333")),
        ("accounting group 'Gift cards' left out", Decimal(-25)),
    ]
    assert told.net == Decimal("8.333333")
    assert isinstance(told.result, Transaction)
    assert told.result.amount == 833


def test_service_charge_is_shown_whether_it_counts_or_not():
    sale = Account((Line("10", service_charge="1.25"),))
    without = break_down(sale, RULES)
    assert [step.words for step in without.steps][1] == "service charge of 1.25 left out"
    assert without.net == 10
    within = break_down(sale, replace(RULES, service_charge=True))
    assert within.net == Decimal("11.25")
    assert within.steps[1].net == Decimal("1.25")


def test_a_sale_that_is_not_sent_says_so_instead_of_a_rounded_amount():
    skipped = break_down(Account(type="FLOAT"), replace(RULES, skip_types=frozenset({"FLOAT"})))
    assert isinstance(skipped.result, Skipped)
    unreadable = break_down(Account((Line("ten"),)), RULES)
    assert isinstance(unreadable.result, Quarantined)
    assert "salesLines[0]" in unreadable.result.reason


def test_rules_are_told_in_words():
    assert rule_sentences(RULES) == [
        "every type and group counts, at its own time, without service charge"
    ]
    changed = replace(RULES, evening_date=True, skip_types=frozenset({"VOID"}))
    assert rule_sentences(changed) == [
        "sales of type VOID are left out",
        "sales closed before 05:00 are stamped on the evening before",
    ]


amounts = st.decimals(-500, 500, places=4).map(lambda amount: f"{amount:f}")
lines = st.builds(
    Line,
    net=amounts,
    tax=amounts,
    service_charge=st.none() | amounts,
    group=st.sampled_from([None, FOOD, CARDS, Group(None, "GC"), Group("food ")]),
)


@given(
    st.lists(lines, max_size=8),
    st.sampled_from([frozenset(), frozenset({"gc"}), frozenset({"food", "gift cards"})]),
    st.booleans(),
)
def test_the_sum_of_the_steps_rounded_once_is_what_the_mapper_sends(found, groups, charge):
    rules = replace(RULES, skip_groups=groups, service_charge=charge)
    told = break_down(Account(tuple(found)), rules)
    assert isinstance(told.result, Transaction)
    assert (told.result.amount, told.result.tax) == (to_minor(told.net, 2), to_minor(told.tax, 2))
