"""A forecast's file: every wrong line is told, with its number; nothing is guessed."""

from datetime import date

import pytest

from tillbridge.errors import UsageError
from tillbridge.forecast_file import Target, parse

TODAY = date(2026, 11, 20)
HARBOUR = Target(123, ("Harbour Street",), "GBP")
PAIR = Target(456, ("Bar", "Kitchen"), "EUR")
TOKYO = Target(789, ("Shinjuku",), "JPY")
TARGETS = [HARBOUR, PAIR, TOKYO]


def read(*lines: str, heading: str = "location,date,amount"):
    return parse("\n".join([heading, *lines]), TARGETS, TODAY)


def test_days_are_gathered_by_connecteam_location():
    assert read(
        "Harbour Street,2026-11-21,1234.5", "harbour street,2026-11-22,0", "Shinjuku,2026-11-21,900"
    ) == {
        123: {date(2026, 11, 21): 123450, date(2026, 11, 22): 0},
        789: {date(2026, 11, 21): 900},
    }


def test_locations_that_feed_one_are_added_up():
    assert read("Bar,2026-11-21,10.50", "Kitchen,2026-11-21,5") == {456: {date(2026, 11, 21): 1550}}


@pytest.mark.parametrize(
    ("heading", "line"),
    [
        ("location;date;amount", "Harbour Street;2026-11-21;1234,50"),
        ("date\tamount\tlocation", "2026-11-21\t1234.50\tHarbour Street"),
        ("\ufeffLocation, Date ,AMOUNT", "Harbour Street, 2026-11-21 , 1234.50 "),
        ("location,date,amount", '"Harbour Street","2026-11-21","1234.50"'),
    ],
)
def test_files_as_spreadsheets_write_them_are_read(heading: str, line: str):
    assert read(line, "", heading=heading) == {123: {date(2026, 11, 21): 123450}}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Nowhere,2026-11-21,1", "there is no location 'Nowhere'. There are: Harbour Street, Bar"),
        ("Harbour Street,21.11.2026,1", "'21.11.2026' is not a date"),
        ("Harbour Street,2026-02-30,1", "'2026-02-30' is not a date"),
        ("Harbour Street,20261121,1", "'20261121' is not a date"),
        ("Harbour Street,2062-11-21,1", "2062-11-21 is more than two years away"),
        ("Harbour Street,2026-11-21,", "'' is not an amount"),
        ('Harbour Street,2026-11-21,"1,234.50"', "'1,234.50' is not an amount"),
        ("Harbour Street,2026-11-21,1e3", "'1e3' is not an amount"),
        ("Harbour Street,2026-11-21,-1", "-1 is negative"),
        ("Harbour Street,2026-11-21,1.005", "1.005 is finer than the smallest coin of GBP"),
        ("Shinjuku,2026-11-21,1.5", "1.5 is finer than the smallest coin of JPY"),
        ("Harbour Street,2026-11-21", "it has 2 columns instead of 3"),
        ("Bar,2026-11-21,5", "Bar and Kitchen feed one location of Connecteam, and Kitchen has no"),
        ('Harbour Street,2026-11-21,"1"2"3', "'12\"3' is not an amount"),
    ],
)
def test_a_wrong_line_is_told_with_its_number(line: str, message: str):
    with pytest.raises(UsageError) as told:
        read("Shinjuku,2026-11-20,1", line)
    assert f"line 3: {message}" in str(told.value)
    assert "nothing was set" in str(told.value)


def test_a_day_that_is_given_twice_names_both_lines():
    with pytest.raises(
        UsageError, match="line 3: Harbour Street has 2026-11-21 already, on line 2"
    ):
        read("Harbour Street,2026-11-21,1", "Harbour Street,2026-11-21,1")


def test_all_wrong_lines_are_told_at_once_up_to_twenty():
    with pytest.raises(UsageError) as told:
        read(*(f"Harbour Street,2026-11-21,{n}x" for n in range(30)))
    assert str(told.value).count("line ") == 20
    assert "and 10 more" in str(told.value)


@pytest.mark.parametrize("text", ["", "Harbour Street,2026-11-21,1", "location,date", "{}"])
def test_a_file_without_its_heading_is_refused(text: str):
    with pytest.raises(UsageError, match="line 1: it must name the columns"):
        parse(text, TARGETS, TODAY)


def test_a_file_without_lines_is_refused():
    with pytest.raises(UsageError, match="no lines but the heading"):
        read()
