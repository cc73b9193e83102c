"""The pipeline component `clinical_relations`."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from spacy.errors import Errors
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.vocab import Vocab
from thinc.api import Model, Optimizer, set_dropout_rate
from thinc.types import Floats2d

from ..doc import SPANS_KEY, Relation
from ..gold import gold_spans
from ..pipe import LearnedLabelsPipe, Scorer, default_model
from .candidates import Candidates, Schema, find_candidates

logger = logging.getLogger(__name__)


@Language.factory(
    "clinical_relations",
    requires=["doc.spans"],
    assigns=["doc._.relations"],
    default_config={
        "model": default_model("clinical_ie.RelationClassifier.v1"),
        "max_distance": 60,
        "threshold": 0.5,
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
    threshold: float,
    scorer: Scorer | None,
) -> "ClinicalRelations":
    """Make the component; `model` is a `RelationClassifier`."""
    return ClinicalRelations(
        nlp.vocab, model, name, max_distance=max_distance, threshold=threshold, scorer=scorer
    )


class ClinicalRelations(LearnedLabelsPipe):
    """Finds relations between the mentions in `doc.spans["entities"]`, whoever put them there.

    vocab (Vocab): The pipeline's.
    model (Model[list[Candidates], Floats2d]): Scores for each label at each pair.
    name (str): Name of the component in the pipeline.
    max_distance (int): Most tokens between two mentions that are looked at as a pair.
    threshold (float): Least probability of a relation that is written, between 0 and 1.
    scorer (Scorer | None): Called with examples by `nlp.evaluate`.
    RAISES (ValueError): `max_distance` or `threshold` out of range.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model,
        name: str = "clinical_relations",
        *,
        max_distance: int,
        threshold: float,
        scorer: Scorer | None,
    ) -> None:
        if max_distance < 0:
            raise ValueError(f"{name}: max_distance = {max_distance}: must be 0 or more tokens")
        if not 0 < threshold < 1:
            raise ValueError(f"{name}: threshold = {threshold}: must lie between 0 and 1")
        self.vocab = vocab
        self.model = model
        self.name = name
        self.max_distance = max_distance
        self.threshold = threshold
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": [], "type_pairs": [], "candidate_ceiling": None}

    @property
    def schema(self) -> Schema:
        """The pairs of types that a relation was seen between in training."""
        return Schema((head, tail) for head, tail in self.cfg["type_pairs"])

    def is_candidate(self, head: Span, tail: Span) -> bool:
        """Whether the two mentions are looked at as a pair: their types, and the distance."""
        gap = max(head.start - tail.end, tail.start - head.end)
        return gap <= self.max_distance and self.schema.allows(head.label_, tail.label_)

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
    ) -> None:
        """Learn labels and type schema, and build the model for them.

        A corpus without a relation is allowed: the component then finds none.
        get_examples (Callable[[], Iterable[Example]]): The training data.
        """
        validate_get_examples(get_examples, "ClinicalRelations.initialize")
        examples = list(get_examples())
        labels: set[str] = set()
        types: set[str] = set()
        pairs: set[tuple[str, str]] = set()
        for eg in examples:
            annotations, _ = gold_spans(eg)
            type_of = {mention.id: mention.label for mention in annotations.mentions}
            types.update(type_of.values())
            labels.update(link.label for link in annotations.links)
            pairs.update((type_of[link.head], type_of[link.tail]) for link in annotations.links)
        if not labels:
            logger.warning("%s: no relation in the training notes; none will be found", self.name)
        self.cfg["labels"] = sorted(labels)
        self.cfg["type_pairs"] = sorted([head, tail] for head, tail in pairs)
        self.cfg["candidate_ceiling"] = self._ceiling(examples)
        if self.cfg["candidate_ceiling"] is not None:
            logger.info(
                "%s: %.1f%% of the training relations are candidates (at most %d tokens apart)",
                self.name,
                100 * self.cfg["candidate_ceiling"],
                self.max_distance,
            )
        self.model.attrs["types"] = sorted(types)
        self.model.set_dim("nO", max(1, len(labels)))
        self.model.initialize(X=[self._gold_candidates(eg)[0] for eg in examples[:2]])

    def predict(self, docs: Iterable[Doc]) -> list[tuple[Candidates, np.ndarray]]:
        """Candidates of each Doc with the probability of each label, shape (n_pairs, n_labels)."""
        docs = list(docs)
        if self.model.has_dim("nO") is None:
            raise ValueError(Errors.E109.format(name=self.name))
        schema = self.schema
        batch = [
            find_candidates(doc, list(doc.spans.get(SPANS_KEY, ())), schema, self.max_distance)
            for doc in docs
        ]
        scores = _sigmoid(self.model.ops.to_numpy(self.model.predict(batch)))
        borders = np.cumsum([len(candidates) for candidates in batch])[:-1]
        return list(zip(batch, np.split(scores, borders), strict=True))

    def set_annotations(
        self, docs: Iterable[Doc], scores: list[tuple[Candidates, np.ndarray]]
    ) -> None:
        """Write the relations above the threshold to `doc._.relations`, with calibrated scores."""
        calibration = self.calibration
        for doc, (candidates, probabilities) in zip(docs, scores, strict=True):
            found = np.argwhere(probabilities[:, : len(self.labels)] >= self.threshold)
            doc._.relations = [
                Relation(
                    candidates.spans[candidates.heads[pair]],
                    candidates.spans[candidates.tails[pair]],
                    self.labels[label],
                    float(score),
                )
                for (pair, label), score in zip(
                    found, calibration(probabilities[found[:, 0], found[:, 1]]), strict=True
                )
            ]

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from the gold mentions of a batch.

        RETURNS (dict[str, float]): The losses, with the mean binary cross-entropy of a candidate
            under this component's name.
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "ClinicalRelations.update")
        set_dropout_rate(self.model, drop)
        gold = [self._gold_candidates(eg) for eg in examples]
        scores, backprop = self.model.begin_update([candidates for candidates, _ in gold])
        loss, gradient = self.get_loss(np.concatenate([targets for _, targets in gold]), scores)
        # Called for a batch without candidates too: a shared encoder waits for this gradient, and
        # without it would lose the other heads' as well.
        backprop(gradient)
        if sgd is not None:
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(self, targets: np.ndarray, scores: Floats2d) -> tuple[float, Floats2d]:
        """Binary cross-entropy of each label, a mean over the batch's candidates."""
        logits = self.model.ops.to_numpy(scores)
        n_pairs = max(1, len(logits))
        loss = np.logaddexp(0, logits) - targets * logits
        gradient = (_sigmoid(logits) - targets) / n_pairs
        return float(loss.sum() / n_pairs), self.model.ops.asarray2f(gradient)

    def _gold_candidates(self, example: Example) -> tuple[Candidates, np.ndarray]:
        """Pairs of gold mentions, and which labels hold for them, shape (n_pairs, n_labels)."""
        annotations, spans = gold_spans(example)
        candidates = find_candidates(example.predicted, spans, self.schema, self.max_distance)
        place = {mention.id: i for i, mention in enumerate(annotations.mentions)}
        index = {label: i for i, label in enumerate(self.labels)}
        held: dict[tuple[int, int], set[int]] = {}
        for link in annotations.links:
            if link.label in index:
                pair = place[link.head], place[link.tail]
                held.setdefault(pair, set()).add(index[link.label])
        targets = np.zeros((len(candidates), max(1, len(self.labels))), dtype=np.float32)
        for row, pair in enumerate(zip(candidates.heads, candidates.tails, strict=True)):
            targets[row, list(held.get(pair, ()))] = 1.0
        return candidates, targets

    def _ceiling(self, examples: Sequence[Example]) -> float | None:
        """The share of gold relations that are among the candidates; None without any."""
        n_gold = sum(len(gold_spans(eg)[0].links) for eg in examples)
        n_reached = sum(self._gold_candidates(eg)[1].sum() for eg in examples)
        return float(n_reached / n_gold) if n_gold else None


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
