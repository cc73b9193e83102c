"""Limits of the numbers in a training config, which neither spaCy nor thinc checks."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

from spacy.util import registry

logger = logging.getLogger(__name__)

_RATE = "training.max_steps is %s, and training.optimizer.learn_rate.%s = %s %s"


class _Limit(NamedTuple):
    words: str
    holds: Callable[[float], bool]


_NOT_NEGATIVE = _Limit("must be 0 or more", lambda value: value >= 0)
_POSITIVE = _Limit("must be 1 or more", lambda value: value >= 1)
_MORE_THAN_0 = _Limit("must be more than 0", lambda value: value > 0)
_DECAY = _Limit("must lie between 0 and 1, and be neither", lambda value: 0 < value < 1)

_SETTINGS = {
    "nlp.batch_size": _POSITIVE,
    "training.accumulate_gradient": _POSITIVE,
    "training.eval_frequency": _POSITIVE,
    "training.patience": _NOT_NEGATIVE,
    "training.max_steps": _NOT_NEGATIVE,
    "training.max_epochs": _Limit("must be -1 or more", lambda value: value >= -1),
    "training.dropout": _Limit("must be 0 or more, and less than 1", lambda value: 0 <= value < 1),
}
# Arguments of spaCy's and thinc's own batchers, optimizers and schedules. None of the others may
# be negative: a negative rate, for one, unlearns.
_ARGUMENTS = {
    "size": _POSITIVE,
    "beta1": _DECAY,
    "beta2": _DECAY,
    "eps": _MORE_THAN_0,
    "period": _POSITIVE,
    "learn_rate": _MORE_THAN_0,
    "initial_rate": _MORE_THAN_0,
    "rate": _MORE_THAN_0,
}
_THEIRS = {"spacy", "thinc"}


def check_limits(config: Mapping[str, Any]) -> None:
    """Check the numbers of a training config.

    config (Mapping[str, Any]): With all variables filled in.
    RAISES (ValueError): One is out of range; the message gives setting, value and limit.
    """
    for setting, value, limit in _limited(config):
        if _is_number(value) and not limit.holds(value):
            raise ValueError(f"{setting} = {value}: {limit.words}")
    # spaCy takes these as they are.
    training = section_in(config, "training")
    weights = section_in(training, "score_weights")
    numbers = {f"training.score_weights.{name}": value for name, value in weights.items()}
    for setting, value in numbers.items():
        if value is not None and not (_is_number(value) and value >= 0):
            raise ValueError(f"{setting} = {value}: must be a number, 0 or more, or null")
    if not _is_number(size := section_in(config, "nlp").get("batch_size", 1)):
        raise ValueError(f"nlp.batch_size = {size}: must be a number, 1 or more")
    if not isinstance(seed := training.get("seed"), int | None):
        raise ValueError(f"training.seed = {seed}: must be a whole number, or null")
    _tell_short(training)


def _tell_short(training: Mapping[str, Any]) -> None:
    """Warn of a learning rate that falls to 0 before the last step, or rises until then."""
    rate = section_in(section_in(training, "optimizer"), "learn_rate")
    steps = training.get("max_steps")
    if not (steps and rate.get("@schedules") == "warmup_linear.v1"):
        return
    # What is missing or no number is told by thinc.
    warmup, total = rate.get("warmup_steps"), rate.get("total_steps")
    if _is_number(warmup) and warmup >= steps:
        told = "is not less than it: the rate never reaches initial_rate"
        logger.warning(_RATE, steps, "warmup_steps", warmup, told)
    if _is_number(total) and total < steps:
        told = "is less: the rate is 0 from there on, and nothing more is learned"
        logger.warning(_RATE, steps, "total_steps", total, told)


def section_in(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a config; an empty one if it is missing or null, or is no section."""
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _limited(config: Mapping[str, Any]) -> Iterator[tuple[str, Any, _Limit]]:
    for setting, limit in _SETTINGS.items():
        section, name = setting.split(".")
        yield setting, section_in(config, section).get(name), limit
    for name in ("batcher", "optimizer", "dropout"):
        yield from _arguments(f"training.{name}", section_in(config, "training").get(name))


def _arguments(setting: str, section: Any) -> Iterator[tuple[str, Any, _Limit]]:
    """The arguments of a function of spaCy or thinc, and of those among its arguments."""
    if not isinstance(section, dict) or not _is_theirs(section):
        return
    for name, value in section.items():
        yield f"{setting}.{name}", value, _ARGUMENTS.get(name, _NOT_NEGATIVE)
        yield from _arguments(f"{setting}.{name}", value)


def _is_theirs(section: Mapping[str, Any]) -> bool:
    """Whether a section calls a function of spaCy or thinc; others have limits of their own."""
    made_by = {
        registry.get(kind.removeprefix("@"), name).__module__.split(".")[0]
        for kind, name in section.items()
        if kind.startswith("@")
    }
    return bool(made_by) and made_by <= _THEIRS
