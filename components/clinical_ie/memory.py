"""Memory that is free, and that the system should know of."""

import ctypes
from collections.abc import Callable
from functools import cache


def release_memory() -> None:
    """Give freed memory back to the system.

    glibc keeps it, and arrays of ever other sizes leave holes in it: in training, a process grew
    from 1.1 to 7.9 GB within 700 steps, and one call brought it back. Elsewhere it does nothing.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        # Not glibc: other allocators give back by themselves.
        return None
    return trim
