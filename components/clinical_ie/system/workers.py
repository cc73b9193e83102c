"""Setup of worker processes."""

import os
import signal
from multiprocessing import parent_process
from threading import Thread


def start_worker() -> None:
    """Make this process end with its parent, and leave Ctrl-C to the parent."""
    # Ctrl-C goes to all processes of a terminal; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent does, even if that is killed; otherwise it would wait for
    work forever and keep its memory."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
