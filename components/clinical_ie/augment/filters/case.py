"""What a filter is given: a passage before and after, and what is known of its surroundings."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ...brat.files import covered_text
from ...doc import Link, Mention
from ..terms import Terms, blanked, words_outside


@dataclass(frozen=True, slots=True)
class Passage:
    """Text with the mentions in it; those of source and rewrite stand in the same order."""

    text: str
    mentions: tuple[Mention, ...]

    def covered(self, mention: Mention) -> str:
        """The mention's text."""
        return covered_text(self.text, mention.fragments)

    def outside(self) -> str:
        """The text with blanks in place of the mentions; every character keeps its place."""
        return blanked(self.text, self._spans())

    def words_outside(self) -> list[str]:
        """The words, in lower case, that no mention touches."""
        return words_outside(self.text, self._spans())

    def _spans(self) -> list[tuple[int, int]]:
        return [piece for mention in self.mentions for piece in mention.fragments]


def word_border(text: str, place: int) -> int:
    """The first place in a text, from this one on, that is not inside a word: half of "minor" is
    another word."""
    place = max(place, 0)
    while 0 < place < len(text) and (text[place - 1] + text[place]).isalnum():
        place += 1
    return place


@dataclass(frozen=True, slots=True)
class Case:
    """A rewrite to be judged.

    source, rewrite (Passage): Before and after.
    links (tuple[Link, ...]): The relations between the mentions, by id.
    terms (Terms): Of the training split.
    siblings (tuple[str, ...]): Texts that the rewrite must not repeat: accepted rewrites of the
        same segment, and the few-shot examples.
    likelihood (float | None): Log-probability of the answer, over its number of mentions; None
        where the model does not tell.
    echoed (frozenset[str]): Ids of the mentions that keep their words (see `Segment`).
    """

    source: Passage
    rewrite: Passage
    links: tuple[Link, ...] = ()
    terms: Terms = field(default_factory=Terms)
    siblings: tuple[str, ...] = ()
    likelihood: float | None = None
    echoed: frozenset[str] = frozenset()


# A short detail of what is wrong, or None.
Filter = Callable[[Case], str | None]
