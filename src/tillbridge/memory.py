"""Keeps the process small: one pool of memory for all threads.

glibc gives each thread a pool of its own and never gives any of them back, so that every thread
which once decoded a page keeps the size of one: 10 MB with four of them. One pool is enough here,
where Python runs one thread at a time anyway.
"""

import ctypes

_M_ARENA_MAX = -8  # of glibc's malloc.h


def share_one_pool() -> None:
    """To be called before the first thread begins; does nothing where there is no glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
