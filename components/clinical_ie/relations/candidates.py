"""Pairs of mentions that a relation may hold between."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

Ints = NDArray[np.int64]

# Upper borders of the distance classes, in tokens between the two mentions.
DISTANCES = (0, 1, 2, 3, 5, 8, 12, 20, 35, 60)
N_DISTANCES = 2 * (len(DISTANCES) + 1)


class Schema:
    """Which types are seen in a relation with which, head first.

    pairs (Iterable[tuple[str, str]]): Types of head and tail, as met in training.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.tails: dict[str, set[str]] = {}
        for head, tail in pairs:
            self.tails.setdefault(head, set()).add(tail)

    def allows(self, head: str, tail: str) -> bool:
        return tail in self.tails.get(head, ())


@dataclass(frozen=True, slots=True)
class Candidates:
    """The mentions of one Doc and the pairs among them.

    doc (Doc): The Doc whose vectors are used.
    spans (Sequence[Span]): Its mentions.
    heads, tails (Ints): Places in `spans`, shape (n_pairs,).
    """

    doc: Doc
    spans: Sequence[Span]
    heads: Ints
    tails: Ints

    def __len__(self) -> int:
        return len(self.heads)


def find_candidates(
    doc: Doc, spans: Sequence[Span], schema: Schema, max_distance: int
) -> Candidates:
    """Pairs that the schema allows with at most `max_distance` tokens between them.

    The mentions are walked in text order and the walk ahead stops at the distance, so that the
    work grows with the number of near pairs, not with the square of the mentions.
    """
    order = sorted(range(len(spans)), key=lambda i: (spans[i].start, spans[i].end))
    heads, tails = [], []
    for place, i in enumerate(order):
        for j in order[place + 1 :]:
            if spans[j].start - spans[i].end > max_distance:
                break
            for head, tail in ((i, j), (j, i)):
                if schema.allows(spans[head].label_, spans[tail].label_):
                    heads.append(head)
                    tails.append(tail)
    return Candidates(doc, spans, np.array(heads, dtype=np.int64), np.array(tails, dtype=np.int64))


def distance_classes(candidates: Candidates) -> Ints:
    """The distance class of each pair, the first half of them for heads that come first."""
    starts = np.array([span.start for span in candidates.spans], dtype=np.int64)
    ends = np.array([span.end for span in candidates.spans], dtype=np.int64)
    heads, tails = candidates.heads, candidates.tails
    gaps = np.maximum(starts[heads] - ends[tails], starts[tails] - ends[heads])
    after = starts[heads] > starts[tails]
    return np.searchsorted(DISTANCES, np.maximum(gaps, 0)) + after * (len(DISTANCES) + 1)
