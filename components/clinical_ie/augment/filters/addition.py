"""Limits on what a rewrite may add between the mentions."""

import re
from collections import Counter

from spacy_llm.registry import registry

from .case import Case, Filter

_NUMBERS = frozenset(
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "several", "both"]
)
# Cues of reasons and times, which annotators would tag or link to a neighbouring mention.
_CUES = re.compile(
    r"\b(?:due to|owing to|because|caus\w+|secondary to|resulting from|after|before|following"
    r"|since)\b",
    re.IGNORECASE,
)


@registry.llm_misc("clinical_ie.nothing_added.v1")
def make_nothing_added(max_words: int = 3) -> Filter:
    """Outside of mentions, a rewrite may have only a few more words than the source, no more cues
    of reasons or times (`due to an infection`), and no new number word (`Two liveborn twins`).

    max_words (int): Largest number of additional words.
    RAISES (ValueError): max_words is below 0.
    """
    if max_words < 0:
        raise ValueError(f"nothing_added: max_words is {max_words}; expected 0 or more")

    def nothing_added(case: Case) -> str | None:
        old, new = (Counter(p.words_outside()) for p in (case.source, case.rewrite))
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
