"""Setup of worker processes."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from .names import ON_WINDOWS

P = ParamSpec("P")
R = TypeVar("R")


class WorkerPool(ProcessPoolExecutor):
    """A pool of processes; its `initializer` should call `start_worker`.

    n_process (int): Maximum number of processes; they start when there is work for them.
    """

    def __init__(
        self, n_process: int, initializer: Callable[..., object], initargs: tuple[Any, ...] = ()
    ) -> None:
        # A forked process can hang in a library whose threads were not copied, such as torch.
        super().__init__(n_process, get_context("spawn"), initializer, initargs)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As in the base class. A process that it starts does not hear Ctrl-C at all: before it
        gets to `start_worker` it imports for seconds, and would end with a traceback."""
        with _interrupts_later():
            return super().submit(fn, *args, **kwargs)

    def terminate(self) -> None:
        """End all processes at once; what they have not returned is lost."""
        for process in list((self._processes or {}).values()):
            process.terminate()


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hear Ctrl-C after the block; processes that are started in the block never hear it."""
    if ON_WINDOWS:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
