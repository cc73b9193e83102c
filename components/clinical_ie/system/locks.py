"""Locks that end with the process that holds them, to keep two runs apart."""

import os

try:
    import fcntl
except ImportError:
    # Windows: users have to keep two runs apart themselves.
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None


def lock(descriptor: int, *, wait: bool = False) -> None:
    """Lock an open file or folder until it is closed; do nothing where locks are not supported.

    wait (bool): Wait until the lock is free.
    RAISES (BlockingIOError): Another process holds the lock, or this one, by another descriptor.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:
        # A file system without locks, such as some network file systems.
        pass


def open_folder(folder: os.PathLike[str]) -> int | None:
    """Open a folder to lock it; None where locks are not supported."""
    return None if fcntl is None else os.open(folder, os.O_RDONLY)
