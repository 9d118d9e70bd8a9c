"""The clock that the bridge lives by: wall time for stamps, boot time for waits.

Waits are measured in CLOCK_BOOTTIME, which goes on while the machine sleeps and does not care
when somebody sets the wall clock; the boot id says whether two such times can be compared.
Nothing outside this module may read a clock, so that a test can hold all of time in its hand.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Protocol


class Clock(Protocol):
    @property
    def boot_id(self) -> str:
        """Names this boot of the machine; boot times of two boots cannot be compared."""
        ...

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        ...

    def boot_s(self) -> float:
        """Seconds since the machine started, sleep included."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; ends early when `interrupt` is called."""
        ...


class SystemClock:
    """The real clock. `interrupt()` ends a running `sleep` and all later ones at once."""

    def __init__(self) -> None:
        self._wake = Event()
        self._boot_id = _read_boot_id()

    @property
    def boot_id(self) -> str:
        return self._boot_id

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        self._wake.wait(max(0.0, seconds))

    def interrupt(self) -> None:
        self._wake.set()


def _read_boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # Without the kernel's id, the hour of the boot is the best name for it that there is.
        return f"boot-{round((time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) / 3600)}"
