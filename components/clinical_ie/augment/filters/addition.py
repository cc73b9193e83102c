"""What a rewrite with free wording may not add between the mentions."""

import re
from collections import Counter

from spacy_llm.registry import registry

from .case import Case, Filter

_NUMBERS = frozenset(
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "several", "both"]
)
# Reasons and times, which annotators would tag, or tie to what stands beside them.
_CUES = re.compile(
    r"\b(?:due to|owing to|because|caus\w+|secondary to|resulting from|after|before|following"
    r"|since)\b",
    re.IGNORECASE,
)


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
