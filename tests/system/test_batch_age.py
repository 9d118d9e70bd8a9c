"""Sales wait for company only as long as that is useful."""

import time
from collections.abc import Callable

from system.conftest import Made
from tillbridge.sandbox import Sandbox


def test_on_a_larger_plan_a_sale_goes_at_once_unless_it_is_told_to_wait(
    make: Callable[..., Made],
) -> None:
    served, home = make(plan="expert", sales_per_day=40)
    home.change("[sync]", '[sync]\nmax_batch_age = "12s"')
    with home.service():
        before = _quiet(served)
        served.close_sale(0)  # the last request is two seconds old; this sale waits ten more
        began = time.monotonic()
        _wait_for(lambda: served.counters()["connecteam.post"] > before)
        assert time.monotonic() - began > 1.0


def _quiet(served: Sandbox) -> int:
    """The number of POSTs once the day is carried over and nothing more goes out."""
    _wait_for(lambda: served.counters().get("connecteam.post", 0) > 0)
    count, since = -1, time.monotonic()
    while time.monotonic() - since < 2.0:
        now = served.counters()["connecteam.post"]
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.1)
    return count


def _wait_for(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)
