"""Limits of the numbers in a training config, which neither spaCy nor thinc checks."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from spacy.util import registry


class _Limit(NamedTuple):
    words: str
    holds: Callable[[float], bool]


_NOT_NEGATIVE = _Limit("must be 0 or more", lambda value: value >= 0)
_POSITIVE = _Limit("must be 1 or more", lambda value: value >= 1)
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
    "eps": _Limit("must be more than 0", lambda value: value > 0),
}
_THEIRS = {"spacy", "thinc"}


def check_limits(config: Mapping[str, Any]) -> None:
    """Check the numbers of a training config.

    config (Mapping[str, Any]): With all variables filled in.
    RAISES (ValueError): One is out of range; the message gives setting, value and limit.
    """
    for setting, value, limit in _limited(config):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not limit.holds(value):
            raise ValueError(f"{setting} = {value}: {limit.words}")


def _limited(config: Mapping[str, Any]) -> Iterator[tuple[str, Any, _Limit]]:
    for setting, limit in _SETTINGS.items():
        section, name = setting.split(".")
        yield setting, config.get(section, {}).get(name), limit
    for name in ("batcher", "optimizer", "dropout"):
        yield from _arguments(f"training.{name}", config.get("training", {}).get(name))


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
