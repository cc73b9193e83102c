"""Finds abbreviations and their long forms where a note explains one by the other."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from ..doc import Mention

# Counts as an abbreviation if it is in brackets after its long form: `Hgb`, `HbA1c`.
_SHORT = re.compile(r"[A-Z][A-Za-z0-9-]{1,7}")
_OPENING = re.compile(r"\s?\(\Z")
_SENTENCE = re.compile(r"(?:\A|[.!?]\s|\n)\s*\Z")

# By label and lower-case term: its other names, and how often each was found.
Synonyms = dict[str, dict[str, Counter[str]]]


def add_synonyms(found: Synonyms, note: str, mentions: Sequence[Mention]) -> None:
    """Learn both names from each `[[X: long form]] ([[X: LF]])` of a note."""
    for label, long, short in _explained(note, mentions):
        names = found.setdefault(label, {})
        names.setdefault(" ".join(long.lower().split()), Counter())[short] += 1
        names.setdefault(short.lower(), Counter())[long] += 1


def _explained(note: str, mentions: Sequence[Mention]) -> Iterator[tuple[str, str, str]]:
    """Label, long form and abbreviation."""
    ending = {mention.end: mention for mention in mentions if len(mention.fragments) == 1}
    for mention in mentions:
        short = note[mention.start : mention.end]
        if not (_SHORT.fullmatch(short) and note[mention.end : mention.end + 1] == ")"):
            continue
        opening = _OPENING.search(note, max(0, mention.start - 3), mention.start)
        long = ending.get(opening.start()) if opening else None
        if long is not None and long.label == mention.label:
            text = note[long.start : long.end]
            if _stands_for(short, text):
                # A capital that only starts a sentence would be wrong elsewhere.
                if text[1:].islower() and _SENTENCE.search(note, 0, long.start):
                    text = text[0].lower() + text[1:]
                yield mention.label, text, short


def _stands_for(short: str, long: str) -> bool:
    """Whether a long form starts with an abbreviation's first letter and has the others in order.

    After Schwartz and Hearst (2003), with the border of the long form given.
    """
    letters = [char for char in short.lower() if char.isalnum()]
    rest = iter(long.lower())
    return long[:1].lower() == letters[0] and all(letter in rest for letter in letters)
