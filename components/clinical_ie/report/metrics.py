"""`<arm>.json`: the scores of one arm, and the conditions they were measured under."""

import json
from pathlib import Path
from typing import Any

from ..scoring import sum_up
from ..scoring.evaluation import SETTINGS, Evaluation

Metrics = dict[str, Any]

# The second protocol that everything is scored by, and its key in the metrics.
OFFICIAL = "n2c2-2018"

# Keys that tell an arm's JSON from other files in the folder.
_KEYS = {"protocol", "setting", "pipeline", "entities", "relations", "gold_entities"}


def arm_metrics(
    evaluation: Evaluation,
    *,
    split: str,
    fallback: bool,
    pipeline: dict[str, str],
    corpus_format: str = "brat",
) -> Metrics:
    """The content of `metrics/<dataset>/<arm>.json`.

    split (str): Name of the split that was scored.
    fallback (bool): Whether the split replaces a missing test split.
    pipeline (dict[str, str]): Name and version of the pipeline.
    corpus_format (str): One of the values of `--format` of `scripts/convert.py`.
    """
    seconds = evaluation.seconds
    return {
        "protocol": evaluation.scores["protocol"],
        "setting": "end-to-end",
        "split": split,
        "fallback": fallback,
        "format": corpus_format,
        "notes": len(evaluation.texts),
        "pipeline": pipeline,
        "seconds": round(seconds, 3),
        "words": evaluation.words,
        "words_per_second": round(evaluation.words / seconds, 1) if seconds else 0.0,
        "peak_memory_mb": evaluation.peak_memory_mb,
        "entities": evaluation.scores["entities"],
        "relations": evaluation.scores["relations"],
        "gold_entities": {
            "relations": evaluation.gold_entity_relations,
            "candidate_ceiling": evaluation.candidate_ceiling,
        },
        "calibration": {
            task: {
                "n": len(found["raw"].scores),
                "error": found["calibrated"].calibration_error(),
                "error_before": found["raw"].calibration_error(),
            }
            for task, found in evaluation.outcomes().items()
        },
        OFFICIAL: _official(evaluation),
    }


def _official(evaluation: Evaluation) -> Metrics:
    """Scores of the same predictions by the counts of the official n2c2-2018 script."""
    end_to_end, given = (
        sum_up(evaluation.note_counts(setting, OFFICIAL), OFFICIAL) for setting in SETTINGS
    )
    return {
        "entities": end_to_end["entities"],
        "relations": end_to_end["relations"],
        "gold_entities": {"relations": given["relations"]},
    }


def read_arms(folder: Path) -> dict[str, Metrics]:
    """The arms that were evaluated into a folder, by name.

    RAISES (FileNotFoundError): The folder holds no arm's metrics.
    RAISES (ValueError): A file in it is not JSON.
    """
    arms = {}
    for path in sorted(folder.glob("*.json")):
        try:
            metrics = json.loads(path.read_text("utf8"))
        except ValueError as error:
            raise ValueError(f"{path}: not JSON ({error}); evaluate again") from error
        if isinstance(metrics, dict) and metrics.keys() >= _KEYS:
            arms[path.stem] = metrics
    if not arms:
        raise FileNotFoundError(
            f"{folder}: no <arm>.json with scores; `weasel run evaluate` writes it"
        )
    return arms


def conditions(arms: dict[str, Metrics]) -> Metrics:
    """What all arms have in common: protocol, setting, split, notes, fallback, format.

    RAISES (ValueError): They were measured under different conditions.
    """
    result = {}
    for key in ("protocol", "setting", "split", "notes", "fallback", "format"):
        values = {name: metrics.get(key) for name, metrics in arms.items()}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{name}: {value}" for name, value in values.items())
            raise ValueError(
                f"the arms differ in {key!r} ({listed}); evaluate all of them together"
            )
        result[key] = next(iter(values.values()))
    return result
