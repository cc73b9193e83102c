"""One side of a comparison, gold or predicted."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from ..doc import Annotations
from .matching import Edge, Item, Pieces

Fragments = tuple[tuple[int, int], ...]


class Side:
    """Mentions as items, relations as indices into them, both in the order of their lines.

    annotations (Annotations): The annotations of one note.
    form (Callable[[Fragments], Pieces]): Maps the fragments of a mention to the pieces compared.
    RAISES (ValueError): A relation refers to a missing mention, or an id is used twice.
    """

    def __init__(self, annotations: Annotations, form: Callable[[Fragments], Pieces]) -> None:
        self.items: list[Item] = []
        index: dict[str, int] = {}
        known: dict[Fragments, Pieces] = {}
        for mention in annotations.mentions:
            if mention.id in index:
                raise ValueError(f"the mention id {mention.id!r} is used twice")
            index[mention.id] = len(self.items)
            pieces = known.get(mention.fragments)
            if pieces is None:
                pieces = known[mention.fragments] = form(mention.fragments)
            self.items.append((mention.label, pieces))
        for link in annotations.links:
            for end in (link.head, link.tail):
                if end not in index:
                    raise ValueError(f"a {link.label} relation refers to {end!r}, no mention's id")
        self.links = [(ln.label, index[ln.head], index[ln.tail]) for ln in annotations.links]

    @property
    def labels(self) -> list[str]:
        return [label for label, _ in self.items]

    @property
    def link_labels(self) -> list[str]:
        return [label for label, _, _ in self.links]


def link_edges(gold: Side, predicted: Side, edges: Iterable[Edge]) -> list[Edge]:
    """Pairs of relations with the same label whose heads match and whose tails match.

    edges (Iterable[Edge]): Which mentions match.
    RETURNS (list[Edge]): Each pair once, as index into gold and index into predicted.
    """
    near: dict[int, set[int]] = defaultdict(set)
    for i, j in edges:
        near[j].add(i)
    at: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for number, (label, head, tail) in enumerate(gold.links):
        at[label, head].append((tail, number))
    return [
        (candidate, number)
        for number, (label, head, tail) in enumerate(predicted.links)
        for gold_head in near.get(head, ())
        for gold_tail, candidate in at.get((label, gold_head), ())
        if gold_tail in near.get(tail, ())
    ]
