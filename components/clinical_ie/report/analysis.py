"""Data of the report's charts: rows of figures, computed from each arm's predictions."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..scoring import note_counts
from ..scoring.errors import (
    BORDER_KINDS,
    CORRECT,
    MISS_KINDS,
    MISSED,
    SPURIOUS,
    WRONG_TYPE,
    WRONG_TYPE_AND_BORDERS,
    NoteErrors,
    distance_classes,
    note_errors,
)
from ..scoring.reliability import N_BINS, Outcomes, outcomes
from ..scoring.significance import compare
from .metrics import Metrics
from .predictions import ScoredNote
from .tables import COLUMNS

Row = dict[str, Any]
Notes = Mapping[str, Sequence[ScoredNote]]
Errors = Mapping[str, Sequence[NoteErrors]]

TASKS = (("entities", "mentions"), ("relations", "relations"))
# Points of a precision-recall curve; more would not be visible. The curve starts only after a
# number of items: with fewer, a single wrong one would draw a line from 0.
MAX_POINTS, FIRST_POINT = 200, 20
# Types in a confusion matrix.
MAX_TYPES = 20
NOTHING = "(nothing)"


def judge(notes: Notes) -> dict[str, list[NoteErrors]]:
    """The verdicts of all notes, by arm."""
    return {
        arm: [note_errors(n.gold, n.predicted, n.text, set(n.unreachable)) for n in found]
        for arm, found in notes.items()
    }


def in_words(notes: Notes) -> list[str]:
    """Whether the first and the last arm differ by more than chance; empty for a single arm.

    Nothing is said of a task without any items.
    """
    if len(notes) < 2:
        return []
    first, *_, last = notes
    before, after = (
        note_counts(
            {note.name: note.gold for note in notes[arm]},
            {note.name: note.predicted for note in notes[arm]},
            texts={note.name: note.text for note in notes[arm]},
        )
        for arm in (first, last)
    )
    return [
        f"{title}: {compare([before], [after], task, mode).in_words(first, last)}."
        for title, task, mode in COLUMNS
        if any(counts[task][mode] for side in (before, after) for counts in side.values())
    ]


def changes(arms: Mapping[str, Metrics]) -> list[Row]:
    """F1 of the last arm minus that of the first, by type; empty for a single arm."""
    if len(arms) < 2:
        return []
    first, *_, last = arms
    rows = []
    for task, what in TASKS:
        for mode in ("strict", "lenient"):
            sides = [arms[arm][task][mode]["by_label"] for arm in (first, last)]
            for label in sorted(sides[0].keys() | sides[1].keys()):
                f1 = [100 * side.get(label, {"f1": 0.0})["f1"] for side in sides]
                gold = max(s[label]["tp"] + s[label]["fn"] for s in sides if label in s)
                rows.append(
                    {
                        "task": what, "mode": mode, "label": label, "gold": gold,
                        "first": f1[0], "last": f1[1], "difference": f1[1] - f1[0],
                    }
                )  # fmt: skip
    return rows


def curves(notes: Notes) -> tuple[list[Row], list[Row]]:
    """Precision-recall curves, and the reliability of scores before and after calibration."""
    points, reliability = [], []
    for arm, found in notes.items():
        gold = {note.name: note.gold for note in found}
        predicted = {note.name: note.predicted for note in found}
        texts = {note.name: note.text for note in found}
        sizes = {
            "entities": sum(len(note.gold.mentions) for note in found),
            "relations": sum(len(note.gold.links) for note in found),
        }
        judged = outcomes(gold, predicted, texts)
        for task, what in TASKS:
            points += [
                {"arm": arm, "task": what, **point}
                for point in _precision_recall(judged[task], sizes[task])
            ]
            calibration = found[0].calibrations.get(task) if found else None
            stages = {"calibrated": judged[task]}
            if calibration is not None:
                raw = calibration.undo(judged[task].scores)
                stages["as the model gives them"] = Outcomes(raw, judged[task].right)
            for stage, of_stage in stages.items():
                reliability += [
                    {"arm": arm, "task": what, "scores": stage, **row} for row in _bins(of_stage)
                ]
    return points, reliability


def _precision_recall(found: Outcomes, n_gold: int) -> Iterator[Row]:
    """Points of the curve. It covers only predicted items, so it ends at the recall reached."""
    if not len(found.scores) or not n_gold:
        return
    right = np.cumsum(found.right[np.argsort(-found.scores, kind="stable")])
    taken = np.arange(1, len(right) + 1)
    start = min(FIRST_POINT, len(right)) - 1
    for at in np.unique(np.linspace(start, len(right) - 1, MAX_POINTS).astype(int)):
        yield {"recall": 100 * right[at] / n_gold, "precision": 100 * right[at] / taken[at]}


def _bins(found: Outcomes) -> Iterator[Row]:
    bins = np.minimum((found.scores * N_BINS).astype(int), N_BINS - 1)
    for number in np.unique(bins):
        inside = bins == number
        yield {
            "score": 100 * float(found.scores[inside].mean()),
            "right": 100 * float(found.right[inside].mean()),
            "items": int(inside.sum()),
        }


def confusion(notes: Notes, errors: Errors) -> list[Row]:
    """Gold type against predicted type of wrong mentions, for the most frequent types."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for arm, found in notes.items():
        for note, judged in zip(found, errors[arm], strict=True):
            for mention, verdict in zip(note.gold.mentions, judged.gold_mentions, strict=True):
                if verdict.kind in (WRONG_TYPE, WRONG_TYPE_AND_BORDERS):
                    partner = note.predicted.mentions[verdict.partner or 0].label
                    counts[arm, mention.label, partner] += 1
                elif verdict.kind == MISSED:
                    counts[arm, mention.label, NOTHING] += 1
            for mention, verdict in zip(
                note.predicted.mentions, judged.predicted_mentions, strict=True
            ):
                if verdict.kind == SPURIOUS:
                    counts[arm, NOTHING, mention.label] += 1
    weights: Counter[str] = Counter()
    for (_, gold, predicted), n in counts.items():
        weights.update(dict.fromkeys({gold, predicted} - {NOTHING}, n))
    shown = {label for label, _ in weights.most_common(MAX_TYPES)} | {NOTHING}
    return [
        {"arm": arm, "gold": gold, "predicted": predicted, "mentions": n}
        for (arm, gold, predicted), n in sorted(counts.items())
        if {gold, predicted} <= shown
    ]


def borders(errors: Errors) -> list[Row]:
    """How many gold mentions have each kind of border error."""
    return [
        {"arm": arm, "kind": kind, "mentions": counts[kind]}
        for arm, notes in errors.items()
        for counts in [Counter(v.kind for note in notes for v in note.gold_mentions)]
        for kind in BORDER_KINDS
    ]


def missed_relations(notes: Notes, errors: Errors) -> list[Row]:
    """Gold relations by distance and outcome."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for arm, found in notes.items():
        for note, judged in zip(found, errors[arm], strict=True):
            distances = distance_classes(note.gold, note.text)
            for distance, verdict in zip(distances, judged.gold_links, strict=True):
                counts[arm, distance, verdict.kind] += 1
    return [
        {"arm": arm, "distance": d, "outcome": o, "order": (CORRECT, *MISS_KINDS).index(o), "n": n}
        for (arm, d, o), n in sorted(counts.items())
    ]


def files_of_runs(training: Path, name: str) -> list[Path]:
    """The file of this name of each finished run, `<arm>/seed-<seed>/<name>`.

    training (Path): The folder of all arms; may be missing.
    """
    # The pattern skips interrupted runs, whose folders end with `.part`.
    return sorted(training.glob(f"*/seed-*[0-9]/{name}"))


def training_curves(training: Path) -> list[Row]:
    """F1 on dev at each evaluation of every run.

    training (Path): Folder of `<arm>/seed-<seed>/log.jsonl`; may be missing.
    """
    rows = []
    for path in files_of_runs(training, "log.jsonl"):
        for line in path.read_text("utf8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # The run was killed while it wrote this line.
                continue
            for name, title in (
                ("mentions_strict_f", "mentions, strict"),
                ("relations_strict_f", "relations end-to-end, strict"),
            ):
                # spaCy logs scores in percent.
                value = entry.get("scores", {}).get(name)
                if value is not None:
                    rows.append(
                        {
                            "arm": path.parents[1].name,
                            "run": f"{path.parents[1].name}, {path.parent.name}",
                            "step": entry["step"],
                            "score": title,
                            "f1": value,
                        }
                    )
    return rows
