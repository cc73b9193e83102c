"""What a process that works for another has to do, whatever its work is."""

import os
import signal
from multiprocessing import parent_process
from threading import Thread


def start_worker() -> None:
    """Make this process one that ends with its parent, and by its parent's word alone."""
    # Ctrl-C goes to all processes of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed ends no worker, which would wait for work, and keep its memory."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
