"""A busy process stays on one core, with the threads that it begins, and only as long as it wants."""

import os
import threading

import pytest

from tillbridge.one_core import on_one_core

pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="this machine has one core to offer"
)


def _cores_of_a_new_thread() -> set[int]:
    found: list[set[int]] = []
    thread = threading.Thread(target=lambda: found.append(os.sched_getaffinity(0)))
    thread.start()
    thread.join()
    return found[0]


def test_inside_there_is_one_core_for_all_threads_and_afterwards_all_of_them():
    usual = os.sched_getaffinity(0)
    with on_one_core():
        inside = os.sched_getaffinity(0)
        assert _cores_of_a_new_thread() == inside
    assert len(inside) == 1
    assert inside < usual
    assert os.sched_getaffinity(0) == usual


def test_an_error_inside_gives_the_cores_back():
    usual = os.sched_getaffinity(0)
    with pytest.raises(KeyError), on_one_core():
        raise KeyError
    assert os.sched_getaffinity(0) == usual


def test_only_a_core_that_the_process_may_use_is_chosen(monkeypatch):
    chosen: list[set[int]] = []
    elsewhere = {1001, 1002}  # none of this machine's
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: elsewhere)
    monkeypatch.setattr(os, "sched_setaffinity", lambda _process, cores: chosen.append(cores))
    with on_one_core():
        pass
    assert chosen == []


def test_where_it_is_not_allowed_the_work_is_done_all_the_same(monkeypatch):
    def refuse(_process: int, _cores: set[int]) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    done = False
    with on_one_core():
        done = True
    assert done
