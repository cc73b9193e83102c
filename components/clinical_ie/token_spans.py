"""Spans of a Doc as columns: to ask each `Span` object for its parts takes most of the time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from spacy.tokens import Doc, Span

from .text.alignment import touched_columns
from .text.columns import Offsets, span_borders, token_borders

Hashes = npt.NDArray[np.uint64]
# spaCy's codes in `ENT_IOB`.
_INSIDE, _OUTSIDE, _BEGIN = 1, 2, 3


@dataclass(slots=True)
class TokenSpans:
    """Spans of whole tokens.

    spans (Sequence[Span]): The objects.
    first, after (Offsets): The first token of each, and the token after its last.
    characters (list[tuple[int, int]]): Start and end of each in the text.
    ids (list[str]): The id of each; "" for none.
    hashes (Hashes): Rows of ids, knowledge base ids and labels, as numbers of the vocabulary.
    """

    spans: Sequence[Span]
    first: Offsets
    after: Offsets
    characters: list[tuple[int, int]]
    ids: list[str]
    hashes: Hashes

    @classmethod
    def of(cls, spans: Sequence[Span]) -> "TokenSpans":
        """The columns of given spans."""
        return cls(
            spans,
            *span_borders(spans),
            [(span.start_char, span.end_char) for span in spans],
            [span.id_ for span in spans],
            np.array([(s.id, s.kb_id, s.label) for s in spans], np.uint64).reshape(-1, 3).T,
        )

    @classmethod
    def touching(
        cls,
        doc: Doc,
        borders: Sequence[tuple[int, int]],
        labels: Sequence[str],
        ids: Sequence[str],
    ) -> "TokenSpans":
        """Spans of the tokens that character offsets touch.

        borders (Sequence[tuple[int, int]]): Start and end of each, not empty, within the text.
        """
        starts, ends = token_borders(doc)
        first, after = touched_columns(starts, ends, borders)
        add = doc.vocab.strings.add
        known = {label: add(label) for label in set(labels)}
        numbers, of_labels = list(map(add, ids)), list(map(known.__getitem__, labels))
        spans = [
            Span(doc, start, end, label=label, span_id=id_)
            for start, end, label, id_ in zip(
                first.tolist(), after.tolist(), of_labels, numbers, strict=True
            )
        ]
        characters = zip(starts[first].tolist(), ends[after - 1].tolist(), strict=True)
        hashes = np.zeros((3, len(ids)), dtype=np.uint64)
        hashes[0], hashes[2] = numbers, of_labels
        return cls(spans, first, after, list(characters), list(ids), hashes)


def set_flat(doc: Doc, spans: TokenSpans) -> None:
    """Set `doc.ents` to the longest spans that do not overlap, as `filter_spans` chooses them.

    They have no white space at their ends, which spaCy's `ner` cannot train on (E024).
    """
    first, after, hashes = _without_white_ends(doc, spans)
    kept = _longest(first, after)
    # `set_ents` leaves out what has no label, too.
    kept = kept[hashes[2, kept] > 0]
    # The tokens before the first, of the first, before the second, and so on.
    borders = np.zeros(2 * len(kept) + 2, dtype=np.int64)
    borders[1:-1:2], borders[2:-1:2], borders[-1] = first[kept], after[kept], len(doc)
    parts = np.zeros((4, 2 * len(kept) + 1), dtype=np.uint64)
    parts[0], parts[0, 1::2], parts[1:, 1::2] = _OUTSIDE, _INSIDE, hashes[:, kept]
    values = parts.repeat(borders[1:] - borders[:-1], axis=1)
    values[0, first[kept]] = _BEGIN
    doc.from_array(["ENT_IOB", "ENT_ID", "ENT_KB_ID", "ENT_TYPE"], values.T)


def _without_white_ends(doc: Doc, spans: TokenSpans) -> tuple[Offsets, Offsets, Hashes]:
    first, after = spans.first, spans.after
    white = np.asarray(doc.to_array("IS_SPACE"), dtype=bool)
    if not (white[first] | white[after - 1]).any():
        return first, after, spans.hashes
    # With one beyond the end, for spans with nothing but white space from their start on.
    words = np.append(np.flatnonzero(~white), len(doc))
    first = words[np.searchsorted(words, first)]
    kept = first < after
    after = words[np.searchsorted(words, after) - 1] + 1
    return first[kept], after[kept], spans.hashes[:, kept]


def _longest(first: Offsets, after: Offsets) -> Offsets:
    """Positions of the spans that `filter_spans` would keep, without looking at every token.

    RETURNS (Offsets): In the order of the text.
    """
    order = first.argsort(kind="stable")
    begins, ends = first[order], after[order]
    # Spans that begin before an earlier one has ended, and the spans that they begin in.
    met = np.zeros(len(order) + 1, dtype=bool)
    met[1:-1] = begins[1:] < np.maximum.accumulate(ends)[:-1]
    if not met.any():
        return order
    kept = ~(met[:-1] | met[1:])
    others = np.flatnonzero(~kept).tolist()
    taken: set[int] = set()
    # Longest first, then as they stand in the text.
    for _, begin, at, end in sorted(
        (begin - end, begin, at, end)
        for at, begin, end in zip(
            others, begins[others].tolist(), ends[others].tolist(), strict=True
        )
    ):
        # A span that is taken and longer cannot lie between both ends.
        if taken.isdisjoint((begin, end - 1)):
            taken.update(range(begin, end))
            kept[at] = True
    return order[kept]
