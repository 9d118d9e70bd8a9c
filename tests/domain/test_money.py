"""Money is added exactly, rounded once, and written without float artefacts."""

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillbridge.money import (
    AMOUNTS,
    UnknownCurrency,
    UnreadableAmount,
    from_minor,
    minor_digits,
    minor_text,
    parse_amount,
    to_minor,
)

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

six_places = st.integers(-(10**15), 10**15).map(lambda n: Decimal(n).scaleb(-6))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("12.34", "12.34"),
        ("-12.345678", "-12.345678"),
        ("+3", "3"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0.000000", "0"),
        ("000012.10", "12.10"),
        ("999999999999.999999999999", "999999999999.999999999999"),
    ],
)
def test_a_plain_decimal_is_read_exactly(text, amount):
    assert parse_amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", " 1", "1 ", "1\n", "1 000", "1,20", "1.2.3", "1_000", "--1", "+-1", ".", "-", "+.",
        "NaN", "nan", "sNaN", "Infinity", "-inf", "1e2", "1E2", "0x10", "12€", "£1", "one", "None",
        "\uff11\uff12.50", "\u0661\u0662", "1\u00a0000", "\u22121", "(5.00)", "5.00-",
        "1234567890123", "0.1234567890123",
    ],
)  # fmt: skip
def test_anything_else_is_no_amount(text):
    with pytest.raises(UnreadableAmount):
        parse_amount(text)


def test_only_so_many_amounts_are_remembered_and_none_that_is_no_amount():
    for cents in range(20_000):
        assert parse_amount(f"{cents}.25") == Decimal(cents) + Decimal("0.25")
    with pytest.raises(UnreadableAmount):
        parse_amount("1e2")
    assert len(AMOUNTS) <= 8192
    assert "1e2" not in AMOUNTS


@unhurried
@given(st.lists(six_places, max_size=200))
def test_amounts_as_lightspeed_sends_them_add_up_exactly(amounts):
    total = sum((parse_amount(f"{amount:f}") for amount in amounts), Decimal(0))
    assert Fraction(total) == sum((Fraction(amount) for amount in amounts), Fraction(0))


def test_ten_thousand_of_the_largest_amounts_still_add_up_exactly():
    largest = "999999999999.999999999999"
    total = sum((parse_amount(largest) for _ in range(10_000)), Decimal(0))
    assert Fraction(total) == Fraction(largest) * 10_000


@pytest.mark.parametrize(
    ("currency", "digits"),
    [("EUR", 2), ("GBP", 2), ("USD", 2), ("JPY", 0), ("ISK", 0), ("KWD", 3), ("BHD", 3)],
)
def test_the_minor_unit_is_that_of_iso_4217(currency, digits):
    assert minor_digits(currency) == digits


@pytest.mark.parametrize("code", ["", "gbp", "Euro", "978", "XAU", "XXX", "QQQ", "£", "GBP "])
def test_a_code_without_a_minor_unit_is_no_currency(code):
    with pytest.raises(UnknownCurrency):
        minor_digits(code)


@pytest.mark.parametrize(
    ("amount", "digits", "minor"),
    [
        ("0.125", 2, 12),
        ("0.135", 2, 14),
        ("-0.125", 2, -12),
        ("-0.135", 2, -14),
        ("0.1250001", 2, 13),
        ("-0.004", 2, 0),
        ("0.5", 0, 0),
        ("1.5", 0, 2),
        ("2.5", 0, 2),
        ("-2.5", 0, -2),
        ("1.2345", 3, 1234),
        ("1.2355", 3, 1236),
        ("8.329999999999998", 2, 833),
        ("5E-324", 2, 0),
    ],
)
def test_rounding_is_half_even_in_both_directions(amount, digits, minor):
    assert to_minor(Decimal(amount), digits) == minor


@unhurried
@given(st.integers(-(10**12), 10**12), st.sampled_from([0, 2, 3, 4]))
def test_the_text_of_an_amount_is_the_amount(minor, digits):
    text = minor_text(minor, digits)
    assert to_minor(Decimal(text), digits) == minor
    assert from_minor(minor, digits) == Decimal(text)
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == Decimal(text)
    assert len(text.partition(".")[2]) == digits
    assert "e" not in text.lower()


@unhurried
@given(six_places, st.sampled_from([0, 2, 3]))
def test_rounding_is_never_off_by_more_than_half_a_unit(amount, digits):
    error = Fraction(amount) - Fraction(to_minor(amount, digits), 10**digits)
    assert abs(error) <= Fraction(1, 2 * 10**digits)


@pytest.mark.parametrize(
    ("minor", "digits", "text"),
    [(833, 2, "8.33"), (-5, 2, "-0.05"), (0, 2, "0.00"), (-1, 3, "-0.001"), (1200, 0, "1200")],
)
def test_an_amount_is_written_digit_by_digit(minor, digits, text):
    assert minor_text(minor, digits) == text
