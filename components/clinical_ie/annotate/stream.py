"""A pipeline over a stream of notes; a bad note is reported and does not affect the others."""

from collections.abc import Callable, Generator, Iterable

import spacy
from confection import ConfigValidationError
from spacy.language import Language
from spacy.util import minibatch

from ..encoder.reading import PRECISIONS
from ..system.gpu import use_gpu
from ..text.limit import lift_length_limit
from .notes import Annotated, Failure, InputNote, reason_of
from .pool import PipelinePool
from .texts import Found, run_texts

Batch = list[InputNote | Failure]


def load_pipeline(name: str, gpu_id: int = -1, precision: str | None = None) -> Language:
    """Load a pipeline from a folder or an installed package.

    gpu_id (int): The GPU to run on; -1 for the CPU.
    precision (str | None): The encoder's precision, see `LongDocEncoder`; None: as it was saved.
    RAISES (ValueError): It cannot be loaded, has no `LongDocEncoder` that takes the precision, or
        there is no such GPU; the message is one line.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    chosen = {} if precision is None else {"components.tok2vec.model.precision": precision}
    try:
        if gpu_id >= 0:
            use_gpu(gpu_id)
        nlp = spacy.load(name, config=chosen)
    except Exception as error:
        # Damaged folders and missing packages raise errors of any kind.
        reason = reason_of(error)
        refused = error.errors if chosen and isinstance(error, ConfigValidationError) else ()
        if any("precision" in problem["loc"] for problem in refused):
            reason = f"it has no encoder that reads with precision {precision!r}; leave it out"
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
    """Run a pipeline over notes; only those being processed are in memory.

    The pipeline is loaded immediately, the notes are read lazily. If the generator is not
    exhausted, close it, or worker processes stay alive.

    load (Callable[[], Language]): Returns the pipeline; for several processes, must be picklable.
    notes (Iterable[InputNote | Failure]): The notes, as a source reads them.
    batch_size (int): Notes per batch.
    n_process (int): Number of processes, each with its own copy of the pipeline.
    RETURNS (Generator[Annotated | Failure, None, None]): One result per note, in order.
    RAISES (BrokenProcessPool): A process was killed before it had loaded the pipeline; raised here
        or by the generator. A note that gets a process killed later is a `Failure`.
    """
    batches = ((batch, _texts(batch)) for batch in minibatch(notes, batch_size))
    if n_process > 1:
        return _merged(PipelinePool(load, n_process).run(batches))
    nlp = load()
    return _merged((batch, run_texts(nlp, texts)) for batch, texts in batches)


def _texts(batch: Batch) -> list[str]:
    return [note.text for note in batch if isinstance(note, InputNote)]


def _merged(
    results: Iterable[tuple[Batch, list[Found]]],
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
