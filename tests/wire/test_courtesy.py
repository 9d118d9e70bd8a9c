"""How many requests Lightspeed is sent at once, and what a complaint of its changes."""

import threading
import time

import httpx
import pytest

from tillbridge.clock import SystemClock
from tillbridge.errors import TryLater
from tillbridge.lightspeed.courtesy import Courtesy
from wire.test_lightspeed_client import EMPTY, HeldClock, first_page, lightspeed

__all__ = ["lightspeed"]


def complain(courtesy, asked_s=None):
    courtesy.note(trouble=True, asked_s=asked_s)


def praise(courtesy, times):
    for _ in range(times):
        courtesy.note(trouble=False, asked_s=None)


def test_a_complaint_halves_what_is_sent_at_once_and_good_answers_bring_it_back():
    courtesy = Courtesy(8, HeldClock(), 60)
    seen = []
    for _ in range(4):
        complain(courtesy)
        seen.append(courtesy.allowed)
    assert seen == [4, 2, 1, 1]
    praise(courtesy, 19)
    assert courtesy.allowed == 1
    praise(courtesy, 1)
    assert courtesy.allowed == 2
    praise(courtesy, 10)
    complain(courtesy)
    praise(courtesy, 19)
    assert courtesy.allowed == 1  # in a row, after the latest complaint
    praise(courtesy, 1000)
    assert courtesy.allowed == 8


@pytest.mark.parametrize(("complaints", "most"), [(0, 4), (1, 2), (2, 1)])
def test_no_more_requests_than_allowed_are_under_way_at_once(complaints, most):
    courtesy = Courtesy(4, SystemClock(), 60)
    for _ in range(complaints):
        complain(courtesy)
    guard, now, highest = threading.Lock(), [0], [0]

    def work():
        for _ in range(5):
            with courtesy.turn():
                with guard:
                    now[0] += 1
                    highest[0] = max(highest[0], now[0])
                time.sleep(0.003)
                with guard:
                    now[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert highest[0] == most


def test_what_one_request_was_told_to_wait_all_others_wait():
    clock = HeldClock()
    courtesy = Courtesy(4, clock, 60)
    complain(courtesy, asked_s=30.0)
    clock.sleep(10)
    with courtesy.turn():
        pass
    assert clock.slept == [10, 20.0]
    with courtesy.turn():
        pass
    assert clock.slept == [10, 20.0]


def test_a_pause_that_is_too_long_to_wait_is_told_and_nothing_is_sent(lightspeed):
    side = lightspeed(httpx.Response(429, headers={"Retry-After": "3600"}), EMPTY)
    for _ in range(3):
        with pytest.raises(TryLater):
            first_page(side)
    assert len(side.requests) == 1  # the second and the third did not knock
    side.clock.sleep(3601)
    assert first_page(side).sales == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_client_learns_from_each_answer(lightspeed, status):
    side = lightspeed(httpx.Response(status), EMPTY)
    first_page(side)
    assert side.client.courtesy.allowed == 4


@pytest.mark.parametrize("answer", [httpx.ReadError("reset"), httpx.Response(401)])
def test_a_broken_line_and_a_refused_token_are_no_complaints(lightspeed, answer):
    side = lightspeed(answer, EMPTY)
    first_page(side)
    assert side.client.courtesy.allowed == 8


def test_the_spread_of_the_tries_is_full(lightspeed):
    """From none at all up to the whole of it, evenly: that is what keeps many from one moment."""
    pauses = []
    side = lightspeed(EMPTY)
    for _ in range(300):
        side._answers = [httpx.Response(503), EMPTY]
        before = len(side.clock.slept)
        first_page(side)
        pauses += side.clock.slept[before:]
    assert len(pauses) == 300
    assert min(pauses) < 0.05
    assert max(pauses) > 0.95
    assert 0.43 < sum(pauses) / len(pauses) < 0.57
