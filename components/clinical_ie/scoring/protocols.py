"""What is right and what is wrong in one note: counts by task, mode and label.

A protocol is a function of one note. How notes are added up is `scores.py`'s concern.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..doc import Annotations
from .matching import Item, Pieces, match, match_equal, normalise, overlaps

MODES = ("strict", "lenient")


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives and false negatives; a ratio without a base is 0."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


ByLabel = dict[str, Counts]
NoteCounts = dict[str, dict[str, ByLabel]]
Protocol = Callable[[Annotations, Annotations, str | None], NoteCounts]


def one_to_one(gold: Annotations, predicted: Annotations, text: str | None) -> NoteCounts:
    """Counts of one note where each item answers for at most one item of the other side.

    Strict: same label, same characters (see `normalise`). Lenient: same label and at least one
    shared character. A relation matches where its label is the same and head matches head and
    tail matches tail in the mode; ids and the order of lines do not matter. Of all ways to pair
    the items, the one with most pairs counts, so that no order of lines changes a figure. What
    remains on the predicted side, a duplicate too, is a false positive; on the gold side a miss.

    gold (Annotations): What a person annotated.
    predicted (Annotations): What is to be scored; none at all for a note that is missing.
    text (str | None): The note, for fragments that only white space keeps apart.
    RETURNS (NoteCounts): Counts by task, mode and label.
    RAISES (ValueError): A relation names a mention that is not there, or an id is used twice.
    """
    sides = (_Side(gold, text), _Side(predicted, text))
    edges = overlaps(sides[0].items, sides[1].items)
    matched = match(edges, len(sides[0].items), len(sides[1].items))
    return {
        "entities": {
            "strict": _by_label(
                sides[0].labels,
                sides[1].labels,
                match_equal(Counter(sides[0].items), Counter(sides[1].items)),
            ),
            "lenient": _by_label(
                sides[0].labels, sides[1].labels, Counter(sides[0].items[i][0] for i in matched)
            ),
        },
        "relations": {
            "strict": _by_label(
                sides[0].link_labels,
                sides[1].link_labels,
                _equal_links(sides[0], sides[1]),
            ),
            "lenient": _by_label(
                sides[0].link_labels,
                sides[1].link_labels,
                _overlapping_links(sides[0], sides[1], edges),
            ),
        },
    }


PROTOCOLS: dict[str, Protocol] = {"one-to-one": one_to_one}


class _Side:
    """Gold or predicted: mentions as items, relations as indices into them."""

    def __init__(self, annotations: Annotations, text: str | None) -> None:
        self.items: list[Item] = []
        index: dict[str, int] = {}
        known: dict[tuple[tuple[int, int], ...], Pieces] = {}
        for mention in annotations.mentions:
            if mention.id in index:
                raise ValueError(f"the mention id {mention.id!r} is used twice")
            index[mention.id] = len(self.items)
            pieces = known.get(mention.fragments)
            if pieces is None:
                pieces = known[mention.fragments] = normalise(mention.fragments, text)
            self.items.append((mention.label, pieces))
        for link in annotations.links:
            for end in (link.head, link.tail):
                if end not in index:
                    raise ValueError(f"a {link.label} relation names {end!r}, no mention's id")
        self.links = [(ln.label, index[ln.head], index[ln.tail]) for ln in annotations.links]

    @property
    def labels(self) -> list[str]:
        return [label for label, _ in self.items]

    @property
    def link_labels(self) -> list[str]:
        return [label for label, _, _ in self.links]


def _equal_links(gold: _Side, predicted: _Side) -> Counter[str]:
    keyed = [
        Counter((label, side.items[head], side.items[tail]) for label, head, tail in side.links)
        for side in (gold, predicted)
    ]
    sizes: Counter[str] = Counter()
    for (label, _, _), count in (keyed[0] & keyed[1]).items():
        sizes[label] += count
    return sizes


def _overlapping_links(
    gold: _Side, predicted: _Side, edges: Sequence[tuple[int, int]]
) -> Counter[str]:
    near: dict[int, set[int]] = defaultdict(set)
    for i, j in edges:
        near[j].add(i)
    at: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for number, (label, head, tail) in enumerate(gold.links):
        at[label, head].append((tail, number))
    link_edges = [
        (candidate, number)
        for number, (label, head, tail) in enumerate(predicted.links)
        for gold_head in near.get(head, ())
        for gold_tail, candidate in at.get((label, gold_head), ())
        if gold_tail in near.get(tail, ())
    ]
    matched = match(link_edges, len(gold.links), len(predicted.links))
    return Counter(gold.links[i][0] for i in matched)


def _by_label(gold: list[str], predicted: list[str], right: Counter[str]) -> ByLabel:
    in_gold, in_predicted = Counter(gold), Counter(predicted)
    return {
        label: Counts(
            right[label], in_predicted[label] - right[label], in_gold[label] - right[label]
        )
        for label in in_gold.keys() | in_predicted.keys()
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
