"""What a pipeline's config says of its training."""

from collections.abc import Callable

from spacy.language import Language


def make_resolved_optimizer() -> Callable[[Language], Language]:
    """`clinical_ie.ResolvedOptimizer.v1`, for `initialize.before_init`.

    From then on, and in the saved pipeline, the optimizer's settings are values, not the names of
    others: `nlp.initialize`, `nlp.resume_training`, `spacy debug data` and `spacy debug model` read
    that section by itself, where `${training.max_steps}` is nothing.
    """
    return _resolve_optimizer


def _resolve_optimizer(nlp: Language) -> Language:
    nlp.config["training"]["optimizer"] = nlp.config.interpolate()["training"]["optimizer"]
    return nlp
