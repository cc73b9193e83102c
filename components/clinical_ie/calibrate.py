"""Fit what a trained pipeline leaves open on notes that it was not trained on."""

from collections.abc import Callable, Mapping, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from .calibration import Calibration
from .doc import Annotations, annotations_of
from .relations.component import GIVEN, PREDICTED, ClinicalRelations
from .scoring.evaluation import RELATION_COMPONENT, calibrated_pipes, predict, relate_given
from .scoring.reliability import outcomes

# How often each note is read.
PASSES = 3
# Relations less probable than this are not worth a look: no threshold lies there.
_FLOOR = 0.02


def calibrate_pipeline(
    nlp: Language, docs: Sequence[Doc], on_note: Callable[[], None] = lambda: None
) -> dict[str, Calibration]:
    """Calibrate scores of mentions and end-to-end relations, and choose the relations' thresholds.

    All is kept in the pipeline. Mentions come first, since a relation's score holds theirs.
    docs (Sequence[Doc]): Gold notes, of the dev split.
    on_note (Callable[[], None]): Called after every note of each of the `PASSES`.
    RETURNS (dict[str, Calibration]): By task; those tasks that the pipeline has a component for.
    """
    pipes = calibrated_pipes(nlp)
    gold = {str(number): annotations_of(doc) for number, doc in enumerate(docs)}
    texts = {str(number): doc.text for number, doc in enumerate(docs)}
    if "entities" in pipes:
        pipes["entities"].calibration = Calibration()
        with nlp.select_pipes(disable=[n for n in nlp.pipe_names if n == RELATION_COMPONENT]):
            found = outcomes(gold, predict(nlp, texts, on_note), texts)["entities"]
        pipes["entities"].calibration = Calibration.fit(found.scores, found.right)
    relations = pipes.get("relations")
    if isinstance(relations, ClinicalRelations):
        _fit_relations(nlp, relations, gold, texts, on_note)
    return {task: pipe.calibration for task, pipe in pipes.items()}


def _fit_relations(
    nlp: Language,
    pipe: ClinicalRelations,
    gold: Mapping[str, Annotations],
    texts: Mapping[str, str],
    on_note: Callable[[], None],
) -> None:
    """Choose both thresholds, and calibrate what the one for predicted mentions lets through."""
    pipe.calibration = Calibration()
    before = pipe.cfg["thresholds"]
    pipe.cfg["thresholds"] = {PREDICTED: _FLOOR, GIVEN: _FLOOR}
    end_to_end = outcomes(gold, predict(nlp, texts, on_note), texts)["relations"]
    given = {}
    for name, doc in relate_given(nlp, gold, texts):
        given[name] = annotations_of(doc)
        on_note()
    pipe.cfg["thresholds"] = before
    n_gold = sum(len(annotations.links) for annotations in gold.values())
    found = outcomes(gold, given, texts)["relations"]
    pipe.choose_threshold(GIVEN, found.scores, found.right, n_gold)
    threshold = pipe.choose_threshold(PREDICTED, end_to_end.scores, end_to_end.right, n_gold)
    kept = end_to_end.scores >= threshold
    pipe.calibration = Calibration.fit(end_to_end.scores[kept], end_to_end.right[kept])
