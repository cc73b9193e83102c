"""A pipeline over notes, one after the other; a bad note is told and takes no other with it."""

from collections.abc import Callable, Generator, Iterable

import spacy
from confection import ConfigValidationError
from spacy.language import Language
from spacy.util import minibatch
from thinc.api import require_gpu

from ..encoder.reading import PRECISIONS
from ..text.limit import lift_length_limit
from .notes import Annotated, Failure, InputNote, reason_of
from .pool import PipelinePool
from .texts import Found, run_texts

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
    RAISES (BrokenProcessPool): Here or among the results, where a process was killed before it had
        read the pipeline. A note over which one is killed later is told as failed.
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
