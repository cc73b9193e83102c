"""Metrics of made-up arms."""

from typing import Any

from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.report import arm_metrics
from clinical_ie.scoring import score
from clinical_ie.scoring.evaluation import Evaluation

GOLD = Annotations(
    [Mention("T1", "Drug", ((0, 7),)), Mention("T2", "<Dose>", ((8, 13),))],
    [Link("Dose-Drug", "T2", "T1")],
)


def metrics(found: int = 2, *, split: str = "test", fallback: bool = False) -> dict[str, Any]:
    """An arm that found the first `found` of two mentions, and the relation if both."""
    predicted = Annotations(GOLD.mentions[:found], GOLD.links if found == 2 else [])
    scores = score({"a": GOLD}, {"a": predicted})
    evaluation = Evaluation(
        scores,
        scores["relations"],
        {"a": predicted},
        {"a": "aspirin 81 mg"},
        2.0,
        3,
        100.5,
        gold={"a": GOLD},
        given={"a": predicted},
        candidate_ceiling=0.75,
    )
    return arm_metrics(
        evaluation, split=split, fallback=fallback, pipeline={"name": "p", "version": "0.1.0"}
    )
