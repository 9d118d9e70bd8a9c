"""What an answer to a POST proves: the table of the module, and every odd way to echo rows."""

import random
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tillbridge import outcome as outcome_
from tillbridge.money import from_minor, minor_digits
from tillbridge.outcome import (
    Accepted,
    CredentialsNotAccepted,
    Echo,
    EchoedRow,
    Fault,
    LocationsRefused,
    NotSent,
    OtherAnswer,
    RowsRefused,
    Silence,
    Throttled,
    Unknown,
    ValidationError,
    judge,
)
from tillbridge.sale import Transaction

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

AT = 1_793_534_400


def tx(amount=833, *, location=1, at=AT, tax=167, currency="GBP", sale_type="SALE"):
    return Transaction(location, sale_type, at, amount, tax, currency)


def echo_of(transaction, transaction_id="t1", **changes):
    digits = minor_digits(transaction.currency)
    row = EchoedRow(
        transaction_id,
        transaction.location_id,
        transaction.sale_type,
        transaction.created_at,
        from_minor(transaction.amount, digits),
        from_minor(transaction.tax, digits),
        transaction.currency,
    )
    return row._replace(**changes)


def echoes(sent, **changes):
    return tuple(echo_of(each, f"t{n}", **changes) for n, each in enumerate(sent))


THREE = (tx(100), tx(200), tx(300))

TABLE = [
    # an answer,                                     to one row,             to three rows
    (Silence(True, "no connection"), NotSent, NotSent),
    (Silence(False, "cut"), Unknown, Unknown),
    (OtherAnswer(200, "Too many requests"), Unknown, Unknown),
    (OtherAnswer(200, "a web page"), Unknown, Unknown),
    (OtherAnswer(201, ""), Unknown, Unknown),
    (OtherAnswer(204, ""), Unknown, Unknown),
    (OtherAnswer(302, ""), Unknown, Unknown),
    (OtherAnswer(308, ""), Unknown, Unknown),
    (OtherAnswer(400, "BAD_REQUEST"), RowsRefused, Unknown),
    (OtherAnswer(401, "no key"), CredentialsNotAccepted, CredentialsNotAccepted),
    (OtherAnswer(403, "Invalid API key"), CredentialsNotAccepted, CredentialsNotAccepted),
    (OtherAnswer(404, "NOT_FOUND"), RowsRefused, Unknown),
    (OtherAnswer(408, "timeout"), Unknown, Unknown),
    (OtherAnswer(409, "CONFLICT"), RowsRefused, Unknown),
    (OtherAnswer(413, "too large"), RowsRefused, Unknown),
    (OtherAnswer(422, "a web page"), RowsRefused, Unknown),
    (OtherAnswer(425, "too early"), Unknown, Unknown),
    (OtherAnswer(429, "slow down"), Throttled, Throttled),
    (OtherAnswer(499, "closed"), Unknown, Unknown),
    (OtherAnswer(500, "oops"), Unknown, Unknown),
    (OtherAnswer(502, "bad gateway"), Unknown, Unknown),
    (OtherAnswer(503, ""), Unknown, Unknown),
    (OtherAnswer(504, ""), Unknown, Unknown),
    (OtherAnswer(529, ""), Unknown, Unknown),
    (ValidationError((Fault(0, "saleType", "not valid"),)), RowsRefused, RowsRefused),
    (ValidationError((Fault(None, None, "not valid"),)), RowsRefused, RowsRefused),
    (ValidationError((Fault(0, "locationId", "unknown"),)), LocationsRefused, LocationsRefused),
    (Echo(()), Unknown, Unknown),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "for_one", "for_three"), TABLE)
def test_each_kind_of_answer_proves_what_the_table_says(shape, for_one, for_three):
    assert type(judge([tx(100)], shape)) is for_one
    assert type(judge(THREE, shape)) is for_three


def test_a_refused_single_row_is_named_with_what_connecteam_said():
    outcome = judge([tx()], OtherAnswer(409, "CONFLICT: no"))
    assert outcome == RowsRefused({0: "409: CONFLICT: no"}, "409: CONFLICT: no")


# -- echoes ------------------------------------------------------------------------------------

sales = st.lists(
    st.builds(
        Transaction,
        location_id=st.integers(1, 3),
        sale_type=st.sampled_from(["SALE", "REFUND"]),
        created_at=st.integers(AT, AT + 2),
        amount=st.integers(-2, 2),
        tax=st.integers(0, 1),
        currency=st.just("GBP"),
    ),
    min_size=1,
    max_size=100,
)


@unhurried
@given(sales, st.randoms(use_true_random=False), st.booleans())
def test_rows_are_matched_by_value_whatever_their_order(sent, chance, bare):
    rows = list(echoes(sent, tax=None, currency=None) if bare else echoes(sent))
    chance.shuffle(rows)
    outcome = judge(sent, Echo(tuple(rows)))
    assert isinstance(outcome, Accepted)
    assert sorted(outcome.ids) == sorted(row.transaction_id for row in rows)
    told = {row.transaction_id: row for row in rows}
    for each, transaction_id in zip(sent, outcome.ids, strict=True):
        expected = echo_of(each, transaction_id)
        if bare:
            expected = expected._replace(tax=None, currency=None)
        assert told[transaction_id] == expected


@unhurried
@given(sales, st.integers(0, 99), st.sampled_from(["amount", "tax", "nothing"]), st.integers(-2, 2))
def test_rows_in_their_places_are_matched_quickly_as_they_are_carefully(sent, place, name, cents):
    rows = list(echoes(sent))
    if name != "nothing":
        place %= len(rows)
        rows[place] = rows[place]._replace(**{name: Decimal(cents) / 100})
    same = rows == list(echoes(sent))
    assert outcome_._in_place(sent, rows) == same
    if same:
        assert outcome_._match(sent, rows) == {n: f"t{n}" for n in range(len(sent))}


@unhurried
@given(sales, st.data())
def test_a_short_echo_leaves_only_the_missing_rows_unknown(sent, data):
    rows = list(echoes(sent))
    kept = data.draw(st.lists(st.sampled_from(rows), unique=True, max_size=len(rows) - 1))
    outcome = judge(sent, Echo(tuple(kept)))
    assert isinstance(outcome, Unknown)
    assert sorted(outcome.ids.values()) == sorted(row.transaction_id for row in kept)
    told = {row.transaction_id: row for row in kept}
    for place, transaction_id in outcome.ids.items():
        assert told[transaction_id] == echo_of(sent[place], transaction_id)
    assert f"{len(kept)} of the {len(sent)}" in outcome.reason


@pytest.mark.parametrize(
    "change",
    [
        {"location_id": 2},
        {"sale_type": "REFUND"},
        {"created_at": AT + 1},
        {"created_at": AT * 1000},
        {"amount": Decimal("-8.33")},
        {"amount": Decimal("8.34")},
        {"amount": Decimal(833)},
        {"tax": Decimal("1.68")},
        {"tax": Decimal(0)},
        {"currency": "EUR"},
        {"currency": "QQQ"},
        {"currency": "XAU"},
    ],
)
def test_an_echo_that_differs_in_one_value_proves_nothing(change):
    sent = [tx(), tx(500)]
    rows = [echo_of(sent[0], "t0", **change), echo_of(sent[1], "t1")]
    assert judge(sent, Echo(tuple(rows))) == Unknown(
        "the answer lists transactions that were not sent", {}
    )


def test_more_rows_than_were_sent_prove_nothing():
    outcome = judge([tx()], Echo((echo_of(tx(), "a"), echo_of(tx(), "b"))))
    assert isinstance(outcome, Unknown)
    assert outcome.ids == {}


@pytest.mark.parametrize(
    "ids", [("a", "a", "b"), ("", "a", "b"), ("a", "b", ""), ("a\0x", "b", "c")]
)
def test_repeated_empty_or_unkeepable_ids_prove_nothing(ids):
    rows = tuple(echo_of(each, key) for each, key in zip(THREE, ids, strict=True))
    outcome = judge(THREE, Echo(rows))
    assert isinstance(outcome, Unknown)
    assert outcome.ids == {}


@pytest.mark.parametrize(
    ("minor", "currency", "echoed"),
    [
        (833, "GBP", "8.329999999999998"),
        (833, "GBP", "8.330000000000002"),
        (833, "GBP", "8.33"),
        (-833, "GBP", "-8.329999999999998"),
        (1000, "GBP", "10"),
        (1000, "GBP", "10.0"),
        (0, "GBP", "-0"),
        (0, "GBP", "5.5E-17"),
        (1235, "KWD", "1.2349999999999999"),
        (1200, "JPY", "1200.0000000000002"),
        (10**14, "GBP", "1E+12"),
    ],
)
def test_float_noise_in_an_echo_is_not_a_mismatch(minor, currency, echoed):
    sent = [tx(minor, currency=currency, tax=0)]
    rows = (echo_of(sent[0], amount=Decimal(echoed)),)
    assert judge(sent, Echo(rows)) == Accepted(("t1",))


@pytest.mark.parametrize(
    "left_out",
    [{"tax": None}, {"currency": None}, {"currency": ""}, {"tax": None, "currency": None}],
)
def test_tax_and_currency_may_be_left_out(left_out):
    assert isinstance(judge(THREE, Echo(echoes(THREE, **left_out))), Accepted)


def test_rows_that_say_more_are_matched_first():
    sent = [tx(100, tax=1), tx(100, tax=2)]
    rows = (echo_of(sent[0], "plain", tax=None), echo_of(sent[0], "taxed"))
    assert judge(sent, Echo(rows)) == Accepted(("taxed", "plain"))


def test_a_request_may_hold_several_currencies():
    sent = [
        tx(500, currency="GBP"),
        tx(500, currency="JPY", tax=0),
        tx(1500, currency="KWD", tax=0),
    ]
    random.Random(3).shuffle(rows := list(echoes(sent)))
    assert judge(sent, Echo(tuple(rows))) == Accepted(("t0", "t1", "t2"))
    bare = tuple(row._replace(currency=None) for row in rows)
    assert judge(sent, Echo(bare)) == Accepted(("t0", "t1", "t2"))


def test_an_amount_is_read_in_the_currency_of_the_row_that_it_stands_for():
    """5.00 pounds are 500 pence; 500 without a currency are 500 yen, and no yen were sent so."""
    sent = [tx(500, currency="GBP", tax=0), tx(7, currency="JPY", tax=0)]
    rows = (
        echo_of(sent[0], "a", amount=Decimal(500), currency=None),
        echo_of(sent[1], "b"),
    )
    assert isinstance(judge(sent, Echo(rows)), Unknown)


# -- validation errors -------------------------------------------------------------------------


def refused(sent, *faults):
    return judge(sent, ValidationError(faults))


def test_named_rows_are_refused_with_all_that_is_wrong_with_each():
    outcome = refused(
        THREE,
        Fault(2, "saleType", "no"),
        Fault(0, "createdAt", "old"),
        Fault(2, "taxAmount", "big"),
    )
    assert outcome.faults == {0: "createdAt: old", 2: "saleType: no; taxAmount: big"}
    assert outcome.reason == "big; no; old"


@pytest.mark.parametrize("place", [None, 3, 100, -1, -3])
def test_a_fault_that_names_no_row_of_ours_leaves_one_to_be_found(place):
    assert refused(THREE, Fault(place, "saleType", "no")).faults == {}


def test_a_fault_outside_the_request_does_not_hide_one_inside():
    assert set(refused(THREE, Fault(7, None, "no"), Fault(1, None, "bad")).faults) == {1}


@pytest.mark.parametrize("place", [None, 0, 5, -1])
def test_the_only_row_of_a_request_is_the_one_refused(place):
    outcome = refused([tx()], Fault(place, None, "no"))
    assert outcome.faults == {0: "no"}


def test_a_location_that_connecteam_does_not_know_is_wrong_for_all_its_rows():
    sent = [tx(1), tx(2, location=9), tx(3, location=9), tx(4, location=8)]
    outcome = refused(
        sent, Fault(1, "locationId", "unknown"), Fault(3, "locationId", "unknown"),
        Fault(0, "saleType", "no"),
    )  # fmt: skip
    assert outcome == LocationsRefused(frozenset({8, 9}), "no; unknown")


@pytest.mark.parametrize("place", [None, 2, -1])
def test_a_location_fault_without_a_row_blames_no_location(place):
    assert isinstance(refused([tx(1), tx(2)], Fault(place, "locationId", "unknown")), RowsRefused)


def test_reasons_stay_short_however_many_faults_there_are():
    sent = [tx()._replace(amount=n) for n in range(100)]
    faults = [Fault(n, "saleType", f"{n} " + "x" * 200) for n in range(100)]
    outcome = refused(sent, *faults)
    assert len(outcome.reason) <= 300
    assert max(map(len, outcome.faults.values())) <= 300
