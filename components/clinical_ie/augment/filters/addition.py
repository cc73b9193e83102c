"""What a rewrite with free wording may not add between the mentions, nor do at their borders."""

import re
from collections import Counter

from spacy_llm.registry import registry

from ..terms import normal
from .case import Case, Filter, Passage

_WORD = re.compile(r"[^\W\d_]+")
_NUMBERS = frozenset(
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "several", "both"]
)
# Reasons and times, which annotators would tag, or tie to what stands beside them.
_CUES = re.compile(
    r"\b(?:due to|owing to|because|caus\w+|secondary to|resulting from|after|before|following"
    r"|since)\b",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"(?:above|across|after|around|at|before|behind|below|beneath|between|by|during|for|from|in"
    r"|near|of|on|over|through|to|under|until|upon|with|within|without)\b",
    re.IGNORECASE,
)
# What a verb follows, and a term is seldom one.
_MODALS = re.compile(r"(?:not|cannot|can|could|did|do|does|may|might|must|should|will|would)\b")
_BEFORE = re.compile(r"([^\W\d_]+)\s*\Z")


@registry.llm_misc("clinical_ie.nothing_added.v1")
def make_nothing_added(max_words: int = 3) -> Filter:
    """Outside of mentions there may be a few more words than in the source, no more reasons or
    times (`due to an infection`), and no number of things (`Two liveborn twins`) that it lacks.

    max_words (int): So many more words at most.
    RAISES (ValueError): max_words is below 0.
    """
    if max_words < 0:
        raise ValueError(f"nothing_added: max_words is {max_words}; 0 or more")

    def nothing_added(case: Case) -> str | None:
        old, new = _words(case.source), _words(case.rewrite)
        added = list((new - old).elements())
        for word in added:
            if word in _NUMBERS:
                return word
        cues = [len(_CUES.findall(p.outside())) for p in (case.source, case.rewrite)]
        if cues[1] > cues[0]:
            return " ".join(added[:8])
        more = new.total() - old.total()
        return f"{more} words: {' '.join(added[:8])}" if more > max_words else None

    return nothing_added


@registry.llm_misc("clinical_ie.joints_kept.v1")
def make_joints_kept() -> Filter:
    """A term that begins with a preposition follows the word that it followed, or a word that is
    neither an article nor a preposition: no `found at the above the junction`. None comes to
    stand behind a verb's helper: no `could not unable to walk`."""

    def joints_kept(case: Case) -> str | None:
        for old, new in zip(case.source.mentions, case.rewrite.mentions, strict=True):
            term = case.rewrite.covered(new)
            before = _word_before(case.rewrite, new.start)
            doubled = before in {"a", "an", "the"} or _PREPOSITION.fullmatch(before)
            wrong = _MODALS.fullmatch(before) or (doubled and _PREPOSITION.match(term))
            if wrong and before != _word_before(case.source, old.start):
                return f"{before} {term}"
        return None

    return joints_kept


def _words(passage: Passage) -> Counter[str]:
    return Counter(word.lower() for word in _WORD.findall(passage.outside()))


def _word_before(passage: Passage, place: int) -> str:
    found = _BEFORE.search(passage.text, max(0, place - 40), place)
    return normal(found[1]) if found else ""
