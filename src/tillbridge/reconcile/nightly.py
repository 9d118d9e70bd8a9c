"""The comparison that runs by itself: once a night for each location, over the last days.

It is due at a time of the location's own day, after the cut-off and before people look. One that
could not read everything is tried again a few times. What differs is alarmed, and put right where
the configuration says so.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

from tillbridge.alarms import Alarms
from tillbridge.clock import Clock
from tillbridge.days import epoch_ms, local_date
from tillbridge.ledger import locations, repairs
from tillbridge.ledger.store import Ledger
from tillbridge.log import get_logger
from tillbridge.policy import NightPlan, TargetPolicy
from tillbridge.reconcile.finality import WORDS
from tillbridge.reconcile.reconciler import Compared, Reconciler
from tillbridge.reconcile.whole_days import Place
from tillbridge.windows import Rescan, due_rescans

_log = get_logger("tillbridge.reconcile")

_AGAIN_S = 900.0
_MOST_TRIES = 4
_DAY_S = 86_400


class Nightly:
    """One per service.

    Args:
        ledger: remembers when it was last done.
        reconciler: compares.
        policies: by Connecteam id.
        places: the Lightspeed locations.
        night: see the class.
        clock: decides what is due.
        alarms: for what differs.
    """

    def __init__(
        self,
        ledger: Ledger,
        reconciler: Reconciler,
        policies: Mapping[int, TargetPolicy],
        places: Sequence[Place],
        night: NightPlan,
        clock: Clock,
        alarms: Alarms,
    ) -> None:
        self._ledger = ledger
        self._reconciler = reconciler
        self._policies = policies
        self._places = places
        self._night = night
        self._clock = clock
        self._alarms = alarms
        self._tries: dict[int, int] = {}
        self._not_before_boot_s = 0.0

    def step(self, should_stop: Callable[[], bool] = lambda: False) -> list[Compared]:
        """Compare the locations whose time has come.

        Returns:
            What was compared; most often nothing.
        """
        if self._clock.boot_s() < self._not_before_boot_s:
            return []
        done = []
        for key in self._policies:
            due = [p for p in self._places if p.source.rules.connecteam_id == key and self._due(p)]
            if due and not should_stop():
                done.append(self._run(key, due, should_stop))
        return done

    def _rescan(self, place: Place) -> Rescan:
        at = self._night.at[place.source.id]
        back_s = self._night.back_days * _DAY_S
        return Rescan(f"reconcile at {at:%H:%M}", back_s, at=at)

    def _due(self, place: Place) -> bool:
        rescan = self._rescan(place)
        with self._ledger.view() as view:
            known = locations.rescans_done(view, place.source.id)
            paused = bool(locations.get(view, place.source.id).paused)
        if rescan.name not in known:
            self._note(place)  # the first night is the one that comes
            return False
        now = self._clock.now()
        due = due_rescans(now, [rescan], known, place.source.rules.zone)
        return bool(due) and not paused

    def _note(self, place: Place) -> None:
        with self._ledger.commit() as commit:
            now_ms = epoch_ms(self._clock.now())
            locations.note_rescan(commit, place.source.id, self._rescan(place).name, now_ms)

    def _run(self, key: int, due: Sequence[Place], should_stop: Callable[[], bool]) -> Compared:
        last = max(local_date(self._clock.now(), p.source.rules.zone) for p in due)
        yesterday = last - timedelta(days=1)
        first = yesterday - timedelta(days=self._night.back_days - 1)
        result = self._reconciler.run(first, yesterday, [key], should_stop)[0]
        self._tries[key] = self._tries.get(key, 0) + 1
        if result.is_whole or self._tries[key] >= _MOST_TRIES:
            self._tries[key] = 0
            for place in due:
                self._note(place)
        else:
            self._not_before_boot_s = self._clock.boot_s() + _AGAIN_S
        self._say(result)
        self._repair(key, result, (first, yesterday))
        return result

    def _repair(self, key: int, result: Compared, days: tuple[date, date]) -> None:
        wanted = self._night.repairs and result.policy.exclusive and result.mature
        if wanted and any(calendar.rest for calendar in result.calendar.values()):
            span = (days[0].isoformat(), days[1].isoformat())
            with self._ledger.commit() as commit:
                now_ms = epoch_ms(self._clock.now())
                repairs.ask(commit, key, span, now_ms, by_person=False)

    def _say(self, result: Compared) -> None:
        name, key = result.policy.name, result.policy.connecteam_id
        wrong = [day for day in result.days if day.needs_look]
        _log.info(
            "days_compared", location=name, days=len(result.days), differing=len(wrong),
            whole=result.is_whole,
        )  # fmt: skip
        if wrong:
            self._alarms.raise_(f"difference:{key}", *sentence_of(result))
        elif result.is_whole:
            self._alarms.resolve(f"difference:{key}")


def sentence_of(result: Compared) -> tuple[str, str]:
    """What differs at a location and needs a look, and what to do; for an alarm."""
    wrong = [day for day in result.days if day.needs_look]
    causes = {cause.name for day in wrong for cause in day.causes if cause.needs_look}
    days = ", ".join(day.day.isoformat() for day in wrong[:5])
    what = ", ".join(sorted(WORDS[name] for name in causes))
    return (
        f"The figures of {result.policy.name} differ on {days}: {what}.",
        (
            "See `tillbridge reconcile` for the amounts; `tillbridge reconcile --repair --dry-run` "
            "shows what could be done."
        ),
    )
