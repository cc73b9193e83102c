"""A pipeline over notes, one after the other; a bad note is told and takes no other with it."""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context, parent_process
from threading import Thread

import spacy
import torch
from confection import ConfigValidationError
from spacy.language import Language
from spacy.util import minibatch
from thinc.api import require_gpu

from ..doc import Annotations, annotations_of
from ..encoder.reading import PRECISIONS
from ..text.limit import lift_length_limit
from .notes import Annotated, Failure, InputNote, reason_of

Batch = list[InputNote | Failure]


def load_pipeline(name: str, gpu_id: int = -1, precision: str | None = None) -> Language:
    """Load a pipeline from a folder or an installed package.

    gpu_id (int): The GPU to run on; -1 for the CPU.
    precision (str | None): Of the encoder, see `LongDocEncoder`; None leaves it as it was saved.
    RAISES (ValueError): It cannot be loaded, has no `LongDocEncoder` to read with that precision,
        or there is no such GPU; the message is one line.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    chosen = {} if precision is None else {"components.tok2vec.model.precision": precision}
    try:
        if gpu_id >= 0:
            require_gpu(gpu_id)
        nlp = spacy.load(name, config=chosen)
    except Exception as error:
        # A folder can be damaged, or lack a package, in more ways than spaCy has errors for.
        reason = reason_of(error)
        refused = error.errors if chosen and isinstance(error, ConfigValidationError) else ()
        if any("precision" in problem["loc"] for problem in refused):
            reason = f"it has no encoder that reads with precision {precision!r}; give none"
        raise ValueError(f"cannot load the pipeline {name}: {reason}") from error
    lift_length_limit(nlp)
    return nlp


def annotate_notes(
    load: Callable[[], Language],
    notes: Iterable[InputNote | Failure],
    *,
    batch_size: int,
    n_process: int = 1,
) -> Generator[Annotated | Failure, None, None]:
    """Run a pipeline over notes; no more of them are in memory than are under way.

    The pipeline is loaded at once; the notes are read as the results are asked for. Close the
    generator where it is not run to its end, or worker processes stay.

    load (Callable[[], Language]): Gives the pipeline; for several processes, it can be pickled.
    notes (Iterable[InputNote | Failure]): As a source reads them.
    batch_size (int): Notes that run together.
    n_process (int): Processes that run the pipeline, each with a copy of its own.
    RETURNS (Generator[Annotated | Failure, None, None]): One for each note, in their order.
    RAISES (BrokenProcessPool): Here or among the results, where a process was killed.
    """
    batches: Iterator[Batch] = minibatch(notes, batch_size)
    if n_process == 1:
        nlp = load()
        return _merged((batch, _run(nlp, _texts(batch))) for batch in batches)
    # A forked process hangs in torch once its parent has run torch in several threads.
    pool = ProcessPoolExecutor(
        n_process, get_context("spawn"), initializer=_start, initargs=(load, n_process)
    )
    try:
        # As many at once as there are processes, so that all are there before the first note.
        for ready in [pool.submit(_warm_up) for _ in range(n_process)]:
            ready.result()
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    return _merged(_pooled(pool, batches, 2 * n_process))


def _texts(batch: Batch) -> list[str]:
    return [note.text for note in batch if isinstance(note, InputNote)]


def _run(nlp: Language, texts: list[str]) -> list[Annotations | str]:
    """What the pipeline finds in each text, or why it failed on it."""
    # Outside, the vocabulary keeps every name and number of all notes, until memory is full.
    with nlp.memory_zone():
        return _run_batch(nlp, texts)


def _run_batch(nlp: Language, texts: list[str]) -> list[Annotations | str]:
    # No error may leave the memory zone: spaCy would not end it.
    try:
        found = [annotations_of(doc) for doc in nlp.pipe(texts, batch_size=len(texts) or 1)]
        if len(found) == len(texts):
            return list(found)
    except Exception:
        # One bad note takes its batch with it.
        pass
    return [_run_alone(nlp, text) for text in texts]


def _run_alone(nlp: Language, text: str) -> Annotations | str:
    try:
        return annotations_of(nlp(text))
    except Exception as error:
        return reason_of(error)


def _merged(
    results: Iterable[tuple[Batch, list[Annotations | str]]],
) -> Generator[Annotated | Failure, None, None]:
    for batch, found in results:
        remaining = iter(found)
        for note in batch:
            if isinstance(note, Failure):
                yield note
                continue
            result = next(remaining)
            if isinstance(result, str):
                yield Failure(note.place, result)
            else:
                yield Annotated(note, result)


def _pooled(
    pool: ProcessPoolExecutor, batches: Iterable[Batch], n_under_way: int
) -> Iterator[tuple[Batch, list[Annotations | str]]]:
    under_way: deque[tuple[Batch, Future[list[Annotations | str]]]] = deque()
    try:
        for batch in batches:
            under_way.append((batch, pool.submit(_work, _texts(batch))))
            if len(under_way) >= n_under_way:
                first, future = under_way.popleft()
                yield first, future.result()
        for first, future in under_way:
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


# What a worker process holds; set by `_start`, which cannot fail.
_load: Callable[[], Language]


def _start(load: Callable[[], Language], n_process: int) -> None:
    global _load
    _load = load
    # Ctrl-C goes to all processes of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(max(1, torch.get_num_threads() // n_process))
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed ends no worker, which would wait for notes, and keep its memory."""
    parent = parent_process()
    assert parent
    parent.join()
    os._exit(1)


@cache
def _worker_pipeline() -> Language:
    return _load()


def _warm_up() -> None:
    _worker_pipeline()


def _work(texts: list[str]) -> list[Annotations | str]:
    return _run(_worker_pipeline(), texts)
