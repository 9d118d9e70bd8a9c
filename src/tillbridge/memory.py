"""Keeps the process small, and its start short: one pool of memory for all threads, and no search
for garbage among what is there to stay.

glibc gives each thread a pool of its own and never gives any of them back, so that every thread
which once decoded a page keeps the size of one: 10 MB with four of them. One pool is enough here,
where Python runs one thread at a time anyway. Left to itself, it also gives the memory of each page
back to the system and asks for it again with the next: a third of a backfill's page faults.

Python looks for garbage whenever 700 objects more have been made. While modules are imported that
is in vain, since they stay, and takes a tenth of a start. Afterwards it is as usual: a library may
leave rings of objects that only this search finds (httpx did, with each answer: 25 MB where it was
rarer), and a backfill that looked more rarely was no faster.
"""

import gc

from tillbridge.libc import of_c

_M_ARENA_MAX, _M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -8, -3, -1  # of glibc's malloc.h
_KEEP_BYTES = 8_000_000
"""What is free at the end of the pool and is not given back: a few pages of sales."""
_APART_BYTES = 4_000_000
"""Larger pieces come from the system one by one; a page, with all that is made of it, does not."""
_SELDOM = 20_000
_usual = gc.get_threshold()


def begin_start() -> None:
    """Nearly stop looking for garbage, until `end_start`. A process that never gets there is a
    little larger than it might be.
    """
    gc.set_threshold(_SELDOM)


def end_start() -> None:
    """Look for garbage as usual, but no more among what has been imported."""
    gc.freeze()
    gc.set_threshold(*_usual)


def share_one_pool() -> None:
    """To be called before the first thread begins; does nothing where there is no glibc."""
    mallopt = of_c("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _APART_BYTES)


def give_back() -> None:
    """Hand back what lies free between pieces in use: for a long job, now and then. Every page and
    plan leaves a few holes that the next ones do not fill, 3 MB after two hundred thousand sales.
    """
    trim = of_c("malloc_trim")
    if trim is not None:
        trim(0)
