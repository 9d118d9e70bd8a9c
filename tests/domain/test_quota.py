"""How many requests may be sent: tables for the headers, then whole days on each plan."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from tillbridge.connecteam.quota import (
    Purpose,
    Shares,
    Window,
    answered,
    is_throttle,
    learn,
    spend,
    start,
    throttle,
    wait_ms,
)

NOW = 1_793_534_405_000  # five seconds into a minute, noon of a UTC day
MINUTE, DAY = 60_000, 86_400_000
SLICE, HOUR = 5_000, 3_600_000  # how finely time is kept while no header tells a window's end
ALL = Shares(quota=1.0, backfill=1.0, minute_limit=100, day_limit=10_000)
PLANS = {"small business": (5, 100), "Expert": (100, 10_000), "Enterprise": (200, 20_000)}


def headers(minute=None, day=None, date_ms=None):
    """minute and day are (limit, remaining, reset in seconds), each part None if left out."""
    found = {}
    for name, facts in (("minute", minute), ("day", day)):
        for kind, value in zip(("limit", "remaining", "reset"), facts or (), strict=False):
            if value is not None:
                found[f"x-ratelimit-{name}-{kind}"] = str(value)
    if date_ms is not None:
        moment = datetime.fromtimestamp(date_ms // 1000, UTC)
        found["date"] = format_datetime(moment, usegmt=True)
    return found


def minute_of(windows):
    return next(window for window in windows if window.name == "minute")


def day_of(windows):
    return next(window for window in windows if window.name == "day")


def spent(times, windows=None, now_ms=NOW):
    windows = windows or start(now_ms)
    for _ in range(times):
        windows = spend(windows, now_ms)
    return windows


# -- shares ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "backfill", "purpose", "allowed"),
    [
        (1.0, 1.0, Purpose.LIVE, 10),
        (0.8, 1.0, Purpose.LIVE, 8),
        (0.8, 0.5, Purpose.LIVE, 8),
        (0.8, 0.5, Purpose.BACKFILL, 4),
        (0.05, 0.5, Purpose.BACKFILL, 1),  # a share is never nothing
        (0.25, 1.0, Purpose.LIVE, 2),
    ],
)
def test_no_request_goes_once_the_share_of_the_day_is_used(quota, backfill, purpose, allowed):
    shares = Shares(quota, backfill, minute_limit=1000, day_limit=10)
    windows = start(NOW)
    for _ in range(allowed):
        assert wait_ms(windows, shares, purpose, NOW) == 0
        windows = spend(windows, NOW)
    assert DAY <= wait_ms(windows, shares, purpose, NOW) <= DAY + HOUR


def test_backfill_keeps_to_its_share_of_the_day_but_not_of_the_minute():
    shares = Shares(quota=1.0, backfill=0.5, minute_limit=10, day_limit=100)
    assert wait_ms(spent(9), shares, Purpose.BACKFILL, NOW) == 0
    assert MINUTE <= wait_ms(spent(10), shares, Purpose.BACKFILL, NOW) <= MINUTE + SLICE


def test_the_minute_binds_where_the_day_does_not():
    windows = spent(100)
    assert MINUTE - 1 <= wait_ms(windows, ALL, Purpose.LIVE, NOW + 1) <= MINUTE + SLICE
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW + MINUTE + SLICE) == 0


def test_without_windows_nothing_waits():
    assert wait_ms([], ALL, Purpose.LIVE, NOW) == 0


# -- headers -----------------------------------------------------------------------------------


def test_absent_headers_change_nothing():
    windows = spent(3)
    assert learn(windows, {}, NOW) == windows
    assert learn(windows, {"content-type": "text/html"}, NOW) == windows


@pytest.mark.parametrize("text", ["", "many", "1e999", "nan", "-", "0x1F"])
def test_headers_that_are_no_numbers_are_absent(text):
    windows = spent(3)
    told = {f"x-ratelimit-{w}-{k}": text for w in ("minute", "day") for k in ("limit", "reset")}
    assert learn(windows, told, NOW) == windows


def test_headers_take_the_place_of_the_configured_limits():
    windows = learn(spent(4), headers(minute=(5, 1, NOW // 1000 + 30)), NOW)
    assert minute_of(windows).limit == 5
    assert day_of(windows).limit is None
    assert wait_ms(windows, replace(ALL, quota=0.8), Purpose.LIVE, NOW) == 31_000


@pytest.mark.parametrize("remaining", [0, 1])
def test_the_last_request_of_the_account_is_left_to_others(remaining):
    windows = learn(spent(1), headers(minute=(100, remaining, NOW // 1000 + 30)), NOW)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW) == 31_000


def test_what_others_use_counts():
    windows = learn(spent(1), headers(minute=(100, 3, NOW // 1000 + 30)), NOW)
    assert wait_ms(spent(1, windows), ALL, Purpose.LIVE, NOW) == 0
    assert wait_ms(spent(2, windows), ALL, Purpose.LIVE, NOW) == 31_000


def test_an_answer_that_was_overtaken_gives_nothing_back():
    windows = spent(2)
    windows = learn(windows, headers(minute=(100, 40, NOW // 1000 + 30)), NOW)
    late = learn(windows, headers(minute=(100, 41, NOW // 1000 + 30)), NOW + 5)
    assert minute_of(late).remaining == 40
    assert minute_of(late).spent == 2


def test_remaining_goes_down_with_each_request_and_never_below_nothing():
    windows = learn(start(NOW), headers(minute=(100, 1, NOW // 1000 + 30)), NOW)
    assert minute_of(spent(3, windows)).remaining == 0


@pytest.mark.parametrize("ago_s", [1, 59, 3600, NOW // 1000])
@pytest.mark.parametrize("dated", [True, False])
def test_a_reset_in_the_past_tells_the_limit_and_nothing_else(ago_s, dated):
    told = headers(day=(100, 0, NOW // 1000 - ago_s), date_ms=NOW if dated else None)
    windows = learn(spent(2), told, NOW)
    assert day_of(windows).limit == 100
    assert day_of(windows).remaining is None
    assert day_of(windows).spent == 2
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW) == 0


def test_a_late_answer_of_an_ended_window_does_not_drain_the_next():
    windows = learn(spent(1), headers(minute=(100, 50, NOW // 1000 + 10)), NOW)
    later = NOW + 20_000
    windows = learn(spend(windows, later), headers(minute=(100, 0, NOW // 1000 + 10)), later)
    assert wait_ms(windows, ALL, Purpose.LIVE, later) == 0


@pytest.mark.parametrize("skew_s", [-7200, -45, 0, 45, 7200])
def test_a_reset_is_taken_by_the_vendor_s_own_clock(skew_s):
    """Our clock is `skew_s` ahead of Connecteam's; thirty seconds are left of its minute."""
    theirs = NOW - skew_s * 1000
    told = headers(minute=(100, 1, theirs // 1000 + 30), date_ms=theirs)
    assert wait_ms(learn(spent(1), told, NOW), ALL, Purpose.LIVE, NOW) == 31_000


@pytest.mark.parametrize("date", ["", "soon", "Sun, 99 Nov 2026 12:00:00 GMT"])
def test_a_date_that_cannot_be_read_is_absent(date):
    told = {**headers(minute=(100, 1, NOW // 1000 + 30)), "date": date}
    assert wait_ms(learn(spent(1), told, NOW), ALL, Purpose.LIVE, NOW) == 31_000


def test_a_reset_further_ahead_than_its_window_is_long_is_not_believed():
    windows = learn(spent(1), headers(minute=(100, 1, NOW // 1000 + 3600)), NOW)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW) == MINUTE


def test_a_window_that_began_anew_over_there_begins_anew_here():
    windows = learn(spent(1), headers(minute=(100, 60, NOW // 1000 + 2)), NOW)
    windows = spent(40, windows, NOW + 1900)
    windows = learn(windows, headers(minute=(100, 99, NOW // 1000 + 62)), NOW + 2100)
    assert minute_of(windows).spent == 1
    assert minute_of(windows).remaining == 99


def test_a_slow_answer_is_no_new_window():
    told = headers(minute=(100, 60, NOW // 1000 + 30), date_ms=NOW)
    windows = learn(spent(50), told, NOW)
    windows = learn(windows, told, NOW + 9_000)
    assert minute_of(windows).spent == 50


# -- time --------------------------------------------------------------------------------------


def test_an_ended_window_begins_anew_with_its_limit_kept():
    windows = learn(spent(7), headers(minute=(5, 0, NOW // 1000 + 10)), NOW)
    after = minute_of(windows).at(NOW + 11_000)
    assert (after.spent, after.remaining, after.limit) == (0, None, 5)
    assert after.reset_ms == NOW + 11_000 + MINUTE


@pytest.mark.parametrize("jump_ms", [-3 * MINUTE, -DAY * 3, 2 * MINUTE, DAY * 2])
def test_a_clock_that_jumps_does_not_stop_the_minute_for_long(jump_ms):
    windows = spent(100)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW + jump_ms) <= MINUTE


# -- 429 ---------------------------------------------------------------------------------------


def test_after_a_429_without_headers_nobody_tries_within_the_minute():
    windows = throttle(learn(spent(1), {}, NOW), NOW)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW) == MINUTE
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW + MINUTE) == 0


def test_after_a_429_of_the_day_nobody_tries_before_the_day_ends():
    told = headers(minute=(5, 4, NOW // 1000 + 30), day=(100, 0, NOW // 1000 + 7200))
    windows = throttle(learn(spent(1), told, NOW), NOW)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW) == 7_201_000


def test_after_a_429_whose_headers_look_healthy_the_minute_is_waited_for():
    told = headers(minute=(5, 4, NOW // 1000 + 30), day=(100, 50, NOW // 1000 + 7200))
    windows = throttle(learn(spent(1), told, NOW), NOW)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW) == 31_000


def test_while_one_429_follows_another_the_pauses_grow_up_to_an_hour():
    """Without headers nobody can know that it is the day that is used up."""
    windows, now, pauses = spent(1), NOW, []
    for _ in range(8):
        windows = throttle(learn(windows, {}, now), now)
        pauses.append(wait_ms(windows, ALL, Purpose.LIVE, now) // MINUTE)
        now += wait_ms(windows, ALL, Purpose.LIVE, now)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    windows = throttle(answered(windows), now)
    assert wait_ms(windows, ALL, Purpose.LIVE, now) == MINUTE


def test_a_clock_set_back_does_not_prolong_a_pause_for_ever():
    windows = throttle(learn(spent(1), {}, NOW), NOW)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW - 3 * DAY) == 0


@pytest.mark.parametrize(
    ("reason", "is_one"),
    [("200: Too many requests", True), ("too MANY requests.", True), ("200: a web page", False)],
)
def test_a_throttle_in_words_is_known(reason, is_one):
    assert is_throttle(reason) is is_one


# -- other programs ----------------------------------------------------------------------------


def test_what_other_programs_sent_is_counted_and_forgotten_with_their_window():
    windows = learn(spent(10), headers(day=(100, 60, NOW // 1000 + 7200)), NOW)
    assert day_of(windows).others == 30
    windows = learn(spent(5, windows), headers(day=(100, 55, NOW // 1000 + 7200)), NOW)
    assert day_of(windows).others == 30
    assert day_of(windows).at(NOW + 7_300_000).others == 0


def test_requests_under_way_are_nobody_elses():
    windows = learn(spent(4), headers(day=(100, 99, NOW // 1000 + 7200)), NOW)
    assert day_of(windows).others == 0


def test_the_whole_of_the_quota_can_be_used_where_nobody_else_spends_it():
    plan, now = Account(5, 100), NOW
    windows, sent = start(now), 0
    while wait_ms(windows, ALL, Purpose.LIVE, now) == 0:
        windows = spend(windows, now)
        passes, told = plan.request(now)
        assert passes
        windows, sent = learn(windows, told, now), sent + 1
    assert sent == 5


def test_a_large_minute_keeps_one_request_for_live_sales():
    windows = learn(spent(79), headers(minute=(100, 21, NOW // 1000 + 30)), NOW)
    shares = replace(ALL, quota=0.8)
    assert wait_ms(windows, shares, Purpose.BACKFILL, NOW) == 31_000
    assert wait_ms(windows, shares, Purpose.LIVE, NOW) == 0
    assert wait_ms(spent(1, windows), shares, Purpose.LIVE, NOW) == 31_000


@pytest.mark.parametrize("share", [0.07, 0.29, 0.57, 0.58, 0.7])
def test_a_share_is_not_cut_by_a_binary_fraction(share):
    shares = Shares(share, 1.0, 100, 100)
    assert shares.allowed(start(NOW)[0], Purpose.LIVE) == round(share * 100)


# -- windows whose ends nobody tells -----------------------------------------------------------


@pytest.mark.parametrize("offset_ms", range(0, MINUTE, 7_000))
def test_without_headers_no_minute_holds_more_than_the_share_wherever_it_begins(offset_ms):
    shares = Shares(1.0, 1.0, minute_limit=100, day_limit=10_000)
    windows, now, stamps = start(NOW), NOW, []
    windows = spend(windows, now)  # opens a window that a burst then ends and another begins
    stamps.append(now)
    now += 50_000 + offset_ms
    for _ in range(450):
        now += wait_ms(windows, shares, Purpose.LIVE, now) or 20
        windows = spend(windows, now)
        stamps.append(now)
    busiest = max(sum(at <= other < at + MINUTE for other in stamps) for at in stamps)
    assert busiest <= 100
    assert 450 / ((stamps[-1] - stamps[1]) / MINUTE + 1) > 75  # and it is not shy


def test_a_guess_gives_way_to_what_a_header_tells():
    windows = learn(spent(100), headers(minute=(100, 1, NOW // 1000 + 3)), NOW)
    assert wait_ms(windows, ALL, Purpose.LIVE, NOW + 4_001) == 0


SKEWS_MS = (0, 47_000, -47_000, 5_400_000)

# -- whole days --------------------------------------------------------------------------------


@dataclass
class Account:
    """Connecteam's side: fixed windows of the minute and of the UTC day, on its own clock.

    A test may let its days be shorter than a day.
    """

    minute_limit: int
    day_limit: int
    day_ms: int = DAY
    used: dict[tuple[str, int], int] = field(default_factory=dict)

    def request(self, now_ms, *, quiet=False):
        """(passes, headers); `now_ms` is by the account's clock."""
        states = []
        for name, length, limit in (
            ("minute", MINUTE, self.minute_limit), ("day", self.day_ms, self.day_limit),
        ):  # fmt: skip
            states.append((name, now_ms // length, length, limit))
        passes = all(self.used.get(state[:2], 0) < state[3] for state in states)
        told = {}
        for name, number, length, limit in states:
            self.used[name, number] = self.used.get((name, number), 0) + passes
            left = limit - self.used[name, number]
            told[name] = (limit, left, (number + 1) * length // 1000)
        return passes, {} if quiet else headers(**told, date_ms=now_ms)


@dataclass
class Day:
    """A program that always has work, for one UTC day."""

    ours: int = 0
    refused: int = 0


def live_a_day(plan, shares, chance, *, skew_ms=0, quiet=0.0, others_per_min=0.0):
    minute_limit, day_limit = PLANS[plan]
    account, day = Account(minute_limit, day_limit), Day()
    begin = NOW - NOW % DAY
    now = begin
    windows: list[Window] = start(now + skew_ms)
    next_other = now
    while now < begin + DAY:
        while others_per_min and next_other <= now:
            account.request(next_other)
            next_other += int(chance.expovariate(others_per_min / MINUTE)) + 1
        wait = wait_ms(windows, shares, Purpose.LIVE, now + skew_ms)
        if wait > 0:
            now += wait
            continue
        windows = spend(windows, now + skew_ms)
        arrives = now + chance.randint(10, 400)
        passes, told = account.request(arrives, quiet=chance.random() < quiet)
        now = arrives + chance.randint(10, 2000 if chance.random() < 0.05 else 400)
        windows = learn(windows, told, now + skew_ms)
        if passes:
            day.ours += 1
        else:
            day.refused += 1
            windows = throttle(windows, now + skew_ms)
            continue
        windows = answered(windows)
    return day


def shares_of(plan, quota):
    return Shares(quota, 0.5, *PLANS[plan])


@pytest.mark.parametrize(
    ("plan", "quota", "skew_ms"),
    [
        *(("small business", quota, skew) for quota in (0.5, 0.8, 1.0) for skew in SKEWS_MS),
        *(("Expert", 0.8, skew) for skew in SKEWS_MS),
        ("Expert", 1.0, 0),
        ("Enterprise", 0.8, 47_000),
    ],
)
def test_a_busy_day_uses_its_share_and_is_never_refused(plan, quota, skew_ms):
    day = live_a_day(plan, shares_of(plan, quota), random.Random(1), skew_ms=skew_ms)
    share = int(PLANS[plan][1] * quota)
    assert day.refused == 0
    assert day.ours <= share
    assert day.ours >= 0.95 * share


@pytest.mark.parametrize(
    ("plan", "seed"), [("small business", 0), ("small business", 1), ("Expert", 2)]
)
def test_answers_without_headers_now_and_then_change_nothing(plan, seed):
    day = live_a_day(plan, shares_of(plan, 0.8), random.Random(seed), quiet=0.5)
    assert day.refused == 0
    assert day.ours >= 0.95 * int(PLANS[plan][1] * 0.8)


@pytest.mark.parametrize("plan", PLANS)
def test_without_any_headers_the_configured_limits_are_kept(plan):
    day = live_a_day(plan, shares_of(plan, 0.8), random.Random(5), quiet=1.0)
    assert day.refused == 0
    assert day.ours >= 0.95 * int(PLANS[plan][1] * 0.8)


@pytest.mark.parametrize("plan", ["Expert", "Enterprise"])
def test_other_programs_of_the_customer_are_left_their_part(plan):
    others = PLANS[plan][0] * 0.1
    day = live_a_day(plan, shares_of(plan, 0.8), random.Random(9), others_per_min=others)
    assert day.refused == 0
    assert day.ours >= 0.9 * int(PLANS[plan][1] * 0.8)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("day_ms", [5 * MINUTE, 60 * MINUTE])
def test_days_that_are_shorter_than_a_day_are_used_to_the_share_all_the_same(plan, day_ms):
    """A header says when a day ends, and nothing else; each of several days is used anew."""
    minute_limit, day_limit = PLANS[plan]
    account = Account(minute_limit, day_limit, day_ms)
    shares, now, chance = shares_of(plan, 0.8), NOW - NOW % day_ms, random.Random(3)
    begin, windows, sent, refused = now, start(now), 0, 0
    while now < begin + 6 * day_ms:
        wait = wait_ms(windows, shares, Purpose.LIVE, now)
        if wait:
            now += wait
            continue
        windows = spend(windows, now)
        passes, told = account.request(now)
        refused, sent = refused + (not passes), sent + passes
        now += chance.randint(10, 90)
        windows = learn(windows, told, now)
    most = int(min(day_limit * 0.8, minute_limit * 0.8 * day_ms / MINUTE)) * 6
    assert refused == 0
    assert 0.97 * most <= sent <= most
