"""Terms of the training split that may stand in a marker, for a model to choose between."""

import random
import re

from .terms import Terms, head_of, normal, shape_of

# A term is of a label if training has it under that label at least so often, of all times.
_SHARE = 0.7
# So many terms are looked at for each that is kept: the ones most like the old term are kept.
_DRAWN = 4
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
# Numbers of a term that are changed at most; a term with more is a formula.
_MAX_NUMBERS = 2


def choices_for(
    label: str, term: str, terms: Terms, size: int, rng: random.Random
) -> tuple[str, ...]:
    """Terms that could take the place of another one, its own words not among them.

    A term with numbers is offered with other numbers too.
    label, term (str, str): The label, and the term that is to be replaced.
    size (int): How many, where there are so many.
    """
    known = terms.by_label.get(label, [])
    drawn = rng.sample(known, min(len(known), size * _DRAWN))
    numbered = any(char.isdigit() for char in term)
    taken = {normal(term)}
    choices = _other_numbers(term, rng) if numbered else []
    taken.update(map(normal, choices))
    for other in sorted(drawn, key=lambda other: -_likeness(term, other)):
        if len(choices) >= size:
            break
        if normal(other) not in taken and _fits(term, other, label, terms):
            taken.add(normal(other))
            choices.append(" ".join(other.split()))
    return tuple(choices)


def _fits(term: str, other: str, label: str, terms: Terms) -> bool:
    labels = terms.labels[normal(other)]
    if (
        labels[label] < _SHARE * labels.total()
        or not other.strip()
        or re.search(r"[\[\]\\]", other)
    ):
        return False
    if any(char.isdigit() for char in term):
        return bool(_units(term) & _units(other)) or shape_of(term) == shape_of(other)
    # A capital that only the start of a sentence asks for.
    lowered = term[:1].islower() and other[:1].isupper() and other[1:].islower()
    return not lowered and not any(char.isdigit() for char in other)


def _units(term: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+|%", term.lower()))


def _likeness(one: str, other: str) -> int:
    """How well a term would fit where another stands, by form alone."""
    lengths = abs(len(one.split()) - len(other.split()))
    return 2 * (shape_of(one) == shape_of(other)) + (head_of(one) == head_of(other)) - lengths


def _other_numbers(term: str, rng: random.Random) -> list[str]:
    """The term with its numbers a third up or down, written as they are."""
    if not 0 < len(_NUMBER.findall(term)) <= _MAX_NUMBERS:
        return []

    def other(match: re.Match[str]) -> str:
        old = match.group()
        digits = len(old.partition(".")[2])
        # A year stays one.
        spread = 0.004 if len(old) == 4 and old[:2] in {"19", "20"} else 0.33
        return f"{float(old) * rng.uniform(1 - spread, 1 + spread):.{digits}f}"

    made = (_NUMBER.sub(other, term) for _ in range(4))
    return list(dict.fromkeys(new for new in made if normal(new) != normal(term)))
