"""Signals by which resource managers end a run."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM: SLURM, systemd and Docker send it, and kill the run some seconds later."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """A context that SIGTERM ends as Ctrl-C does, so that workers end, too, and files are closed.

    Only the main thread can be ended so; in others, the context does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def interrupts_later() -> Iterator[None]:
    """A context at whose end Ctrl-C is heard, for code that would take it for an error of its own.

    Only the main thread hears it; in others, the context does nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    heard: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: heard.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        before(signal.SIGINT, heard[0])


def _end(*_: object) -> NoReturn:
    raise Terminated
