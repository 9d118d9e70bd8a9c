"""Functions of the C library that Python does not offer."""

from functools import cache
from typing import Any


@cache
def of_c(name: str) -> Any:  # noqa: ANN401  # a function of C
    """The function, or None where this system's library has none of that name."""
    import ctypes  # noqa: PLC0415  # half a millisecond for a command that needs none

    return getattr(ctypes.CDLL(None), name, None)
