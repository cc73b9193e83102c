"""Inter-annotator agreement: Cohen's kappa on tokens."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ..doc import Annotations

# A word or a single punctuation mark, so that kappa does not depend on any tokenizer.
_TOKEN = re.compile(r"\w+|[^\w\s]")

Category = TypeVar("Category", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance: 1 is perfect, 0 is chance level; None if chance agreement is 1.

    observed (float): Share of tokens to which both annotators give the same category.
    n_tokens (int): Number of tokens in the notes that both annotated.
    """

    kappa: float | None
    observed: float
    n_tokens: int


@dataclass(frozen=True, slots=True)
class TokenAgreement:
    """Cohen's kappa over tokens.

    overall (Kappa): The category of a token is the set of labels of all mentions that share a
        character with it; the empty set is a category too.
    by_label (dict[str, Kappa]): For each label, with two categories: in a mention of it, or not.
    """

    overall: Kappa
    by_label: dict[str, Kappa]


def token_agreement(
    first: Mapping[str, Annotations],
    second: Mapping[str, Annotations],
    texts: Mapping[str, str],
) -> TokenAgreement:
    """Cohen's kappa on the tokens of the notes that both annotators have.

    texts (Mapping[str, str]): By note name; notes without a text are left out.
    RAISES (ValueError): No note is annotated by both, or none of those has a text.
    """
    common = first.keys() & second.keys()
    if not common:
        raise ValueError("no note is annotated by both, so there is no agreement to measure")
    names = sorted(common & texts.keys())
    if not names:
        raise ValueError(
            "no note that both annotated has a .txt, so there are no tokens to compare; expected "
            "the .txt files in one of the folders"
        )
    pairs: Counter[tuple[frozenset[str], frozenset[str]]] = Counter()
    for name in names:
        tokens = [match.span() for match in _TOKEN.finditer(texts[name])]
        pairs.update(zip(_labels(tokens, first[name]), _labels(tokens, second[name]), strict=True))
    labels = sorted({label for pair in pairs for side in pair for label in side})
    return TokenAgreement(
        _kappa(pairs),
        {
            label: _kappa(_merged((label in a, label in b, n) for (a, b), n in pairs.items()))
            for label in labels
        },
    )


def _labels(tokens: Sequence[tuple[int, int]], annotations: Annotations) -> list[frozenset[str]]:
    """The labels of each token."""
    starts, ends = np.array(tokens, dtype=np.int64).reshape(-1, 2).T
    found: list[set[str]] = [set() for _ in tokens]
    for mention in annotations.mentions:
        for start, end in mention.fragments:
            first, last = np.searchsorted(ends, start, "right"), np.searchsorted(starts, end)
            for token in range(first, last):
                found[token].add(mention.label)
    return [frozenset(labels) for labels in found]


def _merged(counted: Iterable[tuple[bool, bool, int]]) -> Counter[tuple[bool, bool]]:
    pairs: Counter[tuple[bool, bool]] = Counter()
    for a, b, n in counted:
        pairs[a, b] += n
    return pairs


def _kappa(pairs: Counter[tuple[Category, Category]]) -> Kappa:
    """Cohen (1960)."""
    n = sum(pairs.values())
    if not n:
        return Kappa(None, 0.0, 0)
    left: Counter[Category] = Counter()
    right: Counter[Category] = Counter()
    for (a, b), count in pairs.items():
        left[a] += count
        right[b] += count
    observed = sum(count for (a, b), count in pairs.items() if a == b) / n
    by_chance = sum(left[category] * right[category] for category in left) / n**2
    kappa = (observed - by_chance) / (1 - by_chance) if by_chance < 1 else None
    return Kappa(kappa, observed, n)
