"""Which Connecteam locations may be written to now: bases, and what must be true before a write.

Before the first write after a start, the totals must show what the ledger put there; before the
first write ever, an exclusive location must be empty on the days concerned. A base is the reading
that later ones are compared with; sales on days outside it wait for a new one, which can be taken
only while nothing is in doubt and all that was written must already show.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import Connection

from tillbridge import doubt, vacancy
from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.days import utc_date, utc_midnight_s
from tillbridge.ledger import copies, events, parts, removals, sales, targets
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import ONE_DAY, TargetRow
from tillbridge.log import get_logger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.readings import AHEAD, BACK, Reading, Readings, Span, quiet_of, sum_over
from tillbridge.states import PartState
from tillbridge.stops import STOP_REMEDIES, UNTIL_RESTART

_log = get_logger("tillbridge.bases")

BASE_AGE_MS = 86_400_000
"""A base is renewed daily where it can be, so that a foreign hand is noticed within a day."""

VERIFY_LEAVES = 20
"""Requests that are left for sales, however much there is to verify."""

_STOP_RECHECK_S = 900.0
_FIRST_LOOK_S = 5.0
_NOTHING: Mapping[int, Collection[int]] = {}


@dataclass(frozen=True, slots=True)
class Writable:
    """A location that may be written to, for sales stamped within [first_s, last_s]."""

    first_s: int
    last_s: int


@dataclass(slots=True)
class _Watch:
    """What this process knows of a location beyond the ledger."""

    checked: bool = False
    look_at_boot_s: float = 0.0
    pause_s: float = _FIRST_LOOK_S
    tried: set[date] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Sales that wait for a location: the stamps of the first and last, and their first sums.

    `sums` is asked for only where an old ledger may be at work, and costs a plan of them all.
    """

    first_s: int
    last_s: int
    stamps: Sequence[int]
    sums: Callable[[], Sequence[int]]


class Bases:
    """One per process."""

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        readings: Readings,
        policies: Mapping[int, TargetPolicy],
        doubts: DoubtPolicy,
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._readings = readings
        self._policies = policies
        self._doubts = doubts
        self._alarms = alarms
        self._watches: dict[int, _Watch] = {key: _Watch() for key in policies}

    def writable(
        self, wanted: Mapping[int, Wanted], under_way: Mapping[int, Collection[int]] = _NOTHING
    ) -> dict[int, Writable]:
        """Those of these locations that may be written to now; reads totals where it must.

        Args:
            wanted: what waits, by Connecteam id.
            under_way: parts whose answers are awaited, where others may join them. Any other open
                part closes its location, and beside these no totals are read.
        """
        ready: dict[int, Writable] = {}
        spans: dict[int, Span] = {}
        now = self._account.moment()
        with self._ledger.view() as view:
            for key, want in wanted.items():
                row = targets.get(view, key)
                assert row is not None
                mine = under_way.get(key, ())
                if not _all_among(parts.open_states(view, key), mine):
                    continue
                if removals.blocks(view, key) or row.stop in UNTIL_RESTART:
                    continue
                found = self._judge(view, row, want)
                if isinstance(found, Writable):
                    ready[key] = found
                elif not mine and self._watches[key].look_at_boot_s <= now.boot_s:
                    spans[key] = found
        for key, reading in self._read(spans, wanted).items():
            writable = self._use(key, wanted[key], reading)
            if writable is not None:
                ready[key] = writable
        return ready

    def _read(self, spans: Mapping[int, Span], wanted: Mapping[int, Wanted]) -> dict[int, Reading]:
        """Readings of these locations; a location that is refused even for its own few days is
        one that Connecteam does not know.
        """
        taken = self._readings.take(spans)
        for key in dict(self._readings.wrong):
            few = (
                utc_date(wanted[key].first_s) - 2 * ONE_DAY,
                utc_date(wanted[key].last_s) + 2 * ONE_DAY,
            )
            taken |= self._readings.take({key: few})
            for reason in self._readings.wrong.values():
                self._stop(key, "location_refused", f"Connecteam does not know it ({reason})")
        return taken

    def verify(self) -> None:
        """Look at totals without anything to post: after a window was replaced, at a stop that
        may be over, and once a day at each location, so that foreign hands are noticed.
        """
        now = self._account.moment()
        spans: dict[int, Span] = {}
        with self._ledger.view() as view:
            for key in self._policies:
                row = targets.get(view, key)
                if row is None or row.stop in (*UNTIL_RESTART, "not_empty"):
                    continue  # only with what waits can be told whether its days are empty
                if parts.open_parts(view, key) or removals.blocking(view, key):
                    continue
                if self._watches[key].look_at_boot_s > now.boot_s:
                    continue
                base = targets.base_of(view, row)
                if base is None and not row.base_part_id:
                    continue  # the first one is taken with the first sales
                patience = self._doubts.patience(row.lag_worst_s, row.lag_count)
                is_old = base is None or now.wall_ms - base[0].taken_ms > BASE_AGE_MS
                wants = is_old or row.stop is not None or removals.cleared(view, key)
                if wants and quiet_of(row, now).mature_in(patience) == 0:
                    today = self._readings.today()
                    days = base[1] if base is not None else (today,)
                    spans[key] = (min(today - BACK, *days), max(today + AHEAD, *days))
        if spans and self._account.left_today() < VERIFY_LEAVES:
            return
        for key in spans:
            self._watches[key].look_at_boot_s = now.boot_s + _STOP_RECHECK_S
        for key, reading in self._readings.take(spans).items():
            self._use(key, Wanted(0, 0, (), tuple), reading)

    def look_now(self, key: int) -> None:
        """A stop was ended by another hand: do not wait until it would be looked at again."""
        self._watches[key].look_at_boot_s = 0.0

    def next_look_s(self) -> float | None:
        """Seconds until a location that waits for its totals is worth another look."""
        now = self._account.moment()
        times = [w.look_at_boot_s for w in self._watches.values() if w.look_at_boot_s > now.boot_s]
        return min(times) - now.boot_s if times else None

    def _judge(self, view: Connection, row: TargetRow, want: Wanted) -> Writable | Span:
        """Writable as it is, or the days that have to be read first."""
        base = targets.base_of(view, row)
        today = self._readings.today()
        first = min(utc_date(want.first_s) - 2 * ONE_DAY, today - BACK)
        last = max(utc_date(want.last_s) + 2 * ONE_DAY, today + AHEAD)
        if base is None:
            return first, last
        writable = _bounds(base[1])
        watch = self._watches[row.connecteam_id]
        inside = any(writable.first_s <= stamp <= writable.last_s for stamp in want.stamps)
        free = not self._not_ours(view, row.connecteam_id, want.stamps, base[1])
        if watch.checked and row.stop is None and inside and free:
            return writable
        return min(first, *base[1]), max(last, *base[1])

    def _use(self, key: int, want: Wanted, reading: Reading) -> Writable | None:
        with self._ledger.view() as view:
            row = targets.get(view, key)
            assert row is not None
            base = targets.base_of(view, row)
            abandoned = targets.abandoned(view, row)
        patience = self._doubts.patience(row.lag_worst_s, row.lag_count)
        quiet = quiet_of(row, reading.taken)
        strange_s = doubt.Quiet(deleted_s=quiet.deleted_s).mature_in(patience)
        if row.stop == "old_ledger" and strange_s > 0:
            # Even what looks right may only lack what the other ledger wrote last.
            self._look_later(key, strange_s)
            return None
        if base is None and row.stop == "old_ledger":
            self._watches[key].look_at_boot_s = reading.taken.boot_s + _STOP_RECHECK_S
            return None  # without a base nothing can show that the ledger is not old after all
        if base is None:
            if quiet.mature_in(patience) > 0:
                self._look_later(key, quiet.mature_in(patience))
                return None
            return self._first_base(key, want, reading)
        if row.totals_differ and row.stop is None:
            # Totals that do not show what was posted can neither confirm nor contradict anything.
            return self._go_on(key, row, want, reading)
        span = targets.span_of(row)
        if row.stop == "old_ledger":
            # What it has forgotten may lie outside the days that it remembers having written.
            span = min(base[1]), max(base[1])
        change = sum_over(reading.totals, span) - sum_over(base[1], span) if span else 0
        finding = doubt.examine(
            doubt.Examination(
                change=change,
                acknowledged=row.acknowledged,
                quiet=quiet,
                patience=patience,
                exclusive=self._policies[key].exclusive,
                abandoned=abandoned,
                waiting_sums=want.sums() if not self._watches[key].checked else (),
            )
        )
        return self._act(key, row, want, reading, change, finding)

    def _act(
        self,
        key: int,
        row: TargetRow,
        want: Wanted,
        reading: Reading,
        change: int,
        finding: doubt.Finding,
    ) -> Writable | None:
        match finding:
            case doubt.AsExpected():
                with self._ledger.view() as view:
                    found = self._not_ours(view, key, want.stamps, reading.totals)
                if found:
                    self._stop_not_empty(key, found)
                    return None
                return self._go_on(key, row, want, reading)
            case doubt.Foreign() | doubt.StopPosting() if row.stop == "old_ledger":
                self._watches[key].look_at_boot_s = reading.taken.boot_s + _STOP_RECHECK_S
                return None  # only a person can tell whose amount that is
            case doubt.Foreign() | doubt.StopPosting("unexplained") if self._flipped(
                key, row, change
            ):
                return self._go_on(key, row, want, reading)
            case doubt.Foreign(amount):
                self._note_foreign(key, row, amount)
                return self._renew(key, reading)
            case doubt.LookAgain(after_s):
                self._look_later(key, after_s)
                return None
            case doubt.StopPosting(name, reason):
                self._stop(key, name, reason)
                return None
            case doubt.AppliedLate(part_id):
                self._applied_late(key, part_id)
                return None

    def _flipped(self, key: int, row: TargetRow, change: int) -> bool:
        """Whether the totals show just what was posted, but with the sign of some types turned:
        then they prove nothing here, and are not trusted any more.
        """
        with self._ledger.view() as view:
            by_type = sales.sums_by_type(view, key, row.base_part_id)
        if sum(by_type) != row.acknowledged or not doubt.signs_explain(by_type, change):
            return False  # what was deleted since the base counts with another sign, too
        with self._ledger.commit() as commit:
            targets.set_values(commit, key, totals_differ=True)
            now = self._account.moment()
            events.note(commit, now.wall_ms, "totals_differ", connecteam_id=key, change=change)
        _log.warning(
            "totals_differ", location=self._policies[key].name,
            note="Connecteam counts some types of sale with the other sign; its totals are not "
            "used here to find out what became of a lost request.",
        )  # fmt: skip
        return True

    def _applied_late(self, key: int, part_id: int) -> None:
        """Take the second copies back by their ids; where they cannot be known, stop."""
        now = self._account.moment()
        with self._ledger.commit() as commit:
            planned = copies.plan_removal(commit, part_id, now)
        if planned is None:
            self._stop(
                key,
                "applied_late",
                f"request {part_id}, given up as lost, was carried out after all, so that sales "
                "are in Connecteam twice, or as they were before they changed",
            )
            return
        _log.warning("applied_late", location=self._policies[key].name, part=part_id,
                     second_copies=planned)  # fmt: skip

    def _go_on(self, key: int, row: TargetRow, want: Wanted, reading: Reading) -> Writable | None:
        patience = self._doubts.patience(row.lag_worst_s, row.lag_count)
        mature_s = quiet_of(row, reading.taken).mature_in(patience)
        with self._ledger.view() as view:
            base = targets.base_of(view, row)
            assert base is not None
            outdated = self._not_ours(view, key, want.stamps, base[1])
        if outdated:
            # What others had there is gone, but the base still has it.
            if mature_s == 0:
                return self._renew(key, reading)
            self._watches[key].look_at_boot_s = reading.taken.boot_s + mature_s
            return None
        if row.stop is not None:
            with self._ledger.commit() as commit:
                targets.clear_stop(commit, key, "the totals are explained again", reading.taken)
            self._alarms.resolve(f"posting_stopped:{key}")
        with self._ledger.commit() as commit:
            removals.finish_cleared(commit, key, reading.taken)
        watch = self._watches[key]
        watch.checked, watch.pause_s = True, _FIRST_LOOK_S
        writable = _bounds(base[1])
        is_old = reading.taken.wall_ms - base[0].taken_ms > BASE_AGE_MS
        inside = any(writable.first_s <= stamp <= writable.last_s for stamp in want.stamps)
        if inside or (not want.stamps and not is_old):
            return self._renew(key, reading) if is_old and mature_s == 0 else writable
        if mature_s > 0:
            watch.look_at_boot_s = reading.taken.boot_s + mature_s
            return None
        return self._renew(key, reading)

    def _first_base(self, key: int, want: Wanted, reading: Reading) -> Writable | None:
        with self._ledger.view() as view:
            found = self._not_ours(view, key, want.stamps, reading.totals)
        if found:
            self._stop_not_empty(key, found)
            return None
        with self._ledger.commit() as commit:
            foreign = [day for day, total in reading.totals.items() if total]
            if self._policies[key].exclusive:
                # Not what is tillbridge's own there: its windows may have to be replaced yet.
                foreign = vacancy.days_unexplained(commit, key, reading.totals)
            targets.note_foreign(commit, key, foreign)
        return self._renew(key, reading)

    def _not_ours(
        self, view: Connection, key: int, stamps: Sequence[int], totals: targets.Totals
    ) -> list[date]:
        """Days of waiting sales on which an exclusive location holds what others put there."""
        policy = self._policies[key]
        if not policy.exclusive:
            return []
        tried = self._watches[key].tried
        return vacancy.days_not_ours(view, key, policy.day_zones, stamps, totals, tried)

    def _stop_not_empty(self, key: int, found: Sequence[date]) -> None:
        days = ", ".join(day.isoformat() for day in found[:5])
        self._stop(
            key,
            "not_empty",
            f"Connecteam already holds sales on {days}, though the location is exclusive and "
            "tillbridge has posted nothing there; perhaps Connecteam's own Lightspeed "
            "integration is switched on",
        )

    def _renew(self, key: int, reading: Reading) -> Writable:
        with self._ledger.commit() as commit:
            assert not parts.open_parts(commit, key)
            targets.set_base(commit, key, reading.id, reading.taken)
            removals.finish_cleared(commit, key, reading.taken)
            targets.clear_stop(commit, key, "a new base was taken", reading.taken)
        self._alarms.resolve(f"posting_stopped:{key}")
        watch = self._watches[key]
        watch.checked, watch.pause_s = True, _FIRST_LOOK_S
        return _bounds(reading.totals)

    def _note_foreign(self, key: int, row: TargetRow, amount: int) -> None:
        now = self._account.moment()
        span = targets.span_of(row)
        with self._ledger.commit() as commit:
            events.note(commit, now.wall_ms, "foreign_amount", connecteam_id=key, amount=amount)
            if span is not None:
                days = (span[1] - span[0]).days + 1
                touched = [span[0] + timedelta(days=n) for n in range(days)]
                targets.note_foreign(commit, key, touched)

    def _look_later(self, key: int, after_s: float) -> None:
        watch = self._watches[key]
        watch.look_at_boot_s = self._account.moment().boot_s + min(after_s, watch.pause_s)
        watch.pause_s *= 2

    def _stop(self, key: int, name: str, reason: str) -> None:
        now = self._account.moment()
        with self._ledger.commit() as commit:
            targets.stop(commit, key, name, reason, now)
        self._watches[key].look_at_boot_s = now.boot_s + _STOP_RECHECK_S
        self._alarms.raise_(
            f"posting_stopped:{key}",
            f"Nothing is posted to {self._policies[key].name}: {reason}.",
            STOP_REMEDIES[name],
        )


def _all_among(states: Mapping[int, str], part_ids: Collection[int]) -> bool:
    """Whether these parts are all still being sent, and among those that may have company."""
    return all(
        part_id in part_ids and state == PartState.SENDING for part_id, state in states.items()
    )


def _bounds(totals: Mapping[date, int]) -> Writable:
    """Stamps whose day, in any zone, is inside the days that were read."""
    first, last = min(totals) + ONE_DAY, max(totals) - ONE_DAY
    return Writable(utc_midnight_s(first), utc_midnight_s(last + ONE_DAY) - 1)
