"""What the relation head is to say of its candidates."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..doc import Link
from .candidates import Candidates, Ints


def relation_targets(
    candidates: Candidates,
    stands_for: Ints,
    ids: Sequence[str],
    links: Iterable[Link],
    labels: Sequence[str],
) -> tuple[NDArray[np.float32], set[str]]:
    """The probability of each label for each pair.

    stands_for (Ints): For each of the candidates' mentions the position of the gold mention whose
        relations it takes, -1 for none.
    ids (Sequence[str]): The ids of the gold mentions.
    links (Iterable[Link]): Relations between these, with probabilities; those of mentions that are
        gone do not count.
    labels (Sequence[str]): The head's labels.
    RETURNS (tuple[NDArray[np.float32], set[str]]): Shape (n_pairs, n_labels), with at least one
        column; and labels of links that are not among the head's.
    """
    targets = np.zeros((len(candidates), max(1, len(labels))), dtype=np.float32)
    place = {id_: at for at, id_ in enumerate(ids)}
    column = {label: at for at, label in enumerate(labels)}
    # Each pair of gold mentions as one number; -1 if one of the two stands for no gold mention.
    n_gold = max(1, len(place))
    heads, tails = stands_for[candidates.heads], stands_for[candidates.tails]
    pairs = np.where((heads >= 0) & (tails >= 0), heads * n_gold + tails, -1)
    order = np.argsort(pairs, kind="stable")
    unknown = set()
    for link in links:
        if link.label not in column:
            unknown.add(link.label)
        elif link.head in place and link.tail in place:
            pair = place[link.head] * n_gold + place[link.tail]
            first, last = np.searchsorted(pairs, [pair, pair + 1], sorter=order)
            targets[order[first:last], column[link.label]] = link.score
    return targets, unknown
