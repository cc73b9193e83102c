"""What the trainable components have in common."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from spacy.pipeline import TrainablePipe
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from thinc.api import Config, Optimizer

from .calibration import Calibration

logger = logging.getLogger(__name__)

Scorer = Callable[..., dict[str, Any]]
# By name: the package takes seconds to import, and to score pipelines needs this module alone.
_TRANSFORMER_LISTENER = "transformer-listener"

_DEFAULT_MODEL = """
[model]
@architectures = "{architecture}"
hidden = 256

[model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true
"""


def default_model(architecture: str) -> dict[str, Any]:
    """The model of `nlp.add_pipe` without a config: a small encoder of its own below the head."""
    return dict(Config().from_str(_DEFAULT_MODEL.format(architecture=architecture))["model"])


class LearnedLabelsPipe(TrainablePipe):
    """A component whose labels come from the training data, all at once."""

    cfg: dict[str, Any]
    # Labels that notes have and the component has not; each is told once.
    unknown_labels: frozenset[str] = frozenset()

    @property
    def labels(self) -> tuple[str, ...]:
        """What is told apart, in the order of the model's scores."""
        return tuple(self.cfg["labels"])

    @property
    def calibration(self) -> Calibration:
        """From the model's scores to those that are written to Docs; see `calibrate_pipeline`."""
        return Calibration.from_dict(self.cfg.get("calibration"))

    @calibration.setter
    def calibration(self, calibration: Calibration) -> None:
        self.cfg["calibration"] = calibration.to_dict()

    def require_vectors(self, docs: Sequence[Doc]) -> None:
        """See that the encoder, where it is a component of its own, has read Docs.

        The listeners of spaCy and of spacy-transformers give zeros for those it has not, and what
        is found by them is worth nothing.
        RAISES (ValueError): It has not.
        """
        layers = list(self.model.get_ref("tok2vec").walk())
        missing = False
        if any(isinstance(layer, Tok2VecListener) for layer in layers):
            missing = any(len(doc) and not doc.tensor.size for doc in docs)
        elif any(layer.name == _TRANSFORMER_LISTENER for layer in layers):
            missing = any(len(doc) and doc._.trf_data is None for doc in docs)
        if missing:
            raise ValueError(
                f"{self.name}: the component whose vectors it reads (`tok2vec`, `transformer`) has "
                "not seen the Doc: it is missing, disabled, or comes later in the pipeline; put it "
                "before this one (also among annotating_components, if this one is there), or copy "
                "it into this one (nlp.replace_listeners) before sourcing it alone"
            )

    def finish_update(self, sgd: Optimizer) -> None:
        """Change the weights by the gradients of `update`.

        What a listener keeps of the last batch goes: its callback can't be pickled, which takes
        `nlp.pipe(n_process=2)` where worker processes are spawned.
        """
        super().finish_update(sgd)
        for layer in self.model.walk():
            if isinstance(layer, Tok2VecListener):
                # As before the first batch.
                layer.receive(None, None, None)  # type: ignore[arg-type]

    def tell_unknown(self, label: str) -> None:
        """Say that a label of a training note is none of those that are learned."""
        if label not in self.unknown_labels:
            self.unknown_labels |= {label}
            logger.warning(
                "%s: %r is no label of this component and is not learned; labels come from the "
                "notes given to initialize(get_examples)",
                self.name,
                label,
            )

    def add_label(self, label: str) -> int:
        """Labels cannot be added one by one.

        RAISES (NotImplementedError): Always.
        """
        raise NotImplementedError(
            f"{self.name}: labels come from the notes given to initialize(get_examples), "
            f"so {label!r} cannot be added later"
        )
