"""Pairs of gold and predicted items that match, and maximum one-to-one matchings of them.

An item is a mention as it is compared: its label and its pieces of text.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

Pieces = tuple[tuple[int, int], ...]
Item = tuple[str, Pieces]
Edge = tuple[int, int]


def normalise(fragments: Iterable[tuple[int, int]], text: str | None = None) -> Pieces:
    """Bring fragments into the form in which they are compared.

    They are sorted, and pieces that touch or overlap are merged. If the text is known, so are
    pieces separated only by white space: brat splits a mention at every line break, which carries
    no meaning.

    fragments (Iterable[tuple[int, int]]): Start and end of each piece, in characters.
    text (str | None): The text that the offsets refer to.
    RETURNS (Pieces): Sorted and disjoint.
    RAISES (ValueError): A piece is empty or reversed, or there are no pieces.
    """
    pieces: list[tuple[int, int]] = []
    for start, end in sorted(fragments):
        if end <= start:
            raise ValueError(f"the span {start} {end} is empty or reversed; expected start < end")
        last = pieces[-1][1] if pieces else None
        if last is not None and (
            start <= last or (text is not None and text[last:start].isspace())
        ):
            pieces[-1] = (pieces[-1][0], max(last, end))
        else:
            pieces.append((start, end))
    if not pieces:
        raise ValueError("a mention has no fragments; expected at least one START END")
    return tuple(pieces)


def overlaps(gold: Sequence[Item], predicted: Sequence[Item]) -> list[Edge]:
    """Pairs of items with the same label that share at least one character.

    RETURNS (list[Edge]): Each pair once, as index into gold and index into predicted.
    """
    by_label: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    for side, items in enumerate((gold, predicted)):
        for index, (label, pieces) in enumerate(items):
            by_label[label].extend((start, end, side, index) for start, end in pieces)
    edges: set[Edge] = set()
    for events in by_label.values():
        # One pass over the text: `open_` holds the pieces of each side that extend this far.
        open_: list[list[tuple[int, int]]] = [[], []]
        for start, end, side, index in sorted(events):
            other = [(last, i) for last, i in open_[1 - side] if last > start]
            open_[1 - side] = other
            edges.update((i, index) if side else (index, i) for _, i in other)
            open_[side].append((end, index))
    return sorted(edges)


def equal_edges(gold: Sequence[Item], predicted: Sequence[Item]) -> list[Edge]:
    """Pairs of items with the same label and pieces, in the form that `overlaps` returns."""
    places: dict[Item, list[int]] = defaultdict(list)
    for j, item in enumerate(predicted):
        places[item].append(j)
    return [(i, j) for i, item in enumerate(gold) for j in places.get(item, ())]


def match(edges: Sequence[Edge], n_gold: int, n_predicted: int) -> list[int]:
    """A maximum matching, in which every item is in at most one pair.

    RETURNS (list[int]): The indices of the gold items that have a partner.
    """
    return [i for i, _ in match_pairs(edges, n_gold, n_predicted)]


def match_pairs(edges: Sequence[Edge], n_gold: int, n_predicted: int) -> list[Edge]:
    """The pairs of a maximum matching, as index into gold and index into predicted."""
    if len({i for i, _ in edges}) == len({j for _, j in edges}) == len(edges):
        return list(edges)
    rows, columns = np.array(edges, dtype=np.int32).T
    graph = csr_matrix(
        (np.ones(len(edges), dtype=np.int8), (rows, columns)), shape=(n_gold, n_predicted)
    )
    partners = maximum_bipartite_matching(graph, perm_type="column")
    return [(int(i), int(partners[i])) for i in np.flatnonzero(partners >= 0)]


def match_equal(
    gold: Counter[tuple[str, Hashable]], predicted: Counter[tuple[str, Hashable]]
) -> Counter[str]:
    """The size of the maximum matching, by label, if only equal items match.

    gold, predicted (Counter[tuple[str, Hashable]]): Items, or relations as label and both ends.
    """
    sizes: Counter[str] = Counter()
    for item, count in (gold & predicted).items():
        sizes[item[0]] += count
    return sizes
