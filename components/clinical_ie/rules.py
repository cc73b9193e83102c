"""Mentions by rules of one's own, beside those that a head finds."""

from collections.abc import Callable, Iterable

from spacy.tokens import Span


def make_new_mentions() -> Callable[[Iterable[Span], Iterable[Span]], list[Span]]:
    """The `spans_filter` of a `span_ruler`, registered as `clinical_ie.new_mentions.v1`.

    Without one, spaCy adds whatever matches, and a mention that the head has found too is there
    twice, along with its relations; spaCy's own filters return the mentions that are there already,
    which are then added again.
    """
    return new_mentions


def new_mentions(spans: Iterable[Span], matches: Iterable[Span]) -> list[Span]:
    """The matches to add to the mentions that a Doc has.

    spans (Iterable[Span]): The mentions.
    matches (Iterable[Span]): What the rules have found.
    RETURNS (list[Span]): The matches that overlap no mention of their label, in the order of the
        text; of several of one label that overlap each other, the longest.
    """
    taken = {(span.label, token) for span in spans for token in range(span.start, span.end)}
    kept = []
    for match in sorted(matches, key=lambda match: (match.start - match.end, match.start)):
        tokens = {(match.label, token) for token in range(match.start, match.end)}
        if taken.isdisjoint(tokens):
            taken |= tokens
            kept.append(match)
    return sorted(kept)
