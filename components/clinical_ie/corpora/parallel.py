"""The same work on many items, in several processes, with the results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from ..system.names import ON_WINDOWS
from ..system.workers import start_worker

T = TypeVar("T")
R = TypeVar("R")

# Windows waits for no more of them at once.
MAX_PROCESSES = 61
# Items that go to a process at once.
CHUNK = 8


def ordered_map(function: Callable[[T], R], items: Sequence[T], n_process: int) -> Iterator[R]:
    """Apply a function to each item; few results wait in memory, however many items there are.

    function (Callable[[T], R]): Can be pickled; what it raises is raised here.
    n_process (int): 1 does the work in this process.
    RAISES (BrokenProcessPool): A process was killed.
    """
    if n_process <= 1:
        yield from map(function, items)
        return
    # A forked process can hang in a library whose threads it lacks.
    if ON_WINDOWS:
        n_process = min(n_process, MAX_PROCESSES)
    pool = ProcessPoolExecutor(n_process, get_context("spawn"), initializer=start_worker)
    under_way: deque[Future[list[R]]] = deque()
    try:
        for first in range(0, len(items), CHUNK):
            under_way.append(pool.submit(_work, function, items[first : first + CHUNK]))
            if len(under_way) >= 3 * n_process:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def ended(*items: Iterable[Any]) -> Iterator[None]:
    """End generators with a block: one that an error leaves half-way would go on to show its bar,
    and to hold its processes, until Python collects it."""
    try:
        yield
    finally:
        for item in items:
            if isinstance(item, Generator):
                item.close()


def _work(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]
