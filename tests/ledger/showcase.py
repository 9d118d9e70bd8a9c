"""A ledger with one of everything, for the fixture that later versions must be able to open."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import update

from ledger.tools import CITY, NOON_MS, NOON_S, STATION, Shop, record
from tillbridge.alarms import Alarm, Level
from tillbridge.announce import Entry
from tillbridge.ledger import (
    alarmed,
    attention,
    corrections,
    generation,
    locations,
    quotas,
    removals,
    targets,
)
from tillbridge.ledger.removals import Purpose, RemovalState
from tillbridge.ledger.schema import location, part
from tillbridge.mapper import Rules
from tillbridge.record import Undecodable, record_of, record_of_undecodable
from tillbridge.states import Lane, PartState, SaleState

RULES = Rules(connecteam_id=123, currency="GBP", zone=ZoneInfo("Europe/London"))
DAYS = [date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)]


class KeptLine:
    net = "12.345678"
    gross = "soup"
    tax = "1.00"
    service_charge = None
    currency = "GBP"
    group = None


class KeptSale:
    """A sale of a type that nobody knows: set aside, to be tried again with other rules."""

    reference, fisc_id, receipt_id, type = "Q-type", "A9.9", "r-9", "LOYALTY"
    opened = closed = datetime.fromisoformat("2026-11-01T13:00:00+01:00")
    lines = (KeptLine(),)


def fill(path: Path) -> None:
    """Make a ledger at `path` and leave it closed; always the same one."""
    shop = Shop(path)
    everything_read(shop)
    settled_parts(shop)
    open_parts(shop)
    deletes_and_corrections(shop)
    around(shop)
    shop.check()
    shop.ledger.close()


def everything_read(shop: Shop) -> None:
    with shop.ledger.commit() as commit:
        key = targets.add_reading(commit, 123, dict.fromkeys(DAYS, 0), shop.clock.moment())
        targets.set_base(commit, 123, key, shop.clock.moment())
    shop.take(
        record("S-skipped", state=SaleState.SKIPPED, reason="left out by the configuration"),
        record_of(KeptSale(), RULES),
        record_of_undecodable(
            Undecodable("sales[3].timeClosed", "not a time", "Q-broken", None, {"n": 3}), RULES
        ),
        record("Q-dropped", None),
        record("fisc:A1.7@60", fisc_id="A1.7", opened_ms=60, state=SaleState.SKIPPED, reason="x"),
    )
    with shop.ledger.commit() as commit:
        attention.drop(commit, ["Q-dropped"], "a training sale", NOON_MS)


def settled_parts(shop: Shop) -> None:
    """Posted, refused, not sent and abandoned, and posted again in another part."""
    rows = [
        record(f"P{n}", 100 * n, created_at=NOON_S + n, receipt_id=f"r-{n}", fisc_id=f"A1.{n}")
        for n in range(1, 6)
    ]
    shop.take(*rows)
    for state in (PartState.REFUSED, PartState.NOT_SENT):
        _, started = shop.begin()
        shop.decide(started.part_ids[0], SaleState.SENDING, SaleState.WAITING, state)
    part_id = shop.doubt()
    shop.decide(part_id, SaleState.IN_DOUBT, SaleState.WAITING, PartState.ABANDONED)
    shop.clock.sleep(60)
    batch, started = shop.begin()
    shop.accept(batch, started)
    with shop.ledger.commit() as commit:
        now = shop.clock.moment()
        targets.touch(commit, 123, NOON_S, NOON_S + 6)
        targets.acknowledge(commit, 123, batch.parts[0].total, now)
        targets.add_reading(commit, 123, dict.fromkeys(DAYS, 0) | {DAYS[1]: 1500}, now)


def open_parts(shop: Shop) -> None:
    """Held, in doubt and sending: the last two at locations of their own."""
    shop.take(record("H1", 70), record("H2", 80, created_at=NOON_S + 1))
    held = shop.doubt()
    shop.decide(held, SaleState.IN_DOUBT, SaleState.HELD, PartState.HELD)
    with shop.ledger.commit() as commit:
        commit.execute(update(part).where(part.c.id == held).values(person_reason="asked Ann"))
    shop.take(record("D1", -300, sale_type="REFUND", source_type="REFUND"))
    shop.doubt()
    shop.take(record("東京-1", 833, connecteam_id=456, currency="JPY"), place=CITY)
    shop.begin()
    shop.take(record("W1", 5), place=STATION)
    shop.take(record("W2", 0, created_at=NOON_S - 86_400), lane=Lane.BACKFILL)


def deletes_and_corrections(shop: Shop) -> None:
    shop.take(record("P1", 111, created_at=NOON_S + 1, fisc_id="A1.1"))
    shop.force("P5", SaleState.REMOVED)
    with shop.ledger.commit() as commit:
        now = shop.clock.moment()
        (row,) = corrections.pending(commit)
        corrections.plan_delete(commit, row, Purpose.CORRECTION, now)
        for state in (RemovalState.WANTED, RemovalState.CLEARED, RemovalState.DONE):
            removals.plan(
                commit,
                now,
                state,
                Purpose.REPLACE,
                connecteam_id=123,
                start_s=NOON_S - 2,
                end_s=NOON_S + 90,
                total=0,
            )
        removals.note_unanswered(commit, removals.blocking(commit)[0], now, "no answer came")


def book(now: datetime) -> dict[str, Entry]:
    """An alarm that stands and was told, and one whose end is still to be told."""
    stands = Alarm("posting_stopped:456", Level.CRITICAL, "Nothing is posted.", "Look there.")
    over = Alarm("held:9", Level.WARNING, "Sales were held.", "Decide.")
    return {
        stands.cause: Entry(stands, now, now, 2),
        over.cause: Entry(over, now, now, 1, now),
    }


def around(shop: Shop) -> None:
    with shop.ledger.commit() as commit:
        locations.move_cursor(commit, shop.id(), NOON_MS - 1000, NOON_MS)
        locations.note_error(commit, shop.id(CITY), "Lightspeed answered 500.", NOON_MS)
        locations.set_earliest(commit, shop.id(STATION), NOON_MS - 86_400_000)
        locations.note_rescan(commit, shop.id(), "every 3600s back 43200s", NOON_MS)
        begun = locations.begin_backfill(commit, shop.id(), 0, NOON_MS)
        locations.move_backfill(commit, begun.id, NOON_MS // 2, done=False)
        commit.execute(update(location).where(location.c.id == shop.id(CITY)).values(paused=True))
        generation.write(commit, 3)
        quotas.save(
            commit,
            [
                {
                    "window": window,
                    "limit": limit,
                    "remaining": limit // 2,
                    "reset_ms": NOON_MS + 60_000,
                    "spent": limit // 2,
                    "seen_ms": NOON_MS,
                }
                for window, limit in (("minute", 60), ("day", 5000))
            ],
        )
        alarmed.save(commit, book(shop.clock.now()))
        targets.stop(commit, 456, "foreign", "somebody else writes there", shop.clock.moment())
