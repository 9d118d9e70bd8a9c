"""A still clock, sales made of a few words, and one shop that sells them."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from tillbridge.batcher import MAX_ROWS, Batch, plan
from tillbridge.ledger import counts, locations, parts, sales
from tillbridge.ledger.parts import Moment, Started
from tillbridge.ledger.schema import event, sale
from tillbridge.ledger.store import Ledger
from tillbridge.record import Record
from tillbridge.states import Lane, PartState, SaleState

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOON_S = int(NOON.timestamp())
NOON_MS = NOON_S * 1000

HARBOUR = locations.Identity("Harbour Street", 4_545_456_568_215_511, 123, "GBP")
STATION = locations.Identity("Station", 4_545_456_568_215_512, 123, "GBP")
CITY = locations.Identity("City", 4_545_456_568_215_513, 456, "JPY")


@dataclass
class StillClock:
    """Moves only when it is told to, or slept on."""

    boot_id: str = "boot-1"
    wall: datetime = NOON
    boot: float = 1000.0

    def now(self) -> datetime:
        return self.wall

    def boot_s(self) -> float:
        return self.boot

    def sleep(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.boot += seconds

    def moment(self) -> Moment:
        return Moment(int(self.wall.timestamp() * 1000), self.boot, self.boot_id)


def record(reference: str = "R1", amount: int | None = 833, **values: Any) -> Record:
    """A sale as the reader hands it over; without an amount it is one that is set aside."""
    base: dict[str, Any] = {
        "reference": reference,
        "fisc_id": None,
        "receipt_id": None,
        "opened_ms": NOON_MS - 60_000,
        "closed_ms": NOON_MS,
        "source_type": "SALE",
        "net": None if amount is None else f"{amount / 100:.2f}",
        "tax": "0",
        "service_charge": "0",
        "rules": "1-test",
        "connecteam_id": 123,
        "sale_type": "SALE",
        "created_at": NOON_S,
        "amount": amount,
        "tax_amount": None if amount is None else 0,
        "currency": "GBP",
        "state": SaleState.QUARANTINED if amount is None else SaleState.WAITING,
        "reason": "the amount cannot be read" if amount is None else None,
        "kept": None if amount is not None else {"lines": []},
    }
    base |= values
    if "digest" not in base:
        content = [base[k] for k in ("closed_ms", "source_type", "net", "tax", "amount", "state")]
        base["digest"] = hashlib.blake2b(repr(content).encode(), digest_size=16).digest()
    return Record(**base)


@dataclass
class Shop:
    """A ledger with three locations; the first two feed one Connecteam location."""

    path: Path
    clock: StillClock = field(default_factory=StillClock)
    ledger: Ledger = field(init=False)
    ids: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.path, self.clock)
        with self.ledger.commit() as commit:
            self.ids = locations.register(commit, [HARBOUR, STATION, CITY], NOON_MS)

    def id(self, place: locations.Identity = HARBOUR) -> int:
        return self.ids[place.lightspeed_id]

    def reopen(self) -> None:
        """As after a crash: what was not committed is gone."""
        self.ledger.close()
        self.ledger = Ledger(self.path, self.clock)

    def take(
        self, *records: Record, place: locations.Identity = HARBOUR, lane: Lane = Lane.LIVE
    ) -> sales.Taken:
        with self.ledger.commit() as commit:
            return sales.take_in(commit, self.id(place), records, lane, NOON_MS)

    def row(self, reference: str = "R1") -> Any:
        with self.ledger.view() as view:
            return view.execute(select(sale).where(sale.c.reference == reference)).one()

    def rows(self) -> Sequence[Any]:
        with self.ledger.view() as view:
            return view.execute(select(sale).order_by(sale.c.id)).all()

    def events(self) -> list[str]:
        with self.ledger.view() as view:
            return list(view.execute(select(event.c.name).order_by(event.c.id)).scalars())

    def planned(self, connecteam_ids: Sequence[int] = (123, 456)) -> list[Batch]:
        with self.ledger.view() as view:
            return plan(
                [
                    row
                    for key in connecteam_ids
                    for lane in Lane
                    for row in sales.waiting(view, key, lane, 10 * MAX_ROWS)
                ]
            )

    def begin(self, batch: Batch | None = None) -> tuple[Batch, Started]:
        batch = batch or self.planned()[0]
        with self.ledger.commit() as commit:
            return batch, parts.begin(commit, batch, self.clock.moment(), alone=batch.location_ids)

    def accept(self, batch: Batch, started: Started, prefix: str = "tx") -> None:
        with self.ledger.commit() as commit:
            now = self.clock.moment()
            for piece, part_id in zip(batch.parts, started.part_ids, strict=True):
                ids = {row.sale_id: f"{prefix}-{part_id}-{row.sale_id}" for row in piece.rows}
                sources = [row.source_id for row in piece.rows]
                parts.post_rows(commit, part_id, ids, sources, now)
                parts.set_state(commit, parts.get(commit, part_id), PartState.POSTED, now)
            parts.end_batch(commit, started.batch_id, now, "req-1", None)

    def post_all(self) -> None:
        for batch in self.planned():
            self.accept(*self.begin(batch))

    def decide(self, part_id: int, old: SaleState, new: SaleState, state: PartState) -> int:
        """Move the rows of a part and the part itself, in one commit."""
        with self.ledger.commit() as commit:
            moved = parts.move_rows(commit, part_id, old, new)
            row = parts.get(commit, part_id)
            parts.set_state(commit, row, state, self.clock.moment(), reason="for a test")
            return moved

    def doubt(self) -> int:
        """Send what waits, and lose the answer; the id of the (only) part."""
        _, started = self.begin()
        (part_id,) = started.part_ids
        self.decide(part_id, SaleState.SENDING, SaleState.IN_DOUBT, PartState.DOUBT)
        return part_id

    def force(self, reference: str, state: SaleState) -> None:
        """Put a sale into a state that takes a person or a delete to reach."""
        before = self.row(reference)
        with self.ledger.commit() as commit:
            commit.execute(update(sale).where(sale.c.id == before.id).values(state=state))
            change = counts.shift([before.location_id], SaleState(before.state), state)
            counts.move(commit, change)

    def check(self) -> None:
        """What must be true after every commit."""
        with self.ledger.view() as view:
            truth = counts.recount(view)
            tallies = Counter(
                {
                    (row.id, state): count
                    for row in locations.every(view)
                    for state, count in counts.by_state(view, row.id).items()
                    if count
                }
            )
            assert dict(tallies) == truth
            for part_row in parts.open_parts(view):
                mine = view.execute(
                    select(sale.c.id, sale.c.amount).where(sale.c.part_id == part_row.id)
                ).all()
                assert sorted(row.id for row in mine) == sorted(part_row.sale_ids)
                assert sum(row.amount for row in mine) == part_row.total
                assert len(mine) == part_row.row_count
            in_flight = view.execute(
                select(sale.c.id).where(
                    sale.c.state.in_((SaleState.SENDING, SaleState.IN_DOUBT)),
                    sale.c.part_id.is_(None),
                )
            ).all()
            assert in_flight == []


def raw(path: Path, statement: str) -> list[Any]:
    """Ask SQLite itself, beside the ledger."""

    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()
