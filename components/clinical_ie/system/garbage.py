"""How often Python's garbage collector runs."""

import gc
import threading
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager

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
    _spared = False

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
                if shared._spared:
                    gc.unfreeze()
                    shared._spared = False


@contextmanager
def made_to_stay() -> Iterator[None]:
    """A context, inside `collect_rarely`, for objects that stay alive until the end of that one.

    There is no garbage collection in it, and later ones do not search what was made in it, so it
    should not make much garbage in cycles itself.
    """
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        with collect_rarely._lock:
            # What the caller has frozen must stay so, and Python can only unfreeze everything.
            if collect_rarely._blocks and not gc.get_freeze_count():
                gc.freeze()
                collect_rarely._spared = True
        if usual:
            # Not before: a collection that is due begins at once, and would search all of it.
            gc.enable()
