"""The pipeline component `clinical_relations`."""

import logging
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..doc import SPANS_KEY, Annotations, scored_mentions, set_mentions, unique_ids
from ..heads.calibration import sigmoid
from ..heads.gold import all_examples, gold_spans
from ..heads.pipe import LearnedLabelsPipe, Scorer, default_model
from ..heads.taught import Taught
from ..references import is_annotated
from ..relation_list import Relation
from ..text.limit import lift_length_limit
from .candidates import Candidates, Schema, find_candidates
from .checks import check_order, check_readers
from .span_index import SpanIndex
from .targets import relation_targets

logger = logging.getLogger(__name__)

# The source of the mentions: the entity head, or someone else who wrote them to the Doc.
PREDICTED, GIVEN = "predicted", "given"


@Language.factory(
    "clinical_relations",
    requires=["doc.spans"],
    assigns=["doc._.relations"],
    default_config={
        "model": default_model("clinical_ie.RelationClassifier.v1"),
        "max_distance": 60,
        "predicted_share": 0.5,
        "scorer": {"@scorers": "clinical_ie.relation_scorer.v1"},
    },
    default_score_weights={
        "relations_strict_f": 1.0,
        "relations_strict_p": 0.0,
        "relations_strict_r": 0.0,
        "relations_lenient_f": 0.0,
    },
)
def make_clinical_relations(
    nlp: Language,
    name: str,
    model: Model,
    max_distance: int,
    predicted_share: float,
    scorer: Scorer | None,
) -> "ClinicalRelations":
    """Make the component; `model` is a `RelationClassifier`."""
    lift_length_limit(nlp)
    return ClinicalRelations(
        nlp.vocab,
        model,
        name,
        max_distance=max_distance,
        predicted_share=predicted_share,
        scorer=scorer,
    )


class ClinicalRelations(LearnedLabelsPipe):
    """Finds relations between the mentions in `doc.spans["entities"]`, whoever put them there.

    The probability of a relation is the model's, given its two mentions, times the scores of both,
    since a relation holds only if both of its mentions are right. Mentions annotated by a person
    have a score of 1. A relation is written if its probability reaches the threshold. There are two
    thresholds, since relations between predicted mentions are less probable than between given
    ones; `choose_threshold` sets them, on dev.

    vocab (Vocab): The pipeline's vocab.
    model (Model[list[Candidates], Floats2d]): Gives a score for each label at each pair.
    name (str): Name of the component in the pipeline.
    max_distance (int): Maximum number of tokens between the two mentions of a candidate.
    predicted_share (float): Share of the training Docs in which mentions predicted by the entity
        head are learned from, in addition to the gold ones.
    scorer (Scorer | None): Called with examples by `nlp.evaluate`.
    RAISES (ValueError): `max_distance` or `predicted_share` is out of range.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "clinical_relations",
        *,
        max_distance: int = 60,
        predicted_share: float = 0.5,
        scorer: Scorer | None,
    ) -> None:
        if max_distance < 0:
            raise ValueError(f"{name}: max_distance = {max_distance}: must be 0 or more tokens")
        if not 0 <= predicted_share <= 1:
            raise ValueError(
                f"{name}: predicted_share = {predicted_share}: must lie between 0 and 1"
            )
        self.vocab = vocab
        self.model = model
        self.name = name
        self.max_distance = max_distance
        self.predicted_share = predicted_share
        self.scorer = scorer
        self.cfg: dict[str, Any] = _settings([], [])

    @property
    def schema(self) -> Schema:
        """The pairs of types between which training notes have relations."""
        return Schema((head, tail) for head, tail in self.cfg["type_pairs"])

    def is_candidate(self, head: Span, tail: Span) -> bool:
        """Whether two mentions are a candidate, by their types and distance."""
        type_pair = [head.label_, tail.label_]
        return _gap(head, tail) <= self.max_distance and type_pair in self.cfg["type_pairs"]

    def choose_threshold(
        self, source: str, scores: np.ndarray, right: np.ndarray, n_gold: int, least: float = 0.0
    ) -> float | None:
        """Set the threshold that gives the best F1.

        source (str): `PREDICTED` or `GIVEN`.
        scores (np.ndarray): Raw probabilities of all relations that could be written, shape (n,).
        right (np.ndarray): Which of them are right, shape (n,).
        n_gold (int): Number of gold relations.
        least (float): The threshold is above it, since not all relations up to there are given.
        RETURNS (float | None): The threshold. None if none of them is right: it is left unchanged.
        """
        scores, right = scores[scores > least], right[scores > least]
        if not right.any():
            return None
        order = np.argsort(-scores, kind="stable")
        n_right = np.cumsum(right[order])
        ranked = np.append(scores[order], 0.0)
        f1 = 2 * n_right / (np.arange(1, len(order) + 1) + n_gold)
        # No threshold lies between equal scores, such as those nearest to 1.
        f1[ranked[1:] == ranked[:-1]] = 0.0
        best = int(f1.argmax())
        # Halfway to the next score, so that it does not depend on the last digit of one.
        threshold = float((ranked[best] + ranked[best + 1]) / 2)
        if threshold <= least:
            threshold = float((ranked[best] + least) / 2)
        self.cfg["thresholds"] = {**self.cfg["thresholds"], source: threshold}
        return threshold

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Collect labels and type pairs, and build the model for them.

        A corpus without relations is allowed: the component then finds none.
        get_examples (Callable[[], Iterable[Example]]): The training data.
        RAISES (ValueError): The config has spaCy's reader leave relations out, or the listener has
            another width than the encoder.
        """
        if nlp is not None:
            self.check_encoder(nlp)
            check_readers(self.name, nlp)
            check_order(self.name, nlp)
        examples = all_examples(get_examples, "ClinicalRelations.initialize")
        types: set[str] = set()
        linked: list[tuple[str, Span, Span]] = []
        for eg in examples:
            annotations, spans = gold_spans(eg)
            types.update(span.label_ for span in spans)
            linked += _linked(annotations, spans)
        labels = sorted({label for label, _, _ in linked})
        if not labels:
            logger.warning("%s: no relation in the training notes; none will be found", self.name)
        # A mention and itself are no candidate.
        pairs = {(head.label_, tail.label_) for _, head, tail in linked if head is not tail}
        self.cfg = _settings(labels, sorted([head, tail] for head, tail in pairs))
        self._set_reach(linked)
        self.model.attrs["types"] = sorted(types)
        self.model.set_dim("nO", max(1, len(labels)), force=True)
        schema = self.schema
        self.model.initialize(X=[self._gold_candidates(eg, schema)[0] for eg in examples[:2]])

    def measure_reach(self, examples: Iterable[Example]) -> None:
        """Record the share of the relations in training notes that are candidates."""
        self._set_reach([link for eg in examples for link in _linked(*gold_spans(eg))])

    def _set_reach(self, linked: Sequence[tuple[str, Span, Span]]) -> None:
        reached = [head is not tail and self.is_candidate(head, tail) for _, head, tail in linked]
        self.cfg["candidate_ceiling"] = sum(reached) / len(reached) if reached else None
        if reached:
            logger.info(
                "%s: %.1f%% of the training relations are candidates (at most %d tokens apart)",
                self.name,
                100 * self.cfg["candidate_ceiling"],
                self.max_distance,
            )

    def predict(self, docs: Iterable[Doc]) -> list[tuple[Candidates, np.ndarray]]:
        """Each Doc's candidates, with probabilities for each label, shape (n_pairs, n_labels)."""
        found = []
        for candidates, given in self.relate(docs):
            both = candidates.sure[candidates.heads] * candidates.sure[candidates.tails]
            found.append((candidates, given * both[:, None]))
        return found

    def relate(self, docs: Iterable[Doc]) -> list[tuple[Candidates, np.ndarray]]:
        """The same, as if all mentions were right."""
        docs = list(docs)
        self._require_initialized()
        if not docs:
            return []
        self.require_vectors(docs)
        schema = self.schema
        batch = []
        for doc in docs:
            spans, sure = _mentions_on(doc)
            batch.append(find_candidates(doc, spans, schema, self.max_distance, sure))
        scores = sigmoid(self.model.ops.to_numpy(self.model.predict(batch)))
        borders = np.cumsum([len(candidates) for candidates in batch])[:-1]
        parts = np.split(scores[:, : len(self.labels)], borders)
        return list(zip(batch, parts, strict=True))

    def set_annotations(
        self, docs: Iterable[Doc], scores: list[tuple[Candidates, np.ndarray]]
    ) -> None:
        """Write the relations above the threshold to `doc._.relations`, with calibrated scores."""
        for doc, (candidates, probabilities) in zip(docs, scores, strict=True):
            if SPANS_KEY not in doc.spans:
                ents = doc.ents
                set_mentions(doc, candidates.spans, [1.0] * len(candidates.spans))
                # With the ids that `entity_ruler` gave them, which several may share.
                doc.ents = ents
            source = GIVEN if (candidates.sure == 1.0).all() else PREDICTED
            threshold = self.cfg["thresholds"][source]
            found = np.argwhere(probabilities >= threshold)
            calibrated = self.calibration(probabilities[found[:, 0], found[:, 1]])
            doc._.relations = [
                Relation(
                    candidates.spans[candidates.heads[pair]],
                    candidates.spans[candidates.tails[pair]],
                    self.labels[label],
                    float(score),
                )
                for (pair, label), score in zip(found, calibrated, strict=True)
            ]

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from the gold mentions of a batch, and from predicted ones.

        The entity head leaves its predictions on the predicted Docs in its own update.

        RETURNS (dict[str, float]): The losses, with the mean binary cross-entropy per candidate
            added under this component's name.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ClinicalRelations.update")
        self._require_initialized()
        if not any(len(eg.predicted) for eg in examples):
            return losses
        set_dropout_rate(self.model, drop)
        schema = self.schema
        gold = [
            self._gold_candidates(eg, schema, random.random() < self.predicted_share)
            for eg in examples
        ]
        scores, backprop = self.model.begin_update([candidates for candidates, _ in gold])
        loss, gradient = self.get_loss(np.concatenate([targets for _, targets in gold]), scores)
        # Called even if the batch has no candidates: a shared encoder waits for this gradient, and
        # without it would ignore those of the other heads, too.
        backprop(gradient)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(self, targets: np.ndarray, scores: Floats2d) -> tuple[float, Floats2d]:
        """Binary cross-entropy, summed over labels and averaged over the batch's candidates."""
        logits = self.model.ops.to_numpy(scores)
        n_pairs = max(1, len(logits))
        loss = np.logaddexp(0, logits) - targets * logits
        gradient = (sigmoid(logits) - targets) / n_pairs
        return float(loss.sum() / n_pairs), self.model.ops.asarray2f(gradient)

    def _gold_candidates(
        self, example: Example, schema: Schema, with_predicted: bool = False
    ) -> tuple[Candidates, np.ndarray]:
        """Pairs of mentions, and which labels hold for them, shape (n_pairs, n_labels).

        A predicted mention takes over the relations of the gold mention of its type that it
        overlaps most, if there is one: this component does not judge whether its borders are right.
        A reference in which nobody looked for mentions gives no pairs.
        """
        annotations, spans = gold_spans(example)
        stands_for = list(range(len(spans)))
        if not is_annotated(example.reference):
            self.tell_unannotated()
        elif with_predicted:
            known = {(span.start, span.end, span.label) for span in spans}
            gold = SpanIndex(spans)
            for span in example.predicted.spans.get(SPANS_KEY, ()):
                if (span.start, span.end, span.label) not in known:
                    stands_for.append(gold.most_overlapped(span))
                    spans.append(span)
        candidates = find_candidates(example.predicted, spans, schema, self.max_distance)
        taught = Taught.of(example.reference)
        # A relation of the annotations holds, however sure the one who wrote it was.
        links = taught.links if taught else [link._replace(score=1.0) for link in annotations.links]
        of = np.array(stands_for, dtype=np.int64)
        targets, unknown = relation_targets(
            candidates, of, [mention.id for mention in annotations.mentions], links, self.labels
        )
        for label in sorted(unknown):
            self.tell_unknown(label)
        return candidates, targets

    def _require_initialized(self) -> None:
        if self.model.has_dim("nO") is None:
            raise ValueError(Errors.E109.format(name=self.name))


def _settings(labels: list[str], type_pairs: list[list[str]]) -> dict[str, Any]:
    """What a head is saved with before a calibration has chosen thresholds for its weights."""
    return {
        "labels": labels,
        "type_pairs": type_pairs,
        "candidate_ceiling": None,
        "thresholds": {PREDICTED: 0.3, GIVEN: 0.5},
    }


def _linked(annotations: Annotations, spans: Sequence[Span]) -> Iterator[tuple[str, Span, Span]]:
    """The label and the two mentions of each relation; duplicates count once.

    spans (Sequence[Span]): The mentions.
    """
    span_of = dict(zip((m.id for m in annotations.mentions), spans, strict=True))
    for label, head, tail in {link[:3] for link in annotations.links}:
        yield label, span_of[head], span_of[tail]


def _gap(head: Span, tail: Span) -> int:
    """The number of tokens between two mentions; below 0 if they overlap."""
    return int(max(head.start - tail.end, tail.start - head.end))


def _mentions_on(doc: Doc) -> tuple[list[Span], list[float]]:
    """The mentions of a Doc, and their scores; without a span group, those in `doc.ents`."""
    if SPANS_KEY in doc.spans:
        return scored_mentions(doc)
    ids = unique_ids([ent.id_ for ent in doc.ents])
    spans = [
        Span(doc, ent.start, ent.end, label=ent.label, kb_id=ent.kb_id, span_id=id_)
        for ent, id_ in zip(doc.ents, ids, strict=True)
    ]
    return spans, [1.0] * len(spans)
