"""The base class of the trainable components."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from spacy.language import Language
from spacy.pipeline import Tok2Vec, TrainablePipe
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import Config, Optimizer

from .calibration import Calibration

logger = logging.getLogger(__name__)

Scorer = Callable[..., dict[str, Any]]
# By name, since spacy-transformers takes seconds to import, also where this module is used only to
# score a pipeline.
_TRANSFORMER_LISTENER = "transformer-listener"

# Updates at a learning rate of 0, in a row, after which that is no beginning of a warm-up any more.
_IDLE = 10

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
    """The model of `nlp.add_pipe` without a config: the head on a small encoder of its own."""
    return dict(Config().from_str(_DEFAULT_MODEL.format(architecture=architecture))["model"])


class LearnedLabelsPipe(TrainablePipe):
    """A component whose labels come from the training data, all at once."""

    cfg: dict[str, Any]
    # Labels in notes that the component does not know; each is reported once.
    unknown_labels: frozenset[str] = frozenset()
    _told_of_unannotated = False
    _idle_updates = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the model's scores."""
        return tuple(self.cfg["labels"])

    @property
    def calibration(self) -> Calibration:
        """Turns the model's scores into those written to Docs; see `calibrate_pipeline`."""
        return Calibration.from_dict(self.cfg.get("calibration"))

    @calibration.setter
    def calibration(self, calibration: Calibration) -> None:
        self.cfg["calibration"] = calibration.to_dict()

    def require_vectors(self, docs: Sequence[Doc]) -> None:
        """Check that a shared encoder has processed the Docs.

        The listeners of spaCy and of spacy-transformers silently give zeros for Docs that it has
        not, and predictions from zeros are worthless.
        RAISES (ValueError): It has not processed one of them.
        """
        layers = list(self.model.get_ref("tok2vec").walk())
        listeners = [layer for layer in layers if isinstance(layer, Tok2VecListener)]
        missing = False
        if listeners:
            # None after `doc_cleaner`.
            missing = any(len(doc) and (doc.tensor is None or not doc.tensor.size) for doc in docs)
        elif any(layer.name == _TRANSFORMER_LISTENER for layer in layers):
            missing = any(len(doc) and doc._.trf_data is None for doc in docs)
        if missing:
            raise ValueError(
                f"{self.name}: the component whose vectors it reads (`tok2vec`, `transformer`) has "
                "not seen the Doc: it is missing, disabled, or comes later in the pipeline, or a "
                "doc_cleaner stands between; put it before this one (if this one is among "
                "annotating_components, that one too), or copy it into this one "
                "(nlp.replace_listeners) before sourcing only this one"
            )
        expected = {listener.get_dim("nO") for listener in listeners}
        given = {doc.tensor.shape[1] for doc in docs if listeners and len(doc)}
        if given - expected:
            raise ValueError(
                f"{self.name}: it reads vectors of width {min(expected)}, and those on the Doc "
                f"have {min(given - expected)}: they are of another encoder; source its own, too "
                '(nlp.add_pipe("tok2vec", name=…, source=…)), just before the first of its heads'
            )

    def check_encoder(self, nlp: Language) -> None:
        """Check that a shared encoder comes before this component, with vectors of the right width.

        RAISES (ValueError): There is none, which spaCy tells by the wrong remedy; or its vectors
            have another width, and PyTorch would complain about shapes.
        """
        # Those that go on from a trained pipeline are disabled meanwhile.
        names = nlp.component_names
        earlier = names[: names.index(self.name)] if self.name in names else names
        heard = {
            id(listener)
            for name, pipe in nlp.components
            if isinstance(pipe, Tok2Vec) and name in earlier
            for listener in pipe.listener_map.get(self.name, ())
        }
        for layer in self.model.walk():
            if isinstance(layer, Tok2VecListener) and id(layer) not in heard:
                raise ValueError(
                    f"{self.name}: no component before it in nlp.pipeline gives the vectors that "
                    f'it reads (upstream = "{layer.upstream_name}"): put `tok2vec` before it, '
                    "under that name"
                )
        for name, pipe in nlp.components:
            if not isinstance(pipe, Tok2Vec):
                continue
            given = pipe.model.maybe_get_dim("nO")
            for listener in pipe.listener_map.get(self.name, ()):
                expected = listener.get_dim("nO")
                if given not in (None, expected):
                    raise ValueError(
                        f"{self.name}: its Tok2VecListener has width = {expected}, but {name} "
                        f"gives vectors of width {given}; set the listener's width to "
                        f"${{components.{name}.model.width}}"
                    )

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Process a stream of Docs in batches.

        Of a batch that fails, the Docs are processed one by one: unlike in spaCy's own components,
        the error handler gets only those that fail alone, and only those are lost.
        """
        handle_error = self.get_error_handler()
        for docs in minibatch(stream, batch_size):
            try:
                self.set_annotations(docs, self.predict(docs))
            except Exception as error:
                if len(docs) == 1:
                    handle_error(self.name, self, docs, error)
                else:
                    yield from self.pipe(docs, batch_size=1)
            else:
                yield from docs

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the weights with the gradients of `update`.

        Also clears what a listener keeps of the last batch: its callback cannot be pickled, as
        `nlp.pipe(n_process=2)` requires where worker processes are spawned.
        """
        super().finish_update(sgd)
        self._tell_idle(sgd)
        for layer in self.model.walk():
            if isinstance(layer, Tok2VecListener):
                # Its state before the first batch.
                layer.receive(None, None, None)  # type: ignore[arg-type]

    def _tell_idle(self, sgd: Optimizer) -> None:
        """Warn if nothing is learned: the rate of a trained pipeline's optimizer begins at 0, and
        stays there in a loop that does not step it."""
        rate = getattr(sgd, "learn_rate", None)
        self._idle_updates = self._idle_updates + 1 if rate == 0 else 0
        if self._idle_updates == _IDLE:
            logger.warning(
                "%s: nothing was learned in the last %d updates, since the learning rate is 0; "
                "call step_schedules() of the optimizer after each update, as `spacy train` does, "
                "or give another one, such as thinc.api.Adam(2e-4)",
                self.name,
                _IDLE,
            )

    def tell_unknown(self, label: str) -> None:
        """Warn once that a label in a training note is not learned."""
        if label not in self.unknown_labels:
            self.unknown_labels |= {label}
            logger.warning(
                "%s: %r is not a label of this component and is not learned; labels come from the "
                "notes given to initialize(get_examples)",
                self.name,
                label,
            )

    def tell_unannotated(self) -> None:
        """Warn once that nothing is learned from references without annotations."""
        if not self._told_of_unannotated:
            self._told_of_unannotated = True
            logger.warning(
                "%s: nothing is learned from references in which no mention is annotated, and none "
                'is said to be missing either; where there is none, set doc.spans["entities"] = [] '
                "or doc.ents = []",
                self.name,
            )

    def add_label(self, label: str) -> int:
        """Labels cannot be added one by one.

        RAISES (NotImplementedError): Always.
        """
        raise NotImplementedError(
            f"{self.name}: labels come from the notes given to initialize(get_examples), "
            f"so {label!r} cannot be added later"
        )
