"""How many steps a training takes, where nobody says."""

import logging
from pathlib import Path

from spacy.util import load_config, registry

from ..corpora.docbin import read_docs

logger = logging.getLogger(__name__)

AUTO = "auto"

# Readings of the training notes. On MACCROBAT (dev) 11 gave one point more in mentions than 6, and
# two in relations, and 15 no more; made-up notes need fewer. In between, since every reading costs
# the same.
_PASSES = 8
# A few notes read eight times teach little, and where they are many, a day of a CPU is not for a
# default to spend.
_LEAST_STEPS, _MOST_STEPS = 200, 3000
# Of a training, no more than a quarter is for the rate of learning to rise.
_WARMUPS = 4
# Between two evaluations, which read all of dev.
_LEAST_STEPS_BETWEEN = 100
_EVALUATIONS = 8


def training_steps(config: Path, train: Path) -> int:
    """As many steps as read the training notes some times over, within bounds.

    Of the notes without augmentation: both arms of a comparison take the same number.

    config (Path): By its batcher a step is measured.
    train (Path): The training notes, .spacy.
    RAISES (OSError, ValueError, ConfigValidationError): One of the two cannot be read.
    """
    training = load_config(config, interpolate=True).get("training", {})
    if "batcher" not in training:
        raise ValueError(f"{config}: has no [training.batcher], by which steps are counted")
    batches = registry.resolve({"batcher": training["batcher"]})["batcher"]
    a_pass = sum(1 for _ in batches(read_docs(train)))
    rate = training.get("optimizer", {}).get("learn_rate")
    warmup = rate.get("warmup_steps", 0) if isinstance(rate, dict) else 0
    steps = min(max(_PASSES * a_pass, _LEAST_STEPS, _WARMUPS * warmup), _MOST_STEPS)
    if steps < _PASSES * a_pass:
        logger.warning(
            "%s steps read the training notes %.1f times; more is better, and --max-steps (in the "
            "workflow --vars.max_steps) says how many: %s read them %d times",
            f"{steps:,}", steps / a_pass, f"{_PASSES * a_pass:,}", _PASSES,
        )  # fmt: skip
    return steps


def steps_between(max_steps: int) -> int:
    """How many steps lie between two evaluations of a training."""
    return max(_LEAST_STEPS_BETWEEN, -(-max_steps // _EVALUATIONS))


def as_steps(option: str, value: str) -> int | None:
    """A number of steps as it was given to a script; None for `auto`.

    RAISES (ValueError): It is neither.
    """
    if value == AUTO:
        return None
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{option} {value}: expected a whole number from 1, or {AUTO}")
    return int(value)
