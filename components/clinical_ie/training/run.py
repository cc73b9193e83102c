"""A training run whose errors are one line and which resumes where it was interrupted."""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from confection import ConfigValidationError
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.util import load_config, load_model_from_config

from ..annotate import load_pipeline
from ..corpora.docbin import read_docs
from ..system.gpu import gpu_errors_in_one_line, use_gpu
from ..system.workplace import claimed, replace_folder, write_whole
from ..terminal.progress import progress_bar
from .calibrate import META_KEY, PASSES, calibrate_pipeline
from .checkpoint import Checkpoint
from .config_errors import check_names, in_one_line, numbers_checked
from .dev_notes import scores_on
from .fingerprint import FINGERPRINT, START, fingerprint, is_trained, stamp_of
from .length import as_steps, steps_between, training_steps
from .limits import check_limits
from .loop import train
from .saved_strings import forget_words
from .start import PLACE, initialized_from, started_from

# Those that name notes to learn from.
_NOTES = ("paths.train", "paths.augmented")
# What a run, or an earlier one, may leave in its folder: names, and prefixes of names.
_MADE = {"model-best", "model-best.part", "model-best.old", "model-last", "log.jsonl", FINGERPRINT}
_CHECKPOINT = "checkpoint-"
_MADE_PREFIXES = (_CHECKPOINT, f".{FINGERPRINT}-", f".{PLACE}-")
_LESS_MEMORY = "less of batch_pieces or training.batcher.size"


class TrainingError(ValueError):
    """A run could not be started, or failed; the message is one line."""


def run_values(
    config: Path, train: Path, dev: Path, encoder: str | None, max_steps: str, eval_frequency: str
) -> dict[str, Any]:
    """The overrides of the config that all runs of an experiment share, whatever starts them.

    Finished runs are recognized by these values, so all scripts must take them from here.
    encoder (str | None): None: as in the config.
    max_steps, eval_frequency (str): A number, or `auto` to derive it from the number of notes.
    RAISES (TrainingError): A value is invalid, or a file cannot be read.
    """
    try:
        with numbers_checked(config, {}):
            steps = as_steps("--max-steps", max_steps) or training_steps(config, train)
        between = as_steps("--eval-frequency", eval_frequency) or steps_between(steps)
    except (ConfigValidationError, LookupError, OSError, ValueError) as error:
        raise TrainingError(in_one_line(error)) from error
    return {
        "paths.train": str(train),
        "paths.dev": str(dev),
        **({} if encoder is None else {"paths.encoder": encoder}),
        "training.max_steps": steps,
        "training.eval_frequency": between,
    }


def train_pipeline(
    config: Path, out: Path, overrides: dict[str, Any], gpu_id: int
) -> dict[str, Any]:
    """Train by a config; `model-best`, `model-last` and `log.jsonl` appear in `out` at the end.

    Until then they are beside it, in a folder whose name ends in `.part`. If the run is
    interrupted, that folder stays, with the best pipeline so far, and the same run, started again,
    resumes from it. `is_trained` recognizes a finished run. `model-best` is calibrated on dev.
    overrides (dict[str, Any]): Values for the config, by dotted name, including `paths.dev`.
    gpu_id (int): -1 for the CPU.
    RETURNS (dict[str, Any]): What was chosen on dev, and the candidate ceiling, as in the
        pipeline's meta.json.
    RAISES (TrainingError): The config cannot be read or is invalid, `out` contains files that no
        run makes, another run is using it, or training failed.
    """
    out, part = out.resolve(), part_of(out)
    for folder in (out, part):
        _check_replaceable(folder)
    try:
        # Weights can reveal the notes they were trained on.
        with claimed(part, mode=0o700):
            # An earlier run may have been stopped just before its folder was moved.
            if not is_trained(config, part, overrides):
                _make(config, part, overrides, gpu_id)
            told = json.loads((part / "model-best" / "meta.json").read_text("utf8"))[META_KEY]
            for path in part.glob(f"{_CHECKPOINT}*"):
                path.unlink()
            # Files may have been put there during training.
            _check_replaceable(out)
            shutil.rmtree(out, ignore_errors=True)
            part.rename(out)
    except OSError as error:
        raise TrainingError(in_one_line(error)) from error
    return dict(told)


def part_of(out: Path) -> Path:
    """The folder of an unfinished run; links are resolved, so it is on the same disk as `out`."""
    out = out.resolve()
    return out.with_name(f"{out.name}.part")


def _make(config: Path, part: Path, overrides: dict[str, Any], gpu_id: int) -> None:
    """Train and calibrate, or resume that, until `part` has everything that a run leaves."""
    # The name identifies the run.
    made_from = fingerprint(config, overrides)
    checkpoint = part / f"{_CHECKPOINT}{made_from[:16]}.pt"
    best = part / "model-best"
    new = best.with_name(f"{best.name}.part")
    if not checkpoint.exists():
        _clear(part)
    elif not best.exists() and new.exists():
        # An earlier process was stopped while it replaced the folder.
        new.rename(best)
    try:
        with gpu_errors_in_one_line(_LESS_MEMORY), numbers_checked(config, overrides):
            # Checked first, since spaCy reports a bad config on many lines and ends the process.
            log = {"paths.log": f"{part}/log.jsonl"}
            values = load_config(config, overrides=overrides | log, interpolate=False)
            check_names(values)
            initialize: Callable[..., Language] = init_nlp
            if START in overrides:
                notes = (overrides[name] for name in _NOTES if name in overrides)
                start = overrides[START]
                values, learning = started_from(values, start, map(Path, notes))
                initialize = partial(
                    initialized_from, pipeline=start, learning=learning, folder=part
                )
            load_model_from_config(values.interpolate())
            check_limits(values.interpolate())
            if gpu_id >= 0:
                use_gpu(gpu_id)
            initialized = partial(initialize, values, use_gpu=gpu_id)
            train(initialized, part, Checkpoint(checkpoint), gpu_id)
            _calibrate(best, new, Path(overrides["paths.dev"]), gpu_id)
            for pipeline in (new, part / "model-last"):
                forget_words(pipeline)
            replace_folder(new, best)
            stamp = json.dumps(stamp_of(part, made_from))
            write_whole(part / FINGERPRINT, f"{stamp}\n")
    # An ImportError is a language that spaCy does not have.
    except (ConfigValidationError, ImportError, OSError, ValueError) as error:
        if not checkpoint.exists():
            shutil.rmtree(part, ignore_errors=True)
        raise TrainingError(f"{config}: {in_one_line(error)}") from error


def _clear(folder: Path) -> None:
    """Empty a folder without removing it, since this process holds a lock on it."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _check_replaceable(folder: Path) -> None:
    """Check that a folder contains nothing but an earlier run, so that it can be replaced.

    RAISES (TrainingError): It contains something else.
    """
    if folder.exists() and not folder.is_dir():
        raise TrainingError(f"{folder} is a file; name a folder for the run")
    # Before Python 3.12, Path.is_mount does not exist on Windows.
    if os.path.ismount(folder):
        raise TrainingError(f"{folder} is a mount point; name a folder below it for the run")
    strange = sorted(
        path.name
        for path in folder.glob("*")
        if path.name not in _MADE and not path.name.startswith(_MADE_PREFIXES)
    )
    if strange:
        raise TrainingError(
            f"{folder} holds {strange[0]!r}, which was not made by a training run, and would be "
            "replaced: name another folder"
        )


def _calibrate(model: Path, calibrated: Path, dev: Path, gpu_id: int) -> None:
    """Calibrate a saved pipeline on dev, and save it with its scores on dev after that."""
    nlp = load_pipeline(str(model), gpu_id)
    docs = read_docs(dev)
    with progress_bar() as bar:
        task = bar.add_task("calibrate", total=(PASSES + 1) * len(docs))
        on_note = partial(bar.advance, task)
        calibrate_pipeline(nlp, docs, on_note)
        scores = scores_on(docs, nlp, on_note)
    performance = nlp.meta["performance"]
    performance |= {name: scores[name] for name in performance if name in scores}
    shutil.rmtree(calibrated, ignore_errors=True)
    nlp.to_disk(calibrated)
