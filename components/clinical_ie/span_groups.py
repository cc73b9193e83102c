"""Data kept alongside the spans of a group, matched to them again after the group was edited."""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from spacy.tokens import Doc, Span, SpanGroup
from srsly import msgpack_loads

from .annotation_columns import Details
from .text.alignment import touched_tokens
from .text.columns import text_length
from .token_spans import TokenSpans

Fragments = Sequence[Sequence[int]]
Exact = tuple[list[Fragments], list[float]]
# How spaCy packs a span of a group: id, knowledge base id, label, token and character offsets.
SPAN_LAYOUT = struct.Struct(">QQQllll")
# Key of the Doc's own copy of the data kept alongside its group. spaCy recognizes keys of this
# form: it does not print their values when Docs are merged.
KEPT: Any = ("._.", "clinical_ie.kept", None, None)


def keep_beside(
    group: SpanGroup,
    spans: TokenSpans,
    scores: Sequence[float],
    fragments: Sequence[Fragments],
    details: Details,
) -> None:
    """Store scores, exact offsets and details alongside the spans of a group.

    They go into the group's `attrs`. Whatever differs from the default is also kept in
    `doc.user_data`, by mention id: assigning a list of spans to `doc.spans` creates a group
    without `attrs`.
    """
    ids, own = spans.ids, spans.characters
    group.attrs["scores"] = list(map(float, scores))
    # Tuples, as passed in: Python's garbage collector ignores tuples of numbers, but scans lists
    # again and again while Docs accumulate in memory.
    group.attrs["fragments"] = fragments = list(fragments)
    group.attrs["ids"] = ids
    is_exact = fragments == list(zip(own, strict=True))
    if not is_exact and own != list(map(border, fragments)):
        # If a token that a mention covers in part is split, the exact offsets touch other tokens.
        group.attrs["characters"] = own
    unusual = {}
    if not is_exact or set(group.attrs["scores"]) - {1.0}:
        unusual = {
            id_: (pieces, float(score), characters)
            for id_, characters, pieces, score in zip(ids, own, fragments, scores, strict=True)
            if id_ and (score != 1.0 or tuple(pieces) != (characters,))
        }
    if details:
        group.attrs["details"] = details
    if unusual or details:
        group.doc.user_data[KEPT] = {"exact": unusual, "details": details}
    else:
        group.doc.user_data.pop(KEPT, None)


def members(group: SpanGroup) -> list[Span]:
    """The spans of a group, even if tokens were merged or split since.

    spaCy does not update span groups then: their token offsets mean other tokens, or lie outside
    the Doc. The character offsets stored with them stay right and determine the current tokens.
    """
    doc = group.doc
    try:
        spans = list(group)
    except IndexError:
        return _by_characters(group)
    # All spans are checked: after a merge and a split, later tokens can be where they were.
    for span in spans:
        last = doc[span.end - 1]
        if (doc[span.start].idx, last.idx + len(last)) != (span.start_char, span.end_char):
            return _by_characters(group)
    return spans


def _by_characters(group: SpanGroup) -> list[Span]:
    found = [
        (id_, kb_id, label, (start, end)) for id_, kb_id, label, _, _, start, end in _packed(group)
    ]
    tokens = touched_tokens(group.doc, [characters for *_, characters in found])
    return [
        Span(group.doc, *place, label=label, kb_id=kb_id, span_id=id_)
        for place, (id_, kb_id, label, _) in zip(tokens, found, strict=True)
    ]


def _packed(group: SpanGroup) -> Iterator[tuple[int, ...]]:
    return map(SPAN_LAYOUT.unpack, msgpack_loads(group.to_bytes())["spans"])


def _stored(group: SpanGroup) -> list[tuple[int, int]]:
    """The character offsets of all spans, as they were before tokens were merged or split."""
    try:
        return list(map(_characters, group))
    except IndexError:
        return [(start, end) for *_, start, end in _packed(group)]


def exact_of(group: SpanGroup, spans: Sequence[Span]) -> Exact:
    """The exact offsets and the score of each span of the group.

    spans (Sequence[Span]): Its `members`.

    The group's `attrs` hold them as entries in the order of the group, with the ids of the spans.
    If spans were added, removed, moved or changed since, each span claims an entry that has its
    character offsets, or whose exact offsets touch its tokens: one with its id if there is one,
    else one that no other span claims. A new span gets its own offsets and a score of 1.
    """
    entries, scores = _listed(group, "fragments"), _listed(group, "scores")
    if "fragments" not in group.attrs:
        return _exact_by_id(group, spans, scores)
    if len(scores) != len(entries):
        scores = [1.0] * len(entries)
    borders = list(map(border, entries))
    kept = list(map(_pair, _listed(group, "characters"))) or borders
    own_ids, ids = [span.id_ for span in spans], _listed(group, "ids")
    same_ids = ids in ([], own_ids)
    if same_ids and (kept == list(map(_characters, spans)) or kept == _stored(group)):
        return entries, scores
    touched = _touched(group.doc, borders)
    if same_ids and touched == [(span.start, span.end) for span in spans]:
        return entries, scores
    if len(ids) != len(entries):
        ids = [""] * len(entries)
    places = _claims(spans, ids, (borders, kept), touched)
    own = _stored(group)
    return (
        [(new,) if at is None else entries[at] for new, at in zip(own, places, strict=True)],
        [1.0 if at is None else scores[at] for at in places],
    )


def pieces_of(group: SpanGroup | None, span: Span) -> Fragments:
    """The exact offsets of one span of the group."""
    if group is None:
        return _own(span)
    ids = _listed(group, "ids")
    if span.id_ and ids.count(span.id_) == 1:
        # Without reading all the others, in case a caller asks for each span in turn.
        pieces: Fragments = group.attrs["fragments"][ids.index(span.id_)]
        if border(pieces) == _characters(span):
            return pieces
    key = key_of(span)
    spans = members(group)
    for member, pieces in zip(spans, exact_of(group, spans)[0], strict=True):
        if key_of(member) == key:
            return pieces
    return _own(span)


def details_of(group: SpanGroup | None) -> Details:
    """Attributes, normalisations and comments by mention id, then by field."""
    if group is None:
        return {}
    details: Details = group.attrs.get("details", {})
    if "fragments" not in group.attrs:
        details = group.doc.user_data.get(KEPT, {}).get("details", {})
    return details


def _exact_by_id(group: SpanGroup, spans: Sequence[Span], scores: list[Any]) -> Exact:
    """Exact offsets and scores by span id, for spans assigned in place of the original group."""
    doc = group.doc
    kept = doc.user_data.get(KEPT, {}).get("exact", {})
    entries = [kept.get(span.id_) if span.id_ else None for span in spans]
    borders = [border(entry[0]) if entry else (0, 0) for entry in entries]
    exact: list[Fragments] = []
    of_exact: list[float] = []
    touched = _touched(doc, borders) or [(0, 0)] * len(spans)
    rows = zip(spans, entries, borders, touched, _stored(group), strict=True)
    for span, entry, characters, tokens, own in rows:
        # Files of earlier versions have no third item.
        known = [characters, *map(_pair, entry[2:])] if entry else []
        here = _characters(span) in known or tokens == (span.start, span.end)
        exact.append(entry[0] if entry and here else (own,))
        of_exact.append(entry[1] if entry and here else 1.0)
    # Other software sets scores but no fragments.
    return exact, list(scores) if len(scores) == len(spans) else of_exact


def _claims(
    spans: Sequence[Span],
    ids: Sequence[str],
    characters: Iterable[Sequence[tuple[int, int]]],
    touched: Sequence[tuple[int, int]],
) -> list[int | None]:
    """The position of each span's own entry, None if it has none.

    characters (Iterable[Sequence[tuple[int, int]]]): Offsets of the entries: the exact ones, and
        those of their spans.
    """
    waiting: dict[tuple[str, tuple[int, int]], list[int]] = {}
    for kind, keys in (*(("characters", known) for known in characters), ("tokens", touched)):
        for at, key in enumerate(keys):
            waiting.setdefault((kind, key), []).append(at)
    near = [
        [
            *waiting.get(("characters", _characters(span)), ()),
            *waiting.get(("tokens", (span.start, span.end)), ()),
        ]
        for span in spans
    ]
    claimed: set[int] = set()

    def claim(choices: Iterable[int]) -> int | None:
        place = next((at for at in choices if at not in claimed), None)
        if place is not None:
            claimed.add(place)
        return place

    places = [
        claim(at for at in choices if ids[at] == span.id_)
        for span, choices in zip(spans, near, strict=True)
    ]
    return [
        claim(choices) if place is None else place
        for place, choices in zip(places, near, strict=True)
    ]


def _listed(group: SpanGroup, name: str) -> list[Any]:
    """A value of `attrs` as a list; spaCy's `spancat` stores an array."""
    values = group.attrs.get(name)
    return [] if values is None else list(values)


def _own(span: Span) -> tuple[tuple[int, int], ...]:
    return (_characters(span),)


def _characters(span: Span) -> tuple[int, int]:
    return span.start_char, span.end_char


def _pair(pair: Sequence[int]) -> tuple[int, int]:
    """Convert to a tuple again what a file has turned into a list."""
    return pair[0], pair[1]


def border(pieces: Fragments) -> tuple[int, int]:
    """Start of the first and end of the last piece, in any order; (0, 0) if there is none."""
    if len(pieces) == 1:
        ((start, end),) = pieces
        return start, end
    if not pieces:
        return 0, 0
    return min(piece[0] for piece in pieces), max(piece[1] for piece in pieces)


def _touched(doc: Doc, borders: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The tokens that the offsets touch; an empty list if any of them lie outside the Doc."""
    length = text_length(doc)
    inside = all(end <= length for _, end in borders)
    return touched_tokens(doc, borders) if inside and length else []


SpanKey = tuple[int, int, str, str]


def key_of(span: Span) -> SpanKey:
    return (span.start_char, span.end_char, span.label_, span.id_)


class Places:
    """Positions in the group of the mentions that relations refer to.

    A mention with an id stays the same mention, even if its label or borders change.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        ids = Counter(span.id_ for span in spans)
        self._by_key = {key_of(span): at for at, span in enumerate(spans)}
        self._by_id = {s.id_: at for at, s in enumerate(spans) if s.id_ and ids[s.id_] == 1}

    def find(self, end: Sequence[Any]) -> int | None:
        at = self._by_key.get((end[0], end[1], end[2], end[3]))
        return self._by_id.get(end[3]) if at is None else at
