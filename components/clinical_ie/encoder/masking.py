"""Notes as wordpieces, some of them hidden for a model to guess (masked language modelling)."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.util import minibatch

from .wordpieces import SpecialTokens, encode_docs

Ints = NDArray[np.int64]

# Shares of the hidden wordpieces that are replaced by the mask and by a random wordpiece; the rest
# stay visible, so that a model learns from what it sees as well (Devlin et al. 2019, 3.1).
SHOWN_AS_MASK, SHOWN_AS_OTHER = 0.8, 0.1
# The label that PyTorch's loss functions ignore.
NOT_HIDDEN = -100
# Docs that are tokenized together.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Pool:
    """The wordpieces of all notes, concatenated.

    ids (NDArray[np.int32]): Vocabulary ids, shape (n_pieces,).
    words (NDArray[np.int32]): A number per wordpiece, the same for all wordpieces of one token,
        shape (n_pieces,).
    ends (Ints): Where each note ends, shape (n_notes,).
    """

    ids: NDArray[np.int32]
    words: NDArray[np.int32]
    ends: Ints

    @classmethod
    def of(cls, docs: Iterable[Doc], tokenizer: object) -> "Pool":
        """Tokenize Docs into wordpieces; Docs without any are left out."""
        ids, words, lengths = [], [], [np.zeros(0, dtype=np.int64)]
        for batch in minibatch(docs, _AT_ONCE):
            pieces = encode_docs(batch, tokenizer)
            # A wordpiece outside all tokens (some tokenizers have blanks) is a word by itself.
            word = len(pieces.counts) + np.arange(len(pieces.ids), dtype=np.int32)
            word[pieces.of_token] = np.repeat(np.arange(len(pieces.counts)), pieces.counts)
            ids.append(pieces.ids.astype(np.int32))
            words.append(word)
            lengths.append(np.array([n for n in pieces.doc_lengths if n], dtype=np.int64))
        return cls(
            np.concatenate(ids) if ids else np.zeros(0, dtype=np.int32),
            np.concatenate(words) if words else np.zeros(0, dtype=np.int32),
            np.cumsum(np.concatenate(lengths)),
        )

    def windows(self, capacity: int, rng: np.random.Generator) -> Ints:
        """Cut each note into windows at a random offset, and shuffle the windows.

        A note that fits into one window is not cut.
        capacity (int): Maximum wordpieces in a window.
        RETURNS (Ints): Start and end of each window, shape (n_windows, 2).
        """
        shifts = rng.integers(1, capacity + 1, size=len(self.ends))
        shifts[np.diff(self.ends, prepend=0) <= capacity] = capacity
        pairs = [np.zeros((0, 2), dtype=np.int64)]
        start = 0
        for end, shift in zip(self.ends.tolist(), shifts.tolist(), strict=True):
            cuts = np.array([start, *range(start + shift, end, capacity), end])
            pairs.append(np.stack([cuts[:-1], cuts[1:]], axis=1))
            start = end
        return rng.permutation(np.concatenate(pairs))


@dataclass(frozen=True, slots=True)
class MaskedBatch:
    """Windows padded to one length.

    ids, attention (Ints): Input ids and attention mask, shape (n_windows, length).
    labels (Ints): Ids of the hidden wordpieces, `NOT_HIDDEN` elsewhere; the same shape.
    """

    ids: Ints
    attention: Ints
    labels: Ints


def mask_windows(
    pool: Pool,
    windows: Ints,
    special: SpecialTokens,
    vocabulary: int,
    share: float,
    rng: np.random.Generator,
) -> MaskedBatch:
    """Hide whole words in windows.

    windows (Ints): Start and end of each in the pool, shape (n_windows, 2).
    vocabulary (int): Size of the vocabulary.
    share (float): Share of the words that are hidden.
    """
    length = int((windows[:, 1] - windows[:, 0]).max()) + len(special)
    shape = len(windows), length
    ids = np.full(shape, special.pad, dtype=np.int64)
    attention = np.zeros(shape, dtype=np.int64)
    labels = np.full(shape, NOT_HIDDEN, dtype=np.int64)
    before = len(special.before)
    for row, (start, end) in enumerate(windows.tolist()):
        seen = pool.ids[start:end].astype(np.int64)
        body = slice(before, before + len(seen))
        _, word = np.unique(pool.words[start:end], return_inverse=True)
        hidden = (rng.random(word.max() + 1) < share)[word]
        labels[row, body][hidden] = seen[hidden]
        shown = rng.random(len(seen))
        as_other = hidden & (shown >= SHOWN_AS_MASK) & (shown < SHOWN_AS_MASK + SHOWN_AS_OTHER)
        seen[hidden & (shown < SHOWN_AS_MASK)] = special.mask
        seen[as_other] = rng.integers(vocabulary, size=int(as_other.sum()))
        whole = [*special.before, *seen.tolist(), *special.after]
        ids[row, : len(whole)] = whole
        attention[row, : len(whole)] = 1
    return MaskedBatch(ids, attention, labels)
