"""The counts of the official script of n2c2-2018 Track 2, version 4, quirks included."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, product

from ..doc import Annotations
from .counts import ByLabel, NoteCounts, by_label
from .matching import Edge, Item, Pieces, equal_edges, overlaps
from .sides import Fragments, Side, link_edges


def n2c2_2018(gold: Annotations, predicted: Annotations, text: str | None) -> NoteCounts:
    """Counts of one note as the official script computes them; the text is ignored.

    A mention extends from the start of its first listed fragment to the end of its last listed one.
    Strict: same label and the same two offsets. Lenient: same label and a shared character. A
    relation matches if its label is the same, head matches head and tail matches tail. How matches
    are counted depends on the order of lines; see `first_come`.

    RETURNS (NoteCounts): Counts by task, mode and label. Only items with the same label can match,
        so a label's counts equal those of a run of the script on this label only.
    RAISES (ValueError): A relation refers to a missing mention, or an id is used twice.
    """
    sides = (Side(gold, _from_first_to_last), Side(predicted, _from_first_to_last))
    edges = {
        "strict": equal_edges(sides[0].items, sides[1].items),
        "lenient": _sharing(sides[0].items, sides[1].items),
    }
    labels = [side.labels for side in sides]
    link_labels = [side.link_labels for side in sides]
    return {
        "entities": {
            mode: first_come(found, labels[0], labels[1]) for mode, found in edges.items()
        },
        "relations": {
            mode: first_come(link_edges(sides[0], sides[1], found), link_labels[0], link_labels[1])
            for mode, found in edges.items()
        },
    }


def first_come(edges: Sequence[Edge], gold: Sequence[str], predicted: Sequence[str]) -> ByLabel:
    """Count in the order of the predicted items, each of which marks all gold items it matches.

    A predicted item that matches an already marked gold item is not counted, as right or as wrong,
    but the gold items it marks stay marked. Of the other items, those with a match are true
    positives. Each true positive reduces the false negatives by one, even if it matches several
    gold items.

    edges (Sequence[Edge]): Matches, as index into gold and index into predicted.
    gold, predicted (Sequence[str]): Labels of all items.
    """
    matches: dict[int, list[int]] = defaultdict(list)
    for i, j in edges:
        matches[j].append(i)
    marked: set[int] = set()
    right: list[str] = []
    counted: list[str] = []
    for j, label in enumerate(predicted):
        found = matches.get(j, [])
        if not marked.isdisjoint(found):
            marked.update(found)
            continue
        marked.update(found)
        counted.append(label)
        if found:
            right.append(label)
    return by_label(gold, counted, right)


def _from_first_to_last(fragments: Fragments) -> Pieces:
    return ((fragments[0][0], fragments[-1][1]),)


def _sharing(gold: Sequence[Item], predicted: Sequence[Item]) -> list[Edge]:
    """Pairs with the same label in which each span starts before the other ends.

    Fragments that are listed from back to front can give a span that ends before it starts. The
    script compares its offsets all the same; `overlaps`, which goes through the text, cannot.
    """
    forward = [
        [n for n, (_, ((start, end),)) in enumerate(items) if start < end]
        for items in (gold, predicted)
    ]
    walked = overlaps([gold[i] for i in forward[0]], [predicted[j] for j in forward[1]])
    edges = {(forward[0][i], forward[1][j]) for i, j in walked}
    odd = (set(range(len(gold))) - set(forward[0]), set(range(len(predicted))) - set(forward[1]))
    for i, j in chain(product(odd[0], range(len(predicted))), product(range(len(gold)), odd[1])):
        if _shares(gold[i], predicted[j]):
            edges.add((i, j))
    return sorted(edges)


def _shares(gold: Item, predicted: Item) -> bool:
    ((start, end),), ((other_start, other_end),) = gold[1], predicted[1]
    return gold[0] == predicted[0] and start < other_end and other_start < end
