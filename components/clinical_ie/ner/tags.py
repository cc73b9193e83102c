"""Between mentions and the scores of their tags.

Label i has four tags, B, I, L and U, in the columns 4i … 4i + 3 of a score array; the score of O is
0. The same scores are read in two ways. In one the labels of a token compete, and mentions do not
overlap: that is what tells types apart. In the other each label stands alone, so that mentions of
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

# The least probability of a mention that stands beside another on the same words.
SURE = 0.7
# And of one that takes the place of another with its label, of which some tokens are gone: with
# less, more was lost than won (MACCROBAT dev).
CERTAIN = 0.9

# A token whose tags all have less than e^-7, a thousandth, of the weight of O is not looked at when
# decoding: most tokens lie in no mention, and what is left falls into many short chains, which are
# cheap. Since not every model is as sure as that, no mention goes across the surest token of each
# stretch, if its tags all have less than e^-3, a twentieth.
_PRUNE = -7.0
_CUT = -3.0
_STRETCH = 128

# Rows times labels for which probabilities are made together; a chain is not cut for it.
_SCORES_AT_ONCE = 2**19


@dataclass(frozen=True, slots=True)
class _Layout:
    """Scores of a batch as chains.

    scores (Floats): Shape (n_rows, labels of a chain, 4).
    rows (Ints): Where each row lies among all, shape (n_rows,).
    """

    scores: Floats
    rows: Ints
    chains: Chains

    def parts(self) -> Iterator["_Layout"]:
        """The same in parts, so that not all is there at once that is made of a long note."""
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
        """The chains alone in which the places lie, and how far each place is moved by that."""
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
    scores: Floats, gold: Floats, doc_lengths: Sequence[int], competing: bool
) -> tuple[float, Floats]:
    """The negative log-probability of the gold tags among all legal ways to tag a batch.

    scores (Floats): Shape (n_tokens, 4 * n_labels), the tokens of all Docs end to end.
    gold (Floats): From `gold_tags`, shape (n_tokens, n_labels, 4); without any overlap where the
        labels compete.
    RETURNS (tuple[float, Floats]): The sum over the batch, and its gradient by the scores.
    """
    layout = _lay_out(scores.reshape(gold.shape), doc_lengths, competing)
    log_sum, marginals = tag_marginals(layout.scores, layout.chains)
    if not competing:
        marginals = marginals.reshape(gold.shape[1], len(scores), 4).transpose(1, 0, 2)
    loss = log_sum - float((scores.reshape(gold.shape) * gold).sum())
    return loss, (marginals - gold).reshape(scores.shape)


def decode_tags(
    scores: Floats, doc_lengths: Sequence[int], overlapping: bool, bias: float = 0.0
) -> list[tuple[list[TokenSpan], list[float]]]:
    """The mentions of the best legal tags (Viterbi) of each Doc, and their probabilities.

    scores (Floats): Shape (n_tokens, 4 * n_labels), the tokens of all Docs end to end.
    overlapping (bool): Beside the mentions of the best path on which labels compete, take those
        that are probable by themselves (`SURE`) and overlap only mentions of other labels, and
        those that are all but certain (`CERTAIN`), in the place of what that path has of them.
    bias (float): Added to the score of every mention; above 0 finds more of them.
    RETURNS (list[tuple[list[TokenSpan], list[float]]]): A Doc's spans, by first token; for each
        the model's probability of just this span and label.
    """
    by_label = _by_label(scores, bias)
    flat = _best_mentions(by_label, doc_lengths)
    if not overlapping:
        return _by_doc(flat, doc_lengths)
    alone = _best_mentions(by_label, doc_lengths, beside=flat)
    clash = _same_label_overlap(alone, flat)
    sure = alone.select(alone.scores >= np.where(clash, CERTAIN, SURE))
    # What is left of a mention where another one took some of its tokens.
    flat = flat.select(~_same_label_overlap(flat, sure))
    return _by_doc(_Mentions.joined([flat, sure]), doc_lengths)


def best_spans(
    scores: Floats, doc_lengths: Sequence[int], bias: float = 0.0
) -> list[list[TokenSpan]]:
    """The spans alone that `decode_tags` finds where none may overlap; several times as fast."""
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
        """Some of them."""
        return _Mentions(
            self.starts[which], self.ends[which], self.labels[which], self.scores[which]
        )

    def keys(self, n_tokens: int) -> Ints:
        """A number for each, the same for the same tokens and label."""
        return (self.labels * n_tokens + self.starts) * (n_tokens + 1) + self.ends

    @classmethod
    def joined(cls, parts: Sequence["_Mentions"]) -> "_Mentions":
        """The mentions of all parts."""
        starts, ends, labels, scores = map(np.concatenate, zip(*parts, strict=True))
        return cls(starts, ends, labels, scores)


_NO_PLACES = np.zeros(0, dtype=np.int64)
_NOTHING = _Mentions(_NO_PLACES, _NO_PLACES, _NO_PLACES, np.zeros(0, dtype=np.float32))


def _by_label(scores: Floats, bias: float) -> Floats:
    """Scores in the shape (n_tokens, n_labels, 4), with what opens a mention, B or U, favoured."""
    by_label = scores.reshape(len(scores), scores.shape[1] // 4, 4)
    return by_label + np.array([bias, 0, 0, bias], dtype=np.float32) if bias else by_label


def _by_doc(
    mentions: _Mentions, doc_lengths: Sequence[int]
) -> list[tuple[list[TokenSpan], list[float]]]:
    """Mentions of a batch, Doc by Doc and counted from its first token, with their scores."""
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
    """What is on the best path of each chain.

    beside (_Mentions | None): Each label stands alone, and only what is none of these is looked
        for; None: the labels compete.
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
        # Probabilities cost more than the path, and most chains have no mention.
        chains, moves = layout.around(first)
        _, marginals = tag_marginals(chains.scores, chains.chains, np.float32)
        columns = found.labels if beside is None else np.zeros_like(first)
        scores = span_probabilities(marginals, first + moves, last + moves, columns)
        parts.append(found._replace(scores=scores))
    return _Mentions.joined(parts)


def _same_label_overlap(mentions: _Mentions, others: _Mentions) -> NDArray[np.bool_]:
    """Which mentions overlap one of the others that has their label."""
    result = np.zeros(len(mentions.starts), dtype=bool)
    for label in np.unique(mentions.labels):
        ours, theirs = mentions.labels == label, others.labels == label
        # Within a label the others are in order and apart, so starts and ends are both sorted.
        before = np.searchsorted(others.ends[theirs], mentions.starts[ours], side="right")
        until = np.searchsorted(others.starts[theirs], mentions.ends[ours], side="left")
        result[ours] = until > before
    return result


def _lay_out(
    by_label: Floats, doc_lengths: Sequence[int], competing: bool, decoding: bool = False
) -> _Layout:
    """The rows of each Doc as a chain; where decoding, those among which a mention can lie."""
    n_tokens = len(by_label)
    opens = np.zeros(n_tokens, dtype=bool)
    offsets = np.cumsum([0, *doc_lengths])[:-1]
    opens[offsets[offsets < n_tokens]] = True
    if not competing:
        # Label by label, so that the rows of a chain are neighbours.
        opens = np.tile(opens, by_label.shape[1])
        by_label = by_label.transpose(1, 0, 2).reshape(-1, 1, 4)
    if decoding:
        rows, starts, lengths = _with_mentions(by_label.max(axis=(1, 2)), opens)
        return _Layout(by_label[rows], rows, Chains.of(starts, lengths))
    starts = np.flatnonzero(opens)
    lengths = np.diff(starts, append=len(opens))
    return _Layout(by_label, np.arange(len(opens)), Chains.of(starts, lengths))


def _surest_of_stretches(best: Floats, docs: Ints) -> Ints:
    """In each whole stretch of a Doc, the row that is least like a mention.

    Counted from the first row of the Doc, whatever stands before it in the batch.
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
    """The rows worth to be looked at, and first rows and lengths of the chains they make.

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
        # A mention is better than as many O, or more probable than not, only if a tag of it is.
        hopeful = np.maximum.reduceat(best, starts) > 0
        rows, lengths = rows[np.repeat(hopeful, lengths)], lengths[hopeful]
    return rows, np.cumsum(lengths) - lengths, lengths
