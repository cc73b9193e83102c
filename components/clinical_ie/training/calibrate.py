"""Fit bias, thresholds and calibration of a trained pipeline on notes it was not trained on."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from ..doc import Annotations, annotations_of
from ..heads.calibration import Calibration
from ..heads.components import (
    MENTION_COMPONENT,
    RELATION_COMPONENT,
    calibrated_pipes,
    names_after,
    names_of,
)
from ..ner.component import ClinicalNER
from ..relations.component import GIVEN, PREDICTED, ClinicalRelations
from ..scoring.evaluation import relate_given, tell_unknown_labels
from ..scoring.reliability import Outcomes, outcomes

# The candidates; 0 comes first, so that it wins a tie.
_BIASES = (0.0, 0.25, 0.5, 0.75, 1.0, -0.5)
# How often each note is processed: once for mentions, once for each bias, twice for relations.
PASSES = len(_BIASES) + 3
META_KEY = "clinical_ie"
# Less probable relations are ignored: no threshold is that low.
_FLOOR = 0.02
# Nor are more than this many relations for each mention of a note: a pipeline that has hardly been
# trained finds nearly every candidate probable, tens of thousands in a note.
_MOST_PER_MENTION = 5


def calibrate_pipeline(
    nlp: Language, docs: Sequence[Doc], on_note: Callable[[], None] = lambda: None
) -> dict[str, Calibration]:
    """Calibrate scores, and choose the mention bias and the relation thresholds.

    The results are set in the pipeline and recorded in its `meta` under `META_KEY`, with the share
    of the training relations that are candidates. Without mentions on dev, their scores stay raw,
    the bias is 0 and not recorded; without relations, their scores stay raw. Where no relation is
    found that is right, a threshold is the one from before, and not recorded. Mentions come first,
    since the score of a relation includes those of its mentions.
    docs (Sequence[Doc]): Gold notes of the dev split.
    on_note (Callable[[], None]): Called after every note of each of the `PASSES`.
    RETURNS (dict[str, Calibration]): By task, for the tasks that the pipeline has a component for.
    """
    pipes = calibrated_pipes(nlp)
    gold = {str(number): annotations_of(doc) for number, doc in enumerate(docs)}
    texts = {str(number): doc.text for number, doc in enumerate(docs)}
    tell_unknown_labels(nlp, gold.values())
    told: dict[str, Any] = {}
    entities = pipes.get("entities")
    if isinstance(entities, ClinicalNER):
        _fit_mentions(nlp, entities, gold, texts, on_note)
        if any(annotations.mentions for annotations in gold.values()):
            told["mention_bias"] = entities.cfg["bias"]
    relations = pipes.get("relations")
    if isinstance(relations, ClinicalRelations):
        if thresholds := _fit_relations(nlp, relations, gold, texts, on_note):
            told["relation_thresholds"] = thresholds
        told["candidate_ceiling"] = relations.cfg["candidate_ceiling"]
    nlp.meta[META_KEY] = told
    return {task: pipe.calibration for task, pipe in pipes.items()}


def _fit_mentions(
    nlp: Language,
    pipe: ClinicalNER,
    gold: Mapping[str, Annotations],
    texts: Mapping[str, str],
    on_note: Callable[[], None],
) -> None:
    """Choose the bias with the best strict F1, and calibrate the scores of what it finds."""
    pipe.calibration = Calibration()
    n_gold = sum(len(annotations.mentions) for annotations in gold.values())
    docs = {}
    # The encoder runs once; its vectors stay on the Docs.
    with nlp.select_pipes(disable=_from_heads_on(nlp, {MENTION_COMPONENT, RELATION_COMPONENT})):
        for name, doc in zip(texts, nlp.pipe(texts.values()), strict=True):
            docs[name] = doc
            on_note()
    best, best_f1 = (0.0, Outcomes(np.zeros(0), np.zeros(0, dtype=bool))), -1.0
    for bias in _BIASES:
        pipe.cfg["bias"] = bias
        predicted = {}
        for name, doc in docs.items():
            predicted[name] = annotations_of(pipe(doc))
            on_note()
        found = outcomes(gold, predicted, texts)["entities"]
        f1 = 2 * found.right.sum() / max(1, len(found.right) + n_gold)
        if f1 > best_f1:
            best, best_f1 = (bias, found), f1
    pipe.cfg["bias"], found = best
    if n_gold:
        pipe.calibration = Calibration.fit(found.scores, found.right)


def _fit_relations(
    nlp: Language,
    pipe: ClinicalRelations,
    gold: Mapping[str, Annotations],
    texts: Mapping[str, str],
    on_note: Callable[[], None],
) -> dict[str, float]:
    """Choose both thresholds, and calibrate the scores above the one for predicted mentions.

    RETURNS (dict[str, float]): The thresholds chosen, by where the mentions are from.
    """
    pipe.calibration = Calibration()
    before = pipe.cfg["thresholds"]
    pipe.cfg["thresholds"] = {PREDICTED: _FLOOR, GIVEN: _FLOOR}
    with nlp.select_pipes(disable=_from_heads_on(nlp, {RELATION_COMPONENT})):
        docs = zip(texts, nlp.pipe(texts.values()), strict=True)
        related, least = _related(pipe, docs, on_note)
        given, least_given = _related(pipe, relate_given(nlp, gold, texts), on_note)
    end_to_end = outcomes(gold, related, texts)["relations"]
    pipe.cfg["thresholds"] = before
    n_gold = sum(len(annotations.links) for annotations in gold.values())
    found = outcomes(gold, given, texts)["relations"]
    chosen = {
        PREDICTED: pipe.choose_threshold(
            PREDICTED, end_to_end.scores, end_to_end.right, n_gold, least
        ),
        GIVEN: pipe.choose_threshold(GIVEN, found.scores, found.right, n_gold, least_given),
    }
    kept = end_to_end.scores >= pipe.cfg["thresholds"][PREDICTED]
    # Without any, nothing is known of the scores; fitted, they would all go towards 0.
    if n_gold:
        pipe.calibration = Calibration.fit(end_to_end.scores[kept], end_to_end.right[kept])
    return {source: threshold for source, threshold in chosen.items() if threshold is not None}


def _from_heads_on(nlp: Language, factories: Collection[str]) -> list[str]:
    """The heads made by these factories, and what comes after them."""
    return names_of(nlp, factories) + names_after(nlp, factories)


def _related(
    pipe: ClinicalRelations, docs: Iterable[tuple[str, Doc]], on_note: Callable[[], None]
) -> tuple[dict[str, Annotations], float]:
    """What notes say once their most probable relations are found, by name.

    docs (Iterable[tuple[str, Doc]]): Notes by name, with mentions.
    RETURNS (tuple[dict[str, Annotations], float]): The notes, and the highest probability of a
        relation that was left out, at least `_FLOOR`.
    """
    found, least = {}, _FLOOR
    for name, doc in docs:
        [(candidates, probabilities)] = pipe.predict([doc])
        most = _MOST_PER_MENTION * len(candidates.spans)
        if probabilities.size > most:
            probabilities = probabilities.copy()
            ignored = np.argpartition(probabilities, -most, axis=None)[:-most]
            least = max(least, float(probabilities.flat[ignored].max()))
            probabilities.flat[ignored] = 0.0
        pipe.set_annotations([doc], [(candidates, probabilities)])
        found[name] = annotations_of(doc)
        on_note()
    return found, least
