"""An old ledger and windows: what it had begun to empty, and what a repair of it empties."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconcile.backups import back_up, delete_one_of_the_last, grow_old, restore, stops, trade
from reconcile.world import World, world
from tillbridge.by_hand import Word
from tillbridge.days import utc_midnight_s
from tillbridge.ledger import removals, targets
from tillbridge.ledger.removals import RemovalState
from tillbridge.reconcile.deeds import Deeds


def _want(here: World) -> None:
    """The whole day is to be emptied and posted anew."""
    stamps = [row.created_at for _, row in here.rows()]
    wanted = here.bridge.replacer.want(
        here.place.connecteam_id, min(stamps), max(stamps), "a test wants it"
    )
    assert wanted is None


def _die_before_it_is_cleared(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(removals, "clear_window", dies)
        with pytest.raises(KeyboardInterrupt):
            here.run()


def _begun(here: World) -> list[Any]:
    return here.query("select acknowledged from removal where state = :s", s=RemovalState.PLANNED)


@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize("by", ["a repair", "their word"])
def test_a_window_that_an_old_ledger_had_begun_to_empty_waits_for_a_person(
    tmp_path: Path, by: str, acknowledged: bool, monkeypatch: pytest.MonkeyPatch
):
    with world(tmp_path, when_unclear="replace") as here:
        _want(here)
        if acknowledged:
            _die_before_it_is_cleared(here, monkeypatch)
        else:
            here.sandbox.fail_next("delete", "502-before")
            here.run()
        assert _begun(here) == [(int(acknowledged),)]
        copy = back_up(here)
        trade(here, 6)
        here.run(3)
        here.assert_right()
        there = here.rows()
        restore(here, copy, with_mark=True)
        here.run(3)
        assert here.rows() == there
        assert stops(here) == ["old_ledger"]
        if by == "a repair":
            here.repair()
        else:
            here.bridge.by_hand.end_stop("old_ledger", Word.LANDED, "seen there", None)
            here.again()
            here.run(3)
        here.assert_right()
        assert stops(here) == []
        here.assert_goes_on()


def test_a_repair_that_dies_when_it_has_begun_does_not_send_what_it_would_have_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with world(tmp_path) as here:
        grow_old(here, 7)

        def dies(*_: object) -> bool:
            raise KeyboardInterrupt

        here.ask()
        with monkeypatch.context() as patch:
            patch.setattr(Deeds, "do", dies)
            with pytest.raises(KeyboardInterrupt):
                here.run(9)
        here.again()
        posts = here.sandbox.counters()["connecteam.post"]
        here.finish()
        assert here.sandbox.counters()["connecteam.post"] == posts
        here.assert_right()


def _damage(here: World) -> None:
    """Trade on two days, and a row less on each: the totals do not tell what is there."""
    for days in (1, 0):
        trade(here, 6, days_ago=days)
        here.run(2)
        delete_one_of_the_last(here)


def test_several_days_of_an_old_ledger_are_emptied_before_anything_is_sent(tmp_path: Path):
    with world(tmp_path, when_unclear="replace", days=2) as here:
        copy = back_up(here)
        _damage(here)
        restore(here, copy, with_mark=True)
        here.run(2)
        assert stops(here) == ["old_ledger"]
        client = here.bridge.account.client
        real, left = client.post, []

        def posts(*given: Any) -> Any:
            left.append({row.created_at for _, row in here.rows()})
            return real(*given)

        client.post = posts  # type: ignore[method-assign]
        held = {row.created_at for _, row in here.rows()}
        assert "replace_window" in [line["action"] for line in here.repair()]
        assert len(left[0]) < len(held) - 24  # all that may be doubled was gone by the first POST
        here.assert_right()
        assert stops(here) == []
        here.assert_goes_on()


def test_where_a_day_may_not_be_emptied_after_all_the_stop_stays(tmp_path: Path):
    with world(tmp_path, when_unclear="replace") as here:
        copy = back_up(here)
        trade(here, 6)
        here.run(2)
        delete_one_of_the_last(here)
        restore(here, copy, with_mark=True)
        with here.ledger.commit() as commit:
            targets.note_foreign(commit, here.place.connecteam_id, [here.day])
        here.run(2)
        there = here.rows()
        (line,) = here.repair()
        assert line["action"] == "leave"
        assert "others wrote there" in line["reason"]
        here.run(2)
        assert stops(here) == ["old_ledger"]
        assert here.rows() == there


def test_several_days_that_need_to_be_emptied_are_emptied_by_one_repair(tmp_path: Path):
    with world(tmp_path, when_unclear="replace", days=8) as here:
        days = [here.day - timedelta(days=back) for back in (2, 1, 0)]
        for day in days:
            midnight_s = utc_midnight_s(day)
            gains = [
                key
                for key, row in here.rows()
                if 0 <= row.created_at - midnight_s < 86_400 and row.amount > 0
            ]
            for key in gains[3:8]:
                here.sandbox.double_at_connecteam(key)
        done = here.repair()
        emptied = [line["day"] for line in done if line["action"] == "replace_window"]
        assert emptied == [day.isoformat() for day in days]
        assert here.query("select state from repair") == [("done",)]
        here.assert_right()
        here.assert_goes_on()
