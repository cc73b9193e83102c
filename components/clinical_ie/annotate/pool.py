"""Worker processes with a pipeline each; if a note gets one killed, only that note is lost."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import torch
from spacy.language import Language

from ..system.workers import WorkerPool, start_worker
from .texts import Found, run_texts

Item = TypeVar("Item")

KILLED = (
    "the process that read it was killed, even with no other note beside it; the usual causes are "
    "too little memory, or a crash in a library"
)


@dataclass(slots=True)
class _Batch(Generic[Item]):
    item: Item
    texts: list[str]
    future: Future[list[Found]]


class PipelinePool:
    """Processes that are started before the first text, each with its own pipeline.

    load (Callable[[], Language]): Returns the pipeline; must be picklable.
    n_process (int): Number of processes.
    RAISES (BrokenProcessPool): A process was killed before it was ready.
    """

    def __init__(self, load: Callable[[], Language], n_process: int) -> None:
        self._load = load
        self._n_process = n_process
        self._pool: WorkerPool | None = self._start(n_process)

    def run(
        self, batches: Iterable[tuple[Item, list[str]]]
    ) -> Generator[tuple[Item, list[Found]], None, None]:
        """The results for each batch of texts, in order; the processes end with the generator.

        batches (Iterable[tuple[Item, list[str]]]): For each batch an item, which is returned with
            the results, and the texts. Read lazily, with two batches in flight per process.
        RAISES (BrokenProcessPool): A process was killed, and its replacement too before it was
            ready.
        """
        under_way: deque[_Batch[Item]] = deque()
        try:
            for item, texts in batches:
                under_way.append(_Batch(item, texts, self._submit(texts)))
                if len(under_way) >= 2 * self._n_process:
                    yield self._first(under_way)
            while under_way:
                yield self._first(under_way)
        except BaseException:
            # Nobody waits for what is in flight, so neither does this, nor a second Ctrl-C.
            if self._pool is not None:
                self._pool.terminate()
            raise
        finally:
            self._end()

    def _submit(self, texts: list[str]) -> Future[list[Found]]:
        if self._pool is None:
            self._pool = self._start(self._n_process)
        try:
            return self._pool.submit(_work, texts)
        except BrokenProcessPool as error:
            # Idle processes can be killed too; handled when it is the batch's turn.
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
        """Read all texts of the broken batches again, one at a time, to find the one that kills.
        When a process is killed, the pool ends all of them, so any batch in flight may be the
        cause."""
        broken = [
            batch for batch in under_way if isinstance(batch.future.exception(), BrokenProcessPool)
        ]
        self._end()
        for batch in broken:
            batch.future = Future()
            batch.future.set_result([self._found_alone(text) for text in batch.texts])
        # The next batch starts all processes again; this was a single one.
        self._end()

    def _found_alone(self, text: str) -> Found:
        if self._pool is None:
            self._pool = self._start(1)
        try:
            return self._pool.submit(_work, [text]).result()[0]
        except BrokenProcessPool:
            self._end()
            return KILLED

    def _start(self, n_process: int) -> WorkerPool:
        pool = WorkerPool(n_process, _start, (self._load, self._n_process))
        try:
            # One task per process, so that all have loaded before the first text.
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


# State of a worker process; set by `_start`, which cannot fail.
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
