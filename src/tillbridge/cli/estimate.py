"""What a backfill has still to carry, what that costs of the quota, and when it will be done.

Said before a backfill starts, and by `--dry-run` instead of it. Posts nothing, and reads at most
eight pages of a location that the ledger knows nothing of.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from msgspec import Struct

from tillbridge.backfill import History
from tillbridge.batcher import MAX_ROWS
from tillbridge.cli.options import counted, print_json, say
from tillbridge.connecteam.plans import PLANS, Finish, finish, plan_of
from tillbridge.days import epoch_ms, from_epoch_ms, local_date
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import outlook
from tillbridge.ledger.status import iso
from tillbridge.sampling import sales_per_day
from tillbridge.wiring import Bridge


class Line(Struct, frozen=True):
    """One location.

    Attributes:
        first, last: its days.
        days: how many.
        sales: about how many there are in those days; None if nobody knows.
        known: of them in the ledger.
        remaining: about how many have still to be posted; None if nobody knows.
        unknown: why nobody knows.
    """

    name: str
    first: str
    last: str
    days: int
    sales: int | None
    known: int
    remaining: int | None
    unknown: str = ""


class Estimate(Struct, frozen=True):
    """The whole backfill; `requests` and `mine` are None where a location cannot be estimated."""

    lines: list[Line]
    requests: int | None
    mine: Finish | None
    on_each: list[Finish]
    quota_share: float
    backfill_share: float


def estimate(bridge: Bridge, histories: Sequence[History]) -> Estimate:
    """Look into the ledger, and where that knows nothing, at a few days of Lightspeed's."""
    lines = [_line(bridge, history) for history in histories]
    shares = bridge.account.shares
    requests = None
    if all(line.remaining is not None for line in lines):
        requests = sum(ceil((line.remaining or 0) / MAX_ROWS) for line in lines)
    windows = bridge.account.windows()
    now = bridge.clock.now()
    day = next(window for window in windows if window.name == "day")

    def when(plan: Any) -> Finish:  # noqa: ANN401  # a plan of `plans`
        return finish(
            requests or 0, plan, shares, used_today=day.used(epoch_ms(now)),
            resets_at=from_epoch_ms(day.reset_ms), now=now,
        )  # fmt: skip

    mine = plan_of(windows)
    return Estimate(
        lines,
        requests,
        when(mine) if mine is not None and requests is not None else None,
        [when(plan) for plan in PLANS] if requests is not None else [],
        shares.quota,
        shares.backfill,
    )


def _line(bridge: Bridge, history: History) -> Line:
    source, zone = history.source, history.source.rules.zone
    first = local_date(history.period.start, zone)
    last = local_date(history.end - timedelta(milliseconds=1), zone)
    days = (last - first).days + 1
    start_ms, end_ms = epoch_ms(history.period.start), epoch_ms(history.end)
    with bridge.ledger.view() as view:
        unread_ms = outlook.unread_ms(view, source.id, start_ms, end_ms)
        known, unread_known = outlook.known(view, source.id, start_ms, end_ms, unread_ms)
        waiting = outlook.waiting_history(view, source.id)
        rate = outlook.sales_per_day(view, source.id)
    unknown, sales, remaining = "", None, None
    if rate is None and unread_ms:
        try:
            rate = sales_per_day(bridge.pages, history, bridge.config.lightspeed.max_concurrency)
        except TillbridgeError as error:
            unknown = error.message
    if rate is not None:
        sales = max(known, ceil(days * rate))
        unread_days = sum(end - begin for begin, end in unread_ms) / 86_400_000
        remaining = waiting + max(0, ceil(unread_days * rate) - unread_known)
    elif not unread_ms:
        sales, remaining = known, waiting
    return Line(
        source.name, first.isoformat(), last.isoformat(), days, sales, known, remaining, unknown
    )


# -- in words ---------------------------------------------------------------------------------


def dry_run(bridge: Bridge, histories: Sequence[History], *, as_json: bool) -> int:
    """Show the plan; returns the exit code."""
    plan = estimate(bridge, histories)
    if as_json:
        print_json(_document(bridge, plan))
        return 0
    for sentence in _sentences(plan, bridge.clock.now()):
        print(sentence)
    print("Nothing was posted.")
    return 0


def announce(bridge: Bridge, histories: Sequence[History]) -> None:
    """Say the plan before a backfill starts."""
    for sentence in _sentences(estimate(bridge, histories), bridge.clock.now()):
        say(sentence)


def _sentences(plan: Estimate, now: datetime) -> list[str]:
    words = [_of_location(line) for line in plan.lines]
    if plan.requests is None:
        why = next((line.unknown for line in plan.lines if line.unknown), "no sale is known yet")
        return [*words, f"No estimate of the requests: {why}"]
    words.append(
        f"About {counted(plan.requests, 'request')} to Connecteam, up to {MAX_ROWS} sales in each; "
        f"history may use {plan.quota_share * plan.backfill_share:.0%} of a day's quota."
    )
    if plan.requests == 0:
        return words
    if plan.mine is not None:
        return [*words, f"{_on(plan.mine, plan.requests)}: {_when(plan.mine, now)}."]
    words.append("Connecteam has not told yet which plan the account has.")
    return words + [f"{_on(each, plan.requests)}: {_when(each, now)}." for each in plan.on_each]


def _of_location(line: Line) -> str:
    about = "" if line.sales is None else f", about {counted(line.sales, 'sale')}"
    left = "" if line.remaining is None else f", about {line.remaining} still to be posted"
    return f"{line.name}: {line.first} to {line.last}, {counted(line.days, 'day')}{about}{left}."


def _on(each: Finish, requests: int) -> str:
    whole = "all" if each.today == requests else f"{each.today} of them"
    return (
        f"On the plan {each.plan.name} ({each.per_day} requests a day for history), {whole} today"
    )


def _when(each: Finish, now: datetime) -> str:
    if each.days == 0:
        minutes = ceil((each.at - now) / timedelta(minutes=1))
        return "done within a minute" if minutes < 1 else f"done in about {minutes + 1} minutes"
    return (
        f"done on {each.at:%Y-%m-%d} about {each.at:%H:%M} UTC, if the service runs or this is "
        "run again each day"
    )


def _document(bridge: Bridge, plan: Estimate) -> dict[str, Any]:
    left_today = None if plan.mine is None else plan.mine.today
    return {
        "schema": 1,
        "dry_run": True,
        "locations": [
            {"name": it.name, "from": it.first, "to": it.last, "days": it.days,
             "estimated_sales": it.sales, "known_sales": it.known,
             "remaining_sales": it.remaining}
            for it in plan.lines
        ],
        "estimated_requests": plan.requests,
        "requests_today": left_today,
        "done_at": None if plan.mine is None else iso(epoch_ms(plan.mine.at)),
        "plan": None if plan.mine is None else plan.mine.plan.name,
        "plans": [
            {"name": each.plan.name, "requests_per_minute": each.plan.minute_limit,
             "requests_per_day": each.plan.day_limit, "for_history_per_day": each.per_day,
             "requests_today": each.today, "done_at": iso(epoch_ms(each.at))}
            for each in plan.on_each
        ],
        "quota": {w.name: {"limit": w.limit, "spent": w.spent}
                  for w in bridge.account.windows()},
    }  # fmt: skip
