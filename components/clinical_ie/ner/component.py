"""The pipeline component `clinical_ner`."""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, compress, count
from typing import Any

import numpy as np
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from spacy.util import filter_spans
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..doc import first_new_number, set_mentions
from ..heads.gold import all_examples, gold_spans
from ..heads.pipe import LearnedLabelsPipe, Scorer, default_model
from ..heads.taught import Taught
from ..references import is_annotated, same_tokens
from ..text.limit import lift_length_limit
from .tags import TokenSpan, best_spans, decode_tags, gold_tags, n_tag_scores, tag_loss

logger = logging.getLogger(__name__)


@Language.factory(
    "clinical_ner",
    assigns=["doc.spans", "doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": default_model("clinical_ie.TokenLabeler.v1"),
        "overlapping": True,
        "scorer": {"@scorers": "clinical_ie.mention_scorer.v1"},
    },
    default_score_weights={
        "mentions_strict_f": 1.0,
        "mentions_strict_p": 0.0,
        "mentions_strict_r": 0.0,
        "mentions_lenient_f": 0.0,
    },
)
def make_clinical_ner(
    nlp: Language, name: str, model: Model, overlapping: bool, scorer: Scorer | None
) -> "ClinicalNER":
    """Make the component; `model` is a `TokenLabeler`."""
    lift_length_limit(nlp)
    return ClinicalNER(nlp.vocab, model, name, overlapping=overlapping, scorer=scorer)


class ClinicalNER(LearnedLabelsPipe):
    """Finds mentions, and writes them to `doc.spans["entities"]` and, without overlaps, `doc.ents`.

    A discontinuous mention is learned and found as one span from its first piece to its last.

    vocab (Vocab): The pipeline's vocab.
    model (Model[list[Doc], list[Floats2d]]): Gives tag scores for each token.
    name (str): Name of the component in the pipeline.
    overlapping (bool): Whether mentions of different types may overlap. If not, only the longest of
        overlapping gold mentions is learned.
    scorer (Scorer | None): Called with examples by `nlp.evaluate`.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "clinical_ner",
        *,
        overlapping: bool = True,
        scorer: Scorer | None,
    ) -> None:
        self.vocab = vocab
        self.model = model
        self.name = name
        self.overlapping = overlapping
        # Added to the score of every mention; `calibrate_pipeline` chooses it.
        self.cfg: dict[str, Any] = {"labels": [], "bias": 0.0}
        self.scorer = scorer
        self._told_of_tokens = False

    @property
    def label_data(self) -> list[str]:
        """The labels in the form that `initialize` takes."""
        return list(self.cfg["labels"])

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        """Collect the labels and build the model for them; an encoder that has weights keeps them.

        get_examples (Callable[[], Iterable[Example]]): A sample of the training data.
        nlp (Language | None): The pipeline.
        labels (Sequence[str] | None): The labels, if they are not to be taken from the sample.
        RAISES (ValueError): There are no labels: an empty list, or none given and no mention in the
            sample; or the listener has another width than the encoder.
        """
        if nlp is not None:
            self.check_encoder(nlp)
        examples = all_examples(get_examples, "ClinicalNER.initialize")
        if labels is not None and not labels:
            raise ValueError(f"{self.name}: labels = []: name a type, or omit labels")
        if labels is None:
            labels = sorted({m.label for eg in examples for m in gold_spans(eg)[0].mentions})
        if not labels:
            raise ValueError(
                f'{self.name}: no training note has a mention in doc.spans["entities"], nor in '
                "doc.ents, which is used if that group is missing; `scripts/convert.py` writes "
                "them there, and nlp.initialize() needs the training notes as its argument"
            )
        # A duplicate would shift the scores of the labels after it. The rest is as it was at first:
        # a bias and a calibration were chosen for other weights.
        self.cfg = {"labels": list(dict.fromkeys(labels)), "bias": 0.0}
        self.model.set_dim("nO", n_tag_scores(len(self.labels)), force=True)
        self.model.initialize(X=[eg.predicted for eg in examples[:2]])

    def predict(self, docs: Iterable[Doc]) -> list[tuple[list[TokenSpan], list[float]]]:
        """The spans of each Doc and their scores."""
        self._require_labels()
        docs = list(docs)
        self.require_vectors(docs)
        if not any(map(len, docs)):
            # spacy-transformers' listener fails if there is no token at all.
            return [([], []) for _ in docs]
        return self._decode(self.model.predict(docs))

    def set_annotations(
        self, docs: Iterable[Doc], scores: list[tuple[list[TokenSpan], list[float]]]
    ) -> None:
        """Write mentions T1, T2, …, with calibrated scores, to the Doc's spans and `doc.ents`;
        the numbers continue after those of the `.ann` that the Doc was read from.
        """
        for doc, (token_spans, confidences) in zip(docs, scores, strict=True):
            first = first_new_number(doc)
            spans = [
                Span(doc, start, end, label=self.labels[label], span_id=f"T{number}")
                for number, (start, end, label) in enumerate(token_spans, start=first)
            ]
            set_mentions(doc, spans, self.calibration(confidences).tolist())

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch.

        RETURNS (dict[str, float]): The losses, with the mean loss per token added under this
            component's name.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ClinicalNER.update")
        self._require_labels()
        if not any(len(eg.predicted) for eg in examples):
            return losses
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update([eg.predicted for eg in examples])
        loss, gradient = self.get_loss(examples, scores)
        self._leave_predictions(examples, scores)
        # Called for every batch: the last component that shares an encoder starts the encoder's
        # backward pass.
        backprop(gradient)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(
        self, examples: Iterable[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        """Negative log-probability of the gold tags, per token of the batch; on notes with a
        teacher's probabilities (`Taught`), the cross-entropy with these.

        If mentions may overlap, it is the sum of two losses: one on non-overlapping mentions, with
        competing labels, and one on all mentions, with each label by itself. Nothing is learned
        from references in which nobody looked for mentions.
        """
        examples = list(examples)
        known = [is_annotated(eg.reference) for eg in examples]
        if all(known):
            return self._loss(examples, scores)
        self.tell_unannotated()
        gradients = [self.model.ops.alloc2f(*doc_scores.shape) for doc_scores in scores]
        if not any(known):
            return 0.0, gradients
        loss, of_known = self._loss(list(compress(examples, known)), list(compress(scores, known)))
        for at, gradient in zip(compress(count(), known), of_known, strict=True):
            gradients[at] = gradient
        return loss, gradients

    def _loss(
        self, examples: Sequence[Example], scores: list[Floats2d]
    ) -> tuple[float, list[Floats2d]]:
        golds = [self._gold_mentions(eg) for eg in examples]
        taughts = [self._taught(eg) for eg in examples]
        lengths = [len(doc_scores) for doc_scores in scores]
        flat = self.model.ops.to_numpy(self.model.ops.flatten(scores))
        loss, gradient = 0.0, np.zeros_like(flat)
        for competing in (True, False) if self.overlapping else (True,):
            tags = [
                gold_tags(_without_overlaps(gold, competing), n_tokens, len(self.labels))
                if taught is None
                else taught.tags(self.labels, competing)
                for gold, taught, n_tokens in zip(golds, taughts, lengths, strict=True)
            ]
            part, part_gradient = tag_loss(flat, np.concatenate(tags), lengths, competing)
            loss += part
            gradient += part_gradient
        n_tokens = max(1, len(flat))
        gradients = self.model.ops.asarray2f(gradient / n_tokens)
        return loss / n_tokens, self.model.ops.unflatten(gradients, lengths)

    def _leave_predictions(self, examples: Sequence[Example], scores: list[Floats2d]) -> None:
        """Put the best path's spans on the predicted Docs, for the relation head to learn from.

        `annotating_components` would not do: in training, spaCy's listeners have no vectors for
        predictions.
        """
        flat = self.model.ops.to_numpy(self.model.ops.flatten(scores))
        found = best_spans(flat, [len(doc_scores) for doc_scores in scores], self.cfg["bias"])
        for eg, spans in zip(examples, found, strict=True):
            self.set_annotations([eg.predicted], [(spans, [0.0] * len(spans))])

    def _decode(self, scores: list[Floats2d]) -> list[tuple[list[TokenSpan], list[float]]]:
        flat = self.model.ops.to_numpy(self.model.ops.flatten(scores))
        lengths = [len(doc_scores) for doc_scores in scores]
        return decode_tags(flat, lengths, self.overlapping, self.cfg["bias"])

    def _taught(self, example: Example) -> Taught | None:
        """A teacher's probabilities for the tokens of a note, if there are any."""
        taught = Taught.of(example.reference)
        if taught is None or same_tokens(example.predicted, example.reference):
            return taught
        if not self._told_of_tokens:
            self._told_of_tokens = True
            logger.warning(
                "%s: the teacher's tokens of %r are not those of this pipeline: learned, like all "
                "such notes, from its annotations alone",
                self.name,
                example.reference._.note_id,
            )
        return None

    def _gold_mentions(self, example: Example) -> dict[str, list[Span]]:
        """The gold mentions by label; those with unknown labels are left out."""
        found: dict[str, list[Span]] = {label: [] for label in self.labels}
        for span in gold_spans(example)[1]:
            if span.label_ in found:
                found[span.label_].append(span)
            else:
                self.tell_unknown(span.label_)
        return found

    def _require_labels(self) -> None:
        if not self.cfg["labels"]:
            raise ValueError(Errors.E109.format(name=self.name))


def _without_overlaps(gold: dict[str, list[Span]], competing: bool) -> list[TokenSpan]:
    """Gold mentions that can be learned: the longest of those that overlap.

    competing (bool): Whether mentions of different labels exclude each other, too.
    """
    index = {label: number for number, label in enumerate(gold)}
    groups = [list(chain.from_iterable(gold.values()))] if competing else list(gold.values())
    kept = chain.from_iterable(map(filter_spans, groups))
    return [(span.start, span.end, index[span.label_]) for span in kept]
