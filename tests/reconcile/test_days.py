"""Days that are odd: 23 and 25 hours, zones apart, several tills for one location; and requests."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconcile.world import world
from tillbridge.reconcile.causes import CauseName

SHORT, LONG = date(2026, 3, 29), date(2026, 10, 25)


@pytest.mark.parametrize(
    ("day", "zone"),
    [(SHORT, "UTC"), (SHORT, "Europe/London"), (LONG, "Europe/London"), (LONG, "America/New_York")],
)
def test_both_views_of_a_day_across_a_clock_change_agree(tmp_path: Path, day: date, zone: str):
    with world(
        tmp_path, day=day + timedelta(days=1), days=3, day_zone=zone, sales_per_day=40
    ) as here:
        result = here.compare(day - timedelta(days=1), day + timedelta(days=1))
        assert len(result.days) == 3
        for figures in result.days:
            assert sum(cause.amount for cause in figures.causes) == figures.difference
            assert {cause.name for cause in figures.causes} <= {CauseName.AFTER_MIDNIGHT}
            assert not figures.needs_look
        key, row = here.with_amount()
        here.sandbox.delete_at_connecteam(key)
        here.sandbox.double_at_connecteam(here.with_amount()[0])
        assert here.compare(day - timedelta(days=1), day + timedelta(days=1)).needs_look
        here.repair()
        here.assert_right()
        assert row.amount > 0


def test_the_real_cutoff_is_lightspeeds_word_not_the_configurations(tmp_path: Path):
    with world(tmp_path, days=2) as here:
        here.stop()
        start = here.sandbox.first_day.isoformat()
        here.home.change(f"start = {start}", f'start = {start}\nday_starts_at = "03:00"')
        here.start()
        result = here.compare(here.sandbox.first_day, here.day)
        for figures in result.days[1:]:
            assert figures.lightspeed is not None
            assert figures.lightspeed[1] == figures.ledger[1]
            assert not figures.needs_look
        (ends_ms,) = here.query("select ends_ms from business_day where day = :d", d=here.day)[0]
        assert ends_ms // 1000 % 86_400 // 3600 in (4, 5)  # 05:00 in London


def test_a_month_costs_a_handful_of_requests_to_connecteam(tmp_path: Path):
    with world(tmp_path, days=31, sales_per_day=6, locations=2) as here:
        before = here.requests()
        first = here.sandbox.first_day
        results = here.bridge.keeping.reconciler.run(first, here.day)
        assert [len(result.days) for result in results] == [31, 31]
        assert not any(result.needs_look for result in results)
        assert here.requests() - before <= 3


def test_two_tills_that_feed_one_location_are_compared_together(tmp_path: Path):
    with world(tmp_path, locations=2) as here:
        here.stop()
        one, two = here.sandbox.locations
        here.home.change(
            f"connecteam_id = {two.connecteam_id}", f"connecteam_id = {one.connecteam_id}"
        )
        here.home.change('currency = "EUR"', 'currency = "GBP"')
        here.home.ledger.unlink()
        for key in here.sandbox.connecteam_ids(one.connecteam_id):
            here.sandbox.delete_at_connecteam(key)
        here.home.ledger.with_name("ledger.db.generation").unlink()
        here.start()
        here.run(2)
        result = here.compare()
        (figures,) = result.days
        assert result.policy.name == f"{one.name} and {two.name}"
        rows = Counter(here.sandbox.connecteam_rows(one.connecteam_id))
        assert figures.lightspeed is not None
        assert figures.lightspeed[0] == sum(rows.values())


def test_days_before_the_start_are_not_carried_over_by_a_comparison(tmp_path: Path):
    with world(tmp_path, days=3) as here:
        here.stop()
        start = here.sandbox.first_day.isoformat()
        here.home.change(f"start = {start}", f"start = {here.day.isoformat()}")
        here.home.ledger.unlink()
        here.home.ledger.with_name("ledger.db.generation").unlink()
        for key, _row in here.rows():
            here.sandbox.delete_at_connecteam(key)
        here.start()
        result = here.compare(here.sandbox.first_day, here.day)
        assert [figures.day for figures in result.days] == [here.day]
        assert here.query("select count(*) from sale where closed_ms < 1000") == [(0,)]


def test_no_totals_are_believed_while_a_write_is_under_way(tmp_path: Path):
    with world(tmp_path) as here:
        with here.ledger.commit() as commit:
            commit.exec_driver_sql("update part set state = 'sending' where id = 1")
        result = here.compare()
        assert not result.read
        assert result.days[0].connecteam is None
        assert result.days[0].difference is None
        with here.ledger.commit() as commit:
            commit.exec_driver_sql("update part set state = 'posted' where id = 1")


def test_no_totals_are_believed_if_a_write_began_meanwhile(tmp_path: Path):
    with world(tmp_path) as here:
        account = here.bridge.account
        real, read = account.read_totals, []

        def meanwhile(*words: Any) -> Any:
            read.append(words)
            answer = real(*words)
            with here.ledger.commit() as commit:
                commit.exec_driver_sql("update sale set amount = amount + 1 where id = 1")
            return answer

        account.read_totals = meanwhile  # type: ignore[method-assign]
        assert not here.compare().read
        assert len(read) > 1  # it was tried again, and in vain


def test_totals_that_lag_are_no_difference(tmp_path: Path):
    with world(tmp_path, totals_lag_s=1.5) as here:
        here.stop()
        here.home.change('patience = "0s"', 'patience = "20s"')
        here.start()
        here.sell()
        here.run()
        result = here.compare(here.day, here.day + timedelta(days=1))
        assert not result.mature
        names = {cause.name for figures in result.days for cause in figures.causes}
        assert CauseName.NOT_SHOWN_YET in names
        assert not result.needs_look
