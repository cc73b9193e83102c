"""The default length of a training, in steps."""

import logging
from pathlib import Path

from spacy.util import load_config, registry

from ..corpora.docbin import read_docs
from .limits import section_in

logger = logging.getLogger(__name__)

AUTO = "auto"

# Passes over the training notes. On MACCROBAT (dev, three seeds), 11 gave one point more than 6 in
# mentions and two in relations, and 15 gave no more; synthetic notes need fewer.
_PASSES = 11
# Eleven passes over a few notes teach little, and over many notes, a default should not take a day
# of CPU time.
_LEAST_STEPS, _MOST_STEPS = 200, 3000
# The warm-up of the learning rate takes no more than a quarter of the training.
_WARMUPS = 4
# Steps between two evaluations, each of which reads all of dev.
_LEAST_STEPS_BETWEEN = 100
_EVALUATIONS = 8


def training_steps(config: Path, train: Path) -> int:
    """The number of steps for the default number of passes over the training notes, within bounds.

    Augmented notes do not count, so that both arms of a comparison take the same number of steps.

    config (Path): Its batcher determines how much a step reads.
    train (Path): The training notes, .spacy.
    RAISES (OSError, ValueError, ConfigValidationError): One of the two cannot be read.
    """
    training = section_in(load_config(config, interpolate=True), "training")
    if not section_in(training, "batcher"):
        raise ValueError(f"{config}: has no [training.batcher], which is needed to count steps")
    batches = registry.resolve({"batcher": training["batcher"]})["batcher"]
    a_pass = sum(1 for _ in batches(read_docs(train)))
    warmup = section_in(section_in(training, "optimizer"), "learn_rate").get("warmup_steps")
    longest = _WARMUPS * warmup if isinstance(warmup, int) else 0
    steps = min(max(_PASSES * a_pass, _LEAST_STEPS, longest), _MOST_STEPS)
    if steps < _PASSES * a_pass:
        logger.warning(
            "%s steps read the training notes %.1f times; more is better: %s read them %d times; "
            "set them with --max-steps (in the workflow, --vars.max_steps)",
            f"{steps:,}", steps / a_pass, f"{_PASSES * a_pass:,}", _PASSES,
        )  # fmt: skip
    return steps


def steps_between(max_steps: int) -> int:
    """The default number of steps between two evaluations."""
    return max(_LEAST_STEPS_BETWEEN, -(-max_steps // _EVALUATIONS))


def as_steps(option: str, value: str) -> int | None:
    """Parse a script's option that is a number of steps; None for `auto`.

    RAISES (ValueError): The value is neither.
    """
    if value == AUTO:
        return None
    # Longer ones would not fit into spaCy's files.
    if not value.isdecimal() or len(value) > 9 or int(value) < 1:
        raise ValueError(
            f"{option} {value}: expected a whole number of at least 1, with nine digits at most, "
            f"or {AUTO}"
        )
    return int(value)
