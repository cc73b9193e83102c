"""The registered architecture of several encoders side by side."""

from collections.abc import Mapping
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model, concatenate
from thinc.types import Floats2d

from .reading import Precision
from .shim import EncoderShim

ENCODER = "tok2vec"
ARCHITECTURE = "clinical_ie.EncoderEnsemble.v1"


def is_ensemble(config: Mapping[str, Any]) -> bool:
    """Whether the encoder of a pipeline with this config is an `EncoderEnsemble`."""
    model = config.get("components", {}).get(ENCODER, {}).get("model", {})
    return bool(model.get("@architectures") == ARCHITECTURE)


def EncoderEnsemble(  # noqa: N802
    encoders: dict[str, Any], precision: Precision | None = None
) -> Model[list[Doc], list[Floats2d]]:
    """The vectors of several encoders, concatenated in the order of the encoders.

    encoders (dict[str, Model[list[Doc], list[Floats2d]]]): By name. (The annotation is wider, since
        a config is checked before what is in it is made.)
    precision (Precision | None): Of inference, for all of them; None: of each its own.
    RAISES (ValueError): There are fewer than two.
    """
    if len(encoders) < 2:
        raise ValueError(f"encoders: must be two or more, not {len(encoders)}")
    model: Model[list[Doc], list[Floats2d]] = concatenate(*encoders.values())
    model.name = "encoder_ensemble"
    for shim in (shim for layer in model.walk() for shim in layer.shims):
        if precision is not None and isinstance(shim, EncoderShim):
            shim.read_with(precision)
    return model
