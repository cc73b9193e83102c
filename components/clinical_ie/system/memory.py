"""Memory that is free, and that the system should know of."""

import ctypes
import mmap
from functools import cache
from pathlib import Path

# What a training step leaves free is wanted by the next one: to give all of it back each time took
# a fifth of the time of training.
KEPT_IN_TRAINING = 512 * 2**20


def release_memory(keep: int = 0) -> None:
    """Give freed memory back to the system.

    glibc keeps it, and arrays of ever other sizes leave holes in it: in training, a process grew
    from 1.1 to 7.9 GB within 700 steps, and one call brought it back. Elsewhere it does nothing.
    keep (int): Nothing is done while there are no more than so many bytes of it. glibc before
        version 2.33 does not tell how many there are, and all of them are given back.
    """
    heap = _heap()
    if heap is not None:
        heap.trim(keep)


class _Mallinfo2(ctypes.Structure):
    """Bytes in use are `uordblks` and, of large pieces, `hblkhd`; the rest is not looked at."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


class _Heap:
    """The memory that glibc administers.

    RAISES (AttributeError, OSError, TypeError): It is another C library.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._trim = library.malloc_trim
        self._info = getattr(library, "mallinfo2", None)
        if self._info is not None:
            self._info.restype = _Mallinfo2
        self._floor = self.unused()

    def trim(self, keep: int) -> None:
        if not keep or self.unused() - self._floor > keep or self._info is None:
            self._trim(0)
            self._floor = self.unused()

    def unused(self) -> int:
        """Bytes that are resident and hold no data, those of programs included; 0 if not told."""
        if self._info is None:
            return 0
        resident = int(Path("/proc/self/statm").read_text("ascii").split()[1]) * mmap.PAGESIZE
        info = self._info()
        return resident - int(info.uordblks) - int(info.hblkhd)


@cache
def _heap() -> _Heap | None:
    try:
        return _Heap()
    except (AttributeError, OSError, TypeError):
        # Other allocators give back by themselves.
        return None
