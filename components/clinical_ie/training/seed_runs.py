"""Both arms of a comparison, trained and scored with several seeds; no run is repeated."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..annotate import load_pipeline
from ..scoring import PROTOCOLS, Counts, NoteCounts
from ..scoring.evaluation import SETTINGS, evaluate
from ..system.workplace import write_whole
from ..terminal.progress import progress_bar
from .fingerprint import fingerprint, is_trained
from .run import train_pipeline

# Counts by setting, protocol and note.
RunCounts = dict[str, dict[str, dict[str, NoteCounts]]]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What all runs have in common.

    config (Path): The training config.
    overrides (dict[str, Any]): Values for the config, without the seed.
    gold (str): A hash of the notes to score on.
    training (Path): The folder for `<arm>/seed-<seed>/`.
    metrics (Path): The folder for `seeds/<arm>/seed-<seed>.json`, a run's counts by note.
    gpu_id (int): -1 for the CPU.
    """

    config: Path
    overrides: dict[str, Any]
    gold: str
    training: Path
    metrics: Path
    gpu_id: int = -1


def run_seed(
    experiment: Experiment,
    docs: Sequence[Doc],
    arm: str,
    more: dict[str, Any],
    seed: int,
) -> RunCounts:
    """The counts of one run, which is trained and scored only if that was not done before.

    docs (Sequence[Doc]): The notes that `experiment.gold` is the hash of.
    more (dict[str, Any]): Overrides of the config for this arm.
    RAISES (TrainingError): The run could not be trained.
    """
    overrides = experiment.overrides | more | {"system.seed": seed}
    # Counts depend on everything that the pipeline depends on, and on the notes it is scored on;
    # taken first, since files may change while it is trained.
    stamp = fingerprint(experiment.config, overrides | {"gold": experiment.gold})
    out = experiment.training / arm / f"seed-{seed}"
    if not is_trained(experiment.config, out, overrides):
        train_pipeline(experiment.config, out, overrides, experiment.gpu_id)
    store = experiment.metrics / "seeds" / arm / f"seed-{seed}.json"
    known = _read(store, stamp)
    if known is not None:
        return known
    nlp = load_pipeline(str(out / "model-best"), experiment.gpu_id)
    with progress_bar() as bar:
        task = bar.add_task(f"{arm}, seed {seed}", total=2 * len(docs))
        evaluation = evaluate(nlp, docs, partial(bar.advance, task))
    counts = {
        setting: {name: evaluation.note_counts(setting, name) for name in PROTOCOLS}
        for setting in SETTINGS
    }
    content = {"fingerprint": stamp, "counts": counts}
    # Names of notes may contain those of patients.
    write_whole(store, json.dumps(content, default=_counts_to_json), private=True)
    return counts


def _read(path: Path, stamp: str) -> RunCounts | None:
    """The counts in a file, if it was written for the same fingerprint."""
    try:
        content = json.loads(path.read_text("utf8"))
    except (OSError, ValueError):
        return None
    if content.get("fingerprint") != stamp:
        return None
    return {
        setting: {
            protocol: {
                note: {
                    task: {
                        mode: {label: Counts(*found) for label, found in by_label.items()}
                        for mode, by_label in modes.items()
                    }
                    for task, modes in tasks.items()
                }
                for note, tasks in notes.items()
            }
            for protocol, notes in protocols.items()
        }
        for setting, protocols in content["counts"].items()
    }


def _counts_to_json(value: Any) -> list[int]:
    if not isinstance(value, Counts):
        raise TypeError(f"{type(value).__name__} is not Counts")
    return [value.tp, value.fp, value.fn]
