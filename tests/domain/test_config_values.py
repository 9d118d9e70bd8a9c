"""One value at a time: what a person may write, and what it becomes."""

import contextlib
import tomllib
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from tillbridge.config import parsing

_NUMBERS = st.decimals(min_value=0, max_value=3650, places=6, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("5m", 300.0),
        ("6h", 21_600.0),
        ("3d", 259_200.0),
        ("0.5s", 0.5),
        ("0s", 0.0),
        ("1.5h", 5_400.0),
        ("0.1d", 8_640.0),
        ("3650d", 315_360_000.0),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, seconds):
    assert parsing.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "", "5", "m", "5 m", " 5m", "5m ", "-5m", "+5m", "5M", "5min", "1h30m", "1e3s", ".5s", "5.s",
        "\u0665m", "infs", "nans", "3651d", "9999999999s", "0.0000001s", 5, 0.5, True, None, [], {}, time(5),
    ],
)  # fmt: skip
def test_anything_else_is_not_a_duration(value):
    with pytest.raises(PydanticCustomError):
        parsing.parse_duration(value)


@given(number=_NUMBERS, unit=st.sampled_from("smhd"))
def test_a_duration_survives_being_shown_and_read_again(number, unit):
    seconds = parsing.parse_duration(f"{number:f}{unit}")
    assert parsing.parse_duration(parsing.format_duration(seconds)) == seconds


@given(count=st.integers(1, 3650), unit=st.sampled_from("smhd"))
def test_a_shown_duration_is_never_longer_than_what_was_written(count, unit):
    written = f"{count}{unit}"
    assert len(parsing.format_duration(parsing.parse_duration(written))) <= len(written)


@given(st.text(max_size=12))
def test_no_text_makes_the_duration_reader_fail_in_another_way(text):
    with contextlib.suppress(PydanticCustomError):
        assert parsing.parse_duration(text) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.5, "0.5s"), (90.0, "90s"), (120.0, "2m"), (86_400.0, "1d"), (100.0, "100s")],
)
def test_durations_are_shown_in_the_largest_unit_that_fits(seconds, text):
    assert parsing.format_duration(seconds) == text


@pytest.mark.parametrize("value", ["05:30", "05:30:00", time(5, 30)])
def test_a_time_of_day_is_hours_and_minutes(value):
    assert parsing.parse_time(value) == time(5, 30)


@pytest.mark.parametrize(
    "value", ["5:30", "24:00", "05:60", "05:30:01", time(5, 30, 1), "", 5, None]
)
def test_a_time_that_no_clock_shows_is_refused(value):
    with pytest.raises(PydanticCustomError):
        parsing.parse_time(value)


@pytest.mark.parametrize("value", [date(2026, 11, 1), "2026-11-01"])
def test_a_date_may_have_quotation_marks(value):
    assert parsing.parse_date(value) == date(2026, 11, 1)


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "01.11.2026",
        datetime(2026, 11, 1, tzinfo=UTC),
        20261101,
        None,
        "1999-12-31",
        date(2101, 1, 1),
    ],
)
def test_a_day_that_does_not_exist_or_is_a_slip_of_the_pen_is_refused(value):
    with pytest.raises(PydanticCustomError):
        parsing.parse_date(value)


@pytest.mark.parametrize("name", ["Europe/London", "UTC", "Asia/Kathmandu"])
def test_a_zone_is_an_iana_name(name):
    assert parsing.parse_zone(name) == ZoneInfo(name)


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "europe/london", "../etc/passwd", "/etc/localtime", "localtime",
     "right/Europe/London", "GMT+25", "Eu\0rope", "é", 1, None],
)  # fmt: skip
def test_other_names_are_not_zones(name):
    with pytest.raises(PydanticCustomError):
        parsing.parse_zone(name)


@pytest.mark.parametrize(
    "address",
    [
        "https://api.example.com", "https://api.example.com:8443/base", "http://127.0.0.1:9",
        "http://localhost:8000/x", "http://[::1]:8000", "http://shop.localhost",
    ],
)  # fmt: skip
def test_an_address_is_encrypted_or_stays_on_this_machine(address):
    assert parsing.parse_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "http://api.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1", "ftp://localhost",
        "api.example.com", "https://", "https://user:word@api.example.com", "https://a b", "https://é",
        "https://api.example.com:port", "https://api.example.com/#x", "https://a\nb", 1, None, "",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(address):
    with pytest.raises(PydanticCustomError):
        parsing.parse_address(address)


@given(st.text(max_size=40))
def test_a_text_survives_toml(text):
    assert tomllib.loads(f"x = {parsing.toml_string(text)}") == {"x": text}
