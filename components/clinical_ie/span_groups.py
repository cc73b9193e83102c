"""What stands beside the spans of a group, found again after the group was edited."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from spacy.tokens import Span, SpanGroup

from .text.alignment import touched_tokens
from .text.columns import text_length

Fragments = Sequence[Sequence[int]]


def exact_of(group: SpanGroup) -> tuple[list[Fragments], list[float]]:
    """The exact characters and the score of each span of the group.

    They stand beside the group in its order. Where spans were put in, taken out, moved or changed
    since, each finds its own by the tokens that the characters touch; one that is new has its own
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
    if touched == wanted:
        return list(entries), list(scores)
    waiting: dict[tuple[int, int], deque[int]] = {}
    for at, tokens in enumerate(touched):
        waiting.setdefault(tokens, deque()).append(at)
    found: list[Fragments] = []
    of_found: list[float] = []
    for span, tokens in zip(spans, wanted, strict=True):
        if waiting.get(tokens):
            at = waiting[tokens].popleft()
            found.append(entries[at])
            of_found.append(scores[at])
        else:
            found.append(((span.start_char, span.end_char),))
            of_found.append(1.0)
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
