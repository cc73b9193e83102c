"""The annotation layer on a Doc: mentions, relations and the standoff they came from.

Mentions live in `doc.spans["entities"]`, overlapping and nested ones too; `doc.ents` is the flat
view. What a `Span` has no room for stands in the group's `attrs`: in the group's order, `scores`
and `fragments`, the exact character offsets (a span's borders are token borders, and stand in
`characters` where they differ); by mention id, `details`: attributes, normalisations and comments.
`span._.fragments`, `span._.attributes`, `span._.normalizations` and `span._.comments` read them.
Relations are kept in `doc.user_data` as plain values, so that they pass through `DocBin`,
`to_bytes` and worker processes, and are made into `Relation` objects when read.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple, cast

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup
from spacy.util import filter_spans

from .brat import Standoff
from .relation_list import Relation, RelationList
from .span_groups import (
    Details,
    Fragments,
    Places,
    details_of,
    exact_of,
    keep_beside,
    key_of,
    members,
    pieces_of,
)
from .text.alignment import touched_tokens
from .text.columns import span_borders, text_length, token_words
from .text.sentences import merge_inside_mentions

SPANS_KEY = "entities"
_END = itemgetter(1)
DETAILS = ("attributes", "normalizations", "comments")
# In the form of spaCy's own: what stands under such a key is neither printed, note text and all,
# where Docs are merged, nor taken along into a part of a Doc, where no offset would be right.
KEYS: dict[str, Any] = {
    name: ("._.", f"clinical_ie.{name}", None, None)
    for name in ("relations", "standoff", "note_id", "bom", "provenance")
}
_RELATIONS, _STANDOFF = KEYS["relations"], KEYS["standoff"]


class Mention(NamedTuple):
    """An entity mention in characters of the note's text.

    id (str): Unique within the note.
    label (str): Its type.
    fragments (tuple[tuple[int, int], ...]): Start and end of each piece, in the order listed.
    score (float): Confidence between 0 and 1; 1 for what a person annotated.
    attributes (tuple[tuple[str, str], ...]): Label and value; the value of a flag is "".
    normalizations (tuple[tuple[str, str, str], ...]): Type, reference and preferred text.
    comments (tuple[tuple[str, str], ...]): Type and text of what people noted on it.
    """

    id: str
    label: str
    fragments: tuple[tuple[int, int], ...]
    score: float = 1.0
    attributes: tuple[tuple[str, str], ...] = ()
    normalizations: tuple[tuple[str, str, str], ...] = ()
    comments: tuple[tuple[str, str], ...] = ()

    @property
    def start(self) -> int:
        """Character where the first piece of the text begins."""
        fragments = self.fragments
        return fragments[0][0] if len(fragments) == 1 else min(fragments)[0]

    @property
    def end(self) -> int:
        """Character after the last piece of the text."""
        fragments = self.fragments
        return fragments[0][1] if len(fragments) == 1 else max(map(_END, fragments))


class Link(NamedTuple):
    """A relation between two mentions, by their ids."""

    label: str
    head: str
    tail: str
    score: float = 1.0


@dataclass(slots=True)
class Annotations:
    """The mentions and relations of one note, free of any Doc."""

    mentions: list[Mention] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


def annotate(doc: Doc, annotations: Annotations) -> list[Mention]:
    """Put annotations on a Doc, in place of those it has.

    A mention that cuts through a token takes the whole token as its span; its exact characters
    are kept beside it, and `annotations_of` gives them back. A sentence boundary inside a mention
    is taken away.
    RETURNS (list[Mention]): Mentions that could not be placed because they lie outside the text or
        hold no character; relations that need them are left out too.
    """
    placed = spans_of(doc, annotations.mentions)
    spans = [span for span in placed if span is not None]
    kept, lost = annotations.mentions, list[Mention]()
    if len(spans) < len(placed):
        pairs = list(zip(kept, placed, strict=True))
        kept = [mention for mention, span in pairs if span is not None]
        lost = [mention for mention, span in pairs if span is None]
    details = {
        m.id: {name: getattr(m, name) for name in DETAILS if getattr(m, name)}
        for m in kept
        if m.attributes or m.normalizations or m.comments
    }
    set_mentions(doc, spans, [m.score for m in kept], [m.fragments for m in kept], details)
    merge_inside_mentions(doc, spans)
    if annotations.links:
        # As `key_of` has them, whose strings are at hand here.
        keys = {
            m.id: (span.start_char, span.end_char, m.label, m.id)
            for m, span in zip(kept, spans, strict=True)
        }
        doc.user_data[_RELATIONS] = [
            (link.label, keys[link.head], keys[link.tail], float(link.score))
            for link in annotations.links
            if link.head in keys and link.tail in keys
        ]
    return lost


def spans_of(doc: Doc, mentions: Sequence[Mention]) -> list[Span | None]:
    """For each mention the tokens that it touches, first to last; None where it has no text."""
    length = text_length(doc)
    borders = [(mention.start, mention.end) for mention in mentions]
    inside = [0 <= start < end <= length for start, end in borders]
    tokens = iter(touched_tokens(doc, list(compress(borders, inside))))
    return [
        Span(doc, *next(tokens), label=mention.label, span_id=mention.id) if has_text else None
        for mention, has_text in zip(mentions, inside, strict=True)
    ]


def set_mentions(
    doc: Doc,
    spans: Sequence[Span],
    scores: Sequence[float],
    fragments: Sequence[tuple[tuple[int, int], ...]] | None = None,
    details: Details | None = None,
) -> None:
    """Fill `doc.spans["entities"]` and `doc.ents`; relations on the Doc are dropped.

    spans (Sequence[Span]): With label and, where relations will name them, unique `span_id`.
    scores (Sequence[float]): One a span, between 0 and 1.
    fragments (Sequence | None): Exact characters, one entry a span; default: those of the spans.
    details (Details | None): By `span_id`, then by the names in `DETAILS`, what else is known.
    """
    group = SpanGroup(doc, name=SPANS_KEY, spans=list(spans))
    keep_beside(group, spans, scores, fragments, details or {})
    doc.spans[SPANS_KEY] = group
    doc.set_ents(_longest(_without_white_ends(doc, spans)))
    doc.user_data.pop(_RELATIONS, None)


def _without_white_ends(doc: Doc, spans: Sequence[Span]) -> list[Span]:
    """The spans less white space at their ends: spaCy's `ner` refuses to train on it (E024)."""
    first, after = span_borders(spans)
    white = np.asarray(doc.to_array("IS_SPACE"), dtype=bool)
    if not (white[first] | white[after - 1]).any():
        return list(spans)
    words = token_words(doc)
    trimmed = []
    for span in spans:
        start, end = span.start, span.end
        while start < end and words[start].isspace():
            start += 1
        while start < end and words[end - 1].isspace():
            end -= 1
        if end - start == span.end - span.start:
            trimmed.append(span)
        elif start < end:
            trimmed.append(Span(doc, start, end, label=span.label, span_id=span.id))
    return trimmed


def _longest(spans: list[Span]) -> list[Span]:
    """What `filter_spans` gives, which looks at every token, in another order."""
    first, after = span_borders(spans)
    order = np.argsort(first, kind="stable")
    reach = np.maximum.accumulate(after[order])
    # Those that begin before what is ahead of them has ended, and what they begin in.
    met = np.zeros(len(spans) + 1, dtype=bool)
    met[1:-1] = first[order][1:] < reach[:-1]
    overlapping = np.zeros(len(spans), dtype=bool)
    overlapping[order] = met[:-1] | met[1:]
    return [
        *compress(spans, ~overlapping),
        *filter_spans(compress(spans, overlapping)),
    ]


def annotations_of(doc: Doc, reserved: Collection[str] = ()) -> Annotations:
    """Mentions and relations of a Doc, with the exact characters and scores where it has them.

    A mention without an id of its own (spans that other software put there) gets one. A Doc that
    has nothing but `doc.ents`, such as spaCy's `ner` leaves, gives those.
    reserved (Collection[str]): Ids that no mention gets which has none of its own.
    """
    if SPANS_KEY not in doc.spans:
        ids = unique_ids([""] * len(doc.ents), reserved)
        return Annotations([
            Mention(id_, ent.label_, ((ent.start_char, ent.end_char),))
            for id_, ent in zip(ids, doc.ents, strict=True)
        ])  # fmt: skip
    group = doc.spans[SPANS_KEY]
    spans = members(group)
    fragments, scores = exact_of(group, spans)
    ids = unique_ids([span.id_ for span in spans], reserved)
    details = details_of(group)
    mentions = [
        Mention(id_, span.label_, _pairs(pieces), float(score))
        for id_, span, pieces, score in zip(ids, spans, fragments, scores, strict=True)
    ]
    if details:
        for number, span in enumerate(spans):
            more = {name: _tuples(values) for name, values in details.get(span.id_, {}).items()}
            mentions[number] = mentions[number]._replace(**cast(Any, more))
    return Annotations(mentions, _links(doc, spans, ids))


def _links(doc: Doc, spans: Sequence[Span], ids: Sequence[str]) -> list[Link]:
    """The relations between mentions that are on the Doc, by the ids of these."""
    stored = doc.user_data.get(_RELATIONS)
    if not stored:
        return []
    places = Places(spans)
    ends = [
        tuple(None if (at := places.find(end)) is None else ids[at] for end in (head, tail))
        for _, head, tail, _ in stored
    ]
    return [
        Link(label, head, tail, score)
        for (label, _, _, score), (head, tail) in zip(stored, ends, strict=True)
        if head is not None and tail is not None
    ]


def scored_mentions(doc: Doc) -> tuple[list[Span], list[float]]:
    """The members of `doc.spans["entities"]`, and the score of each; 1 where none is known."""
    if SPANS_KEY not in doc.spans:
        return [], []
    spans = members(doc.spans[SPANS_KEY])
    return spans, exact_of(doc.spans[SPANS_KEY], spans)[1]


def unique_ids(ids: Iterable[str], reserved: Collection[str] = ()) -> list[str]:
    """The ids, with `T<n>` for empty ones and `~<n>` after the repeated ones.

    reserved (Collection[str]): What no new id may be.
    """
    ids = list(ids)
    taken, result = set(ids), []
    if len(taken) == len(ids) and "" not in taken:
        return ids
    seen: set[str] = set()
    for number, id_ in enumerate(ids, start=1):
        new = id_ or f"T{number}"
        copy = 2
        while new in seen or (new != id_ and (new in taken or new in reserved)):
            new = f"{id_ or f'T{number}'}~{copy}"
            copy += 1
        seen.add(new)
        result.append(new)
    return result


def _pairs(pieces: Fragments) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in pieces)


def _tuples(values: Iterable[Sequence[str]]) -> tuple:
    """Tuples again, of what went through a file as lists."""
    return tuple(tuple(value) for value in values)


def _get_relations(doc: Doc) -> list[Relation]:
    result = RelationList(partial(_set_relations, doc))
    stored = doc.user_data.get(_RELATIONS)
    if not stored:
        return result
    spans = members(doc.spans[SPANS_KEY]) if SPANS_KEY in doc.spans else []
    places = Places(spans)
    found = []
    for label, *ends, score in stored:
        # A mention that was taken off the Doc takes its relations with it.
        head, tail = map(places.find, ends)
        if head is not None and tail is not None:
            found.append(Relation(spans[head], spans[tail], label, score))
    return result.filled(found)


def _set_relations(doc: Doc, relations: Iterable[Relation]) -> None:
    spans = members(doc.spans[SPANS_KEY]) if SPANS_KEY in doc.spans else []
    known = {key_of(span) for span in spans}
    stored = []
    for relation in relations:
        head, tail = key_of(relation.head), key_of(relation.tail)
        for end, key in ((relation.head, head), (relation.tail, tail)):
            if key not in known:
                raise ValueError(
                    f'{end.text!r} ({end.label_}) is not in doc.spans["{SPANS_KEY}"]: '
                    "the head and tail of a relation must be members of it"
                )
        stored.append((relation.label, head, tail, float(relation.score)))
    doc.user_data[_RELATIONS] = stored


def has_standoff(doc: Doc) -> bool:
    """Whether the Doc comes with an `.ann`, be it empty."""
    return _STANDOFF in doc.user_data


def _get_standoff(doc: Doc) -> Standoff:
    return Standoff.from_bytes(doc.user_data.get(_STANDOFF, b""))


def _set_standoff(doc: Doc, standoff: Standoff) -> None:
    # Bytes, since a line that is not UTF-8 must survive too.
    doc.user_data[_STANDOFF] = standoff.to_bytes()


def _get_plain(key: Any, default: Callable[[], object], doc: Doc) -> Any:
    return doc.user_data.get(key, default())


def _set_plain(key: Any, doc: Doc, value: object) -> None:
    doc.user_data[key] = value


def _fragments(span: Span) -> tuple[tuple[int, int], ...]:
    return _pairs(pieces_of(span.doc.spans.get(SPANS_KEY), span))


def _detail(name: str, span: Span) -> tuple:
    details = details_of(span.doc.spans.get(SPANS_KEY))
    return _tuples(details.get(span.id_, {}).get(name, ()))


def register_extensions() -> None:
    """Declare what `doc._` and `span._` have here; a Doc's `bom` means one outside the offsets."""
    Doc.set_extension("relations", getter=_get_relations, setter=_set_relations, force=True)
    Doc.set_extension("standoff", getter=_get_standoff, setter=_set_standoff, force=True)
    for name, default in (("note_id", str), ("bom", bool), ("provenance", dict)):
        getter, setter = partial(_get_plain, KEYS[name], default), partial(_set_plain, KEYS[name])
        Doc.set_extension(name, getter=getter, setter=setter, force=True)
    Span.set_extension("fragments", getter=_fragments, force=True)
    for name in DETAILS:
        Span.set_extension(name, getter=partial(_detail, name), force=True)


register_extensions()
