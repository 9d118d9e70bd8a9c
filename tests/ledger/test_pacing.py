"""How long sales should wait for company, by the plan and by what is left of the day."""

from typing import Any, cast

import pytest

from ledger.tools import NOON_MS, StillClock
from tillbridge.account import Account
from tillbridge.connecteam.quota import Shares
from tillbridge.ledger import quotas
from tillbridge.ledger.store import Ledger

SHARES = Shares(quota=0.8, backfill=0.5, minute_limit=100, day_limit=10_000)
HOUR_MS = 3_600_000


def _account(path: Any, *, limit: int | None, spent: int, hours_left: int) -> Account:
    clock = StillClock()
    ledger = Ledger(path, clock)
    day = {
        "window": "day", "limit": limit, "remaining": None if limit is None else limit - spent,
        "reset_ms": NOON_MS + hours_left * HOUR_MS, "spent": spent, "seen_ms": NOON_MS,
        "told_s": NOON_MS // 1000 + hours_left * 3600,
    }  # fmt: skip
    with ledger.commit() as commit:
        quotas.save(commit, [day])
    return Account(ledger, cast("Any", None), clock, SHARES)


@pytest.mark.parametrize("limit", [10_000, 20_000, None])
def test_on_the_larger_plans_nothing_waits(tmp_path, limit):
    account = _account(tmp_path / "ledger.db", limit=limit, spent=10, hours_left=12)
    assert account.useful_wait_s() == 0


@pytest.mark.parametrize(
    ("spent", "hours_left", "wait_s"),
    [
        (0, 14, 720.0),  # 80 of 100 are ours, 10 are kept back: 70 for 14 hours
        (45, 7, 1008.0),
        (70, 1, 3600.0),  # what is left is kept back: the next window
        (80, 2, 7200.0),
    ],
)
def test_on_the_smallest_plan_the_rest_of_the_requests_lasts_for_the_rest_of_the_day(
    tmp_path, spent, hours_left, wait_s
):
    account = _account(tmp_path / "ledger.db", limit=100, spent=spent, hours_left=hours_left)
    assert account.useful_wait_s() == wait_s
