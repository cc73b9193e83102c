"""Sequences of BILU scores as chains: the best path, and the probability of every tag.

A label's tags are B (opens a mention), I (goes on), L (closes) and U (is one by itself); the score
of O is 0. Between two tokens a path is outside every mention, or within one of label k. So a legal
path needs no matrix of transitions between tags: a step costs as much as there are labels, not
their square. All chains take a step at once, the longest first, so that no step goes into padding.

A chain may hold several labels, which then exclude each other at a token; labels that may overlap
stand in chains of their own. After Lafferty, McCallum and Pereira (2001), with the constraints of
the tags in place of learned transitions.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
B, I, L, U = range(4)  # noqa: E741  (the names of the tags)

# exp of more is no number any more after a few steps, and no trained score comes near.
_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class Chains:
    """Where each chain lies in rows that are laid end to end.

    starts, lengths (Ints): First row and number of rows of each chain, longest first; none empty.
    """

    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, starts: Ints, lengths: Ints) -> "Chains":
        """Put chains in order; empty ones are left out."""
        order = np.argsort(-lengths, kind="stable")
        order = order[lengths[order] > 0]
        return cls(starts[order], lengths[order])

    def steps(self) -> tuple[Ints, list[int]]:
        """All rows in the order of a walk over all chains at once.

        RETURNS (tuple[Ints, list[int]]): The rows, shape (2, n_rows): as the walk meets them from
            the chains' starts, and from their ends; and the borders of the steps. A step's rows
            are those of its longest chains, so that its first chains are those of the next.
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
    dtype (type[np.floating]): What is reckoned in. Single precision takes half of the memory, and
        probabilities are good to five digits with it.
    RETURNS (tuple[float, Floats]): The log of the sum over all legal paths of all chains, and the
        probability of each tag, shape (n_rows, n_labels, 4).
    """
    potentials = np.clip(scores, -_LIMIT, _LIMIT, dtype=dtype)
    np.exp(potentials, out=potentials)
    n_rows, n_labels, _ = scores.shape
    # Read from its end, a chain is like one read from its start, but that L opens a mention and B
    # closes it. So both directions take their steps together: index 0 forward, 1 backward. What
    # they meet is laid out in that order, and a step is a slice.
    rows, borders = chains.steps()
    opens = np.stack([potentials[rows[0], :, B], potentials[rows[1], :, L]])
    closes = np.stack([potentials[rows[0], :, L], potentials[rows[1], :, B]])
    goes_on = potentials[rows, :, I]
    stays_out = 1 + potentials[:, :, U].sum(axis=1)[rows]
    # Weights of the states on this side of each row, scaled to a sum of 1.
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
        # A chain ends outside.
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
        legal path, in the order of the rows.
    """
    n_rows, n_labels, _ = scores.shape
    (rows, _), borders = chains.steps()
    opens, goes_on, closes = (scores[rows, :, tag] for tag in (B, I, L))
    best_unit = scores[:, :, U].argmax(axis=1)
    stays_out = np.maximum(scores[np.arange(n_rows), best_unit, U], 0.0)[rows]
    # In the order of the steps: the best ways to be outside after a row, from outside and from
    # within; the label in which that mention ends; whether one open after was open before.
    ends = np.empty((n_rows, n_labels), dtype=np.float32)
    went_on = np.empty((n_rows, n_labels), dtype=bool)
    # The score of being within each label, relative to being outside.
    within = np.full((len(chains.starts), n_labels), -np.inf, dtype=np.float32)
    for start, end in pairwise(borders):
        within = within[: end - start]
        np.add(within, closes[start:end], out=ends[start:end])
        closed = np.maximum(stays_out[start:end], ends[start:end].max(axis=1))
        continued = within + goes_on[start:end]
        np.greater(continued, opens[start:end], out=went_on[start:end])
        within = np.maximum(opens[start:end], continued) - closed[:, None]
    # How each row is left towards the outside: 0 by O, 1 + k by L of k, 1 + n_labels + k by U of k.
    best_end = ends.argmax(axis=1)
    by_end = ends[np.arange(n_rows), best_end]
    how = np.where(by_end >= stays_out, 1 + best_end, 1 + n_labels + best_unit[rows])
    closing = np.empty(n_rows, dtype=np.int64)
    closing[rows] = np.where(np.maximum(by_end, stays_out) > 0, how, 0)
    went_on[rows] = went_on.copy()
    return _trace(closing, went_on)


def _trace(closing: Ints, went_on: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Follow the best paths back from the ends of the chains, where all are outside."""
    n_rows, n_labels = went_on.shape
    mentions: list[tuple[int, int, int]] = []
    first = n_rows
    # Between mentions a path comes from the row before: only rows where one ends are looked at.
    for last in np.flatnonzero(closing)[::-1].tolist():
        if last >= first:
            # Within the mention just found, where the path does not come from outside.
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
    """The probability that just these rows are one mention of their label.

    Within a mention the next tag depends on nothing before it, so the probability is that of B, by
    that of I or L given an open mention for each further row.
    marginals (Floats): From `tag_marginals`.
    first, last, labels (Ints): As `best_path` gives them.
    """
    goes_on, closes = marginals[:, :, I], marginals[:, :, L]
    is_open = np.maximum(goes_on + closes, 1e-30)
    log_on = np.log(np.maximum(goes_on / is_open, 1e-30)).astype(np.float64)
    # Sums over the inner rows are differences of running sums.
    running = np.concatenate([np.zeros((1, log_on.shape[1])), log_on.cumsum(axis=0)])
    inner = running[last, labels] - running[np.minimum(first + 1, last), labels]
    longer = marginals[first, labels, B] * np.exp(inner) * (closes / is_open)[last, labels]
    return np.where(first == last, marginals[first, labels, U], longer).astype(np.float32)
