"""A batch of Docs as wordpieces, aligned with their tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..text.columns import token_borders, token_words

Ints = NDArray[np.int64]

# Kinds of tokens without wordpieces: no line break (blanks, unknown characters), one, several.
BLANK_KINDS = 3


@dataclass(frozen=True, slots=True)
class Wordpieces:
    """The concatenated wordpieces of a batch of Docs.

    ids (Ints): Vocabulary ids, without special tokens, shape (n_pieces,).
    doc_lengths (list[int]): Number of wordpieces in each Doc.
    of_token (Ints): The positions of each token's wordpieces, token by token, shape (n_pairs,). A
        wordpiece that covers several tokens is listed under each.
    counts (Ints): How many entries of `of_token` belong to each token, shape (n_tokens,).
    blanks (Ints): Tokens without wordpieces, shape (n_blanks,).
    blank_kinds (Ints): Their kinds, below `BLANK_KINDS`.
    """

    ids: Ints
    doc_lengths: list[int]
    of_token: Ints
    counts: Ints
    blanks: Ints
    blank_kinds: Ints


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The special tokens that the tokenizer adds before and after a text; its padding and mask."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    mask: int

    @classmethod
    def of(cls, tokenizer: Any) -> "SpecialTokens":
        encoding = whole_text_backend(tokenizer).encode("a", add_special_tokens=True)
        mask = encoding.special_tokens_mask
        n_before, n_after = mask.index(0), mask[::-1].index(0)
        return cls(
            tuple(encoding.ids[:n_before]),
            tuple(encoding.ids[len(mask) - n_after :]),
            tokenizer.pad_token_id or 0,
            _first_known(tokenizer.mask_token_id, tokenizer.unk_token_id, 0),
        )

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


def _first_known(*ids: int | None) -> int:
    return next(id_ for id_ in ids if id_ is not None)


def whole_text_backend(tokenizer: Any) -> Any:
    """The tokenizer's backend, without truncation and padding.

    A tokenizer's file may make it truncate or pad every text to the length its model was trained
    on, and the wrapper around the backend warns about texts longer than one window.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return backend


def encode_docs(docs: Sequence[Doc], tokenizer: Any) -> Wordpieces:
    """Tokenize Docs into wordpieces, without truncation.

    tokenizer: A fast tokenizer of the transformers library.
    """
    backend = whole_text_backend(tokenizer)
    ids: list[int] = []
    doc_lengths, pairs, counts = [], [], []
    blanks, blank_kinds = [], []
    n_tokens = 0
    for doc in docs:
        encoding = backend.encode(doc.text, add_special_tokens=False)
        of_token, of_token_counts = align(doc, np.array(encoding.offsets).reshape(-1, 2))
        pairs.append(of_token + len(ids))
        counts.append(of_token_counts)
        words = token_words(doc)
        for i in np.flatnonzero(of_token_counts == 0).tolist():
            blanks.append(n_tokens + i)
            blank_kinds.append(min(words[i].count("\n"), BLANK_KINDS - 1))
        ids += encoding.ids
        doc_lengths.append(len(encoding.ids))
        n_tokens += len(doc)
    return Wordpieces(
        np.array(ids, dtype=np.int64),
        doc_lengths,
        np.concatenate(pairs) if pairs else np.zeros(0, dtype=np.int64),
        np.concatenate(counts) if counts else np.zeros(0, dtype=np.int64),
        np.array(blanks, dtype=np.int64),
        np.array(blank_kinds, dtype=np.int64),
    )


def align(doc: Doc, offsets: Ints) -> tuple[Ints, Ints]:
    """Align wordpieces with tokens, by the characters that they share.

    offsets (Ints): Start and end of each wordpiece in `doc.text`, shape (n_pieces, 2).
    RETURNS (tuple[Ints, Ints]): Wordpieces token by token, and their number for each token.
    """
    starts, ends = token_borders(doc)
    first = np.searchsorted(ends, offsets[:, 0], side="right")
    last = np.searchsorted(starts, offsets[:, 1], side="left")
    per_piece = np.maximum(last - first, 0)
    pieces = np.repeat(np.arange(len(offsets)), per_piece)
    within = np.arange(len(pieces)) - np.repeat(np.cumsum(per_piece) - per_piece, per_piece)
    tokens = np.repeat(first, per_piece) + within
    order = np.argsort(tokens, kind="stable")
    return pieces[order], np.bincount(tokens, minlength=len(doc)).astype(np.int64)
