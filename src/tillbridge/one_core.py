"""Keeps a busy process on one core: its threads take turns anyway, and there the turns are cheap.

Python runs one thread at a time. On two cores each turn is a core that sleeps and is woken, and
finds in its caches what the other one has just changed: a fifth of a backfill's processor time.
Other programs lose nothing by it, the system moves them to the other cores.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tillbridge.libc import of_c


@contextmanager
def on_one_core() -> Iterator[None]:
    """Stay on the core that this thread is on; threads that begin inside stay there as well.

    Does nothing where the system has no such thing, or does not allow it.
    """
    usual = _cores()
    current = of_c("sched_getcpu")
    here = current() if current is not None else -1
    if len(usual) < 2 or here not in usual:
        yield
        return
    with suppress(OSError):
        os.sched_setaffinity(0, {here})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, usual)


def _cores() -> set[int]:
    """Those that this process may use: a container, or an administrator, may have chosen some."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
