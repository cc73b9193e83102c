"""Fit the calibration of a trained pipeline's scores on notes that it was not trained on."""

from collections.abc import Callable, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from .calibration import Calibration
from .doc import annotations_of
from .scoring.evaluation import calibrated_pipes, predict
from .scoring.reliability import outcomes


def calibrate_pipeline(
    nlp: Language, docs: Sequence[Doc], on_note: Callable[[], None] = lambda: None
) -> dict[str, Calibration]:
    """Calibrate the scores of mentions and of end-to-end relations, and keep it in the pipeline.

    docs (Sequence[Doc]): Gold notes, of the dev split.
    on_note (Callable[[], None]): Called after every note.
    RETURNS (dict[str, Calibration]): By task; those tasks that the pipeline has a component for.
    """
    pipes = calibrated_pipes(nlp)
    for pipe in pipes.values():
        pipe.calibration = Calibration()
    gold = {str(number): annotations_of(doc) for number, doc in enumerate(docs)}
    texts = {str(number): doc.text for number, doc in enumerate(docs)}
    found = outcomes(gold, predict(nlp, texts, on_note), texts)
    for task, pipe in pipes.items():
        pipe.calibration = Calibration.fit(found[task].scores, found[task].right)
    return {task: pipe.calibration for task, pipe in pipes.items()}
