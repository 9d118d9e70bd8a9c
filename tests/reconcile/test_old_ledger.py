"""A restored old ledger, with and without its high-water mark: brought up to date, never doubled."""

from pathlib import Path

import pytest

from reconcile.backups import back_up, delete_one_of_the_last, grow_old, restore, stops, trade
from reconcile.world import world
from tillbridge.by_hand import Word
from tillbridge.reconcile.causes import CauseName


@pytest.mark.parametrize(("exclusive", "with_mark"), [(True, True), (True, False), (False, True)])
def test_what_an_old_ledger_forgot_is_taken_over_not_sent_again(
    tmp_path: Path, exclusive: bool, with_mark: bool
):
    with world(tmp_path, exclusive=exclusive) as here:
        copy = back_up(here)
        trade(here, 7)
        here.run(2)
        here.assert_right()
        restore(here, copy, with_mark=with_mark)
        here.run(2)
        assert stops(here) == ["old_ledger" if with_mark else "unexplained"]
        assert here.query("select count(*) from sale where state = 'waiting'") == [(7,)]
        assert [line["action"] for line in here.repair()] == ["adopt"]
        assert stops(here) == []
        here.assert_right()
        assert not here.figures().needs_look
        trade(here, 2)  # and from here on it goes as ever
        here.run(2)
        here.assert_right()


def test_an_old_ledger_is_repaired_only_by_a_persons_command(tmp_path: Path):
    with world(tmp_path) as here:
        grow_old(here, 5)
        assert [line["action"] for line in here.repair(by_person=False)][-1:] != ["adopt"]
        assert stops(here) == ["old_ledger"]
        here.assert_right()


def test_a_request_that_was_under_way_at_the_time_of_the_copy_is_not_sent_again(tmp_path: Path):
    with world(tmp_path) as here:
        trade(here, 4)
        here.sandbox.fail_next("post", "lost-after")
        here.run()  # its answer is lost, and the copy knows only of a doubt
        assert here.query("select count(*) from sale where state = 'in_doubt'") == [(4,)]
        copy = back_up(here)
        here.run(3)
        here.assert_right()
        trade(here, 3)
        here.run(2)
        restore(here, copy, with_mark=True)
        here.run(2)
        here.repair()
        here.assert_right()
        assert stops(here) == []


def test_what_was_amended_after_the_copy_is_not_posted_a_second_time(tmp_path: Path):
    with world(tmp_path) as here:
        copy = back_up(here)
        (reference,) = here.query("select reference from sale where amount > 500")[5]
        here.sandbox.amend_sale(0, reference)
        here.compare()
        here.run(2)
        here.assert_right()
        restore(here, copy, with_mark=True)
        here.compare()
        here.run(2)
        here.assert_right()
        here.repair()
        here.assert_right()
        assert stops(here) == []


def test_where_the_totals_do_not_tell_the_stop_stays(tmp_path: Path):
    with world(tmp_path) as here:
        copy = back_up(here)
        trade(here, 6)
        here.run(2)
        here.foreign("77777.77", here.with_amount()[1])
        restore(here, copy, with_mark=True)
        here.run(2)
        held = len(here.rows())
        assert here.causes().keys() & {CauseName.UNEXPLAINED, CauseName.DOUBLED}
        assert [line["action"] for line in here.repair()] == ["leave"]
        here.run(2)
        assert stops(here) == ["old_ledger"]
        assert len(here.rows()) == held


def test_where_a_day_may_be_emptied_an_old_ledger_is_right_even_if_totals_do_not_tell(
    tmp_path: Path,
):
    with world(tmp_path, when_unclear="replace") as here:
        copy = back_up(here)
        trade(here, 6)
        here.run(2)
        delete_one_of_the_last(here)
        restore(here, copy, with_mark=True)
        here.run(2)
        assert stops(here) == ["old_ledger"]
        assert "replace_window" in [line["action"] for line in here.repair()]
        here.run(2)
        here.assert_right()
        assert stops(here) == []


def test_what_was_taken_over_and_is_amended_later_is_held_for_a_person(tmp_path: Path):
    with world(tmp_path) as here:
        grow_old(here, 4)
        assert [line["action"] for line in here.repair()] == ["adopt"]
        (reference,) = here.query("select reference from sale where transaction_id is null")[0]
        here.sandbox.amend_sale(0, reference)
        here.compare()
        here.run(3)
        (part,) = here.query("select id, batch_id from part where state = 'held'")
        assert here.query("select reason from batch where id = :i", i=part.batch_id) == [
            ("sent by a ledger that is lost",)
        ]
        assert f"held:{part.id}" in str(here.bridge.alarms.raised)
        before = here.rows()
        here.bridge.by_hand.settle(part.id, Word.LANDED, "it is there as it was")
        here.run(2)
        assert here.rows() == before


def test_a_repair_of_an_old_ledger_may_be_tried_twice_where_others_write(tmp_path: Path):
    with world(tmp_path, exclusive=False) as here:
        copy = back_up(here)
        trade(here, 6)
        here.run(2)
        theirs = here.foreign("31.07", here.with_amount()[1])  # so that no total tells
        restore(here, copy, with_mark=True)
        here.run(2)
        for _ in range(2):
            assert [line["action"] for line in here.repair()] == ["leave"]
            assert stops(here) == ["old_ledger"]
        here.assert_right(theirs)


def test_an_old_ledger_does_not_believe_totals_that_may_lag(tmp_path: Path):
    with world(tmp_path, totals_lag_s=2.0) as here:
        here.stop()
        here.home.change('patience = "0s"', 'patience = "2s"')
        here.start()
        copy = back_up(here)
        here.bridge.clock.sleep(2.1)
        here.sell()
        here.run()
        held = here.rows()
        assert len(held) == len(here.sandbox.expected_rows(here.place.lightspeed_id))
        restore(here, copy, with_mark=True)
        here.run(3)  # the totals do not show the last sale yet, as if it had never been sent
        assert here.rows() == held
        here.bridge.clock.sleep(2.1)
        here.run()
        assert stops(here) == ["old_ledger"]
        here.repair()
        here.assert_right()


def test_after_an_old_ledger_an_id_that_is_not_there_proves_nothing(tmp_path: Path):
    """The lost ledger may have taken a sale back and posted it anew: it has another id now."""
    with world(tmp_path) as here:
        copy = back_up(here)
        trade(here, 4)
        here.run(2)
        key, row = here.with_amount()
        here.sandbox.double_at_connecteam(key)
        here.sandbox.delete_at_connecteam(key)
        restore(here, copy, with_mark=True)
        here.run(2)
        here.repair()
        here.assert_right()
        (reference,) = here.query("select reference from sale where transaction_id = :k", k=key)[0]
        here.sandbox.amend_sale(0, reference)
        here.compare()
        here.run(3)
        assert row in [there for _, there in here.rows()]
        assert here.query("select count(*) from part where state = 'held'") == [(1,)]


def test_after_an_old_ledger_what_people_delete_still_comes_back(tmp_path: Path):
    with world(tmp_path) as here:
        grow_old(here, 4)
        here.repair()
        here.sandbox.delete_at_connecteam(here.with_amount()[0])
        done = [line["action"] for line in here.repair()]
        assert done == ["take_out_and_put_back", "put_back"]
        here.assert_right()
        here.assert_goes_on()
