"""The annotation layer on a Doc: mentions, relations and the standoff they came from.

Mentions live in `doc.spans["entities"]`, including overlapping and nested ones; `doc.ents` is the
flat view. The group's `attrs` hold what does not fit into a `Span`: `scores`, `fragments` (the
exact character offsets) and `ids`, in the order of the group when they were written;
`characters`, the offsets of the spans, if any differ from the exact ones because spans end at token
borders; and, by mention id, `details`: attributes, normalisations and comments, which
`span._.fragments`, `span._.attributes`, `span._.normalizations` and `span._.comments` read.
Relations are kept in `doc.user_data` as plain values, so that they survive `DocBin`, `to_bytes` and
worker processes, and become `Relation` objects when read.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress, starmap
from operator import itemgetter
from typing import Any, NamedTuple, cast

from spacy.tokens import Doc, Span, SpanGroup

from .annotation_columns import AnnotationColumns, Details
from .brat import Standoff
from .relation_list import Relation, RelationList
from .span_groups import (
    Fragments,
    Places,
    border,
    details_of,
    exact_of,
    keep_beside,
    key_of,
    members,
    pieces_of,
)
from .text.alignment import touched_tokens
from .text.columns import text_length
from .text.sentences import merge_inside_mentions
from .token_spans import TokenSpans, set_flat

SPANS_KEY = "entities"
logger = logging.getLogger(__name__)
_END = itemgetter(1)
DETAILS = ("attributes", "normalizations", "comments")
# In the form of spaCy's own extension keys. When Docs are merged, spaCy does not print the values
# of such keys, which hold note text; and it does not copy them into a part of a Doc, where no
# offset would be right.
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
    score (float): Confidence between 0 and 1; 1 for manual annotations.
    attributes (tuple[tuple[str, str], ...]): Label and value; the value of a flag is "".
    normalizations (tuple[tuple[str, str, str], ...]): Type, reference and preferred text.
    comments (tuple[tuple[str, str], ...]): Type and text of the annotators' comments.
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
        """Offset of its first character in the text."""
        fragments = self.fragments
        return fragments[0][0] if len(fragments) == 1 else min(fragments)[0]

    @property
    def end(self) -> int:
        """Offset after its last character in the text."""
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
    """The mentions and relations of one note, independent of any Doc."""

    mentions: list[Mention] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


def annotate(doc: Doc, annotations: Annotations) -> list[Mention]:
    """Replace the annotations of a Doc.

    The span of a mention that starts or ends inside a token covers the whole token; the exact
    offsets are kept in the group's `attrs`, and `annotations_of` returns them. Sentence boundaries
    inside mentions are removed.
    RETURNS (list[Mention]): Mentions that could not be placed because they are empty or lie outside
        the text; their relations are left out too.
    RAISES (ValueError): A relation names an id that no mention has, or several.
    """
    n_of = Counter(mention.id for mention in annotations.mentions)
    for link in annotations.links:
        for id_ in (link.head, link.tail):
            if n_of[id_] != 1:
                raise ValueError(
                    f"{link.label} from {link.head} to {link.tail}: {n_of[id_] or 'no'} mentions "
                    f"have the id {id_!r}, expected one"
                )
    lost = annotate_columns(doc, as_columns(annotations))
    return [annotations.mentions[at] for at in lost]


def annotate_columns(doc: Doc, columns: AnnotationColumns) -> list[int]:
    """The same as `annotate`, for columns.

    RETURNS (list[int]): Positions of the mentions that could not be placed.
    """
    # Nearly all have one piece.
    borders = [each[0] if len(each) == 1 else border(each) for each in columns.fragments]
    inside = _inside(doc, borders)
    lost = [] if all(inside) else [at for at, has_text in enumerate(inside) if not has_text]
    if lost:
        columns, borders = columns.selected(inside), list(compress(borders, inside))
    ids, labels = columns.ids, columns.labels
    spans = TokenSpans.touching(doc, borders, labels, ids)
    _set_group(doc, spans, columns.scores, columns.fragments, columns.details)
    merge_inside_mentions(doc, spans.first, spans.after)
    if columns.links:
        # What `key_of` would return, without looking up the strings again.
        own = zip(spans.characters, labels, ids, strict=True)
        keys = {id_: (*characters, label, id_) for characters, label, id_ in own}
        doc.user_data[_RELATIONS] = [
            (label, keys[head], keys[tail], float(score))
            for label, head, tail, score in columns.links
            if head in keys and tail in keys
        ]
    return lost


def as_columns(annotations: Annotations) -> AnnotationColumns:
    """The columns of annotations."""
    mentions = annotations.mentions
    return AnnotationColumns(
        [m.id for m in mentions],
        [m.label for m in mentions],
        [m.fragments for m in mentions],
        [m.score for m in mentions],
        {
            m.id: {name: getattr(m, name) for name in DETAILS if getattr(m, name)}
            for m in mentions
            if m.attributes or m.normalizations or m.comments
        },
        annotations.links,
    )


def annotations_in(columns: AnnotationColumns) -> Annotations:
    """The annotations that columns hold."""
    mentions = list(map(Mention, columns.ids, columns.labels, columns.fragments, columns.scores))
    if columns.details:
        mentions = [
            m._replace(**cast(Any, columns.details[m.id])) if m.id in columns.details else m
            for m in mentions
        ]
    return Annotations(mentions, list(starmap(Link, columns.links)))


def spans_of(doc: Doc, mentions: Sequence[Mention]) -> list[Span | None]:
    """The tokens that each mention touches; None if it is empty or lies outside the text."""
    borders = [border(mention.fragments) for mention in mentions]
    inside = _inside(doc, borders)
    tokens = iter(touched_tokens(doc, list(compress(borders, inside))))
    return [
        Span(doc, *next(tokens), label=mention.label, span_id=mention.id) if has_text else None
        for mention, has_text in zip(mentions, inside, strict=True)
    ]


def _inside(doc: Doc, borders: Sequence[tuple[int, int]]) -> list[bool]:
    length = text_length(doc)
    return [0 <= start < end <= length for start, end in borders]


def set_mentions(doc: Doc, spans: Sequence[Span], scores: Sequence[float]) -> None:
    """Fill `doc.spans["entities"]` and `doc.ents`; relations on the Doc are dropped.

    spans (Sequence[Span]): With a label, and a unique `span_id` if relations will refer to them.
    scores (Sequence[float]): One per span, between 0 and 1.
    RAISES (ValueError): There are fewer scores than spans, or more.
    """
    if len(scores) != len(spans):
        raise ValueError(f"{len(scores)} scores for {len(spans)} spans: expected one for each")
    columns = TokenSpans.of(spans)
    _set_group(doc, columns, scores, [(own,) for own in columns.characters], {})


def _set_group(
    doc: Doc,
    spans: TokenSpans,
    scores: Sequence[float],
    fragments: Sequence[Fragments],
    details: Details,
) -> None:
    doc.spans[SPANS_KEY] = SpanGroup(doc, name=SPANS_KEY, spans=spans.spans)
    keep_beside(doc.spans[SPANS_KEY], spans, scores, fragments, details)
    set_flat(doc, spans)
    doc.user_data.pop(_RELATIONS, None)


def annotations_of(doc: Doc, reserved: Collection[str] = ()) -> Annotations:
    """Mentions and relations of a Doc, with exact offsets and scores if it has them.

    Mentions without an id (spans that other software added) get one. If the Doc has no span group,
    as after spaCy's `ner`, the mentions are those in `doc.ents`.
    reserved (Collection[str]): Ids that must not be given to mentions without one.
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
    """The relations whose ends are both still on the Doc, by mention id."""
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
    """The members of `doc.spans["entities"]` and their scores, 1 where a score is unknown."""
    if SPANS_KEY not in doc.spans:
        return [], []
    spans = members(doc.spans[SPANS_KEY])
    return spans, exact_of(doc.spans[SPANS_KEY], spans)[1]


def unique_ids(ids: Iterable[str], reserved: Collection[str] = ()) -> list[str]:
    """The ids, with `T<n>` in place of empty ones and `~<n>` appended to repeated ones.

    reserved (Collection[str]): Ids that a new id must differ from.
    """
    ids = list(ids)
    taken, result = set(ids), []
    if len(taken) == len(ids) and "" not in taken:
        return ids
    seen: set[str] = set()
    copies: dict[str, int] = {}
    for number, id_ in enumerate(ids, start=1):
        base = new = id_ or f"T{number}"
        while new in seen or (new != id_ and (new in taken or new in reserved)):
            copies[base] = copies.get(base, 1) + 1
            new = f"{base}~{copies[base]}"
        seen.add(new)
        result.append(new)
    return result


def _pairs(pieces: Fragments) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in pieces)


def _tuples(values: Iterable[Sequence[str]]) -> tuple:
    """Convert to tuples again what a file has turned into lists."""
    return tuple(tuple(value) for value in values)


def _get_relations(doc: Doc) -> list[Relation]:
    stored = doc.user_data.get(_RELATIONS)

    def write(relations: list[Relation]) -> None:
        nonlocal stored
        if doc.user_data.get(_RELATIONS) is not stored:
            raise ValueError(
                "the Doc's relations were changed elsewhere: read doc._.relations anew"
            )
        _set_relations(doc, relations)
        stored = doc.user_data[_RELATIONS]

    result = RelationList(write)
    if not stored:
        return result
    spans = members(doc.spans[SPANS_KEY]) if SPANS_KEY in doc.spans else []
    places = Places(spans)
    found = []
    for label, *ends, score in stored:
        # If a mention was removed from the Doc, so are its relations.
        head, tail = map(places.find, ends)
        if head is not None and tail is not None:
            found.append(Relation(spans[head], spans[tail], label, score))
    return result.filled(found)


def _set_relations(doc: Doc, relations: Iterable[Relation]) -> None:
    spans = members(doc.spans[SPANS_KEY]) if SPANS_KEY in doc.spans else []
    known = {key_of(span) for span in spans}
    stored = []
    for relation in relations:
        if not isinstance(relation, Relation):
            raise TypeError(f"{relation!r} is not a clinical_ie.doc.Relation")
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
    """Whether the Doc was read with an `.ann`, even an empty one."""
    return _STANDOFF in doc.user_data


def first_new_number(doc: Doc) -> int:
    """The number of the first mention that a component finds: 1 for T1.

    On a Doc read from an `.ann`, it is after the last id there: its attributes and comments for T1
    must not apply to another mention.
    """
    return int(doc._.standoff.next_id("T")[1:]) if has_standoff(doc) else 1


def _get_standoff(doc: Doc) -> Standoff:
    return Standoff.from_bytes(doc.user_data.get(_STANDOFF, b""))


def _set_standoff(doc: Doc, standoff: Standoff) -> None:
    # Bytes, so that lines that are not UTF-8 survive too.
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
    """Register the extensions.

    `doc._.standoff` is the `.ann` as it was read: changes are made to the mentions and relations on
    the Doc, and edited into it by an export. `doc._.bom` means that the `.txt` began with an
    uncounted BOM.
    """
    _register(Doc, "relations", _get_relations, _set_relations)
    _register(Doc, "standoff", _get_standoff, _set_standoff)
    for name, default in (("note_id", str), ("bom", bool), ("provenance", dict)):
        getter, setter = partial(_get_plain, KEYS[name], default), partial(_set_plain, KEYS[name])
        _register(Doc, name, getter, setter)
    _register(Span, "fragments", _fragments)
    for name in DETAILS:
        _register(Span, name, partial(_detail, name))


def _register(
    owner: type[Doc] | type[Span],
    name: str,
    getter: Callable[..., object],
    setter: Callable[..., None] | None = None,
) -> None:
    if owner.has_extension(name):
        # spaCy imports this module by its entry points, so the application may have been first.
        logger.warning(
            "%s._.%s: clinical_ie replaces another extension of this name", owner.__name__, name
        )
    owner.set_extension(name, getter=getter, setter=setter, force=True)


register_extensions()
