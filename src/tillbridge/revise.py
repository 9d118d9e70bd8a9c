"""Changed rules and history: what would be different, and, when a person asks, making it so.

A sale is compared as it came from Lightspeed, so a changed rule never rewrites history by itself.
Here Lightspeed is read again for a period, mapped by the rules of now, and laid beside what the
ledger says was sent. Asked to apply, it changes what is not at Connecteam yet, and asks for the
rest to be taken back and sent anew, through the states of corrections. Sends nothing itself.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from tillbridge.clock import Clock
from tillbridge.days import epoch_ms, from_epoch_ms, local_date
from tillbridge.errors import TillbridgeError
from tillbridge.ledger import corrections, sales
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.schema import sale
from tillbridge.ledger.store import Ledger
from tillbridge.reader import Reader, Source, Task
from tillbridge.record import Record
from tillbridge.states import Lane, SaleState
from tillbridge.windows import Period, cut

SaleRow = Row[*tuple[Any, ...]]


class Kind(Enum):
    """What the rules of now make of a sale that the ledger knows."""

    SAME = "same"
    LEFT_OUT = "now left out"
    SENT = "now sent"
    AMOUNT = "other amount"
    TIME = "other time"
    MOVED = "other Connecteam location"
    OTHER = "other type or currency"
    UNREADABLE = "cannot be sent as it is; stays as it was"
    NO_ID = "without a transaction id; stays as it was"
    UNDECIDED = "may or may not be in Connecteam; later"
    AMENDED = "changed at Lightspeed; corrected by its re-reads"


CHANGES = (Kind.LEFT_OUT, Kind.SENT, Kind.AMOUNT, Kind.TIME, Kind.MOVED, Kind.OTHER)
STUCK = (Kind.UNREADABLE, Kind.NO_ID, Kind.UNDECIDED)

_MAPPED = (SaleState.POSTED, SaleState.WAITING, SaleState.SKIPPED)
"""Of the other states, quarantine has its own command, and a person decided the rest."""


@dataclass(slots=True)
class DayChange:
    """A day at one Connecteam location, in minor units: as it is, and as it would be."""

    now: int = 0
    then: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    leaving: int = 0  # sales that would stand on another day, or at another location


@dataclass(slots=True)
class Plan:
    """What a location's history would be.

    Attributes:
        days: by Connecteam id and the location's day of the stamp.
        kinds: sales by what becomes of them.
        deletes: transactions that would be taken back.
        posts: sales that would be sent, anew or for the first time.
        errors: why not all of the period could be read.
    """

    days: dict[tuple[int, date], DayChange] = field(default_factory=lambda: defaultdict(DayChange))
    kinds: Counter[Kind] = field(default_factory=Counter)
    deletes: int = 0
    posts: int = 0
    errors: list[TillbridgeError] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return sum(self.kinds[kind] for kind in CHANGES)


def mapped_by_others(view: Connection, location_id: int, version: str) -> tuple[int, int, int]:
    """How many sales were mapped by other rules than these, and the first and last closing time of
    them (epoch milliseconds; 0 if there is none).
    """
    query = select(func.count(), func.min(sale.c.closed_ms), func.max(sale.c.closed_ms)).where(
        sale.c.location_id == location_id,
        sale.c.rules != version,
        sale.c.state.in_(_MAPPED),
        sale.c.closed_ms.is_not(None),
    )
    count, first, last = view.execute(query).one()
    return int(count), int(first or 0), int(last or 0)


class Reviser:
    """Reads history again and lays it beside the ledger.

    Args:
        ledger: compared with; changed only where asked to apply.
        reader: reads Lightspeed.
        clock: for the events.
        allowed: whether the window around a stamp (epoch seconds) at a Connecteam id may be
            emptied, for sales without an id: None, or why not.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: Reader,
        clock: Clock,
        allowed: Callable[[int, int], str | None],
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._clock = clock
        self._allowed = allowed

    def run(
        self,
        source: Source,
        period: Period,
        *,
        apply: bool,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Plan:
        """Examine a location's period; asked to apply, write down what shall be different.

        Args:
            source: with the rules of now.
            period: of closing times.
            apply: change the ledger; sends nothing.
            should_stop: asked before each request.
        """
        plan = Plan()

        def collect(records: Sequence[Record]) -> None:
            self._page(source, records, plan, apply=apply)

        tasks = [
            Task(source, piece, Lane.BACKFILL, lambda _commit: None, collect=collect)
            for piece in cut(period)
        ]
        for report in self._reader.read(tasks, should_stop):
            if report.error is not None:
                plan.errors.append(report.error)
        return plan

    def _page(self, source: Source, records: Sequence[Record], plan: Plan, *, apply: bool) -> None:
        by_reference = {record.reference: record for record in records}
        with self._ledger.view() as view:
            rows = _rows(view, source.id, list(by_reference))
        judged = [
            (row, by_reference[row.reference], self._judge(row, by_reference)) for row in rows
        ]
        for row, record, kind in judged:
            _count(plan, source, row, record, kind)
        if apply:
            self._apply(source, judged)

    def _judge(self, row: SaleRow, records: Mapping[str, Record]) -> Kind:
        kind = judge(row, records[row.reference])
        if (
            kind in CHANGES
            and row.state == SaleState.POSTED
            and row.transaction_id is None
            and self._allowed(row.connecteam_id, row.created_at) is not None
        ):
            return Kind.NO_ID
        return kind

    def _apply(self, source: Source, judged: Sequence[tuple[SaleRow, Record, Kind]]) -> None:
        now_ms = epoch_ms(self._clock.now())
        wanted = {row.id: (record, kind) for row, record, kind in judged}
        reason = f"the rules are now {source.rules.version}"
        with self._ledger.commit() as commit:
            # Asked again, inside the commit: a service may have sent one of them meanwhile.
            fresh = _rows(commit, source.id, [row.reference for row, _, _ in judged])
            posted: dict[int, Record] = {}
            for row in fresh:
                record, kind = wanted[row.id]
                if kind is Kind.SAME and row.rules != record.rules and judge(row, record) is kind:
                    commit.execute(
                        update(sale).where(sale.c.id == row.id).values(rules=record.rules)
                    )
                elif kind in CHANGES and row.state == SaleState.POSTED:
                    posted[row.id] = record
                elif kind in CHANGES and row.state in (SaleState.WAITING, SaleState.SKIPPED):
                    sales.replace_content(commit, source.id, row, record, now_ms)
            corrections.ask(commit, posted, Purpose.RULES, now_ms, reason)


def judge(row: SaleRow, record: Record) -> Kind:
    """What the rules of now, in `record`, make of a sale as the ledger has it. Pure."""
    if row.digest != record.digest:
        return Kind.AMENDED
    sent = row.state in (SaleState.POSTED, SaleState.WAITING)
    sends = record.state == SaleState.WAITING
    was = (row.connecteam_id, row.sale_type, row.created_at, row.amount, row.tax_amount,
           row.currency) if row.state != SaleState.SKIPPED else None  # fmt: skip
    will = (record.connecteam_id, *record.transaction[1:]) if sends else None
    if was == will:
        return Kind.SAME
    if row.state not in _MAPPED:
        return Kind.UNDECIDED
    if record.state == SaleState.QUARANTINED:
        return Kind.UNREADABLE
    if not sends:
        return Kind.LEFT_OUT
    if not sent:
        return Kind.SENT
    return _difference(row, record)


def _difference(row: SaleRow, record: Record) -> Kind:
    if row.connecteam_id != record.connecteam_id:
        return Kind.MOVED
    if (row.amount, row.tax_amount) != (record.amount, record.tax_amount):
        return Kind.AMOUNT
    return Kind.TIME if row.created_at != record.created_at else Kind.OTHER


def _rows(view: Connection, location_id: int, references: Sequence[str]) -> Sequence[SaleRow]:
    """The sales that mapping decides about; those in quarantine and those that a person gave up or
    took out have been decided otherwise.
    """
    decided = (SaleState.QUARANTINED, SaleState.DROPPED, SaleState.REMOVED)
    query = select(sale).where(
        sale.c.location_id == location_id,
        sale.c.reference.in_(list(references)),
        sale.c.state.not_in(decided),
    )
    return view.execute(query).all()


def _count(plan: Plan, source: Source, row: SaleRow, record: Record, kind: Kind) -> None:
    plan.kinds[kind] += 1
    zone = source.rules.zone
    before = 0 if row.state == SaleState.SKIPPED else row.amount or 0
    changes = kind in CHANGES
    day = None
    if row.created_at is not None:
        day = local_date(from_epoch_ms(row.created_at * 1000), zone)
        plan.days[row.connecteam_id, day].now += before
        if not changes:
            plan.days[row.connecteam_id, day].then += before
    if not changes:
        return
    stamp = row.created_at if record.created_at is None else record.created_at
    assert stamp is not None
    target = row.connecteam_id if record.created_at is None else record.connecteam_id
    there = (target, local_date(from_epoch_ms(stamp * 1000), zone))
    plan.days[there].then += record.amount or 0
    plan.days[there].kinds[kind] += 1
    if day is not None and there != (row.connecteam_id, day):
        plan.days[row.connecteam_id, day].leaving += 1
    if row.state == SaleState.POSTED:
        plan.deletes += 1
    plan.posts += record.state == SaleState.WAITING
