"""Words of the right kind for each marker, drawn from the training split, to show to a model."""

import random
from collections.abc import Sequence

from .terms import Terms, head_of, normal, shape_of

# So many terms are drawn for each that is kept: the ones most like the old term are shown.
_DRAWN = 6


def ideas_for(
    label: str, term: str, terms: Terms, size: int, rng: random.Random, first: Sequence[str] = ()
) -> list[str]:
    """Other terms of a label, in random order.

    term (str): The one that they are to replace.
    size (int): How many, where there are so many.
    first (Sequence[str]): Terms that must be among them.
    """
    known = terms.by_label.get(label, [])
    drawn = rng.sample(known, min(len(known), size * _DRAWN))
    taken = {normal(term), *map(normal, first)}
    others = []
    for other in sorted(drawn, key=lambda other: -_likeness(term, other)):
        # Only terms that are nearly always of this label show what the label means.
        labels = terms.labels[normal(other)]
        if normal(other) not in taken and 2 * labels[label] > labels.total():
            taken.add(normal(other))
            others.append(" ".join(other.split()))
    ideas = [*first, *others[: size - len(first)]]
    rng.shuffle(ideas)
    return ideas


def _likeness(one: str, other: str) -> int:
    """How well a term would fit where another stands, by form alone."""
    digits = [any(char.isdigit() for char in term) for term in (one, other)]
    same_shape = digits[0] and shape_of(one) == shape_of(other)
    lengths = abs(len(one.split()) - len(other.split()))
    return (
        4 * (digits[0] == digits[1]) + 2 * same_shape + (head_of(one) == head_of(other)) - lengths
    )
