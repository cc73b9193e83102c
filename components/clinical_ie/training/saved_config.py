"""The training section in the config of a saved pipeline."""

from collections.abc import Callable

from spacy.language import Language


def make_resolved_optimizer() -> Callable[[Language], Language]:
    """`clinical_ie.ResolvedOptimizer.v1`, for `initialize.before_init`.

    It replaces variables in the optimizer's settings by their values, also in the saved pipeline:
    `nlp.initialize`, `nlp.resume_training`, `spacy debug data` and `spacy debug model` read that
    section on its own, where `${training.max_steps}` is undefined.
    """
    return _resolve_optimizer


def _resolve_optimizer(nlp: Language) -> Language:
    nlp.config["training"]["optimizer"] = nlp.config.interpolate()["training"]["optimizer"]
    return nlp
