"""The tokens of a Doc as arrays: creating `Token` objects would take most of the time."""

from collections.abc import Callable, Sequence
from operator import add
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from spacy.strings import StringStore
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


T = TypeVar("T")
_MAX_WORDS = 2**18


class PerWord(dict[int, T]):
    """What a function makes of words, by their hash, which is the same in every vocabulary.

    make (Callable[[str], T]): Called for each different word; its results are never None.
    """

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make

    def of(self, orths: Sequence[int], strings: StringStore) -> list[T]:
        """The result for each word; equal words have the same object.

        orths (Sequence[int]): The words, by their hash.
        strings (StringStore): Has all of them.
        """
        try:
            return list(map(self.__getitem__, orths))
        except KeyError:
            # Another thread may clear the cache at any time, so the result is from a local dict.
            words = set(orths)
            made = {word: known for word in words if (known := self.get(word)) is not None}
            new = {word: self._make(strings[word]) for word in words.difference(made)}
            if len(self) > _MAX_WORDS:
                self.clear()
            self.update(new)
            made.update(new)
            return list(map(made.__getitem__, orths))


_WORDS = PerWord(str)


def token_words(doc: Doc) -> list[str]:
    """The text of each token; equal texts are one object, which saves memory on long Docs."""
    return _WORDS.of(doc.to_array("ORTH").tolist(), doc.vocab.strings)


def text_of(doc: Doc) -> str:
    """The same as `doc.text`, which spaCy builds from `Token` objects, in a third of the time."""
    blanks = map(("", " ").__getitem__, doc.to_array("SPACY").tolist())
    return "".join(map(add, token_words(doc), blanks))


def text_length(doc: Doc) -> int:
    """The same as `len(doc.text)`, without building the text."""
    return doc[-1].idx + len(doc[-1].text_with_ws) if len(doc) else 0
