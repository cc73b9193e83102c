"""Encode mentions as tags, and decode tag scores into mentions.

Label i has four tags, B, I, L and U, in the columns 4i … 4i + 3 of a score array; the score of O is
0. The same scores are used in two ways. In one, labels compete and mentions do not overlap, which
teaches the model to tell types apart. In the other, each label is decoded by itself, so mentions of
different labels may overlap; those of one label never do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chains import B, Chains, Floats, I, Ints, L, U, best_path, span_probabilities, tag_marginals

# (first token, token after the last, index of the label)
TokenSpan = tuple[int, int, int]

# Minimum probability of a mention added to others on the same words.
SURE = 0.7
# Minimum probability of a mention that replaces an overlapping one of its label; lower values lost
# more than they gained (MACCROBAT dev).
CERTAIN = 0.9

# Decoding skips tokens whose tags all have less than e^-7, a thousandth, of the weight of O: most
# tokens are in no mention, and the others form many short chains, which are cheap. Since not every
# model is that confident, chains are also cut at the token of each stretch that is least like a
# mention, if its tags all have less than e^-3, a twentieth, of the weight of O.
_PRUNE = -7.0
_CUT = -3.0
_STRETCH = 128

# Rows times labels for which probabilities are computed together; chains are never split.
_SCORES_AT_ONCE = 2**19


@dataclass(frozen=True, slots=True)
class _Layout:
    """The scores of a batch, arranged in chains.

    scores (Floats): Shape (n_rows, labels of a chain, 4).
    rows (Ints): The index of each row before rows were left out, shape (n_rows,).
    chains (Chains): Places of the chains in `scores`.
    """

    scores: Floats
    rows: Ints
    chains: Chains

    def parts(self) -> Iterator["_Layout"]:
        """Split into parts, to bound the memory that a long note takes."""
        by_start = np.argsort(self.chains.starts)
        starts, lengths = self.chains.starts[by_start], self.chains.lengths[by_start]
        part_of = starts * self.scores.shape[1] // _SCORES_AT_ONCE
        for chains in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(part_of)) + 1):
            if len(chains):
                start, last = starts[chains[0]], chains[-1]
                part = slice(start, starts[last] + lengths[last])
                of_part = Chains.of(starts[chains] - start, lengths[chains])
                yield _Layout(self.scores[part], self.rows[part], of_part)

    def around(self, places: Ints) -> tuple["_Layout", Ints]:
        """Only the chains that contain the given rows, and how far each of these rows moves."""
        by_start = np.argsort(self.chains.starts)
        starts, lengths = self.chains.starts[by_start], self.chains.lengths[by_start]
        used, at = np.unique(np.searchsorted(starts, places, side="right") - 1, return_inverse=True)
        starts, lengths = starts[used], lengths[used]
        ends = lengths.cumsum()
        moves = ends - lengths - starts
        rows = np.arange(lengths.sum()) - moves.repeat(lengths)
        chains = Chains.of(ends - lengths, lengths)
        return _Layout(self.scores[rows], self.rows[rows], chains), moves[at]


def n_tag_scores(n_labels: int) -> int:
    """The number of scores per token."""
    return 4 * n_labels


def gold_tags(spans: Sequence[TokenSpan], n_tokens: int, n_labels: int) -> Floats:
    """1 for each tag of the spans, shape (n_tokens, n_labels, 4). No two of a label may overlap."""
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
    scores: Floats, gold: Floats, doc_lengths: Sequence[int], competing: bool
) -> tuple[float, Floats]:
    """The negative log-probability of the gold tags among all legal taggings of a batch.

    scores (Floats): Shape (n_tokens, 4 * n_labels), all Docs concatenated.
    gold (Floats): From `gold_tags`, shape (n_tokens, n_labels, 4); without any overlap if labels
        compete. Or a teacher's probabilities of these tags: then it is the cross-entropy of both
        distributions over taggings, and its gradient, that of their divergence.
    competing (bool): Whether labels exclude each other at a token.
    RETURNS (tuple[float, Floats]): The sum over the batch, and its gradient with respect to the
        scores.
    """
    log_sum, marginals = tag_probabilities(scores, doc_lengths, competing)
    loss = log_sum - float((scores.reshape(gold.shape) * gold).sum())
    return loss, (marginals - gold).reshape(scores.shape)


def tag_probabilities(
    scores: Floats, doc_lengths: Sequence[int], competing: bool
) -> tuple[float, Floats]:
    """The probability of each tag at each token.

    scores (Floats): Shape (n_tokens, 4 * n_labels), all Docs concatenated.
    competing (bool): Whether labels exclude each other at a token.
    RETURNS (tuple[float, Floats]): The log of the sum over all legal taggings, and the
        probabilities, shape (n_tokens, n_labels, 4).
    """
    by_label = _by_label(scores, 0.0)
    layout = _lay_out(by_label, doc_lengths, competing)
    log_sum, marginals = tag_marginals(layout.scores, layout.chains)
    if not competing:
        marginals = marginals.reshape(by_label.shape[1], len(scores), 4).transpose(1, 0, 2)
    return log_sum, marginals


def decode_tags(
    scores: Floats, doc_lengths: Sequence[int], overlapping: bool, bias: float = 0.0
) -> list[tuple[list[TokenSpan], list[float]]]:
    """Decode each Doc's mentions with the Viterbi algorithm, and give their probabilities.

    scores (Floats): Shape (n_tokens, 4 * n_labels), all Docs concatenated.
    overlapping (bool): Add to the best path with competing labels those mentions of the best path
        of each label that are probable (`SURE`) and overlap only mentions of other labels, or that
        are almost certain (`CERTAIN`), which replace overlapping mentions of their label.
    bias (float): Added to the score of every mention; above 0 finds more of them.
    RETURNS (list[tuple[list[TokenSpan], list[float]]]): Each Doc's spans, by first token, and the
        model's probability of exactly this span and label for each.
    """
    by_label = _by_label(scores, bias)
    flat = _best_mentions(by_label, doc_lengths)
    if not overlapping:
        return _by_doc(flat, doc_lengths)
    alone = _best_mentions(by_label, doc_lengths, beside=flat)
    clash = _same_label_overlap(alone, flat)
    sure = alone.select(alone.scores >= np.where(clash, CERTAIN, SURE))
    # A mention is dropped if one of its label that overlaps it is added.
    flat = flat.select(~_same_label_overlap(flat, sure))
    return _by_doc(_Mentions.joined([flat, sure]), doc_lengths)


def best_spans(
    scores: Floats, doc_lengths: Sequence[int], bias: float = 0.0
) -> list[list[TokenSpan]]:
    """The spans that `decode_tags` finds without overlaps, without probabilities; several times as
    fast."""
    layout = _lay_out(_by_label(scores, bias), doc_lengths, True, decoding=True)
    first, last, labels = best_path(layout.scores, layout.chains)
    unscored = np.zeros(len(first), dtype=np.float32)
    mentions = _Mentions(layout.rows[first], layout.rows[last] + 1, labels, unscored)
    return [spans for spans, _ in _by_doc(mentions, doc_lengths)]


class _Mentions(NamedTuple):
    """First token, token after the last, label and probability, each of shape (n_mentions,)."""

    starts: Ints
    ends: Ints
    labels: Ints
    scores: Floats

    def select(self, which: NDArray[np.bool_]) -> "_Mentions":
        """The mentions for which `which` is true."""
        return _Mentions(
            self.starts[which], self.ends[which], self.labels[which], self.scores[which]
        )

    def keys(self, n_tokens: int) -> Ints:
        """A number for each mention, equal only for the same tokens and label."""
        return (self.labels * n_tokens + self.starts) * (n_tokens + 1) + self.ends

    @classmethod
    def joined(cls, parts: Sequence["_Mentions"]) -> "_Mentions":
        """The mentions of all parts."""
        starts, ends, labels, scores = map(np.concatenate, zip(*parts, strict=True))
        return cls(starts, ends, labels, scores)


_NO_PLACES = np.zeros(0, dtype=np.int64)
_NOTHING = _Mentions(_NO_PLACES, _NO_PLACES, _NO_PLACES, np.zeros(0, dtype=np.float32))


def _by_label(scores: Floats, bias: float) -> Floats:
    """Scores in the shape (n_tokens, n_labels, 4), with the bias added to B and U."""
    by_label = scores.reshape(len(scores), scores.shape[1] // 4, 4)
    return by_label + np.array([bias, 0, 0, bias], dtype=np.float32) if bias else by_label


def _by_doc(
    mentions: _Mentions, doc_lengths: Sequence[int]
) -> list[tuple[list[TokenSpan], list[float]]]:
    """Split a batch's mentions by Doc, with offsets relative to the Doc, and their scores."""
    order = np.lexsort((mentions.ends, mentions.starts))
    offsets = np.cumsum([0, *doc_lengths])
    borders = np.searchsorted(mentions.starts[order], offsets[1:-1])
    docs = []
    for at, offset in zip(np.split(order, borders), offsets.tolist(), strict=False):
        columns = mentions.starts[at] - offset, mentions.ends[at] - offset, mentions.labels[at]
        spans = list(zip(*(column.tolist() for column in columns), strict=True))
        docs.append((spans, mentions.scores[at].tolist()))
    return docs


def _best_mentions(
    by_label: Floats, doc_lengths: Sequence[int], beside: _Mentions | None = None
) -> _Mentions:
    """The mentions on the best path of each chain.

    beside (_Mentions | None): If given, each label is decoded by itself, and only mentions that are
        not among these are returned; if None, labels compete.
    """
    n_tokens = len(by_label)
    known = None if beside is None else beside.keys(n_tokens)
    parts = [_NOTHING]
    for layout in _lay_out(by_label, doc_lengths, beside is None, decoding=True).parts():
        first, last, labels = best_path(layout.scores, layout.chains)
        starts, ends = layout.rows[first], layout.rows[last] + 1
        if beside is not None:
            labels, starts = np.divmod(starts, n_tokens)
            ends = ends - labels * n_tokens
        found = _Mentions(starts, ends, labels, np.zeros(len(first), dtype=np.float32))
        if known is not None:
            new = np.isin(found.keys(n_tokens), known, invert=True)
            found, first, last = found.select(new), first[new], last[new]
        # Only for chains with mentions: most have none, and probabilities cost more than the path.
        chains, moves = layout.around(first)
        _, marginals = tag_marginals(chains.scores, chains.chains, np.float32)
        columns = found.labels if beside is None else np.zeros_like(first)
        scores = span_probabilities(marginals, first + moves, last + moves, columns)
        parts.append(found._replace(scores=scores))
    return _Mentions.joined(parts)


def _same_label_overlap(mentions: _Mentions, others: _Mentions) -> NDArray[np.bool_]:
    """Which mentions overlap one of the others with the same label."""
    result = np.zeros(len(mentions.starts), dtype=bool)
    for label in np.unique(mentions.labels):
        ours, theirs = mentions.labels == label, others.labels == label
        # The others of a label are sorted and disjoint, so both starts and ends are sorted.
        before = np.searchsorted(others.ends[theirs], mentions.starts[ours], side="right")
        until = np.searchsorted(others.starts[theirs], mentions.ends[ours], side="left")
        result[ours] = until > before
    return result


def _lay_out(
    by_label: Floats, doc_lengths: Sequence[int], competing: bool, decoding: bool = False
) -> _Layout:
    """Arrange the rows of each Doc in a chain, or, for decoding, those that may be in mentions."""
    n_tokens = len(by_label)
    opens = np.zeros(n_tokens, dtype=bool)
    offsets = np.cumsum([0, *doc_lengths])
    opens[offsets[offsets < n_tokens]] = True
    if not competing:
        # Label by label, so that the rows of a chain are contiguous.
        opens = np.tile(opens, by_label.shape[1])
        by_label = by_label.transpose(1, 0, 2).reshape(-1, 1, 4)
    if decoding:
        rows, starts, lengths = _with_mentions(by_label.max(axis=(1, 2)), opens)
        return _Layout(by_label[rows], rows, Chains.of(starts, lengths))
    starts = np.flatnonzero(opens)
    lengths = np.diff(starts, append=len(opens))
    return _Layout(by_label, np.arange(len(opens)), Chains.of(starts, lengths))


def _surest_of_stretches(best: Floats, docs: Ints) -> Ints:
    """The row that is least like a mention in each full stretch of a Doc.

    Stretches begin at the Doc's first row, so that results do not depend on the rest of the batch.
    best (Floats): The score of each row's best tag, shape (n_rows,).
    docs (Ints): The Doc of each row, in order, shape (n_rows,).
    """
    starts, sizes = np.unique(docs, return_index=True, return_counts=True)[1:]
    firsts = np.concatenate([
        np.zeros(0, dtype=np.int64),
        *(start + np.arange(0, size - size % _STRETCH, _STRETCH)
          for start, size in zip(starts, sizes, strict=True)),
    ])  # fmt: skip
    stretches = best[firsts[:, None] + np.arange(_STRETCH)]
    return np.asarray(firsts + stretches.argmin(axis=1))


def _with_mentions(strongest: Floats, opens: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """The rows that may be in a mention, and first rows and lengths of the chains they form.

    strongest (Floats): The score of each row's best tag, shape (n_rows,).
    opens (NDArray[np.bool_]): Which rows are the first of a Doc.
    """
    rows = np.flatnonzero(strongest > _PRUNE)
    best = strongest[rows]
    docs = np.cumsum(opens, dtype=np.int64)[rows]
    cuts = (np.diff(docs, prepend=-1) > 0) | (np.diff(rows, prepend=-2) > 1)
    surest = _surest_of_stretches(best, docs)
    cuts[surest[best[surest] < _CUT]] = True
    starts = np.flatnonzero(cuts)
    lengths = np.diff(starts, append=len(rows))
    if len(rows):
        # A mention can beat O on all its tokens only if at least one of its tags beats O.
        hopeful = np.maximum.reduceat(best, starts) > 0
        rows, lengths = rows[np.repeat(hopeful, lengths)], lengths[hopeful]
    return rows, np.cumsum(lengths) - lengths, lengths
