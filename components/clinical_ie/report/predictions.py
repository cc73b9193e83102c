"""`predictions/<arm>.jsonl`: each note with its gold and predicted annotations, for the report."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..doc import Annotations, Link, Mention
from ..heads.calibration import Calibration
from ..scoring.evaluation import Evaluation
from ..system.workplace import write_whole


@dataclass(frozen=True, slots=True)
class ScoredNote:
    """One note, with the predictions of one arm.

    unreachable (list[int]): Indices of gold relations that are not candidates of the arm.
    calibrations (dict[str, Calibration]): The calibration of the predicted scores, by task.
    """

    name: str
    text: str
    gold: Annotations
    predicted: Annotations
    unreachable: list[int]
    calibrations: dict[str, Calibration]


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """Write a file of predictions. It contains note text, and only its owner can read it."""
    calibrations = {task: found.to_dict() for task, found in evaluation.calibrations.items()}
    lines = []
    for name, text in evaluation.texts.items():
        line = {
            "id": name,
            "text": text,
            "gold": _to_json(evaluation.gold[name]),
            "predicted": _to_json(evaluation.predicted[name]),
            "unreachable": evaluation.unreachable.get(name, []),
            "calibrations": calibrations,
        }
        lines.append(json.dumps(line, ensure_ascii=True) + "\n")
    write_whole(path, "".join(lines), private=True)


def read_predictions(path: Path) -> list[ScoredNote]:
    """The notes of a file, in order.

    RAISES (ValueError): A line is not as written by `write_predictions`; names file and line.
    """
    return list(_read(path))


def _read(path: Path) -> Iterator[ScoredNote]:
    with path.open(encoding="utf8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                found = json.loads(line)
                yield ScoredNote(
                    found["id"],
                    found["text"],
                    _annotations(found["gold"]),
                    _annotations(found["predicted"]),
                    found["unreachable"],
                    {t: Calibration.from_dict(c) for t, c in found["calibrations"].items()},
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{path}:{number}: not a line of predictions ({error!r}); "
                    "`weasel run evaluate` rewrites the file"
                ) from error


def _to_json(annotations: Annotations) -> dict[str, list[Any]]:
    return {
        "entities": [[m.id, m.label, m.fragments, m.score] for m in annotations.mentions],
        "relations": [[ln.label, ln.head, ln.tail, ln.score] for ln in annotations.links],
    }


def _annotations(found: dict[str, Iterable[Any]]) -> Annotations:
    return Annotations(
        [
            Mention(id_, label, tuple((int(a), int(b)) for a, b in fragments), float(score))
            for id_, label, fragments, score in found["entities"]
        ],
        [Link(label, head, tail, float(score)) for label, head, tail, score in found["relations"]],
    )
