"""`explain DAY`: every sale of a location's business day, and how it becomes Connecteam's day.

The two days differ by what closed after midnight, so the difference is shown as arithmetic. What
Connecteam itself shows is for `reconcile` to ask; this reads the ledger only.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.periods import chosen
from tillbridge.cli.state import open_ledger
from tillbridge.cli.tables import Column, Kind, amount_text, difference, show
from tillbridge.config import Location
from tillbridge.days import epoch_ms, from_epoch_ms, start_of_day
from tillbridge.ledger import history, locations
from tillbridge.ledger.history import SaleRow
from tillbridge.ledger.store import Ledger
from tillbridge.money import from_minor, minor_digits, minor_text, to_minor
from tillbridge.states import SaleState


@dataclass(slots=True)
class Sum:
    """Sales and minor units."""

    sales: int = 0
    amount: int = 0
    tax: int = 0

    def add(self, row: SaleRow) -> None:
        self.sales += 1
        self.amount += row.amount or 0
        self.tax += row.tax_amount or 0


@dataclass(slots=True)
class DayStory:
    """A location's day in sums; only posted sales count in the three that are compared."""

    place: Location
    day: date
    business: Sum = field(default_factory=Sum)
    later: Sum = field(default_factory=Sum)
    earlier: Sum = field(default_factory=Sum)
    calendar: Sum = field(default_factory=Sum)
    by_type: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    by_state: Counter[str] = field(default_factory=Counter)
    left_out: list[tuple[str, Decimal]] = field(default_factory=list)
    sales: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)


def business_day(place: Location, day: date) -> tuple[datetime, datetime]:
    """Its first moment and the first after it, in UTC; 23, 24 or 25 hours apart."""

    def begins(which: date) -> datetime:
        local = datetime.combine(which, place.day_starts_at, tzinfo=place.timezone)
        return local.astimezone(UTC)

    return begins(day), begins(day + timedelta(days=1))


def explain_day(common: Common, day: date, names: list[str], *, as_json: bool) -> int:
    """Every chosen location's day."""
    config = common.load()
    ledger = open_ledger(common)
    try:
        stories = [_story(ledger, place, day) for place in chosen(config, names)]
    finally:
        ledger.close()
    if as_json:
        print_json({"schema": 1, "day": day.isoformat(), "locations": [_json(s) for s in stories]})
        return 0
    for story in stories:
        _print(story)
    return 0


def _story(ledger: Ledger, place: Location, day: date) -> DayStory:
    story = DayStory(place, day)
    opens, closes = business_day(place, day)
    midnight = start_of_day(day, place.timezone)
    next_midnight = start_of_day(day + timedelta(days=1), place.timezone)
    with ledger.view() as view:
        row = locations.by_lightspeed_id(view, place.lightspeed_id)
        if row is None:
            return story
        rows = history.in_period(view, row.id, epoch_ms(midnight), epoch_ms(closes))
        _add(
            story,
            rows,
            (epoch_ms(opens), epoch_ms(closes)),
            (epoch_ms(midnight) // 1000, epoch_ms(next_midnight) // 1000),
        )
        parts = sorted({sale["part"] for sale in story.sales if sale["part"] is not None})
        story.requests = history.requests(view, parts)
    return story


def _add(
    story: DayStory,
    rows: Iterable[SaleRow],
    business_ms: tuple[int, int],
    calendar_s: tuple[int, int],
) -> None:
    for row in rows:
        in_business = business_ms[0] <= row.closed_ms < business_ms[1]
        posted = row.state == SaleState.POSTED
        in_calendar = row.created_at is not None and calendar_s[0] <= row.created_at < calendar_s[1]
        if not (in_business or (posted and in_calendar)):
            continue
        story.sales.append(
            _sale(row, story.place, in_business=in_business, in_calendar=in_calendar)
        )
        if in_business:
            story.by_state[row.state] += 1
            if row.state == SaleState.SKIPPED:
                story.left_out.append((row.reason or "", Decimal(row.net or 0)))
        if posted and in_business:
            story.business.add(row)
            story.by_type[row.sale_type].add(row)
            if not in_calendar:
                story.later.add(row)
        if posted and in_calendar:
            story.calendar.add(row)
            if not in_business:
                story.earlier.add(row)


def _sale(row: SaleRow, place: Location, *, in_business: bool, in_calendar: bool) -> dict[str, Any]:
    digits = minor_digits(row.currency or place.currency)
    local = from_epoch_ms(row.closed_ms).astimezone(place.timezone)
    return {
        "reference": row.reference,
        "fisc_id": row.fisc_id,
        "closed_local": local.isoformat(timespec="seconds"),
        "type": row.source_type,
        "net": row.net,
        "amount": None if row.amount is None else minor_text(row.amount, digits),
        "tax_amount": None if row.tax_amount is None else minor_text(row.tax_amount, digits),
        "currency": row.currency,
        "state": row.state,
        "reason": row.reason,
        "rules": row.rules,
        "transaction_id": row.transaction_id,
        "batch": row.batch_id,
        "part": row.part_id,
        "request_id": row.request_id,
        "in_business_day": in_business,
        "in_calendar_day": in_calendar,
    }


def _sum_json(found: Sum, currency: str) -> dict[str, Any]:
    digits = minor_digits(currency)
    return {
        "sales": found.sales,
        "amount": minor_text(found.amount, digits),
        "tax_amount": minor_text(found.tax, digits),
    }


def _json(story: DayStory) -> dict[str, Any]:
    currency = story.place.currency
    opens, closes = business_day(story.place, story.day)
    return {
        "name": story.place.name,
        "currency": currency,
        "timezone": story.place.timezone.key,
        "business_day_from": opens.astimezone(story.place.timezone).isoformat(),
        "business_day_to": closes.astimezone(story.place.timezone).isoformat(),
        "business_day": _sum_json(story.business, currency),
        "closed_after_midnight": _sum_json(story.later, currency),
        "from_the_evening_before": _sum_json(story.earlier, currency),
        "calendar_day": _sum_json(story.calendar, currency),
        "by_type": {name: _sum_json(it, currency) for name, it in sorted(story.by_type.items())},
        "by_state": dict(sorted(story.by_state.items())),
        "left_out": [{"reason": why, "net": f"{net:f}"} for why, net in story.left_out],
        "sales": story.sales,
        "requests": [
            r | {"total": minor_text(r["total"], minor_digits(r["currency"]))}
            for r in story.requests
        ],
    }


def _print(story: DayStory) -> None:
    place, currency = story.place, story.place.currency
    opens, closes = (m.astimezone(place.timezone) for m in business_day(place, story.day))
    print(f"{place.name}, {story.day:%A} {story.day}: the business day from {opens:%d %b %H:%M} "
          f"to {closes:%d %b %H:%M}, {place.timezone.key}")  # fmt: skip
    _print_sales(story)
    show(
        [Column("posted, by type"), Column("sales", Kind.NUMBER),
         Column(f"net ({currency})", Kind.NUMBER), Column(f"tax ({currency})", Kind.NUMBER)],
        [[name, it.sales, amount_text(it.amount, currency), amount_text(it.tax, currency)]
         for name, it in sorted(story.by_type.items())],
    )  # fmt: skip
    steps = [
        ("business day", story.business, 1),
        ("stamped on another day: closed after midnight", story.later, -1),
        ("stamped on this day: after midnight of the evening before", story.earlier, 1),
    ]
    rows: list[list[object]] = [
        [words, f"{sign * it.sales:+,}", difference(sign * it.amount, currency),
         difference(sign * it.tax, currency)] for words, it, sign in steps
    ]  # fmt: skip
    total = story.calendar
    rows.append(
        [
            f"Connecteam's day {story.day}, as tillbridge posted it",
            f"{total.sales:,}",
            amount_text(total.amount, currency),
            amount_text(total.tax, currency),
        ]
    )
    show(
        [Column("posted"), Column("sales", Kind.NUMBER), Column(f"net ({currency})", Kind.NUMBER),
         Column(f"tax ({currency})", Kind.NUMBER)],
        rows, sections=(2,),
    )  # fmt: skip
    _say_rest(story)


def _print_sales(story: DayStory) -> None:
    show(
        [Column("closed", Kind.ID), Column("account", Kind.ID), Column("type"),
         Column(f"net ({story.place.currency})", Kind.NUMBER), Column("tax", Kind.NUMBER),
         Column("state"), Column("transaction id", Kind.ID), Column("request id", Kind.ID)],
        [[sale["closed_local"][:19].replace("T", " "), sale["fisc_id"], sale["type"],
          sale["amount"] or "-", sale["tax_amount"] or "-", sale["state"].replace("_", " "),
          sale["transaction_id"], sale["request_id"]] for sale in story.sales],
    )  # fmt: skip


def _say_rest(story: DayStory) -> None:
    """What of the day is not in Connecteam, and why."""
    rest = {state: n for state, n in story.by_state.items() if state != SaleState.POSTED}
    for state, count in sorted(rest.items()):
        reasons = sorted({s["reason"] for s in story.sales if s["state"] == state and s["reason"]})
        why = f": {'; '.join(reasons[:5])}" if reasons else ""
        say(f"{counted(count, 'sale')} {state.replace('_', ' ')}{why}.")
    currency = story.place.currency
    net = sum((amount for _, amount in story.left_out), Decimal(0))
    if story.left_out:
        minor = to_minor(net, minor_digits(currency))
        shown = from_minor(minor, minor_digits(currency))
        say(f"Left out by the configuration: net {shown} {currency}, the exact sum rounded once.")
    say(f"What Connecteam shows: `tillbridge reconcile --from {story.day} --to {story.day}`.")
