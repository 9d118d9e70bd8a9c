"""Repairs when answers are lost, processes die, and totals lag: nothing is lost, nothing doubled."""

from pathlib import Path

import pytest

from reconcile.world import World, world
from tillbridge.ledger import corrections, removals, repairs
from tillbridge.ledger.removals import Found
from tillbridge.reconcile.causes import CauseName


def _damage(here: World) -> None:
    gains = [key for key, row in here.rows() if row.amount > 0]
    for key in gains[4:7]:
        here.sandbox.delete_at_connecteam(key)


@pytest.mark.parametrize(
    ("kind", "exclusive"), [("lost-after", True), ("lost-after", False), ("502-before", True)]
)
def test_deletes_whose_answers_are_lost_lose_and_double_nothing(
    tmp_path: Path, exclusive: bool, kind: str
):
    with world(tmp_path, exclusive=exclusive) as here:
        _damage(here)
        here.sandbox.fail_next("delete", kind, times=3)  # type: ignore[arg-type]
        here.repair()
        here.assert_right()
        assert not here.figures().needs_look
        here.assert_goes_on()


@pytest.mark.parametrize("kind", ["lost-after", "502-before"])
def test_a_post_whose_answer_is_lost_in_a_repair_is_settled_like_any_other(
    tmp_path: Path, kind: str
):
    with world(tmp_path) as here:
        _damage(here)
        here.sandbox.fail_next("post", kind)  # type: ignore[arg-type]
        here.repair()
        here.assert_right()


@pytest.mark.parametrize("after", [1, 4])
def test_a_repair_goes_on_after_the_process_died(tmp_path: Path, after: int):
    with world(tmp_path) as here:
        _damage(here)
        here.compare()
        here.ask()
        client = here.bridge.account.client
        real, sent = client.delete_one, []

        def dies(transaction_id: str) -> object:
            sent.append(transaction_id)
            answer = real(transaction_id)
            if len(sent) == after:
                raise KeyboardInterrupt  # it acted, and nobody wrote down the answer
            return answer

        client.delete_one = dies  # type: ignore[method-assign, assignment]
        with pytest.raises(KeyboardInterrupt):
            here.run(20)
        here.again()
        here.finish()
        here.assert_right()
        here.assert_goes_on()


def test_a_window_that_is_emptied_while_answers_are_lost_is_right_in_the_end(tmp_path: Path):
    with world(tmp_path, when_unclear="replace") as here:
        for key in [key for key, row in here.rows() if row.amount > 0][3:9]:
            here.sandbox.double_at_connecteam(key)
        here.sandbox.fail_next("delete", "lost-after", times=2)
        here.repair()
        here.assert_right()
        assert not here.figures().needs_look


def test_a_repair_waits_for_totals_that_lag(tmp_path: Path):
    with world(tmp_path, totals_lag_s=0.6) as here:
        here.stop()
        here.home.change('patience = "0s"', 'patience = "1s"')
        here.start()
        _damage(here)
        here.bridge.clock.sleep(1.2)
        assert CauseName.MISSING in here.causes()
        here.ask()
        for _ in range(60):
            here.run()
            waiting = here.query("select id from sale where state = 'waiting'")
            # What was taken out may have to wait for the totals once more before it is put back.
            if here.query("select state from repair") != [("working",)] and not waiting:
                break
            here.bridge.clock.sleep(0.2)
        here.assert_right()
        assert here.query("select state from repair") == [("done",)]


def test_a_repair_that_a_doubt_keeps_back_touches_nothing_meanwhile(tmp_path: Path):
    with world(tmp_path) as here:
        here.stop()
        here.home.change('wait = "0s"', 'wait = "90s"')
        here.start()
        here.sell()
        here.sandbox.fail_next("post", "502-before")
        here.run()
        _damage(here)
        deletes = here.sandbox.counters().get("connecteam.delete", 0)
        here.ask()
        here.run(3)
        assert here.sandbox.counters().get("connecteam.delete", 0) == deletes
        assert here.query("select state from repair") == [("working",)]


def test_a_delete_that_may_have_acted_before_trusts_only_a_new_base(tmp_path: Path):
    with world(tmp_path) as here:
        (sale_id,) = here.query("select id from sale where amount > 500")[2]
        (transaction,) = here.query("select transaction_id from sale where id = :i", i=sale_id)[0]
        here.sandbox.delete_at_connecteam(transaction)
        now = here.bridge.account.moment()
        with here.ledger.commit() as commit:
            removal_id = repairs.plan_take_out(commit, sale_id, now)
            assert removal_id is not None
            row = removals.get(commit, removal_id)
            assert removals.note_attempt(commit, row) is Found.MISSING  # sent, and no answer came
            again = removals.note_attempt(commit, removals.get(commit, removal_id))
            assert again is Found.UNSURE
            row = removals.get(commit, removal_id)
            corrections.acknowledge_delete(commit, row, now, None, again)
        assert here.query("select base_id from target") == [(None,)]
        here.run(2)
        here.assert_right()
        here.assert_goes_on()
