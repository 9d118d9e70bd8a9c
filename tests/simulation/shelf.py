"""What Connecteam really holds: rows, when they were applied, and when totals show them.

Every change passes through here, so this is where doubling and forbidden deletes are noticed.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from simulation.trade import Value
from simulation.world import Story, VirtualClock, WrongError


@dataclass(slots=True, eq=False)
class Row:
    """A transaction."""

    id: str
    value: Value
    applied_s: float
    visible_s: float
    foreign: bool = False
    gone_s: float | None = None
    gone_visible_s: float | None = None

    @property
    def live(self) -> bool:
        return self.gone_s is None


class Shelf:
    """All rows of the account.

    Args:
        clock: true time.
        story: told of every change.
        rng: draws the lag of each change.
        zone: in which Connecteam's days begin.
        lag_s: longest time that totals lag.
    """

    def __init__(
        self, clock: VirtualClock, story: Story, rng: Random, zone: ZoneInfo, lag_s: float
    ) -> None:
        self._clock = clock
        self._story = story
        self._rng = rng
        self._zone = zone
        self._lag_s = lag_s
        self.rows: dict[str, Row] = {}
        self._count = 0
        self.most: Callable[[Value], int] = lambda _value: 1_000_000
        """How many rows of a value there may be at once: as many as sales ever had it."""
        self.may_delete: Callable[[Value], bool] = lambda _value: True
        """Whether a single row of this value may go: if its sale says something else by now."""
        self._live: Counter[Value] = Counter()
        self._mood = (-1.0, 0.0)
        self.many_copies = False
        self.foreign_read_s: dict[str, float] = {}
        """When a reading first showed a foreign row."""
        self._copied: Counter[Value] = Counter()
        self.repairs = False
        """Repairs may delete, by its id, what they then post again."""
        self.pardoned = 0
        """Rows that the world itself planted, by acting later than it may."""

    def add(self, value: Value, *, foreign: bool = False, too_late: bool = False) -> Row:
        now = self._clock.true_s
        self._count += 1
        row = Row(f"tx-{self._count}", value, now, now + self._lag(), foreign)
        self.rows[row.id] = row
        self._story.tell(f"row {row.id} {value} {'foreign' if foreign else ''}")
        if foreign:
            return row
        self._live[value] += 1
        if too_late:
            self.pardoned += 1
        most = self.most(value) + self._copied[value]
        if self._live[value] > most and not self.pardoned:
            raise WrongError(f"doubled: {value} is there {self._live[value]} times")
        return row

    def copy(self, value: Value) -> None:
        """A person writes a row that looks like one of ours."""
        self._copied[value] += 1
        self.add(value)

    def bring_back(self, row: Row) -> None:
        """A deleted row is there again, as it was."""
        now = self._clock.true_s
        row.applied_s, row.visible_s = now, now + self._lag()
        row.gone_s = row.gone_visible_s = None
        self._copied[row.value] += 1
        self._live[row.value] += 1
        self._story.tell(f"back {row.id}")

    def remove(self, row: Row, *, by_person: bool = False, in_window: bool = False) -> None:
        """A row goes: by its id, as part of a window, or because a person deletes it."""
        free = by_person or in_window or self.pardoned or self.repairs
        if not free and not self.may_delete(row.value):
            raise WrongError(f"deleted without need: {row}")
        # A window may take what no total can have shown yet: at an exclusive place, a stated limit.
        if row.foreign and not by_person and self._has_shown(row):
            raise WrongError(f"deleted what somebody else wrote: {row}")
        row.gone_s = self._clock.true_s
        row.gone_visible_s = row.gone_s + self._lag()
        self._story.tell(f"gone {row.id}")
        if not row.foreign:
            self._live[row.value] -= 1

    def _has_shown(self, row: Row) -> bool:
        """Whether a reading has shown it, or would have by now."""
        shown_s = row.applied_s + self._lag_s if self.many_copies else row.visible_s
        return row.id in self.foreign_read_s or shown_s <= self._clock.true_s

    def _lag(self) -> float:
        """How long totals take to show a change; often the longest time, and often the same for
        all that changes at one moment, as if totals were made anew now and then.
        """
        now = self._clock.true_s
        if self._mood[0] == now and self._rng.random() < 0.7:
            return self._mood[1]
        kind = self._rng.random()
        share = 0.0 if kind < 0.2 else self._rng.uniform(0.95 if kind < 0.6 else 0.0, 1.0)
        self._mood = (now, share * self._lag_s)
        return self._mood[1]

    def inside(self, location_id: int, first_s: int, last_s: int) -> list[Row]:
        """What is there in the seconds from `first_s` to `last_s`, both included."""
        return [
            row
            for row in self.rows.values()
            if row.live
            and row.value.location_id == location_id
            and first_s <= row.value.created_at <= last_s
        ]

    def totals(
        self, location_ids: set[int], first: date, last: date
    ) -> dict[tuple[int, date], int]:
        """Minor units by location and day, as they show now; days that never had data are absent."""
        now = self._clock.true_s
        # One of several copies of the totals answers, and each is behind by a time of its own.
        behind_s = self._rng.random() * self._lag_s if self.many_copies else None
        found: dict[tuple[int, date], int] = {}
        for row in self.rows.values():
            if row.value.location_id not in location_ids:
                continue
            shown_s = row.visible_s if behind_s is None else row.applied_s + behind_s
            gone_s = row.gone_visible_s
            if behind_s is not None and row.gone_s is not None:
                gone_s = row.gone_s + behind_s
            if shown_s > now:
                continue
            day = self.day_of(row.value)
            if first <= day <= last:
                if row.foreign:
                    self.foreign_read_s.setdefault(row.id, now)
                gone = gone_s is not None and gone_s <= now
                key = (row.value.location_id, day)
                found[key] = found.get(key, 0) + (0 if gone else row.value.amount)
        return found

    def day_of(self, value: Value) -> date:
        """Connecteam's day of a row."""
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value.created_at)
        return moment.astimezone(self._zone).date()

    def live_values(self, location_id: int) -> Counter[Value]:
        """What is there and is not foreign, applied, whether it shows yet or not."""
        return Counter(
            row.value
            for row in self.rows.values()
            if row.live and not row.foreign and row.value.location_id == location_id
        )

    def live_total(self, location_id: int) -> int:
        return sum(
            row.value.amount
            for row in self.rows.values()
            if row.live and row.value.location_id == location_id
        )

    def foreign_between(self, location_id: int, start_s: float, end_s: float) -> bool:
        """Whether totals may have begun to show, in (start, end], something that others did."""
        return any(
            row.foreign
            and row.value.location_id == location_id
            and any(
                done_s is not None and done_s <= end_s and done_s + self._lag_s > start_s
                for done_s in (row.applied_s, row.gone_s)
            )
            for row in self.rows.values()
        )
