"""Between mentions and the scores of their tags.

Label i has four tags, B, I, L and U, in the columns 4i … 4i + 3 of a score array; the score of O is
0. Mentions of one label never overlap each other. Mentions of different labels may, if every label
has chains of its own (`overlapping`), or may not, if the labels of a token compete.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .chains import B, Chains, Floats, I, Ints, L, U, best_path, span_probabilities, tag_marginals

# (first token, token after the last, index of the label)
TokenSpan = tuple[int, int, int]

# A tag with less than some e^-9 of the weight of O is not looked at when decoding: most tokens lie
# in no mention, and what is left falls into many short chains, which are cheap.
_PRUNE = -9.0


@dataclass(frozen=True, slots=True)
class _Layout:
    """Scores of a batch as chains.

    scores (Floats): Shape (n_rows, labels of a chain, 4).
    rows (Ints): Where each row lies among all, shape (n_rows,).
    """

    scores: Floats
    rows: Ints
    chains: Chains


def n_tag_scores(n_labels: int) -> int:
    """How many scores a token has."""
    return 4 * n_labels


def gold_tags(spans: Sequence[TokenSpan], n_tokens: int, n_labels: int) -> Floats:
    """1 for each tag of the spans, shape (n_tokens, n_labels, 4); within a label none overlap."""
    tags = np.zeros((n_tokens, n_labels, 4), dtype=np.float32)
    for start, end, label in spans:
        if end - start == 1:
            tags[start, label, U] = 1
        else:
            tags[start, label, B] = 1
            tags[start + 1 : end - 1, label, I] = 1
            tags[end - 1, label, L] = 1
    return tags


def tag_loss(
    scores: Floats, gold: Floats, doc_lengths: Sequence[int], overlapping: bool
) -> tuple[float, Floats]:
    """The negative log-probability of the gold tags among all legal ways to tag a batch.

    scores (Floats): Shape (n_tokens, 4 * n_labels), the tokens of all Docs end to end.
    gold (Floats): From `gold_tags`, shape (n_tokens, n_labels, 4).
    RETURNS (tuple[float, Floats]): The sum over the batch, and its gradient by the scores.
    """
    layout = _lay_out(scores, doc_lengths, overlapping, -np.inf)
    log_sum, marginals = tag_marginals(layout.scores, layout.chains)
    if overlapping:
        marginals = marginals.reshape(gold.shape[1], len(scores), 4).transpose(1, 0, 2)
    loss = log_sum - float((scores.reshape(gold.shape) * gold).sum())
    return loss, (marginals - gold).reshape(scores.shape)


def decode_tags(
    scores: Floats, doc_lengths: Sequence[int], overlapping: bool
) -> list[tuple[list[TokenSpan], list[float]]]:
    """The mentions of the best legal tags (Viterbi) of each Doc, and their probabilities.

    scores (Floats): Shape (n_tokens, 4 * n_labels), the tokens of all Docs end to end.
    RETURNS (list[tuple[list[TokenSpan], list[float]]]): A Doc's spans, by first token; for each
        the model's probability of just this span and label.
    """
    layout = _lay_out(scores, doc_lengths, overlapping, _PRUNE)
    first, last, labels = best_path(layout.scores, layout.chains)
    _, marginals = tag_marginals(layout.scores, layout.chains)
    confidences = span_probabilities(marginals, first, last, labels)
    starts, ends = layout.rows[first], layout.rows[last] + 1
    if overlapping and len(scores):
        labels, starts = np.divmod(starts, len(scores))
        ends = ends - labels * len(scores)
    order = np.lexsort((ends, starts))
    offsets = np.cumsum([0, *doc_lengths])
    borders = np.searchsorted(starts[order], offsets[1:-1])
    return [
        (
            list(zip((starts[at] - offset).tolist(), (ends[at] - offset).tolist(),
                     labels[at].tolist(), strict=True)),
            confidences[at].tolist(),
        )
        for at, offset in zip(np.split(order, borders), offsets.tolist(), strict=False)
    ]  # fmt: skip


def _lay_out(
    scores: Floats, doc_lengths: Sequence[int], overlapping: bool, threshold: float
) -> _Layout:
    """Chains of neighbouring rows in which some tag's score is above the threshold."""
    n_tokens = len(scores)
    by_label = scores.reshape(n_tokens, scores.shape[1] // 4, 4)
    opens_doc = np.zeros(n_tokens, dtype=bool)
    offsets = np.cumsum([0, *doc_lengths])[:-1]
    opens_doc[offsets[offsets < n_tokens]] = True
    if overlapping:
        # Label by label, so that the rows of a chain are neighbours.
        opens_doc = np.tile(opens_doc, by_label.shape[1])
        by_label = by_label.transpose(1, 0, 2).reshape(-1, 1, 4)
    rows = np.flatnonzero((by_label > threshold).any(axis=(1, 2)))
    opens = opens_doc[rows] | (np.diff(rows, prepend=-2) > 1)
    starts = np.flatnonzero(opens)
    lengths = np.diff(starts, append=len(rows))
    return _Layout(by_label[rows], rows, Chains.of(starts, lengths))
