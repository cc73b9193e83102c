"""Candidates: pairs of mentions between which a relation may hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

from ..text.columns import span_borders

Ints = NDArray[np.int64]

# Upper bounds of the distance classes, in tokens between the two mentions.
DISTANCES = (0, 1, 2, 3, 5, 8, 12, 20, 35, 60)
N_DISTANCES = 2 * (len(DISTANCES) + 1)


class Schema:
    """The pairs of head and tail types that occur in relations.

    pairs (Iterable[tuple[str, str]]): Types of head and tail, as seen in training.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        known = set(pairs)
        self.types = {
            label: i for i, label in enumerate(sorted({t for pair in known for t in pair}))
        }
        # The last row and column are for types that occur in no relation.
        self._allowed = np.zeros((len(self.types) + 1, len(self.types) + 1), dtype=bool)
        for head, tail in known:
            self._allowed[self.types[head], self.types[tail]] = True

    def type_ids(self, spans: Sequence[Span]) -> Ints:
        """The number of each mention's type."""
        other = len(self.types)
        return np.array([self.types.get(span.label_, other) for span in spans], dtype=np.int64)

    def allows(self, heads: Ints, tails: Ints) -> NDArray[np.bool_]:
        """Whether each pair of types, by number, is known."""
        allowed: NDArray[np.bool_] = self._allowed[heads, tails]
        return allowed


@dataclass(frozen=True, slots=True)
class Candidates:
    """The mentions of one Doc and the pairs among them.

    doc (Doc): The Doc whose vectors are used.
    spans (Sequence[Span]): Its mentions.
    sure (NDArray[np.float64]): Their scores, 1 if annotated by a person; shape (n_spans,).
    heads, tails (Ints): Indices into `spans`, shape (n_pairs,).
    """

    doc: Doc
    spans: Sequence[Span]
    sure: NDArray[np.float64]
    heads: Ints
    tails: Ints

    def __len__(self) -> int:
        return len(self.heads)


def find_candidates(
    doc: Doc,
    spans: Sequence[Span],
    schema: Schema,
    max_distance: int,
    scores: Sequence[float] | None = None,
) -> Candidates:
    """Pairs that the schema allows, with at most `max_distance` tokens between them.

    Each mention is paired with those that start within that distance of its end, so the cost grows
    with the number of near pairs, not with the square of the number of mentions.
    scores (Sequence[float] | None): Scores of the mentions; 1 by default.
    """
    starts, ends = span_borders(spans)
    order = np.lexsort((ends, starts))
    reach = np.searchsorted(starts[order], ends[order] + max_distance, side="right")
    counts = reach - np.arange(len(order)) - 1
    first = np.repeat(np.arange(len(order)), counts)
    # 1, 2, 3, … for each mention: how many places further on its partner is.
    further = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    left, right = order[first], order[first + further]
    # Both directions of a pair are candidates of their own.
    heads = np.stack([left, right], axis=1).reshape(-1)
    tails = np.stack([right, left], axis=1).reshape(-1)
    types = schema.type_ids(spans)
    kept = schema.allows(types[heads], types[tails])
    sure = np.ones(len(spans)) if scores is None else np.array(scores, dtype=np.float64)
    return Candidates(doc, spans, sure, heads[kept], tails[kept])


def distance_classes(candidates: Candidates) -> Ints:
    """The distance class of each pair; classes in the upper half are for tails that come first."""
    starts, ends = span_borders(candidates.spans)
    heads, tails = candidates.heads, candidates.tails
    gaps = np.maximum(starts[heads] - ends[tails], starts[tails] - ends[heads])
    after = starts[heads] > starts[tails]
    return np.searchsorted(DISTANCES, gaps) + after * (len(DISTANCES) + 1)
