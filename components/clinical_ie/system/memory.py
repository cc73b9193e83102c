"""Returns freed memory to the system."""

import ctypes
import mmap
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Protocol

# The next training step needs what this one frees: returning all of it each time took a fifth of
# the training time. A larger encoder frees more in a step: with half a gigabyte, a fifth again of
# the time of one of 109 million weights.
_KEPT_IN_TRAINING = 512 * 2**20
_KEPT_FOR_WEIGHTS = 3


class Sized(Protocol):
    """An array or tensor."""

    @property
    def nbytes(self) -> int: ...


def kept_in_training(weights: Iterable[Sized]) -> int:
    """How many freed bytes to keep between two training steps.

    weights (Iterable[Sized]): The encoder's.
    """
    return max(_KEPT_IN_TRAINING, _KEPT_FOR_WEIGHTS * sum(weight.nbytes for weight in weights))


def release_memory(keep: int = 0) -> None:
    """Return freed memory to the system; does nothing with C libraries other than glibc.

    glibc keeps freed memory, which arrays of varying sizes fragment: in training, a process grew
    from 1.1 to 7.9 GB within 700 steps, and one call brought it back.
    keep (int): Do nothing while no more than this many bytes are free. glibc before version 2.33
        does not tell, so everything is returned.
    """
    heap = _heap()
    if heap is not None:
        heap.trim(keep)


class _Mallinfo2(ctypes.Structure):
    """Bytes in use are `uordblks` and, for large blocks, `hblkhd`; the rest is ignored."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


class _Heap:
    """The memory that glibc manages.

    RAISES (AttributeError, OSError, TypeError): The C library is not glibc.
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
        """Resident bytes without data of the heap, those of program code included; 0 if unknown."""
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
        # Other allocators return memory by themselves.
        return None
