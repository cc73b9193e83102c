"""Recall and precision of mentions by their length."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TypedDict

from ..doc import Annotations
from .counts import MODES
from .matching import Item, equal_edges, match_pairs, normalise, overlaps
from .sides import Side

# The greatest length of each class, in words; the last class is open-ended.
BORDERS = (1, 2, 3, 5, 8)
CLASSES = ("1", "2", "3", "4-5", "6-8", "9+")


class Partners(TypedDict):
    """Mentions with a partner on the other side, whose length may differ.

    found (int): Gold mentions; divided by all gold mentions, the recall.
    right (int): Predicted mentions; divided by all predicted mentions, the precision.
    """

    found: int
    right: int


class LengthFigures(TypedDict):
    """Mentions of one length class: how many there are, and how many have a partner."""

    gold: int
    predicted: int
    strict: Partners
    lenient: Partners


def by_length(
    gold: Mapping[str, Annotations],
    predicted: Mapping[str, Annotations],
    texts: Mapping[str, str],
) -> dict[str, LengthFigures]:
    """Mentions by length in words (separated by white space), matched one-to-one.

    texts (Mapping[str, str]): By note name; notes without a text are left out.
    RETURNS (dict[str, LengthFigures]): By length class; every class is included.
    RAISES (ValueError): No note has a text.
    """
    names = (gold.keys() | predicted.keys()) & texts.keys()
    if not names:
        raise ValueError(
            "no note has a .txt, so no mention has a length in words; expected the .txt files in "
            "one of the folders"
        )
    counts: Counter[tuple[str, str]] = Counter()
    empty = Annotations()
    for name in names:
        form = partial(normalise, text=texts[name])
        sides = [Side(notes.get(name, empty), form).items for notes in (gold, predicted)]
        classes = [[_length_class(item, texts[name]) for item in items] for items in sides]
        counts.update(("gold", c) for c in classes[0])
        counts.update(("predicted", c) for c in classes[1])
        for mode, edges in zip(MODES, (equal_edges(*sides), overlaps(*sides)), strict=True):
            for i, j in match_pairs(edges, len(sides[0]), len(sides[1])):
                counts[f"found {mode}", classes[0][i]] += 1
                counts[f"right {mode}", classes[1][j]] += 1
    return {
        c: LengthFigures(
            gold=counts["gold", c],
            predicted=counts["predicted", c],
            strict=Partners(found=counts["found strict", c], right=counts["right strict", c]),
            lenient=Partners(found=counts["found lenient", c], right=counts["right lenient", c]),
        )
        for c in CLASSES
    }


def _length_class(item: Item, text: str) -> str:
    words = sum(len(text[start:end].split()) for start, end in item[1])
    return CLASSES[sum(words > border for border in BORDERS)]
