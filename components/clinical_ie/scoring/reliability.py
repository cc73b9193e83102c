"""Reliability of predicted scores: outcomes, and the expected calibration error."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..doc import Annotations
from .matching import equal_edges, match_pairs, normalise
from .sides import Side, link_edges

Floats = NDArray[np.float64]
N_BINS = 10


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Predicted items: their scores, and whether they are right.

    scores (Floats): Between 0 and 1, shape (n,).
    right (NDArray[np.bool_]): By the strict, one-to-one matching, shape (n,).
    """

    scores: Floats
    right: NDArray[np.bool_]

    def calibration_error(self) -> float:
        """The expected calibration error (Naeini et al. 2015), over bins of equal width.

        RETURNS (float): The mean distance between a bin's mean score and its share of right items,
            weighted by the bins' sizes; 0 if there are no items.
        """
        if not len(self.scores):
            return 0.0
        bins = np.minimum((self.scores * N_BINS).astype(int), N_BINS - 1)
        gaps = np.bincount(bins, self.scores - self.right, minlength=N_BINS)
        return float(np.abs(gaps).sum() / len(self.scores))


def outcomes(
    gold: Mapping[str, Annotations],
    predicted: Mapping[str, Annotations],
    texts: Mapping[str, str],
) -> dict[str, Outcomes]:
    """The outcomes of all predicted mentions and relations, by task.

    gold, predicted (Mapping[str, Annotations]): By note name.
    texts (Mapping[str, str]): By note name; see `normalise`.
    """
    scores: dict[str, list[float]] = {"entities": [], "relations": []}
    right: dict[str, list[bool]] = {"entities": [], "relations": []}
    empty = Annotations()
    for name in sorted(predicted):
        form = partial(normalise, text=texts[name])
        sides = [Side(notes.get(name, empty), form) for notes in (gold, predicted)]
        equal = equal_edges(sides[0].items, sides[1].items)
        links = link_edges(sides[0], sides[1], equal)
        found = {j for _, j in match_pairs(equal, len(sides[0].items), len(sides[1].items))}
        found_links = {j for _, j in match_pairs(links, len(sides[0].links), len(sides[1].links))}
        scores["entities"] += [mention.score for mention in predicted[name].mentions]
        scores["relations"] += [link.score for link in predicted[name].links]
        right["entities"] += [j in found for j in range(len(sides[1].items))]
        right["relations"] += [j in found_links for j in range(len(sides[1].links))]
    return {
        task: Outcomes(np.array(scores[task], dtype=np.float64), np.array(right[task], dtype=bool))
        for task in scores
    }
