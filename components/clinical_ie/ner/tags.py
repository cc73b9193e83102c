"""BIOUL tags: from spans, and back by the best legal path.

Tag 0 is O; label i has the tags 1 + 4i … 4 + 4i for B, I, L and U.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# (first token, token after the last, index of the label)
TokenSpan = tuple[int, int, int]

NONE = np.float32(-1e9)


def n_tags(n_labels: int) -> int:
    """How many tags a set of labels needs."""
    return 1 + 4 * n_labels


def encode_spans(spans: Sequence[TokenSpan], n_tokens: int) -> NDArray[np.int64]:
    """Tags of a text, shape (n_tokens,). The spans do not overlap."""
    tags = np.zeros(n_tokens, dtype=np.int64)
    for start, end, label in spans:
        first = 1 + 4 * label
        if end - start == 1:
            tags[start] = first + 3
        else:
            tags[start] = first
            tags[start + 1 : end - 1] = first + 1
            tags[end - 1] = first + 2
    return tags


def decode_tags(scores: Floats) -> tuple[list[TokenSpan], list[float]]:
    """The spans of the best legal tag path (Viterbi), and a confidence for each.

    A legal path opens a mention with B, goes on with I, ends with L of the same label; U is a
    mention of one token. So a tag is reached either from outside every mention, where only the
    best score matters, or from within one of its own label: each step costs O(labels), not their
    square.
    scores (Floats): Log-probability of each tag at each token, shape (n_tokens, n_tags).
    RETURNS (tuple[list[TokenSpan], list[float]]): Spans in text order, and for each the geometric
        mean of its tags' probabilities.
    """
    n_tokens, n_all = scores.shape
    n_labels = (n_all - 1) // 4
    if not n_tokens:
        return [], []
    by_kind = scores[:, 1:].reshape(n_tokens, n_labels, 4).transpose(2, 0, 1)
    begin, inside, last, unit = (np.ascontiguousarray(kind) for kind in by_kind)
    # State between tokens: within a mention of each label, relative to outside every mention, so
    # that nothing adds up over a long text.
    within = np.full(n_labels, NONE)
    went_on = np.zeros((n_tokens, n_labels), dtype=bool)
    closing = np.zeros(n_tokens, dtype=np.int64)
    for t in range(n_tokens):
        # The ways to be outside after token t: O, U of any label, L of any label.
        ends = within + last[t]
        best_unit, best_end = int(unit[t].argmax()), int(ends.argmax())
        options = (scores[t, 0], unit[t, best_unit], ends[best_end])
        kind = int(np.argmax(options))
        closing[t] = (0, 1 + 4 * best_unit + 3, 1 + 4 * best_end + 2)[kind]
        continued = within + inside[t]
        went_on[t] = continued > begin[t]
        within = np.maximum(begin[t], continued) - options[kind]
    spans: list[TokenSpan] = []
    confidences = []
    t = n_tokens - 1
    while t >= 0:
        label, kind = divmod(int(closing[t]) - 1, 4)
        start = t
        if closing[t]:
            if kind == 2:
                start = t - 1
                while went_on[start, label]:
                    start -= 1
            spans.append((start, t + 1, label))
            path = encode_spans([(0, t + 1 - start, label)], t + 1 - start)
            log_probability = scores[np.arange(start, t + 1), path].mean()
            confidences.append(float(np.exp(min(log_probability, 0.0))))
        t = start - 1
    return spans[::-1], confidences[::-1]
