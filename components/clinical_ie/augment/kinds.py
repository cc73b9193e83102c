"""Guesses the label of a term that was never seen, from how terms of each label are built."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# A term in capitals: `CT`, `IL-6`, `PaO2`, `MRIs`.
ACRONYM = re.compile(r"[A-Z][a-z]?[A-Z0-9-]{1,7}s?")
# A feature of a label counts as if it had been seen so often more, in the shares of all labels.
_BACKGROUND = 5.0
# The features of a term say nearly the same several times over.
_WEIGHT = 0.5


@dataclass(slots=True)
class Kinds:
    """Naive Bayes over word endings, words and form; every distinct term counts once.

    labels (Counter[str]): Distinct terms of each label.
    features (dict[str, Counter[str]]): How many of them have a feature.
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
        """How much likelier another label is for a term, as a logarithm; 0 for the likeliest."""
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
