"""Locks that end with the process that has them, so that two runs do not meet."""

import os

try:
    import fcntl
except ImportError:
    # Windows: that two runs do not meet is left to whoever starts them.
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None


def lock(descriptor: int) -> None:
    """Lock an open file or folder until it is closed; where there are no locks, do nothing.

    RAISES (BlockingIOError): Another process has it, or this one opened it twice.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        # A file system without locks, such as some that are shared over a network.
        pass


def open_folder(folder: os.PathLike[str]) -> int | None:
    """A folder to be locked; None where folders cannot be opened."""
    return None if fcntl is None else os.open(folder, os.O_RDONLY)
