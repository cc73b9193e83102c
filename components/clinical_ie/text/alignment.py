"""Alignment of annotation offsets with the tokens of a Doc."""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from spacy.tokens import Doc

from .columns import Offsets, text_length, token_borders


def misaligned_offsets(doc: Doc, offsets: Iterable[int]) -> list[int]:
    """The offsets that lie inside a token, in the order given.

    offsets (Iterable[int]): Starts and ends of mentions, in characters.
    """
    wanted = list(offsets)
    starts, ends = token_borders(doc)
    length = text_length(doc)
    # The last element stands for every offset outside the text.
    inside = np.ones(length + 2, dtype=bool)
    inside[starts] = inside[ends] = inside[[0, length]] = False
    cut = inside[np.minimum(np.array(wanted, dtype=np.int64), length + 1)]
    return [offset for offset, is_cut in zip(wanted, cut.tolist(), strict=True) if is_cut]


def touched_tokens(doc: Doc, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The tokens that character spans touch: the first, and the one after the last.

    spans (Sequence[tuple[int, int]]): Start and end of each, not empty, within the text. A span of
        only the blank between two tokens gets the token before it.
    """
    first, after = touched_columns(*token_borders(doc), spans)
    return list(zip(first.tolist(), after.tolist(), strict=True))


def touched_columns(
    starts: Offsets, ends: Offsets, spans: Sequence[tuple[int, int]]
) -> tuple[Offsets, Offsets]:
    """As `touched_tokens`, in two columns.

    starts, ends (Offsets): The borders of all tokens.
    """
    flat = np.fromiter(chain.from_iterable(spans), np.int64, 2 * len(spans))
    first = starts.searchsorted(flat[::2], side="right") - 1
    after = starts.searchsorted(flat[1::2])
    first += flat[::2] >= ends[first]
    return np.minimum(first, after - 1), after
