"""Scorers for spaCy's training loop and `nlp.evaluate`: the same counts as everywhere else."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from spacy.training import Example
from spacy.util import registry

from ..doc import Annotations, annotations_of
from ..references import gold_annotations, is_annotated
from .scores import TaskScores, score

logger = logging.getLogger(__name__)

Scorer = Callable[..., dict[str, Any]]


@registry.scorers("clinical_ie.mention_scorer.v1")
def make_mention_scorer() -> Scorer:
    """The scorer of `clinical_ner`."""
    return score_mentions


@registry.scorers("clinical_ie.relation_scorer.v1")
def make_relation_scorer() -> Scorer:
    """The scorer of `clinical_relations`."""
    return score_relations


def score_mentions(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Micro scores of `doc.spans["entities"]`, one-to-one.

    RETURNS (dict[str, Any]): `mentions_strict_p`, `_r`, `_f`, the same with `lenient`, and
        `mentions_per_type`, strict: `{label: {"p", "r", "f"}}`.
    RAISES (ValueError): The texts of predicted and reference differ, and not only in white space
        and capitals.
    """
    return _score(examples, "mentions")


def score_relations(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Micro scores of `doc._.relations`, one-to-one, on each side's own mentions.

    They are end-to-end scores if the predicted Docs hold predicted mentions, and scores on gold
    entities if they hold the reference's.

    RETURNS (dict[str, Any]): As `score_mentions`, with the prefix `relations_`.
    RAISES (ValueError): The texts of predicted and reference differ, and not only in white space
        and capitals.
    """
    examples = list(examples)
    if not any(eg.reference._.relations for eg in examples) and any(
        eg.predicted._.relations for eg in examples
    ):
        logger.warning(
            "none of the reference Docs has relations, so all that were found count as wrong; "
            "DocBins keep them with store_user_data=True only, and spaCy's options gold_preproc "
            "and max_length drop them"
        )
    return _score(examples, "relations")


def _score(examples: Iterable[Example], prefix: str) -> dict[str, Any]:
    gold: dict[str, Annotations] = {}
    predicted: dict[str, Annotations] = {}
    texts: dict[str, str] = {}
    unknown = 0
    for number, example in enumerate(examples):
        if not is_annotated(example.reference):
            unknown += 1
            continue
        name = f"example {number}"
        texts[name] = example.predicted.text
        try:
            gold[name] = gold_annotations(example)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        predicted[name] = annotations_of(example.predicted)
    if unknown:
        logger.warning(
            "%d references are not scored: no mention is annotated there, and none is said to be "
            'missing either (doc.spans["entities"] = [] or doc.ents = [] says so)',
            unknown,
        )
    scores = score(gold, predicted, texts=texts)
    task: TaskScores = scores["entities"] if prefix == "mentions" else scores["relations"]
    result: dict[str, Any] = {}
    for mode, figures in (
        ("strict", task["strict"]["micro"]),
        ("lenient", task["lenient"]["micro"]),
    ):
        result[f"{prefix}_{mode}_p"] = figures["precision"]
        result[f"{prefix}_{mode}_r"] = figures["recall"]
        result[f"{prefix}_{mode}_f"] = figures["f1"]
    result[f"{prefix}_per_type"] = {
        label: {"p": figures["precision"], "r": figures["recall"], "f": figures["f1"]}
        for label, figures in task["strict"]["by_label"].items()
    }
    return result
