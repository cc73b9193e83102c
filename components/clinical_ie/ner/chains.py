"""Linear chains of BILOU scores: the best path, and the probability of every tag.

A label's tags are B (begins a mention), I (continues it), L (ends it) and U (a mention of one
token); the score of O is 0. Between two tokens, a path is either outside all mentions or inside one
of label k. So no matrix of transitions is needed, and the cost of a step is linear in the number of
labels. All chains are processed together, longest first, so that no step is spent on padding.

The labels of a chain exclude each other at a token; labels that may overlap have chains of their
own. After Lafferty, McCallum and Pereira (2001), with the constraints of the tags in place of
learned transitions.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
B, I, L, U = range(4)  # noqa: E741  (the names of the tags)

# The exponentials of larger scores would overflow after a few steps; trained ones are far smaller.
_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class Chains:
    """The place of each chain in concatenated rows.

    starts, lengths (Ints): First row and number of rows of each chain, longest first.
    """

    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, starts: Ints, lengths: Ints) -> "Chains":
        """Sort chains by length."""
        order = np.argsort(-lengths, kind="stable")
        return cls(starts[order], lengths[order])

    def steps(self) -> tuple[Ints, list[int]]:
        """All rows, in the order in which all chains are walked in parallel.

        RETURNS (tuple[Ints, list[int]]): The rows, shape (2, n_rows), walked forward from the
            chains' starts and backward from their ends; and the borders of the steps in both. The
            chains of a step are the first ones of the step before, since the longest come first.
        """
        longest = int(self.lengths[0]) if len(self.lengths) else 0
        counts = np.searchsorted(-self.lengths, -np.arange(longest), side="left")
        borders = np.cumsum([0, *counts])
        place = np.repeat(np.arange(longest), counts)
        chain = np.arange(borders[-1]) - np.repeat(borders[:-1], counts)
        starts, lasts = self.starts[chain], (self.starts + self.lengths - 1)[chain]
        return np.stack([starts + place, lasts - place]), borders.tolist()


def tag_marginals(
    scores: Floats, chains: Chains, dtype: type[np.floating] = np.float64
) -> tuple[float, Floats]:
    """The forward-backward algorithm.

    scores (Floats): Shape (n_rows, n_labels, 4), each row in one chain.
    dtype (type[np.floating]): Precision of the computation. Single precision takes half the memory,
        and gives probabilities to five digits.
    RETURNS (tuple[float, Floats]): The log of the partition function, summed over all chains, and
        the probability of each tag, shape (n_rows, n_labels, 4).
    """
    potentials = np.clip(scores, -_LIMIT, _LIMIT, dtype=dtype)
    np.exp(potentials, out=potentials)
    n_rows, n_labels, _ = scores.shape
    # Read backward, a chain is the same except that L begins a mention and B ends it. So both
    # directions run together: index 0 is forward, 1 backward. Potentials are sorted into the order
    # of the walk, so that a step is a slice.
    rows, borders = chains.steps()
    opens = np.stack([potentials[rows[0], :, B], potentials[rows[1], :, L]])
    closes = np.stack([potentials[rows[0], :, L], potentials[rows[1], :, B]])
    goes_on = potentials[rows, :, I]
    stays_out = 1 + potentials[:, :, U].sum(axis=1)[rows]
    # Weights of the states before each row in the direction of the walk, normalized to sum to 1.
    outside_of, within_of = np.empty((2, n_rows), dtype), np.empty((2, n_rows, n_labels), dtype)
    scales = np.empty((2, n_rows), dtype)
    outside = np.ones((2, len(chains.starts)), dtype)
    within = np.zeros((2, len(chains.starts), n_labels), dtype)
    for start, end, following in zip(borders, borders[1:], [*borders[2:], n_rows], strict=False):
        outside, within = outside[:, : end - start], within[:, : end - start]
        outside_of[:, start:end], within_of[:, start:end] = outside, within
        closing = np.einsum("dck,dck->dc", within, closes[:, start:end])
        closing += outside * stays_out[:, start:end]
        within = within * goes_on[:, start:end]
        within += outside[:, :, None] * opens[:, start:end]
        # A chain must end outside all mentions.
        within[:, following - end :] = 0.0
        scale = closing + within.sum(axis=2)
        scales[:, start:end] = scale
        outside, within = closing / scale, within / scale[:, :, None]
    del opens, closes, goes_on
    backward = np.empty(n_rows, dtype=np.int64)
    forward, backward[rows[1]] = rows[0].argsort(), np.arange(n_rows)
    out_before, in_before = outside_of[0, forward], within_of[0, forward]
    out_after, in_after = outside_of[1, backward], within_of[1, backward]
    del within_of
    marginals = potentials
    marginals[:, :, B] *= out_before[:, None] * in_after
    marginals[:, :, I] *= in_before * in_after
    marginals[:, :, L] *= in_before * out_after[:, None]
    marginals[:, :, U] *= (out_before * out_after)[:, None]
    total = out_before * out_after + marginals.sum(axis=(1, 2))
    marginals /= total[:, None, None]
    return float(np.log(scales[0]).sum()), marginals.astype(np.float32, copy=False)


def best_path(scores: Floats, chains: Chains) -> tuple[Ints, Ints, Ints]:
    """The Viterbi algorithm.

    scores (Floats): Shape (n_rows, n_labels, 4), each row in one chain.
    RETURNS (tuple[Ints, Ints, Ints]): First row, last row and label of each mention on the best
        legal path, in row order.
    """
    n_rows, n_labels, _ = scores.shape
    (rows, _), borders = chains.steps()
    opens, goes_on, closes = (scores[rows, :, tag] for tag in (B, I, L))
    best_unit = scores[:, :, U].argmax(axis=1)
    stays_out = np.maximum(scores[np.arange(n_rows), best_unit, U], 0.0)[rows]
    # In step order: the score of ending a mention of each label at a row, and whether a mention
    # open after the row was already open before it.
    ends = np.empty((n_rows, n_labels), dtype=np.float32)
    went_on = np.empty((n_rows, n_labels), dtype=bool)
    # The score of being inside a mention of each label, relative to being outside.
    within = np.full((len(chains.starts), n_labels), -np.inf, dtype=np.float32)
    for start, end in pairwise(borders):
        within = within[: end - start]
        np.add(within, closes[start:end], out=ends[start:end])
        closed = np.maximum(stays_out[start:end], ends[start:end].max(axis=1))
        continued = within + goes_on[start:end]
        np.greater(continued, opens[start:end], out=went_on[start:end])
        within = np.maximum(opens[start:end], continued) - closed[:, None]
    # The tag of each row with which the best path is outside after it: 0 for O, 1 + k for L of
    # label k, 1 + n_labels + k for U of label k.
    best_end = ends.argmax(axis=1)
    by_end = ends[np.arange(n_rows), best_end]
    how = np.where(by_end >= stays_out, 1 + best_end, 1 + n_labels + best_unit[rows])
    closing = np.empty(n_rows, dtype=np.int64)
    closing[rows] = np.where(np.maximum(by_end, stays_out) > 0, how, 0)
    went_on[rows] = went_on.copy()
    return _trace(closing, went_on)


def _trace(closing: Ints, went_on: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Trace the best paths back from the ends of the chains, where all are outside."""
    n_rows, n_labels = went_on.shape
    mentions: list[tuple[int, int, int]] = []
    first = n_rows
    # Between mentions, the path goes through O, so only rows where a mention ends are visited.
    for last in np.flatnonzero(closing)[::-1].tolist():
        if last >= first:
            # Inside the mention found last, so not on the path.
            continue
        is_unit, label = divmod(int(closing[last]) - 1, n_labels)
        first = last
        if not is_unit:
            first -= 1
            while went_on[first, label]:
                first -= 1
        mentions.append((first, last, label))
    columns = np.array(mentions[::-1], dtype=np.int64).reshape(-1, 3)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def span_probabilities(marginals: Floats, first: Ints, last: Ints, labels: Ints) -> Floats:
    """The probability that exactly these rows are a mention of their label.

    It is the probability of B, times that of I or L given an open mention for each further row: in
    an open mention, the next tag does not depend on anything before.
    marginals (Floats): From `tag_marginals`.
    first, last, labels (Ints): As `best_path` gives them.
    """
    goes_on, closes = marginals[:, :, I], marginals[:, :, L]
    is_open = np.maximum(goes_on + closes, 1e-30)
    log_on = np.log(np.maximum(goes_on / is_open, 1e-30)).astype(np.float64)
    # The sum over a mention's inner rows is a difference of running sums.
    running = np.concatenate([np.zeros((1, log_on.shape[1])), log_on.cumsum(axis=0)])
    inner = running[last, labels] - running[np.minimum(first + 1, last), labels]
    longer = marginals[first, labels, B] * np.exp(inner) * (closes / is_open)[last, labels]
    return np.where(first == last, marginals[first, labels, U], longer).astype(np.float32)
