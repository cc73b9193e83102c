"""Metrics of fictitious arms."""

import json
from pathlib import Path
from random import Random
from typing import Any

from clinical_ie.doc import Annotations, Link, Mention
from clinical_ie.heads.calibration import Calibration
from clinical_ie.report.metrics import arm_metrics
from clinical_ie.report.predictions import write_predictions
from clinical_ie.scoring import score
from clinical_ie.scoring.evaluation import Evaluation

GOLD = Annotations(
    [Mention("T1", "Drug", ((0, 7),)), Mention("T2", "<Dose>", ((8, 13),))],
    [Link("Dose-Drug", "T2", "T1")],
)


def evaluation(
    gold: dict[str, Annotations], predicted: dict[str, Annotations], texts: dict[str, str]
) -> Evaluation:
    """An evaluation of these predictions, with the same relations in both settings."""
    scores = score(gold, predicted, texts=texts)
    return Evaluation(
        scores,
        scores["relations"],
        predicted,
        texts,
        2.0,
        3,
        100.5,
        gold=gold,
        given=predicted,
        candidate_ceiling=0.75,
        calibrations={"entities": Calibration(0.5, 0.1)},
    )


def metrics(
    found: int = 2, *, split: str = "test", fallback: bool = False, corpus_format: str = "brat"
) -> dict[str, Any]:
    """An arm that found the first `found` of two mentions, and the relation if it found both."""
    predicted = Annotations(GOLD.mentions[:found], GOLD.links if found == 2 else [])
    return arm_metrics(
        evaluation({"a": GOLD}, {"a": predicted}, {"a": "aspirin 81 mg"}),
        split=split,
        fallback=fallback,
        pipeline={"name": "p", "version": "0.1.0"},
        corpus_format=corpus_format,
    )


def write_arm(
    folder: Path,
    arm: str,
    gold: dict[str, Annotations],
    predicted: dict[str, Annotations],
    texts: dict[str, str],
) -> None:
    """Write the files that `evaluate` writes for the report."""
    found = evaluation(gold, predicted, texts)
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    write_predictions(found, folder / "predictions" / f"{arm}.jsonl")
    measured = arm_metrics(
        found, split="test", fallback=False, pipeline={"name": "p", "version": "0"}
    )
    (folder / f"{arm}.json").write_text(json.dumps(measured), encoding="utf8")


def perturbed(annotations: Annotations, seed: int, rate: float = 0.3) -> Annotations:
    """A copy of the annotations with every kind of error."""
    random = Random(seed)
    mentions = []
    for mention in annotations.mentions:
        (start, end), *more = mention.fragments
        label, draw = mention.label, random.random() / rate
        if draw < 0.25:
            continue
        if draw < 0.5:
            label = random.choice(annotations.mentions).label
        elif draw < 0.75:
            end += random.randint(1, 6)
        elif draw < 1 and end - start > 2:
            start += random.randint(1, end - start - 1)
        fragments = ((start, end), *more)
        mentions.append(Mention(mention.id, label, fragments, round(random.uniform(0.2, 1), 2)))
    ids = {mention.id for mention in mentions}
    links = [
        Link(link.label, link.head, link.tail, round(random.uniform(0.5, 1), 2))
        for link in annotations.links
        if {link.head, link.tail} <= ids and random.random() > rate
    ]
    return Annotations(mentions, links)
