"""Guesses the label of an unseen term from how the known terms of each label are formed."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# A term in capitals: `CT`, `IL-6`, `PaO2`, `MRIs`.
ACRONYM = re.compile(r"[A-Z][a-z]?[A-Z0-9-]{1,7}s?")
# Smoothing: this many pseudo-terms per label, with features as frequent as over all labels.
_BACKGROUND = 5.0
# The features of a term are correlated, so their evidence is scaled down.
_WEIGHT = 0.5


@dataclass(slots=True)
class Kinds:
    """Naive Bayes over word endings, words and form; every distinct term counts once.

    labels (Counter[str]): Number of distinct terms of each label.
    features (dict[str, Counter[str]]): By feature, how many of them have it.
    """

    labels: Counter[str] = field(default_factory=Counter)
    features: dict[str, Counter[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, terms: Iterable[tuple[str, str]]) -> "Kinds":
        """Learn from pairs of term and label."""
        kinds = cls()
        for term, label in terms:
            kinds.labels[label] += 1
            for feature in features_of(term):
                kinds.features.setdefault(feature, Counter())[label] += 1
        return kinds

    def doubt(self, term: str, label: str) -> float:
        """Log-odds of a term's likeliest label against this one; infinite for an unknown label."""
        scores = self._scores(term)
        if label not in scores:
            return math.inf
        return max(scores.values()) - scores[label]

    def _scores(self, term: str) -> Mapping[str, float]:
        total = self.labels.total()
        seen = [self.features[x] for x in features_of(term) if x in self.features]
        shares = [(counts, _BACKGROUND * counts.total() / total) for counts in seen]
        return {
            label: math.log(size / total)
            + _WEIGHT
            * sum(math.log((c[label] + extra) / (size + _BACKGROUND)) for c, extra in shares)
            for label, size in self.labels.items()
        }


def features_of(term: str) -> set[str]:
    """Last word with its endings and beginnings, other words, number of words, digits, capitals."""
    words = re.findall(r"[^\W\d_]+", term.lower())
    head = f"^{words[-1]}$" if words else ""
    digits = any(char.isdigit() for char in term)
    acronym = bool(ACRONYM.fullmatch(term))
    return {
        f"words {min(len(words), 4)}",
        f"digits {digits}",
        f"acronym {acronym}",
        *(f"ends {head[-size:]}" for size in (3, 4, 5, 6, 30)),
        *(f"begins {head[:size]}" for size in (4, 5)),
        *(f"has {word}" for word in words[:-1]),
    }
