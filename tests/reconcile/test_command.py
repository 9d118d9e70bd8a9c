"""The command `reconcile` as people and programs use it, and the comparison of the night."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from reconcile.world import world
from tillbridge.days import epoch_ms
from tillbridge.windows import Rescan


def test_the_command_names_repairs_and_ends_as_the_contract_says(tmp_path: Path):
    with world(tmp_path, locations=2) as here:
        here.stop()
        day = here.day.isoformat()
        span = ("--from", day, "--to", day)
        right = here.home.call("reconcile", *span, "--json")
        assert right.code == 0, right.err
        places = right.json["locations"]
        assert len(places) == 2
        for place in places:
            (figures,) = place["days"]
            causes = sum(Decimal(cause["amount"]) for cause in figures["causes"])
            assert causes == Decimal(figures["difference"])
            assert figures["state"] == "closed"
        key, row = here.with_amount()
        here.sandbox.delete_at_connecteam(key)
        before = here.requests()
        wrong = here.home.call("reconcile", *span, "--location", here.place.name)
        assert wrong.code == 3, wrong.err
        assert f"missing in Connecteam -{row.amount:,}" in " ".join(wrong.out.split())
        assert here.requests() - before <= 2
        plan = here.home.call("reconcile", *span, "--repair", "--dry-run", "--json")
        assert plan.code == 3
        (action,) = [a for one in plan.json["repairs"] for a in one["actions"]]
        assert (action["action"], action["sales"]) == ("take_out_and_put_back", 1)
        assert len(here.rows()) == len(here.sandbox.expected_rows(here.place.lightspeed_id)) - 1
        done = here.home.call("reconcile", *span, "--repair")
        assert done.code == 0, done.err
        here.start()
        here.assert_right()


def test_beside_a_service_the_command_leaves_the_repair_to_it(tmp_path: Path):
    with world(tmp_path) as here:
        key, _ = here.with_amount()
        here.sandbox.delete_at_connecteam(key)
        done = here.home.call("reconcile", "--repair")
        assert done.code == 3, done.err
        assert "The running tillbridge carries the repair out." in done.err
        here.run(3)
        here.assert_right()


def test_it_runs_by_itself_once_a_night_and_alarms(tmp_path: Path):
    with world(tmp_path) as here:
        nightly = here.bridge.keeping.nightly
        assert nightly.step() == []  # the first night is the one that comes
        assert nightly.step() == []
        key, _ = here.with_amount()
        here.sandbox.delete_at_connecteam(key)
        _let_a_night_pass(here)
        (result,) = nightly.step()
        assert result.needs_look
        assert nightly.step() == []  # once
        assert "missing in Connecteam" in here.bridge.alarms.raised["difference:123"]
        here.repair()
        _let_a_night_pass(here)
        assert not nightly.step()[0].needs_look
        assert "difference:123" not in here.bridge.alarms.raised


def _let_a_night_pass(here) -> None:  # type: ignore[no-untyped-def]
    ago_ms = epoch_ms(datetime.now(UTC) - timedelta(days=2))
    with here.ledger.commit() as commit:
        commit.exec_driver_sql(f"update rescan set done_ms = {ago_ms} where name like 'reconcile%'")


def test_at_exclusive_locations_the_night_repairs_where_configured(tmp_path: Path):
    with world(tmp_path) as here:
        here.stop()
        here.home.write(here.home.text + '\n[reconcile]\nrepair = "exclusive"\n')
        here.start()
        here.bridge.keeping.nightly.step()
        for key in [key for key, row in here.rows() if row.amount > 0][4:6]:
            here.sandbox.delete_at_connecteam(key)
        _let_a_night_pass(here)
        here.bridge.keeping.nightly.step()
        assert here.finish()
        here.assert_right()


def test_the_night_comes_after_the_cutoff(tmp_path: Path):
    with world(tmp_path) as here:
        night = here.bridge.keeping.nightly._night
        assert {f"{at:%H:%M}" for at in night.at.values()} == {"06:00"}
        assert Rescan("x", 1.0, at=next(iter(night.at.values()))).at is not None


def test_the_service_compares_and_repairs_by_night_without_anybody(tmp_path: Path):
    with world(tmp_path) as here:
        here.bridge.keeping.nightly.step()
        _let_a_night_pass(here)
        here.stop()
        here.home.write(here.home.text + '\n[reconcile]\nrepair = "exclusive"\n')
        key, _ = here.with_amount()
        here.sandbox.delete_at_connecteam(key)
        wanted = len(here.sandbox.expected_rows(here.place.lightspeed_id))
        with here.home.service() as service:
            service.until(lambda: "days_compared" in service.log)
            service.until(lambda: len(here.rows()) == wanted)
            service.until(lambda: "repair_ended" in service.log)
            assert service.end()[0] == 0
        here.start()
        here.assert_right()
