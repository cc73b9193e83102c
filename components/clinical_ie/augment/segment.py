"""Segments: runs of consecutive sentences that contain a target mention or relation."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..brat.files import covered_text
from ..corpora.notes import make_doc
from ..doc import SPANS_KEY, Annotations, Link, Mention, annotations_of
from ..text.columns import span_borders, text_of
from ..text.sentences import clinical_sentences, merge_inside_mentions
from .markup import MarkupError, nesting
from .terms import named_alike

_WORD_OR_FIGURE = re.compile(r"\w+")
_SEGMENT = "clinical_ie.segment"


@dataclass(frozen=True, slots=True)
class Place:
    """The location of a segment, and the labels of its mentions: all that planning needs."""

    note_id: str
    start: int
    end: int
    labels: tuple[str, ...]

    def overlaps(self, other: "Place") -> bool:
        """Whether two segments of one note share text."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a note with its annotations.

    note_id (str): The note it comes from.
    start, end (int): Its character offsets in the note.
    text (str): The text between them.
    annotations (Annotations): Mentions, with offsets relative to the segment, and the relations
        with both ends in it.
    bound (frozenset[str]): Ids of the mentions with a relation to one outside the segment.
    echoed (frozenset[str]): Those of them that have the same label and words as the mention
        outside: with other words, the relation between the two would no longer be true.
    """

    note_id: str
    start: int
    end: int
    text: str
    annotations: Annotations
    bound: frozenset[str]
    echoed: frozenset[str] = frozenset()

    @property
    def place(self) -> Place:
        """Its location and labels, without text."""
        labels = tuple(mention.label for mention in self.annotations.mentions)
        return Place(self.note_id, self.start, self.end, labels)


def segments_of(
    doc: Doc, max_words: int, nested: bool = True, max_term_words: int | None = None
) -> tuple[list[Segment], Counter[str]]:
    """The segments around every mention and relation of a note, each once.

    max_words (int): Longer segments are left out.
    nested (bool): Whether to keep segments with nested mentions.
    max_term_words (int | None): Segments with a longer term are left out.
    RETURNS (tuple[list[Segment], Counter[str]]): The segments in text order, and how many were left
        out, by reason.
    """
    note_id, note, annotations = doc._.note_id, text_of(doc), annotations_of(doc)
    limits = max_words, nested, max_term_words
    places, skipped = places_in(note_id, note, annotations, sentence_starts(doc), *limits)
    layout = Layout(annotations)
    return [segment_at(note_id, note, layout, x.start, x.end) for x in places], skipped


def sentence_starts(doc: Doc) -> list[int]:
    """Character offsets where the sentences of a Doc start; sets them if it has none."""
    if not doc.has_annotation("SENT_START"):
        clinical_sentences(doc)
        merge_inside_mentions(doc, *span_borders(list(doc.spans.get(SPANS_KEY, doc.ents))))
    return [sent.start_char for sent in doc.sents]


def places_in(
    note_id: str,
    note: str,
    annotations: Annotations,
    starts: list[int],
    max_words: int,
    nested: bool,
    max_term_words: int | None,
) -> tuple[list[Place], Counter[str]]:
    """The places of the segments of a note, as in `segments_of`, for its content without its Doc.

    RETURNS (tuple[list[Place], Counter[str]]): They need a fraction of the time of the segments.
    """
    ends = [*starts[1:], len(note)]
    borders = {mention.id: (mention.start, mention.end) for mention in annotations.mentions}
    targets = set(borders.values())
    for link in annotations.links:
        head, tail = borders[link.head], borders[link.tail]
        targets.add((min(head[0], tail[0]), max(head[1], tail[1])))
    layout = Layout(annotations)
    cut = _cut_borders(borders.values(), starts)
    runs = set()
    for start, end in targets:
        first, last = bisect_right(starts, start) - 1, bisect_right(starts, end - 1) - 1
        while first in cut:
            first -= 1
        while last + 1 in cut:
            last += 1
        runs.add((first, last))
    places, skipped = [], Counter[str]()
    for first, last in sorted(runs):
        start, end, mentions = _extent(note, layout, starts[first], ends[last])
        if len(note[start:end].split()) > max_words:
            skipped["longer than max_words"] += 1
            continue
        if max_term_words and _longest_term(note, mentions) > max_term_words:
            skipped["longer term than max_term_words"] += 1
            continue
        try:
            parents = nesting(mentions).values()
        except MarkupError as error:
            skipped[error.reason] += 1
            continue
        if not nested and any(parent is not None for parent in parents):
            skipped["nested mentions"] += 1
            continue
        places.append(Place(note_id, start, end, tuple(m.label for m in mentions)))
    return places, skipped


def segment_to_doc(nlp: Language, segment: Segment) -> Doc:
    """A Doc of the segment only, which remembers its place in the note."""
    doc = make_doc(nlp, segment.text, segment.annotations, segment.note_id)
    doc.user_data[_SEGMENT] = _kept(segment)
    return doc


def bare_doc(segment: Segment) -> Doc:
    """The same for code that reads it by `segment_of` only, in a tenth of the time: the text is one
    token, and there are no spans."""
    # A vocabulary of its own: a shared one would keep the text of every segment.
    doc = Doc(Vocab(), words=[segment.text], spaces=[False])
    doc._.note_id = segment.note_id
    annotations = segment.annotations
    doc.user_data[_SEGMENT] = [*_kept(segment), annotations.mentions, annotations.links]
    return doc


def _kept(segment: Segment) -> list[Any]:
    return [segment.start, segment.end, sorted(segment.bound), sorted(segment.echoed)]


def segment_of(doc: Doc) -> Segment:
    """The segment of a Doc made by `segment_to_doc` or `bare_doc`; any other Doc is one segment as
    a whole."""
    # Not `text_of`, which would keep the only word of a bare Doc for other Docs.
    text = doc.text
    start, end, bound, echoed, *kept = doc.user_data.get(_SEGMENT, [0, len(text), [], []])
    annotations = _restored(*kept) if kept else annotations_of(doc)
    return Segment(
        doc._.note_id, start, end, text, annotations, frozenset(bound), frozenset(echoed)
    )


def _restored(mentions: Iterable[Any], links: Iterable[Any]) -> Annotations:
    """Annotations as kept on a bare Doc; a file turns all tuples into lists."""
    return Annotations(
        [
            Mention(id_, label, _tuples(fragments), score, *map(_tuples, details))
            for id_, label, fragments, score, *details in mentions
        ],
        [Link(*link) for link in links],
    )


def _tuples(values: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(tuple(value) for value in values)


class Layout:
    """An index of the annotations of one note by place: a long note has a thousand segments, and
    each would otherwise search all mentions and relations.

    annotations (Annotations): The note's.
    """

    def __init__(self, annotations: Annotations) -> None:
        self._mentions = annotations.mentions
        self._links = annotations.links
        self._by_start = sorted(
            (m.start, place, m.end) for place, m in enumerate(annotations.mentions)
        )

    @cached_property
    def _by_id(self) -> dict[str, Mention]:
        return {mention.id: mention for mention in self._mentions}

    @cached_property
    def _links_of(self) -> dict[str, list[int]]:
        links_of: dict[str, list[int]] = {}
        for place, link in enumerate(self._links):
            for id_ in _ends(link):
                links_of.setdefault(id_, []).append(place)
        return links_of

    def between(self, start: int, end: int) -> list[Mention]:
        """The mentions between two offsets, in the order of the annotations."""
        first = bisect_left(self._by_start, (start,))
        last = bisect_left(self._by_start, (end + 1,))
        places = sorted(place for _, place, to in self._by_start[first:last] if to <= end)
        return [self._mentions[place] for place in places]

    def links_of(self, ids: Iterable[str]) -> list[Link]:
        """The relations with an end among these mentions, in the order of the annotations."""
        places = {place for id_ in ids for place in self._links_of.get(id_, ())}
        return [self._links[place] for place in sorted(places)]

    def mention(self, id_: str) -> Mention:
        """A mention by its id."""
        return self._by_id[id_]


def segment_at(note_id: str, note: str, layout: Layout, start: int, end: int) -> Segment:
    """The segment between two offsets of a note, without white space at its ends."""
    start, end, inside = _extent(note, layout, start, end)
    ids = {mention.id for mention in inside}
    touching = layout.links_of(ids)
    links = [link for link in touching if link.head in ids and link.tail in ids]
    crossing = [link for link in touching if (link.head in ids) != (link.tail in ids)]
    bound = {id_ for link in crossing for id_ in _ends(link) & ids}
    mentions = [shifted(mention, -start) for mention in inside]
    return Segment(
        note_id,
        start,
        end,
        note[start:end],
        Annotations(mentions, links),
        frozenset(bound),
        frozenset(_echoed(note, layout, crossing) & ids if crossing else ()),
    )


def _extent(note: str, layout: Layout, start: int, end: int) -> tuple[int, int, list[Mention]]:
    """Start and end of the segment between two offsets of a note, and its mentions."""
    inside = layout.between(start, end)
    text = note[start:end]
    # White space around the segment stays in the note, unless a mention includes it.
    first, last = min(m.start for m in inside), max(m.end for m in inside)
    start = min(first, start + len(text) - len(text.lstrip()))
    end = max(last, start + len(note[start:end].rstrip()))
    return start, end, [_joined(mention, note) for mention in inside]


def shifted(mention: Mention, by: int) -> Mention:
    """The same mention, shifted by `by` characters."""
    fragments = tuple([(start + by, end + by) for start, end in mention.fragments])
    # As `_replace`, in half the time.
    return Mention._make((*mention[:2], fragments, *mention[3:]))


def _joined(mention: Mention, text: str) -> Mention:
    """A mention with its fragments joined if only white space separates them."""
    if len(mention.fragments) == 1:
        return mention
    pieces = sorted(mention.fragments)
    gaps = (text[left[1] : right[0]] for left, right in pairwise(pieces))
    if any(gap.strip() for gap in gaps):
        return mention
    return mention._replace(fragments=((mention.start, mention.end),))


def _longest_term(note: str, mentions: Iterable[Mention]) -> int:
    """Number of words in the longest term; each number of a formula counts as one."""
    terms = (note[m.start : m.end] for m in mentions)
    return max((len(_WORD_OR_FIGURE.findall(term)) for term in terms), default=0)


def _echoed(note: str, layout: Layout, links: Sequence[Link]) -> set[str]:
    """Ids of the mentions that a relation links to another with the same label and words."""
    mentions = [layout.mention(id_) for id_ in {id_ for link in links for id_ in _ends(link)}]
    labels = {mention.id: mention.label for mention in mentions}
    texts = {mention.id: covered_text(note, mention.fragments) for mention in mentions}
    groups = named_alike(labels, texts, [(link.head, link.tail) for link in links])
    return {id_ for group in groups if len(group) > 1 for id_ in group}


def _ends(link: Link) -> set[str]:
    return {link.head, link.tail}


def _cut_borders(mentions: Iterable[tuple[int, int]], starts: list[int]) -> set[int]:
    """Indices of the sentences whose start lies inside a mention.

    mentions (Iterable[tuple[int, int]]): Start and end of each.
    """
    cut: set[int] = set()
    for start, end in mentions:
        first, last = bisect_right(starts, start), bisect_right(starts, end - 1)
        cut.update(range(first, last))
    return cut
