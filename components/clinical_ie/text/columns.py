"""The tokens of a Doc as arrays: creating `Token` objects would take most of the time."""

from collections.abc import Sequence
from operator import add

import numpy as np
import numpy.typing as npt
from spacy.tokens import Doc, Span

Offsets = npt.NDArray[np.int64]


def token_borders(doc: Doc) -> tuple[Offsets, Offsets]:
    """Start and end of each token in characters, without the blank after it."""
    starts, lengths = np.asarray(doc.to_array(["IDX", "LENGTH"])).astype(np.int64).T
    return starts, starts + lengths


def span_borders(spans: Sequence[Span]) -> tuple[Offsets, Offsets]:
    """First token of each span, and the token after its last."""
    borders = np.array([(span.start, span.end) for span in spans], dtype=np.int64).reshape(-1, 2)
    return borders[:, 0], borders[:, 1]


# Words by their hash, which is the same in every vocabulary.
_WORDS: dict[int, str] = {}
_MAX_WORDS = 2**18


def token_words(doc: Doc) -> list[str]:
    """The text of each token; equal texts are one object, which saves memory on long Docs."""
    orths = doc.to_array("ORTH").tolist()
    try:
        return list(map(_WORDS.__getitem__, orths))
    except KeyError:
        strings = doc.vocab.strings
        words = {orth: strings[orth] for orth in set(orths)}
        # Another thread may clear the cache at any time, so the result comes from a local dict.
        if len(_WORDS) > _MAX_WORDS:
            _WORDS.clear()
        _WORDS.update(words)
        return [words[orth] for orth in orths]


def text_of(doc: Doc, words: list[str] | None = None) -> str:
    """The same as `doc.text`, which spaCy builds from `Token` objects, in a third of the time.

    words (list[str] | None): The words of the Doc, if at hand.
    """
    blanks = map(("", " ").__getitem__, doc.to_array("SPACY").tolist())
    return "".join(map(add, token_words(doc) if words is None else words, blanks))


def text_length(doc: Doc) -> int:
    """The same as `len(doc.text)`, without building the text."""
    return doc[-1].idx + len(doc[-1].text_with_ws) if len(doc) else 0
