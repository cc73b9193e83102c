"""How often Python's garbage collector runs."""

import gc
import threading
from contextlib import ContextDecorator

# New objects between two collections. Python's default, 700, is for programs with few objects.
OBJECTS_BETWEEN = 50_000


class collect_rarely(ContextDecorator):  # noqa: N801  (used like a function)
    """A context, or decorator, in which Python rarely collects garbage.

    Annotations are many small objects that stay alive: collections find nothing among them, and
    took an eighth to a sixth of the time of reading and of augmenting notes. The caller's setting
    is restored at the end; if contexts of several threads overlap, at the end of the last.
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
                # 0 means never, and is kept.
                gc.set_threshold(young and max(young, OBJECTS_BETWEEN), *older)
            shared._blocks += 1

    def __exit__(self, *_: object) -> None:
        shared = collect_rarely
        with shared._lock:
            shared._blocks -= 1
            if not shared._blocks:
                gc.set_threshold(*shared._usual)
