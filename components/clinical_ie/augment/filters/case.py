"""The input of a filter: a passage before and after rewriting, and its context."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from ...brat.files import covered_text
from ...doc import Link, Mention
from ..terms import Terms, blanked, words_outside

_WORD = re.compile(r"\w+")
# How many words each run of a text has.
_RUN = 3


@dataclass(frozen=True)
class Passage:
    """A text with its mentions, which source and rewrite list in the same order.

    Many filters look at the same parts of it, which are therefore made only once.
    """

    text: str
    mentions: tuple[Mention, ...]

    def covered(self, mention: Mention) -> str:
        """The mention's text."""
        return covered_text(self.text, mention.fragments)

    def outside(self) -> str:
        """The text with mentions replaced by blanks; offsets do not change."""
        return self._outside

    def words_outside(self) -> list[str]:
        """The words that no mention overlaps, in lower case."""
        return list(self._words_outside)

    @cached_property
    def _outside(self) -> str:
        return blanked(self.text, self._spans)

    @cached_property
    def _words_outside(self) -> list[str]:
        return words_outside(self.text, self._spans)

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [piece for mention in self.mentions for piece in mention.fragments]


# Every rewrite is compared with the same few-shot examples.
@lru_cache(maxsize=64)
def runs_of_words(text: str) -> tuple[frozenset[tuple[str, ...]], int]:
    """The distinct runs of three words in a text, in lower case, and how many runs there are; a
    shorter text is one run."""
    words = _WORD.findall(text.lower())
    if len(words) < _RUN:
        return frozenset([tuple(words)]), 1
    runs = frozenset(zip(words, words[1:], words[2:], strict=False))
    return runs, len(words) - _RUN + 1


def word_border(text: str, place: int) -> int:
    """The first position at or after `place` that is not inside a word: text cut inside "minor"
    could begin with "nor"."""
    place = max(place, 0)
    while 0 < place < len(text) and (text[place - 1] + text[place]).isalnum():
        place += 1
    return place


@dataclass(frozen=True, slots=True)
class Case:
    """A rewrite to be judged.

    source, rewrite (Passage): The passage before and after.
    links (tuple[Link, ...]): The relations between the mentions, by mention id.
    terms (Terms): The terms of the training split.
    siblings (tuple[str, ...]): Texts that the rewrite must not repeat: accepted rewrites of the
        same segment, and the few-shot examples.
    likelihood (float | None): Log-probability of the answer divided by its number of mentions; None
        if the model does not report it.
    echoed (frozenset[str]): Ids of the mentions that must keep their text (see `Segment`).
    """

    source: Passage
    rewrite: Passage
    links: tuple[Link, ...] = ()
    terms: Terms = field(default_factory=Terms)
    siblings: tuple[str, ...] = ()
    likelihood: float | None = None
    echoed: frozenset[str] = frozenset()


# Returns a short description of what is wrong, or None.
Filter = Callable[[Case], str | None]
