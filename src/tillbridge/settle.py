"""Ending doubts: `doubt` decides, this acts. Nothing here sends a sale.

A doubt is settled by the totals of its days. Its waits are boot times in the ledger, so they go on
over restarts of the program; after a reboot they begin anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tillbridge import doubt
from tillbridge.account import Account
from tillbridge.alarms import Alarms
from tillbridge.connecteam.quota import Purpose
from tillbridge.doubt import Decided, Doubt, Hold, ReadLater, ReplaceWindow, Situation, Verdict
from tillbridge.ledger import parts, removals, targets, verdicts
from tillbridge.ledger.parts import Moment, PartRow
from tillbridge.ledger.store import Ledger
from tillbridge.ledger.targets import TargetRow
from tillbridge.log import get_logger
from tillbridge.policy import DoubtPolicy, TargetPolicy
from tillbridge.readings import AHEAD, BACK, Reading, Readings, days_of, quiet_of, sum_over
from tillbridge.replace import WILL_PASS, Replacer
from tillbridge.states import PartState
from tillbridge.stops import UNTIL_RESTART

_log = get_logger("tillbridge.settle")

_NOT_NOW_S = 900.0
"""Until another look, where a window is to be replaced and the day's quota is used up."""


@dataclass(slots=True)
class Settled:
    """What a settling did: parts decided, parts held, and when to look again."""

    landed: int = 0
    not_landed: int = 0
    held: int = 0
    next_look_s: float | None = None


class Settler:
    """One per process that posts.

    Args:
        ledger: keeps the doubts and their waits.
        account: the gate to Connecteam.
        readings: takes the totals.
        policies: by Connecteam id.
        doubts: T and L.
        replacer: empties a window where totals cannot tell.
        alarms: for what needs a person.
    """

    def __init__(
        self,
        ledger: Ledger,
        account: Account,
        readings: Readings,
        policies: Mapping[int, TargetPolicy],
        doubts: DoubtPolicy,
        replacer: Replacer,
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._readings = readings
        self._policies = policies
        self._doubts = doubts
        self._replacer = replacer
        self._alarms = alarms
        self._look_at_boot_s: dict[int, float] = {}

    def recover(self) -> int:
        """At start-up: what was being sent is a doubt; after a reboot, waits begin anew.

        Returns:
            How many parts were found being sent.
        """
        found = self.adopt_orphans()
        with self._ledger.commit() as commit:
            verdicts.begin_waits_anew(commit, self._account.moment())
        return found

    def adopt_orphans(self) -> int:
        """Parts that are being sent though no request is under way are doubts; their answer came
        to a process that died, or to one that could not make sense of it.

        Returns:
            How many there were.
        """
        with self._ledger.view() as view:
            found = [row for row in parts.open_parts(view) if row.state == PartState.SENDING]
        if found:
            now = self._account.moment()
            with self._ledger.commit() as commit:
                for row in found:
                    verdicts.open_doubt(
                        commit, row, now, "tillbridge stopped before the answer was recorded"
                    )
        return len(found)

    def settle(self) -> Settled:
        """Decide every doubt that can be decided now."""
        done = Settled()
        cases = self._cases()
        due = {}
        now = self._account.moment()
        for key, (row, open_parts) in cases.items():
            step = doubt.decide(self._situation(row, open_parts, now, None))
            assert isinstance(step, ReadLater)
            later = max(now.boot_s + step.after_s, self._look_at_boot_s.get(key, 0.0))
            if later > now.boot_s:
                _sooner(done, later - now.boot_s)
                continue
            with self._ledger.view() as view:
                base = targets.base_of(view, row)
            if base is None:
                today = self._readings.today()
                due[key] = today - BACK, today + AHEAD
                continue
            # All days of the base: a reading that leads to holding becomes the next one, and
            # what is written later must lie within that, too.
            due[key] = (min(base[1]), max(base[1]))
        taken = self._readings.take(due)
        for key, reading in taken.items():
            try:
                self._apply(key, *cases[key], reading, done)
            except AssertionError as broken:  # undone; this location stops, the others go on
                self._break(key, str(broken))
        for key in due.keys() - taken.keys():
            # Where the quota is used up, a look before it is free again would look at nothing.
            self._look_later(key, max(60.0, self._account.wait_s(Purpose.LIVE)), done)
        return done

    def _break(self, key: int, what: str) -> None:
        now = self._account.moment()
        with self._ledger.commit() as commit:
            targets.stop(commit, key, "broken_invariant", what, now)
        self._alarms.raise_(
            f"posting_stopped:{key}",
            f"Nothing is posted to {self._policies[key].name}: the ledger contradicts itself "
            f"({what}).",
            "Please report this; nothing was sent.",
        )

    def _cases(self) -> dict[int, tuple[TargetRow, list[PartRow]]]:
        """The locations with doubts and no request under way, with their doubts."""
        cases: dict[int, tuple[TargetRow, list[PartRow]]] = {}
        with self._ledger.view() as view:
            replaced = {row.connecteam_id for row in removals.blocking(view)}
            # An old copy of the ledger cannot judge what it has forgotten.
            stops = (*UNTIL_RESTART, "old_ledger")
            stopped = {row.connecteam_id for row in targets.every(view) if row.stop in stops}
            for row in parts.open_parts(view):
                if row.connecteam_id not in self._policies.keys() - replaced - stopped:
                    continue
                if row.connecteam_id not in cases:
                    target = targets.get(view, row.connecteam_id)
                    assert target is not None
                    cases[row.connecteam_id] = (target, [])
                cases[row.connecteam_id][1].append(row)
        return {
            key: case
            for key, case in cases.items()
            if all(row.state == PartState.DOUBT for row in case[1])
        }

    def _situation(
        self, row: TargetRow, open_parts: Sequence[PartRow], now: Moment, change: int | None
    ) -> Situation:
        policy = self._policies[row.connecteam_id]
        return situation_of(row, open_parts, now, change, policy, self._doubts)

    def _apply(
        self,
        key: int,
        row: TargetRow,
        open_parts: Sequence[PartRow],
        reading: Reading,
        done: Settled,
    ) -> None:
        with self._ledger.view() as view:
            base = targets.base_of(view, row)
        span = targets.span_of(row)
        assert span is not None
        if base is None:
            self._without_base(key, row, open_parts, reading, done)
            return
        change = sum_over(reading.totals, span) - sum_over(base[1], span)
        match doubt.decide(self._situation(row, open_parts, reading.taken, change)):
            case ReadLater(after_s, verdict):
                self._note_verdict(key, verdict, reading.taken)
                self._look_later(key, after_s, done)
            case Decided(landed, not_landed):
                self._decide(key, open_parts, landed, not_landed, reading.taken)
                done.landed += len(landed)
                done.not_landed += len(not_landed)
            case ReplaceWindow(reason):
                refusal = self._replacer.want_parts(key, open_parts, reason)
                if refusal in WILL_PASS:
                    self._look_later(key, _NOT_NOW_S, done)
                elif refusal is not None:
                    self._hold(key, open_parts, f"{reason}; {refusal}", reading)
                    done.held += len(open_parts)
            case Hold(reason):
                if not (row.totals_differ or _may_explain(open_parts, change - row.acknowledged)):
                    # The next base takes it in; no window on these days may be deleted any more.
                    with self._ledger.commit() as commit:
                        targets.note_foreign(commit, key, days_of(span))
                self._hold(key, open_parts, reason, reading)
                done.held += len(open_parts)

    def _without_base(
        self,
        key: int,
        row: TargetRow,
        open_parts: Sequence[PartRow],
        reading: Reading,
        done: Settled,
    ) -> None:
        """What the totals were before is not known any more (a person's word took the base away):
        they cannot tell, ever.
        """
        wait_s = doubt.final_in(self._situation(row, open_parts, reading.taken, None))
        if wait_s > 0:
            self._look_later(key, wait_s, done)
            return
        self._hold(key, open_parts, "what the totals were before is not known any more", reading)
        done.held += len(open_parts)

    def _note_verdict(self, key: int, verdict: str | None, now: Moment) -> None:
        with self._ledger.commit() as commit:
            row = targets.get(commit, key)
            assert row is not None
            if row.verdict != verdict or row.boot_id != now.boot_id:
                targets.set_values(
                    commit, key, verdict=verdict, verdict_boot_s=now.boot_s, boot_id=now.boot_id
                )

    def _decide(
        self,
        key: int,
        open_parts: Sequence[PartRow],
        landed: Sequence[int],
        not_landed: Sequence[int],
        now: Moment,
    ) -> None:
        with self._ledger.commit() as commit:
            for row in _still_open(commit, open_parts):
                if row.id in landed:
                    wait_s = self._doubts.wait_s
                    verdicts.landed(commit, row, now, wait_s=wait_s, by="totals")
                elif row.id in not_landed:
                    verdicts.not_landed(commit, row, now, by="totals")
            targets.set_values(commit, key, verdict=None, verdict_boot_s=None)
        _log.info(
            "doubts_settled", location=self._policies[key].name, landed=len(landed),
            not_landed=len(not_landed),
        )  # fmt: skip

    def _hold(self, key: int, open_parts: Sequence[PartRow], reason: str, reading: Reading) -> None:
        with self._ledger.commit() as commit:
            for row in _still_open(commit, open_parts):
                verdicts.hold(commit, row, reading.taken, reason)
            # The reading that led here is the new base: what is held blocks nothing else.
            targets.set_base(commit, key, reading.id, reading.taken)
        for row in open_parts:
            self._alarms.raise_(
                f"held:{row.id}",
                f"{row.row_count} sales of {self._policies[key].name} may or may not be in "
                f"Connecteam, and its totals cannot tell: {reason}.",
                f"Look at those days in Connecteam, then run `tillbridge settle {row.id} --landed "
                "--reason ...` or `--not-landed`.",
            )

    def _look_later(self, key: int, after_s: float, done: Settled) -> None:
        self._look_at_boot_s[key] = self._account.moment().boot_s + after_s
        _sooner(done, after_s)


def situation_of(
    row: TargetRow,
    open_parts: Sequence[PartRow],
    now: Moment,
    change: int | None,
    policy: TargetPolicy,
    doubts: DoubtPolicy,
) -> Situation:
    """What the ledger knows of a location with parts in doubt, in the words of `doubt`.

    Args:
        row: the location.
        open_parts: its parts in doubt.
        now: in both times.
        change: what a reading differs from the base by, minor units; None before there is one.
        policy: of the location.
        doubts: T and L.
    """
    earlier = None
    if row.verdict is not None and row.boot_id == now.boot_id:
        earlier = Verdict(row.verdict, now.boot_s - row.verdict_boot_s)
    return Situation(
        change=change,
        acknowledged=row.acknowledged,
        doubts=tuple(
            Doubt(item.id, item.total, now.boot_s - item.ended_boot_s) for item in open_parts
        ),
        quiet=quiet_of(row, now),
        patience=doubts.patience(row.lag_worst_s, row.lag_count),
        may_replace=policy.may_replace,
        totals_prove=not row.totals_differ,
        earlier=earlier,
    )


def _may_explain(rows: Sequence[PartRow], amount: int) -> bool:
    """Whether these parts, each applied whole, in part or not at all, can make up an amount."""
    low: int = sum(min(0, row.total) for row in rows)
    high: int = sum(max(0, row.total) for row in rows)
    return low <= amount <= high


def _still_open(commit: Connection, rows: Sequence[PartRow]) -> list[PartRow]:
    """Those that no person has settled while the totals were being read."""
    fresh = [parts.get(commit, row.id) for row in rows]
    return [row for row in fresh if row.state == PartState.DOUBT]


def _sooner(done: Settled, after_s: float) -> None:
    if done.next_look_s is None or after_s < done.next_look_s:
        done.next_look_s = after_s
