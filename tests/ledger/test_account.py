"""The quota gate as processes share it: in the ledger, kept over restarts, told once."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import structlog

from ledger.tools import NOON, StillClock
from tillbridge.account import Account
from tillbridge.connecteam.client import Deleted, NoEvidence, Totals
from tillbridge.connecteam.quota import Purpose, Shares
from tillbridge.ledger.store import Ledger

SHARES = Shares(quota=0.5, backfill=0.5, minute_limit=10, day_limit=1000)
SPAN = (NOON.date(), NOON.date())


class Client:
    """Answers each reading of totals with what is prepared."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Totals | NoEvidence = Totals({123: {}}, {})

    def totals(self, _currencies, _first, _last):
        self.asked += 1
        return self.answer


@pytest.fixture
def make(tmp_path):
    """Processes on one ledger and one clock."""
    clock, ledgers = StillClock(), []

    def made(shares=SHARES):
        ledgers.append(Ledger(tmp_path / "ledger.db", clock))
        return Account(ledgers[-1], Client(), clock, shares)

    made.clock = clock
    yield made
    for ledger in ledgers:
        ledger.close()


def told(*, day=None, minute=None, now=NOON):
    headers = {"date": format_datetime(now, usegmt=True)}
    for name, facts, length in (("minute", minute, 60), ("day", day, 86_400)):
        if facts:
            reset = (int(now.timestamp()) // length + 1) * length
            limit, left = facts
            headers |= {f"x-ratelimit-{name}-limit": str(limit),
                        f"x-ratelimit-{name}-remaining": str(left),
                        f"x-ratelimit-{name}-reset": str(reset)}  # fmt: skip
    return headers


def learn(account, headers, **more):
    with account._ledger.commit() as commit:
        account.learn(commit, headers, **more)


def spend(account, times=1):
    for _ in range(times):
        with account._ledger.commit() as commit:
            account.spend(commit)


def test_two_processes_share_one_minute_and_neither_takes_more_than_is_left(make):
    one, other = make(), make()
    spend(one, 3)
    for account in (other, one, other):
        account.read_totals({123: "GBP"}, *SPAN)
    assert one.client.asked + other.client.asked == 2  # five of ten in all
    assert isinstance(one.take_unread() or other.take_unread(), NoEvidence)
    assert one.wait_s(Purpose.LIVE) == other.wait_s(Purpose.LIVE) > 0


def test_what_was_learned_outlives_the_process(make):
    learn(make(), told(minute=(6, 5), day=(100, 99)))
    later = make()
    limits = {window.name: window.limit for window in later.windows()}
    assert limits == {"minute": 6, "day": 100}
    assert later.left_today() == 50


def test_a_pause_outlives_the_process(make):
    learn(make(), {}, throttled=True)
    again = make()
    assert again.wait_s(Purpose.LIVE) == 60
    make.clock.sleep(61)
    assert again.wait_s(Purpose.LIVE) == 0


@pytest.mark.parametrize(
    ("answer", "pauses"),
    [
        (NoEvidence("429: Rate limit exceeded", {}, throttled=True), True),
        (NoEvidence("200: Too many requests", {}), True),  # as it has been seen
        (NoEvidence("500: oops", {}), False),
    ],
)
def test_a_throttled_reading_lets_nobody_try(make, answer, pauses):
    account = make()
    account.client.answer = answer
    account.read_totals({123: "GBP"}, *SPAN)
    assert (account.wait_s(Purpose.LIVE) > 0) is pauses
    account.read_totals({123: "GBP"}, *SPAN)
    assert account.client.asked == (1 if pauses else 2)


def test_a_throttled_delete_lets_nobody_try(make):
    account = make()
    with account._ledger.commit() as commit:
        account.note_deleted(commit, Deleted(429, "429: slow down", {}))
    assert account.wait_s(Purpose.LIVE) == 60


def test_another_program_is_told_of_once_a_day(make):
    account = make()
    with structlog.testing.capture_logs() as logs:
        for sent, left in ((1, 97), (1, 80), (1, 60)):
            spend(account, sent)
            learn(account, told(day=(100, left)))
        tomorrow = NOON + timedelta(days=1)
        make.clock.sleep(86_400)
        for left in (99, 70):
            spend(account)
            learn(account, told(day=(100, left), now=tomorrow))
    said = [line["requests"] for line in logs if line["event"] == "quota_shared"]
    assert said == [18, 28]
    assert {window.name: window.others for window in account.windows()}["day"] == 28


def test_history_leaves_a_part_of_the_day_to_live_sales(make):
    account = make(Shares(quota=0.8, backfill=0.5, minute_limit=1000, day_limit=100))
    learn(account, told(day=(100, 100)))
    for _ in range(39):
        spend(account)
        assert account.wait_s(Purpose.BACKFILL) == 0
    spend(account)
    assert account.wait_s(Purpose.BACKFILL) > 3600
    assert account.wait_s(Purpose.LIVE) == 0
    assert account.left_today() == 40
    assert datetime.fromtimestamp(account.windows()[0].reset_ms / 1000, UTC) > NOON
