"""The project's own protocol: each item matches at most one item of the other side."""

from collections import Counter
from collections.abc import Hashable
from functools import partial

from ..doc import Annotations
from .counts import NoteCounts, by_label
from .matching import match, match_equal, normalise, overlaps
from .sides import Side, link_edges


def one_to_one(gold: Annotations, predicted: Annotations, text: str | None) -> NoteCounts:
    """Counts of one note, with each item matching at most one item of the other side.

    Strict: same label, same characters (see `normalise`). Lenient: same label and at least one
    shared character. A relation matches if its label is the same and, in the given mode, head
    matches head and tail matches tail. True positives are the pairs of a maximum matching, so ids
    and the order of lines do not matter. Unmatched predicted items, including duplicates, are false
    positives; unmatched gold items are false negatives.

    gold (Annotations): The gold annotations.
    predicted (Annotations): The annotations to score; empty for a missing note.
    text (str | None): The note's text; see `normalise`.
    RETURNS (NoteCounts): Counts by task, mode and label.
    RAISES (ValueError): A relation refers to a missing mention, or an id is used twice.
    """
    form = partial(normalise, text=text)
    sides = (Side(gold, form), Side(predicted, form))
    edges = overlaps(sides[0].items, sides[1].items)
    links = link_edges(sides[0], sides[1], edges)
    matched = match(edges, len(sides[0].items), len(sides[1].items))
    matched_links = match(links, len(sides[0].links), len(sides[1].links))
    equal = match_equal(*(Counter[tuple[str, Hashable]](side.items) for side in sides))
    equal_links = match_equal(*(Counter(_spelled_out(side)) for side in sides))
    labels = [side.labels for side in sides]
    link_labels = [side.link_labels for side in sides]
    return {
        "entities": {
            "strict": by_label(labels[0], labels[1], equal),
            "lenient": by_label(labels[0], labels[1], (labels[0][i] for i in matched)),
        },
        "relations": {
            "strict": by_label(link_labels[0], link_labels[1], equal_links),
            "lenient": by_label(
                link_labels[0], link_labels[1], (link_labels[0][i] for i in matched_links)
            ),
        },
    }


def _spelled_out(side: Side) -> list[tuple[str, Hashable]]:
    """Relations as their label and the items at both ends."""
    return [(label, (side.items[head], side.items[tail])) for label, head, tail in side.links]
