"""Error analysis: wrong borders, types and relation ends; strict, one-to-one.

Every gold item and every predicted item of a note gets one verdict. `CORRECT` items are the true
positives of the one-to-one protocol, all others its false negatives and false positives.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ..doc import Annotations
from .matching import Edge, Item, Pieces, equal_edges, match_pairs, normalise, overlaps
from .sides import Side, link_edges

CORRECT = "correct"
MISSED, SPURIOUS = "missed", "spurious"
WRONG_TYPE, WRONG_TYPE_AND_BORDERS = "wrong type", "wrong type and borders"
TOO_LONG, TOO_SHORT, SHIFTED = "too long", "too short", "shifted"
SPLIT, MERGED = "split", "merged"
BORDER_KINDS = (TOO_LONG, TOO_SHORT, SHIFTED, SPLIT, MERGED)
MENTION_KINDS = (MISSED, SPURIOUS, WRONG_TYPE, WRONG_TYPE_AND_BORDERS, *BORDER_KINDS)

WRONG_LABEL, WRONG_DIRECTION = "wrong label", "wrong direction"
NOT_A_CANDIDATE, NOT_PROPOSED = "not a candidate", "not proposed"
END_MISSED, END_SPURIOUS = "mention missed", "mention spurious"
END_TYPE, END_BORDERS = "mention of wrong type", "mention with wrong borders"
NO_RELATION = "no such relation"
# Why a gold relation was not found, and what is wrong with a predicted one.
MISS_KINDS = (
    END_MISSED, END_TYPE, END_BORDERS, WRONG_LABEL, WRONG_DIRECTION, NOT_A_CANDIDATE, NOT_PROPOSED,
)  # fmt: skip
FALSE_KINDS = (END_SPURIOUS, END_TYPE, END_BORDERS, WRONG_LABEL, WRONG_DIRECTION, NO_RELATION)

# Classes of distance: words between the two mentions of a relation.
DISTANCES = ((0, "0"), (5, "1-5"), (10, "6-10"), (20, "11-20"), (40, "21-40"))
FAR = "41+"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one item.

    kind (str): `CORRECT`, or one of the kinds above.
    partner (int | None): Index of the item on the other side that it is paired with.
    """

    kind: str
    partner: int | None = None


@dataclass(frozen=True, slots=True)
class NoteErrors:
    """The verdicts of one note, in the order of its mentions and relations."""

    gold_mentions: list[Verdict]
    predicted_mentions: list[Verdict]
    gold_links: list[Verdict]
    predicted_links: list[Verdict]


def note_errors(
    gold: Annotations,
    predicted: Annotations,
    text: str | None,
    unreachable: Collection[int] = (),
) -> NoteErrors:
    """Judge every item of a note.

    text (str | None): See `normalise`.
    unreachable (Collection[int]): Indices of gold relations that are not candidate pairs.
    RAISES (ValueError): A relation refers to a missing mention, or an id is used twice.
    """
    form = partial(normalise, text=text)
    sides = Side(gold, form), Side(predicted, form)
    mentions = _judge_mentions(sides[0].items, sides[1].items)
    links = _judge_links(sides[0], sides[1], *mentions, unreachable)
    return NoteErrors(*mentions, *links)


def distance_classes(gold: Annotations, text: str) -> list[str]:
    """The class of each relation by the number of words between its mentions."""
    by_id = {mention.id: mention for mention in gold.mentions}
    classes = []
    for link in gold.links:
        ends = sorted((by_id[link.head], by_id[link.tail]), key=lambda m: (m.start, m.end))
        words = len(text[ends[0].end : ends[1].start].split())
        classes.append(next((name for most, name in DISTANCES if words <= most), FAR))
    return classes


class _Verdicts:
    """Verdicts on both sides, as they are collected; an item keeps its first verdict."""

    def __init__(self, n_gold: int, n_predicted: int) -> None:
        self.sides: tuple[dict[int, Verdict], dict[int, Verdict]] = ({}, {})
        self.sizes = n_gold, n_predicted

    def open(self, edge: Edge) -> bool:
        return edge[0] not in self.sides[0] and edge[1] not in self.sides[1]

    def pair(self, edges: Iterable[Edge], kind: Callable[[Edge], str]) -> None:
        """Set the verdicts of a maximum one-to-one matching of the pairs that are still open."""
        candidates = [edge for edge in edges if self.open(edge)]
        for i, j in match_pairs(candidates, *self.sizes):
            self.sides[0][i] = Verdict(kind((i, j)), j)
            self.sides[1][j] = Verdict(kind((i, j)), i)

    def settle(self, side: int, place: int, verdict: Verdict) -> None:
        self.sides[side].setdefault(place, verdict)

    def lists(self, rest: tuple[str, str]) -> tuple[list[Verdict], list[Verdict]]:
        gold, predicted = (
            [found.get(place, Verdict(kind)) for place in range(size)]
            for found, size, kind in zip(self.sides, self.sizes, rest, strict=True)
        )
        return gold, predicted


def _judge_mentions(
    gold: Sequence[Item], predicted: Sequence[Item]
) -> tuple[list[Verdict], list[Verdict]]:
    verdicts = _Verdicts(len(gold), len(predicted))
    # The same mentions without labels, to compare mentions of different types.
    spans: list[list[Item]] = [[("", pieces) for _, pieces in side] for side in (gold, predicted)]
    verdicts.pair(equal_edges(gold, predicted), lambda _: CORRECT)
    verdicts.pair(equal_edges(*spans), lambda _: WRONG_TYPE)
    same_label = [edge for edge in overlaps(gold, predicted) if verdicts.open(edge)]
    _judge_borders(same_label, gold, predicted, verdicts)
    verdicts.pair(overlaps(*spans), lambda _: WRONG_TYPE_AND_BORDERS)
    return verdicts.lists((MISSED, SPURIOUS))


def _judge_borders(
    edges: Sequence[Edge], gold: Sequence[Item], predicted: Sequence[Item], verdicts: _Verdicts
) -> None:
    """Judge mentions of the same label that share some, but not all, of their characters."""
    of_gold: dict[int, list[int]] = defaultdict(list)
    of_predicted: dict[int, list[int]] = defaultdict(list)
    for i, j in edges:
        of_gold[i].append(j)
        of_predicted[j].append(i)
    for i, found in of_gold.items():
        if len(found) > 1:
            verdicts.settle(0, i, Verdict(SPLIT, found[0]))
            for j in found:
                verdicts.settle(1, j, Verdict(SPLIT, i))
    for j, found in of_predicted.items():
        if len(found) > 1:
            verdicts.settle(1, j, Verdict(MERGED, found[0]))
            for i in found:
                verdicts.settle(0, i, Verdict(MERGED, j))

    def kind(edge: Edge) -> str:
        of_gold, found = gold[edge[0]][1], predicted[edge[1]][1]
        if _lies_within(of_gold, found):
            return TOO_LONG
        return TOO_SHORT if _lies_within(found, of_gold) else SHIFTED

    verdicts.pair(edges, kind)


def _lies_within(inner: Pieces, outer: Pieces) -> bool:
    """Whether each piece lies within a piece of the other mention."""
    return all(any(a <= start and end <= b for a, b in outer) for start, end in inner)


def _judge_links(
    gold: Side,
    predicted: Side,
    gold_mentions: Sequence[Verdict],
    predicted_mentions: Sequence[Verdict],
    unreachable: Collection[int],
) -> tuple[list[Verdict], list[Verdict]]:
    verdicts = _Verdicts(len(gold.links), len(predicted.links))
    equal = equal_edges(gold.items, predicted.items)
    verdicts.pair(link_edges(gold, predicted, equal), lambda _: CORRECT)
    # Relations between the same two mentions, whatever their label and direction.
    at: dict[tuple[Item, Item], list[int]] = defaultdict(list)
    for i, (_, head, tail) in enumerate(gold.links):
        at[gold.items[head], gold.items[tail]].append(i)
    ends = [(predicted.items[head], predicted.items[tail]) for _, head, tail in predicted.links]
    turned = [(i, j) for j, (head, tail) in enumerate(ends) for i in at.get((tail, head), ())]
    verdicts.pair(
        [(i, j) for i, j in turned if gold.links[i][0] == predicted.links[j][0]],
        lambda _: WRONG_DIRECTION,
    )
    straight = [(i, j) for j, pair in enumerate(ends) for i in at.get(pair, ())]
    verdicts.pair([*straight, *turned], lambda _: WRONG_LABEL)
    found = {predicted.items[j] for _, j in equal}
    wanted = {gold.items[i] for i, _ in equal}
    for i, (_, head, tail) in enumerate(gold.links):
        bad = [gold_mentions[end].kind for end in (head, tail) if gold.items[end] not in found]
        rest = NOT_A_CANDIDATE if i in unreachable else NOT_PROPOSED
        verdicts.settle(0, i, Verdict(_end_kind(bad, MISSED, END_MISSED) or rest))
    for j, (_, head, tail) in enumerate(predicted.links):
        bad = [
            predicted_mentions[end].kind
            for end in (head, tail)
            if predicted.items[end] not in wanted
        ]
        verdicts.settle(1, j, Verdict(_end_kind(bad, SPURIOUS, END_SPURIOUS) or NO_RELATION))
    return verdicts.lists((NOT_PROPOSED, NO_RELATION))


def _end_kind(kinds: Sequence[str], absent: str, absent_end: str) -> str | None:
    """The most serious error in a relation's two mentions; None if both are right."""
    if absent in kinds:
        return absent_end
    if WRONG_TYPE in kinds or WRONG_TYPE_AND_BORDERS in kinds:
        return END_TYPE
    return END_BORDERS if kinds else None
