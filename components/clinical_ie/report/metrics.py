"""`<arm>.json`: the scores of one arm, with what they were measured on."""

import json
from pathlib import Path
from typing import Any

from ..scoring.evaluation import Evaluation

Metrics = dict[str, Any]

# A folder may hold other JSON too: these make one an arm's.
_KEYS = {"protocol", "setting", "pipeline", "entities", "relations", "gold_entities"}


def arm_metrics(
    evaluation: Evaluation, *, split: str, fallback: bool, pipeline: dict[str, str]
) -> Metrics:
    """What `metrics/<dataset>/<arm>.json` holds.

    split (str): Name of the split that was scored.
    fallback (bool): The split stands in for a missing test split.
    pipeline (dict[str, str]): Name and version of the pipeline.
    """
    seconds = evaluation.seconds
    return {
        "protocol": evaluation.scores["protocol"],
        "setting": "end-to-end",
        "split": split,
        "fallback": fallback,
        "notes": len(evaluation.texts),
        "pipeline": pipeline,
        "seconds": round(seconds, 3),
        "words": evaluation.words,
        "words_per_second": round(evaluation.words / seconds, 1) if seconds else 0.0,
        "peak_memory_mb": evaluation.peak_memory_mb,
        "entities": evaluation.scores["entities"],
        "relations": evaluation.scores["relations"],
        "gold_entities": {"relations": evaluation.gold_entity_relations},
    }


def read_arms(folder: Path) -> dict[str, Metrics]:
    """The arms that were evaluated into a folder, by name.

    RAISES (FileNotFoundError): The folder holds no arm's metrics.
    """
    arms = {}
    for path in sorted(folder.glob("*.json")):
        metrics = json.loads(path.read_text("utf8"))
        if isinstance(metrics, dict) and metrics.keys() >= _KEYS:
            arms[path.stem] = metrics
    if not arms:
        raise FileNotFoundError(
            f"{folder}: no <arm>.json with scores; `weasel run evaluate` makes it"
        )
    return arms


def conditions(arms: dict[str, Metrics]) -> Metrics:
    """What all arms have in common: protocol, setting, split, notes, fallback.

    RAISES (ValueError): They were not measured alike, and may not stand in one table.
    """
    result = {}
    for key in ("protocol", "setting", "split", "notes", "fallback"):
        values = {name: metrics.get(key) for name, metrics in arms.items()}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name}: {value}" for name, value in values.items())
            raise ValueError(
                f"the arms differ in {key!r} ({listed}); evaluate all of them together"
            )
        result[key] = next(iter(values.values()))
    return result
