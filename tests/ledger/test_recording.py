"""Answers that come together are committed together, and never prove more than one by one."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from ledger.tools import NOON_S, record
from tillbridge.alarms import Alarms
from tillbridge.connecteam.client import Posted
from tillbridge.ledger import parts
from tillbridge.ledger.store import DiskTrouble
from tillbridge.outcome import Echo, EchoedRow, OtherAnswer
from tillbridge.policy import TargetPolicy
from tillbridge.recording import Delivered, Flight, Recorder
from tillbridge.states import SaleState


@pytest.fixture
def recorder(shop):
    account = SimpleNamespace(
        moment=shop.clock.moment, learn=lambda *_, **__: None, wait_s=lambda _: 0.0
    )
    policy = TargetPolicy(123, "Harbour", "GBP", ZoneInfo("UTC"), exclusive=True, may_replace=True)
    return Recorder(shop.ledger, account, {123: policy}, Alarms())


def under_way(shop, count):
    """So many requests of a hundred sales each."""
    shop.take(*(record(f"R{n}", 100 + n, created_at=NOON_S + n) for n in range(100 * count)))
    flights = []
    for batch in shop.planned([123]):
        with shop.ledger.commit() as commit:
            started = parts.begin(commit, batch, shop.clock.moment(), alone=frozenset())
        flights.append(Flight(batch, started, 0.0))
    assert len(flights) == count
    return flights


def echo(flight, prefix, *, leave_out=0):
    rows = [
        EchoedRow(
            f"{prefix}-{place}", 123, tx.sale_type, tx.created_at, Decimal(tx.amount) / 100,
            Decimal(tx.tax) / 100, tx.currency,
        )
        for place, tx in enumerate(row.transaction for row in flight.batch.rows)
    ]  # fmt: skip
    return Posted(Echo(tuple(rows[leave_out:])), "r", {})


def states(shop):
    found = {}
    for row in shop.rows():
        found[row.state] = found.get(row.state, 0) + 1
    return found


def commits_of(shop, monkeypatch):
    begun = []
    real = type(shop.ledger).commit
    monkeypatch.setattr(
        type(shop.ledger), "commit", lambda ledger: (begun.append(1), real(ledger))[1]
    )
    return begun


def test_answers_that_accept_all_are_one_commit(shop, recorder, monkeypatch):
    flights, done = under_way(shop, 3), Delivered()
    begun = commits_of(shop, monkeypatch)
    answers = [(flight, echo(flight, f"t{n}")) for n, flight in enumerate(flights)]
    assert recorder.record_all(answers, done)
    assert (len(begun), done.posted) == (1, 300)
    assert states(shop) == {SaleState.POSTED: 300}
    shop.check()


def test_an_id_in_two_answers_proves_only_one_of_them(shop, recorder):
    flights, done = under_way(shop, 2), Delivered()
    answers = [(flight, echo(flight, "same")) for flight in flights]
    assert not recorder.record_all(answers, done)
    assert states(shop) == {SaleState.POSTED: 100, SaleState.IN_DOUBT: 100}
    shop.check()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_answer_that_is_not_plain_takes_nothing_from_the_others(shop, recorder, place):
    flights, done = under_way(shop, 3), Delivered()
    answers = [(flight, echo(flight, f"t{n}")) for n, flight in enumerate(flights)]
    answers[place] = (flights[place], Posted(OtherAnswer(502, "bad gateway"), None, {}))
    assert not recorder.record_all(answers, done)
    assert states(shop) == {SaleState.POSTED: 200, SaleState.IN_DOUBT: 100}
    shop.check()


def test_a_short_echo_among_them_leaves_its_rest_in_doubt(shop, recorder):
    flights, done = under_way(shop, 2), Delivered()
    answers = [
        (flights[0], echo(flights[0], "a")),
        (flights[1], echo(flights[1], "b", leave_out=7)),
    ]
    assert not recorder.record_all(answers, done)
    assert states(shop) == {SaleState.POSTED: 193, SaleState.IN_DOUBT: 7}
    shop.check()


def test_a_location_that_contradicts_itself_stops_and_the_other_answer_counts(shop, recorder):
    flights, done = under_way(shop, 2), Delivered()
    broken = replace(flights[0], started=parts.Started(flights[0].started.batch_id, (999,)))
    answers = [(broken, echo(flights[0], "a")), (flights[1], echo(flights[1], "b"))]
    assert not recorder.record_all(answers, done)
    assert states(shop) == {SaleState.SENDING: 100, SaleState.POSTED: 100}
    shop.check()


@pytest.mark.parametrize("plain", [True, False])
def test_answers_that_the_disk_refuses_are_all_kept_for_later(shop, recorder, monkeypatch, plain):
    flights, done = under_way(shop, 3), Delivered()
    answers = [
        (flight, echo(flight, f"t{n}", leave_out=0 if plain else 1))
        for n, flight in enumerate(flights)
    ]

    def full(_ledger):
        raise DiskTrouble("no space", "make space")

    with monkeypatch.context() as patch:
        patch.setattr(type(shop.ledger), "commit", full)
        with pytest.raises(DiskTrouble):
            recorder.record_all(answers, done)
    assert states(shop) == {SaleState.SENDING: 300}
    recorder.record_left()
    assert states(shop).get(SaleState.SENDING, 0) == 0
    assert states(shop)[SaleState.POSTED] == (300 if plain else 297)
    shop.check()
