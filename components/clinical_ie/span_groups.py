"""What stands beside the spans of a group, found again after the group was edited."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from spacy.tokens import Span, SpanGroup

from .text.alignment import touched_tokens
from .text.columns import text_length

Fragments = Sequence[Sequence[int]]


def exact_of(group: SpanGroup) -> tuple[list[Fragments], list[float]]:
    """The exact characters and the score of each span of the group.

    They stand beside the group in its order, with the ids of the spans. Where spans were put in,
    taken out, moved or changed since, each finds its own by the tokens that the characters touch:
    what had its id there, else what no other span has claimed. One that is new has its own
    characters, and a score of 1.
    """
    spans = list(group)
    entries: Sequence[Fragments] = group.attrs.get("fragments") or ()
    scores: Sequence[float] = group.attrs.get("scores") or ()
    if len(scores) != len(entries):
        # Other software fills one and not the other.
        entries = entries or [((s.start_char, s.end_char),) for s in spans]
        scores = scores if len(scores) == len(entries) else [1.0] * len(entries)
    borders = [(min(piece[0] for piece in e), max(piece[1] for piece in e)) for e in entries]
    doc = group.doc
    length = text_length(doc)
    touched = touched_tokens(doc, borders) if all(end <= length for _, end in borders) else []
    wanted = [(span.start, span.end) for span in spans]
    own_ids = [span.id_ for span in spans]
    ids: Sequence[str] = group.attrs.get("ids") or ()
    if touched == wanted and list(ids) in ([], own_ids):
        return list(entries), list(scores)
    if len(ids) != len(entries):
        ids = [""] * len(entries)
    waiting: dict[tuple[int, int], list[int]] = {}
    for at, tokens in enumerate(touched):
        waiting.setdefault(tokens, []).append(at)
    places: list[int | None] = []
    for id_, tokens in zip(own_ids, wanted, strict=True):
        here = waiting.get(tokens, [])
        place = next((at for at in here if ids[at] == id_), None)
        if place is not None:
            here.remove(place)
        places.append(place)
    found: list[Fragments] = []
    of_found: list[float] = []
    for span, tokens, place in zip(spans, wanted, places, strict=True):
        if place is None and waiting.get(tokens):
            place = waiting[tokens].pop(0)
        own = ((span.start_char, span.end_char),)
        found.append(own if place is None else entries[place])
        of_found.append(1.0 if place is None else scores[place])
    return found, of_found


SpanKey = tuple[int, int, str, str]


def key_of(span: Span) -> SpanKey:
    return (span.start_char, span.end_char, span.label_, span.id_)


class Places:
    """Where the mentions that relations name stand in the group.

    One with an id is the same as long as it has that id, whatever its label and borders are now.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        ids = Counter(span.id_ for span in spans)
        self._by_key = {key_of(span): at for at, span in enumerate(spans)}
        self._by_id = {s.id_: at for at, s in enumerate(spans) if s.id_ and ids[s.id_] == 1}

    def find(self, end: Sequence[Any]) -> int | None:
        at = self._by_key.get((end[0], end[1], end[2], end[3]))
        return self._by_id.get(end[3]) if at is None else at
