"""spaCy's training loop, step for step, except that an interrupted run can be resumed and that the
last step is always evaluated."""

import logging
import math
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    create_before_to_disk_callback,
    create_evaluation_callback,
    subdivide_batch,
    update_meta,
)
from spacy.util import registry, resolve_dot_names
from thinc.api import Optimizer, fix_random_seed, set_gpu_allocator

from ..corpora.reader import read_once
from ..system.workplace import copy_folder, replace_folder
from .batches import Batches
from .checkpoint import Checkpoint
from .config_errors import did_you_mean
from .dev_notes import DevNotes
from .saved_strings import forget_words

logger = logging.getLogger(__name__)

# A checkpoint is written after each evaluation, and when the last one is older than this.
SECONDS_BETWEEN = 600.0

# What spaCy passes to its loggers: information on an evaluated step, None for other steps.
Info = dict[str, Any]
LogStep = Callable[[Info | None], None]


@dataclass(slots=True)
class Progress:
    """How far a run is, in plain values.

    step (int): The next step.
    batches (dict[str, Any]): The state of the batches before that step.
    results (list[tuple[float, int]]): The score of each evaluation, and its step.
    losses (dict[str, float]): Sums since the last evaluation.
    words (int): Words read so far.
    seconds (float): Training time so far, without steps lost in an interruption.
    told (list[Info]): What the logger was given.
    """

    step: int = 0
    batches: dict[str, Any] = field(default_factory=dict)
    results: list[tuple[float, int]] = field(default_factory=list)
    losses: dict[str, float] = field(default_factory=dict)
    words: int = 0
    seconds: float = 0.0
    told: list[Info] = field(default_factory=list)

    def is_over(self, patience: int, max_steps: int) -> bool:
        """Whether the run ends here, by settings in which 0 means no limit."""
        last = self.step - 1
        if last < 0:
            return False
        best_step = -max((score, -step) for score, step in self.results)[1]
        return bool(
            (patience and last - best_step >= patience) or (max_steps and last >= max_steps)
        )


def train(
    initialized: Callable[[], Language], out: Path, checkpoint: Checkpoint, use_gpu: int
) -> None:
    """Train a pipeline by its config, and save it as `model-best` and `model-last` in `out`.

    The weights are those of `spacy train`, number for number; on a CPU, this is also true of a run
    that was interrupted and resumed.

    initialized (Callable[[], Language]): Makes the pipeline, as spaCy's `init_nlp` does.
    checkpoint (Checkpoint): Where this run's checkpoint is, if it has one already.
    use_gpu (int): -1 for the CPU.
    RAISES (ValueError): There are no training notes, the checkpoint is of another run, or a loss is
        no longer a number.
    """
    with read_once():
        nlp = initialized()
        settings = nlp.config.interpolate()["training"]
        if settings["seed"] is not None:
            fix_random_seed(settings["seed"])
        if use_gpu >= 0 and settings["gpu_allocator"]:
            set_gpu_allocator(settings["gpu_allocator"])
        found = checkpoint.read()
        if settings["logger"].get("output_file"):
            # The logger refuses to overwrite a file; a resumed run logs all its steps again.
            Path(settings["logger"]["output_file"]).unlink(missing_ok=True)
        run = _Run(nlp, out, registry.resolve(settings, schema=ConfigSchemaTraining))
        # The log is moved after training, so pipelines must not be saved with its path.
        nlp.config["paths"]["log"] = None
    with nlp.select_pipes(disable=run.frozen):
        log_step, end_log = run.values["logger"](nlp, sys.stdout, sys.stderr)
    try:
        if found:
            try:
                run.go_on(checkpoint, found, log_step)
            except torch.OutOfMemoryError:
                # No fault of the checkpoint's.
                raise
            except (LookupError, TypeError, ValueError, RuntimeError) as error:
                raise ValueError(
                    f"cannot resume from {checkpoint.path}: {error!r}; if it is of another run, "
                    "remove it to train from the start"
                ) from error
        saved = time.monotonic()
        for info in run.steps():
            log_step(info)
            if info or time.monotonic() - saved > SECONDS_BETWEEN:
                run.save_checkpoint(checkpoint)
                saved = time.monotonic()
    finally:
        end_log()
    run.save_pipeline(is_best=False)


class _Run:
    """A training run: its settings and its progress.

    values (dict[str, Any]): The config's section `training`, resolved to objects.
    """

    def __init__(self, nlp: Language, out: Path, values: dict[str, Any]) -> None:
        config = nlp.config.interpolate()
        train_corpus, dev_corpus = resolve_dot_names(
            config, [values["train_corpus"], values["dev_corpus"]]
        )
        self.nlp = nlp
        self.out = out
        self.values = values
        self.frozen: list[str] = values["frozen_components"]
        if not self._trained():
            raise ValueError(
                f"nlp.pipeline = {nlp.pipe_names}, training.frozen_components = {self.frozen}: "
                "no component is left to train"
            )
        # spaCy ignores an unknown name here, and chooses the first evaluation below.
        for name in values["annotating_components"]:
            if name not in nlp.component_names:
                raise ValueError(
                    f"training.annotating_components: {name} is not one of nlp.pipeline = "
                    f"{nlp.component_names}"
                )
        if values["score_weights"] and not any(values["score_weights"].values()):
            raise ValueError(
                "training.score_weights: all are 0 or null, so that no evaluation is better than "
                "another"
            )
        self.optimizer: Optimizer = values["optimizer"]
        self.batches = Batches(nlp, train_corpus, values["batcher"], values["max_epochs"])
        self.dev_notes = DevNotes(dev_corpus, self.batches.examples)
        self.evaluate = create_evaluation_callback(nlp, self.dev_notes, values["score_weights"])
        self.before_to_disk = create_before_to_disk_callback(values["before_to_disk"])
        dropout = values["dropout"]
        self.dropouts = repeat(dropout) if isinstance(dropout, int | float) else dropout
        self.progress = Progress()

    def go_on(self, checkpoint: Checkpoint, found: dict[str, Any], log_step: LogStep) -> None:
        """Restore the state of an interrupted run, and repeat its steps to the logger."""
        self.progress = progress = Progress(**found["progress"])
        self.batches.go_on(progress.batches)
        for _ in range(progress.step):
            self.optimizer.step_schedules()
            next(self.dropouts)
        sys.stdout.write(f"going on after step {progress.step - 1}\n")
        for info in progress.told:
            log_step(info)
        for _ in range(progress.told[-1]["step"] + 1, progress.step):
            log_step(None)
        self._update_meta(progress.told[-1])
        # Comes last, since everything above may draw random numbers.
        checkpoint.restore(found, self.nlp, self.optimizer)

    def steps(self) -> Iterator[Info | None]:
        """Run the remaining steps; yields what the logger gets for each."""
        progress, values = self.progress, self.values
        before = progress.seconds
        began = time.monotonic()
        while not progress.is_over(values["patience"], values["max_steps"]):
            batch = next(self.batches, None)
            if batch is None:
                # The end of max_epochs, which is known only now.
                if progress.told and progress.told[-1]["step"] < progress.step - 1:
                    progress.step -= 1
                    last = self._evaluated()
                    progress.step += 1
                    yield last
                return
            if values["before_update"]:
                values["before_update"](
                    self.nlp, {"step": progress.step, "epoch": self.batches.epoch}
                )
            self._update(batch)
            progress.seconds = before + time.monotonic() - began
            progress.words += sum(map(len, batch))
            info = None
            # Unlike spaCy, the last step too: what is learned after the last evaluation is lost.
            if (
                progress.step % values["eval_frequency"] == 0
                or progress.step == values["max_steps"]
            ):
                info = self._evaluated()
            progress.step += 1
            yield info

    def _update(self, batch: list[Example]) -> None:
        dropout = next(self.dropouts)
        for part in subdivide_batch(batch, self.values["accumulate_gradient"]):
            self.nlp.update(
                part,
                drop=dropout,
                losses=self.progress.losses,
                sgd=False,
                exclude=self.frozen,
                annotates=self.values["annotating_components"],
            )
        for pipe in self._trained():
            pipe.finish_update(self.optimizer)
        self.optimizer.step_schedules()

    def _trained(self) -> list[Any]:
        return [
            pipe
            for name, pipe in self.nlp.pipeline
            if name not in self.frozen and getattr(pipe, "is_trainable", False)
        ]

    def _evaluated(self) -> Info:
        """Score the pipeline and save it; returns what the logger gets."""
        progress = self.progress
        diverged = [name for name, loss in progress.losses.items() if not math.isfinite(loss)]
        if diverged:
            raise ValueError(
                f"at step {progress.step}, the loss of {' and '.join(diverged)} is no longer a "
                "number: lower initial_rate in [training.optimizer.learn_rate]"
            )
        averages = self.optimizer.averages or {}
        with self.nlp.use_params(averages), self.dev_notes.shown(self.nlp):
            score, scores = self.evaluate()
        if not progress.results:
            self._check_weights(scores)
        progress.results.append((float(score), progress.step))
        info = {
            "epoch": self.batches.epoch,
            "step": progress.step,
            "score": float(score),
            "other_scores": _plain(scores),
            "losses": _plain(progress.losses),
            "checkpoints": list(progress.results),
            "seconds": int(progress.seconds),
            "words": progress.words,
            "output_path": str(self.out / DIR_MODEL_LAST),
        }
        self._update_meta(info)
        self.save_pipeline(is_best=score == max(progress.results)[0])
        progress.told.append(info)
        progress.losses = {}
        return info

    def _check_weights(self, scores: Collection[str]) -> None:
        """Warn of names in `score_weights` that no component gives, which spaCy leaves out."""
        metas = map(self.nlp.get_pipe_meta, self.nlp.component_names)
        known = {*scores, *(name for meta in metas for name in meta.default_score_weights or ())}
        for name, weight in self.values["score_weights"].items():
            if weight and name not in known:
                logger.warning(
                    "training.score_weights.%s counts nothing: this pipeline has no such score%s",
                    name, did_you_mean(name, known),
                )  # fmt: skip

    def _update_meta(self, info: Info) -> None:
        with self.nlp.select_pipes(disable=self.frozen):
            update_meta(self.values, self.nlp, info)

    def save_pipeline(self, is_best: bool) -> None:
        """Save the pipeline, with averaged weights if the optimizer keeps them."""
        last, best = self.out / DIR_MODEL_LAST, self.out / DIR_MODEL_BEST
        with self.nlp.use_params(self.optimizer.averages or {}):
            self.before_to_disk(self.nlp).to_disk(last)
        # Needed at each step, since pipelines of stopped runs are used, too; only the end of a run
        # warns of words that stay.
        forget_words(last, tell=False)
        if is_best:
            # The run may be stopped at any moment, and model-best must be complete then.
            new = best.with_name(f"{best.name}.part")
            shutil.rmtree(new, ignore_errors=True)
            copy_folder(last, new)
            replace_folder(new, best)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.progress.batches = self.batches.state
        checkpoint.save(self.nlp, self.optimizer, _plain(asdict(self.progress)))


def _plain(value: Any) -> Any:
    """Scores and losses without NumPy scalars, with which a checkpoint could not be loaded."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value.item() if isinstance(value, np.generic) else value
