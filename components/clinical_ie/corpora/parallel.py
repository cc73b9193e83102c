"""A function applied to many items in several processes, with the results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from ..system.names import ON_WINDOWS
from ..system.workers import WorkerPool, start_worker

T = TypeVar("T")
R = TypeVar("R")

# Windows cannot wait for more of them at once.
MAX_PROCESSES = 61
# Items sent to a process at once.
CHUNK = 8


def ordered_map(function: Callable[[T], R], items: Sequence[T], n_process: int) -> Iterator[R]:
    """Apply a function to each item; only a few results are in memory at a time.

    function (Callable[[T], R]): Must be picklable; its exceptions are raised here.
    n_process (int): With 1, everything happens in this process.
    RAISES (BrokenProcessPool): A process was killed.
    """
    if n_process <= 1:
        yield from map(function, items)
        return
    if ON_WINDOWS:
        n_process = min(n_process, MAX_PROCESSES)
    pool = WorkerPool(n_process, start_worker)
    under_way: deque[Future[list[R]]] = deque()
    try:
        for first in range(0, len(items), CHUNK):
            under_way.append(pool.submit(_work, function, items[first : first + CHUNK]))
            if len(under_way) >= 3 * n_process:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    except BaseException:
        # Nobody waits for what is in flight.
        pool.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def ended(*items: Iterable[Any]) -> Iterator[None]:
    """Close generators at the end of a block: one that an error leaves unfinished would keep its
    progress bar and its processes until Python collects it."""
    try:
        yield
    finally:
        for item in items:
            if isinstance(item, Generator):
                item.close()


def _work(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]
