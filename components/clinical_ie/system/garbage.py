"""How often Python looks for objects that nothing reaches any more."""

import gc
import threading
from contextlib import ContextDecorator

# New objects between two searches. Python's own number, 700, suits programs with few of them.
OBJECTS_BETWEEN = 50_000


class collect_rarely(ContextDecorator):  # noqa: N801  (a function to those who call it)
    """A block, or a function, in which Python seldom looks for unreachable cycles of objects.

    Annotations are many small objects that live on: the search finds nothing among them, and took
    an eighth to a sixth of the time of reading notes and of augmenting them. What the caller has
    set is set again at the end; where blocks of several threads overlap, at the end of the last.
    """

    _lock = threading.Lock()
    _blocks = 0
    _usual = gc.get_threshold()

    def __enter__(self) -> None:
        shared = collect_rarely
        with shared._lock:
            if not shared._blocks:
                shared._usual = gc.get_threshold()
                young, *older = shared._usual
                # Zero is never, and stays.
                gc.set_threshold(young and max(young, OBJECTS_BETWEEN), *older)
            shared._blocks += 1

    def __exit__(self, *_: object) -> None:
        shared = collect_rarely
        with shared._lock:
            shared._blocks -= 1
            if not shared._blocks:
                gc.set_threshold(*shared._usual)
