"""The simulated world: one time for everybody, one story of what happened, and where to crash.

Nothing here knows the bridge. The clock is in true seconds, by which the vendors live; the
machine's own wall clock may be wrong, and its boot time begins anew with each reboot.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random


class Crash(BaseException):
    """The process dies here. No `except Exception` may survive it."""


class WrongError(BaseException):
    """An invariant does not hold. No `except` of the bridge may swallow it."""


class VirtualClock:
    """Implements `tillbridge.clock.Clock`; all of time is in the simulation's hand."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.true_s = 0.0
        self._wall_off_s = 0.0
        self._booted_at_s = -1000.0
        self._boots = 1
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    @property
    def boot_id(self) -> str:
        return f"boot-{self._boots}"

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.true_s + self._wall_off_s)

    def boot_s(self) -> float:
        return self.true_s - self._booted_at_s

    def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))

    def true_now(self) -> datetime:
        """The time that everybody else has."""
        return self.start + timedelta(seconds=self.true_s)

    def advance(self, seconds: float) -> None:
        """Let time pass; what was due meanwhile happens at its own moment."""
        self.advance_to(self.true_s + seconds)

    def advance_to(self, true_s: float) -> None:
        while self._later and self._later[0][0] <= true_s:
            at_s, _, action = heapq.heappop(self._later)
            self.true_s = max(self.true_s, at_s)
            action()
        self.true_s = max(self.true_s, true_s)

    def at(self, true_s: float, action: Callable[[], object]) -> None:
        """Let something happen at a moment, as time passes it."""
        self._count += 1
        heapq.heappush(self._later, (true_s, self._count, action))

    def set_wall(self, off_s: float) -> None:
        """Somebody sets the wall clock: from now on it is wrong by so much."""
        self._wall_off_s = off_s

    def reboot(self) -> None:
        self._boots += 1
        self._booted_at_s = self.true_s - 20.0


class Story:
    """What happened, in order, and which faults and branches were reached."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._hash = hashlib.blake2b(digest_size=12)
        self.lines: list[str] = []
        self.reached: Counter[str] = Counter()
        self.keep_lines = False
        self.bases_s: dict[tuple[int, int], float] = {}
        """True time of each base, by Connecteam id and reading; the latest, if one was undone."""
        self.first_intents: dict[int, tuple[float, int, int]] = {}
        """The first request meant for a Connecteam id: true time, and its first and last stamp."""

    def note_intent(self, connecteam_id: int, first_s: int, last_s: int) -> None:
        self.first_intents.setdefault(connecteam_id, (self._clock.true_s, first_s, last_s))

    def note_base(self, connecteam_id: int, reading: int) -> None:
        self.bases_s[connecteam_id, reading] = self._clock.true_s

    def tell(self, what: str) -> None:
        line = f"{self._clock.true_s:.3f} {what}"
        self._hash.update(line.encode() + b"\n")
        if self.keep_lines:
            self.lines.append(line)

    def reach(self, name: str) -> None:
        self.reached[name] += 1

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


_MORE_OFTEN = (("waiting", 40), ("DELETE", 15), ("at Connecteam", 4), ("send", 4))
"""How much more often a process dies at steps with these words."""


class Gate:
    """Named steps of the process at which it may die, or something else may happen.

    `on` is asked at each step; it may raise `Crash`. A dead process gets nowhere: whatever its
    `finally` blocks still try raises `Crash` too.
    """

    def __init__(self, story: Story, rng: Random) -> None:
        self._story = story
        self._rng = rng
        self.chance = 0.0
        self.dead = False
        self.on: Callable[[str], None] | None = None

    def step(self, name: str) -> None:
        if self.dead:
            raise Crash(name)
        if self.on is not None:
            self.on(name)
        # Requests are rarer than commits, and dying beside one is what matters most.
        times = next((times for word, times in _MORE_OFTEN if word in name), 1)
        chance = self.chance * times
        if chance and self._rng.random() < chance:
            self._story.tell(f"crash {name}")
            self._story.reach(f"crash {name}")
            self.dead = True
            raise Crash(name)


UTC_START = (
    datetime(2026, 3, 28, 20, tzinfo=UTC),  # the 29th has 23 hours in Europe
    datetime(2026, 10, 24, 18, tzinfo=UTC),  # the 25th has 25 hours
    datetime(2026, 11, 3, 9, tzinfo=UTC),
    datetime(2026, 12, 31, 17, tzinfo=UTC),
)
