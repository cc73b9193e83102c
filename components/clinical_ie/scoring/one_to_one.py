"""The project's own protocol: each item answers for at most one item of the other side."""

from collections import Counter
from collections.abc import Hashable
from functools import partial

from ..doc import Annotations
from .counts import NoteCounts, by_label
from .matching import match, match_equal, normalise, overlaps
from .sides import Side, link_edges


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
    """Relations as their label and both ends' items."""
    return [(label, (side.items[head], side.items[tail])) for label, head, tail in side.links]
