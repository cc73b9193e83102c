"""Processes with a pipeline each; one that is killed over a note takes no other note with it."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Generic, TypeVar

import torch
from spacy.language import Language

from ..system.workers import start_worker
from .texts import Found, run_texts

Item = TypeVar("Item")

KILLED = (
    "the process that read it was killed, alone with it; what ends processes so is a lack of "
    "memory, or a library's own fault"
)


@dataclass(slots=True)
class _Batch(Generic[Item]):
    item: Item
    texts: list[str]
    future: Future[list[Found]]


class PipelinePool:
    """Processes that are there before the first text, each with a pipeline of its own.

    load (Callable[[], Language]): Gives the pipeline; can be pickled.
    n_process (int): How many.
    RAISES (BrokenProcessPool): One was killed before it was ready.
    """

    def __init__(self, load: Callable[[], Language], n_process: int) -> None:
        self._load = load
        self._n_process = n_process
        self._pool: ProcessPoolExecutor | None = self._start(n_process)

    def run(
        self, batches: Iterable[tuple[Item, list[str]]]
    ) -> Generator[tuple[Item, list[Found]], None, None]:
        """What is found in each batch of texts, in their order; the processes end with it.

        batches (Iterable[tuple[Item, list[str]]]): Anything, given back, and the texts; they are
            asked for as the results are, with two under way for each process.
        RAISES (BrokenProcessPool): A process was killed, and so was the one in its place before it
            was ready.
        """
        under_way: deque[_Batch[Item]] = deque()
        try:
            for item, texts in batches:
                under_way.append(_Batch(item, texts, self._submit(texts)))
                if len(under_way) >= 2 * self._n_process:
                    yield self._first(under_way)
            while under_way:
                yield self._first(under_way)
        finally:
            self._end()

    def _submit(self, texts: list[str]) -> Future[list[Found]]:
        if self._pool is None:
            self._pool = self._start(self._n_process)
        try:
            return self._pool.submit(_work, texts)
        except BrokenProcessPool as error:
            # Idle processes can be killed too; told when the batch's turn comes.
            broken: Future[list[Found]] = Future()
            broken.set_exception(error)
            return broken

    def _first(self, under_way: deque[_Batch[Item]]) -> tuple[Item, list[Found]]:
        batch = under_way[0]
        if isinstance(batch.future.exception(), BrokenProcessPool):
            self._read_alone(under_way)
        under_way.popleft()
        return batch.item, batch.future.result()

    def _read_alone(self, under_way: Iterable[_Batch[Item]]) -> None:
        """All processes end with one that is killed, so any batch under way may be to blame: each
        of its texts is read again with no other beside it, and the one that kills is known."""
        broken = [
            batch for batch in under_way if isinstance(batch.future.exception(), BrokenProcessPool)
        ]
        self._end()
        for batch in broken:
            batch.future = Future()
            batch.future.set_result([self._found_alone(text) for text in batch.texts])
        # One process was enough for that.
        self._end()

    def _found_alone(self, text: str) -> Found:
        if self._pool is None:
            self._pool = self._start(1)
        try:
            return self._pool.submit(_work, [text]).result()[0]
        except BrokenProcessPool:
            self._end()
            return KILLED

    def _start(self, n_process: int) -> ProcessPoolExecutor:
        # A forked process hangs in torch once its parent has run torch in several threads.
        pool = ProcessPoolExecutor(
            n_process,
            get_context("spawn"),
            initializer=_start,
            initargs=(self._load, self._n_process),
        )
        try:
            # As many at once as there are processes, so that all are there before the first text.
            for ready in [pool.submit(_warm_up) for _ in range(n_process)]:
                ready.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


# What a worker process holds; set by `_start`, which cannot fail.
_load: Callable[[], Language]


def _start(load: Callable[[], Language], n_process: int) -> None:
    global _load
    _load = load
    start_worker()
    torch.set_num_threads(max(1, torch.get_num_threads() // n_process))


@cache
def _worker_pipeline() -> Language:
    return _load()


def _warm_up() -> None:
    _worker_pipeline()


def _work(texts: list[str]) -> list[Found]:
    return run_texts(_worker_pipeline(), texts)
