"""What the bridge relies on of Connecteam, tried on every simulated one with the real client."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from contract.backends import ConnecteamSide
from tillbridge.connecteam.client import Totals
from tillbridge.outcome import Accepted, Outcome, RowsRefused, judge
from tillbridge.sale import Transaction


def post(side: ConnecteamSide, rows: Sequence[Transaction]) -> Outcome:
    side.expect(len(rows))
    return judge(rows, side.client.post(rows).shape)


def day_of(row: Transaction) -> date:
    return datetime.fromtimestamp(row.created_at, UTC).date()


def totals(side: ConnecteamSide) -> dict[date, int]:
    day, here = day_of(side.row), side.row.location_id
    first, last = day - timedelta(days=3), day + timedelta(days=3)
    answer = side.client.totals({here: side.row.currency}, first, last)
    assert isinstance(answer, Totals), answer
    assert len(answer.by_location[here]) == 7
    return answer.by_location[here]


def some(row: Transaction, count: int) -> list[Transaction]:
    return [
        row._replace(amount=row.amount + n, created_at=row.created_at + n) for n in range(count)
    ]


def test_a_hundred_rows_are_accepted_and_each_gets_an_id_of_its_own(connecteam: ConnecteamSide):
    outcome = post(connecteam, some(connecteam.row, 100))
    assert isinstance(outcome, Accepted)
    assert len(set(outcome.ids)) == 100


def test_equal_rows_are_kept_as_often_as_they_are_sent(connecteam: ConnecteamSide):
    for _ in range(2):
        assert isinstance(post(connecteam, [connecteam.row] * 2), Accepted)
    assert totals(connecteam)[day_of(connecteam.row)] == 4 * connecteam.row.amount


def test_a_days_total_is_the_signed_sum_and_other_days_are_empty(connecteam: ConnecteamSide):
    refund = connecteam.row._replace(sale_type="REFUND", amount=-234, tax=-47)
    assert isinstance(post(connecteam, [connecteam.row, refund]), Accepted)
    shown = totals(connecteam)
    assert shown.pop(day_of(connecteam.row)) == connecteam.row.amount - 234
    assert set(shown.values()) == {0}


def test_a_refused_row_is_named_and_nothing_is_written(connecteam: ConnecteamSide):
    rows = some(connecteam.row, 3)
    outcome = post(connecteam, [rows[0], connecteam.bad, rows[2]])
    assert isinstance(outcome, RowsRefused)
    assert set(outcome.faults) == {1}
    assert set(totals(connecteam).values()) == {0}


def test_a_row_is_removed_by_its_id_once(connecteam: ConnecteamSide):
    outcome = post(connecteam, some(connecteam.row, 2))
    assert isinstance(outcome, Accepted)
    assert connecteam.client.delete_one(outcome.ids[0]).status == 200
    assert totals(connecteam)[day_of(connecteam.row)] == connecteam.row.amount + 1
    assert connecteam.client.delete_one(outcome.ids[0]).status == 404
    assert totals(connecteam)[day_of(connecteam.row)] == connecteam.row.amount + 1


def test_a_window_is_removed_whole_and_nothing_outside_it(connecteam: ConnecteamSide):
    rows = [
        connecteam.row._replace(created_at=connecteam.row.created_at + n * 10) for n in range(5)
    ]
    assert isinstance(post(connecteam, rows), Accepted)
    here, begin = connecteam.row.location_id, connecteam.row.created_at
    # The ends lie between rows: whether they belong to the window must not matter.
    assert connecteam.client.delete_window(here, begin + 5, begin + 35).status == 200
    assert totals(connecteam)[day_of(connecteam.row)] == 2 * connecteam.row.amount
    assert connecteam.client.delete_window(here, begin + 5, begin + 35).status == 200
