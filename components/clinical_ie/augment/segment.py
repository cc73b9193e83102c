"""Segments: the runs of consecutive sentences that hold a target entity or relation."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from spacy.language import Language
from spacy.tokens import Doc

from ..brat.files import covered_text
from ..corpora.notes import make_doc
from ..doc import SPANS_KEY, Annotations, Link, Mention, annotations_of
from ..text.columns import text_of
from ..text.sentences import clinical_sentences, merge_inside_mentions
from .markup import MarkupError, nesting
from .terms import named_alike

_WORD_OR_FIGURE = re.compile(r"\w+")
_SEGMENT = "clinical_ie.segment"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment lies, and the labels of the mentions in it: all that a plan needs to know."""

    note_id: str
    start: int
    end: int
    labels: tuple[str, ...]

    def overlaps(self, other: "Place") -> bool:
        """Whether two segments of one note share text."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of one note, with what is annotated in it.

    note_id (str): The note it comes from.
    start, end (int): Where it lies in the note's text, in characters.
    text (str): That piece of text.
    annotations (Annotations): Mentions in characters of the piece; relations with both ends in it.
    bound (frozenset[str]): Ids of the mentions that a relation ties to one outside the piece.
    echoed (frozenset[str]): Of those, the ones whose label and words that one outside has too:
        with other words, the two would no longer be what the relation says.
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
        """The same without text and offsets."""
        labels = tuple(mention.label for mention in self.annotations.mentions)
        return Place(self.note_id, self.start, self.end, labels)


def segments_of(
    doc: Doc, max_words: int, nested: bool = True, max_term_words: int | None = None
) -> tuple[list[Segment], Counter[str]]:
    """Every segment of a note that some mention or relation asks for, each once.

    max_words (int): Longer ones are left out.
    nested (bool): Whether those that hold a mention inside another one are taken.
    max_term_words (int | None): Those with a longer term are left out.
    RETURNS (tuple[list[Segment], Counter[str]]): The segments in the order of the text, and how
        many were left out, by reason.
    """
    return segments_in(
        doc._.note_id,
        text_of(doc),
        annotations_of(doc),
        sentence_starts(doc),
        max_words,
        nested,
        max_term_words,
    )


def sentence_starts(doc: Doc) -> list[int]:
    """Where the sentences of a Doc begin, in characters; found now where it has none."""
    if not doc.has_annotation("SENT_START"):
        clinical_sentences(doc)
        merge_inside_mentions(doc, list(doc.spans.get(SPANS_KEY, doc.ents)))
    return [sent.start_char for sent in doc.sents]


def segments_in(
    note_id: str,
    note: str,
    annotations: Annotations,
    starts: list[int],
    max_words: int,
    nested: bool,
    max_term_words: int | None,
) -> tuple[list[Segment], Counter[str]]:
    """The same as `segments_of`, for a note that is read off its Doc already."""
    ends = [*starts[1:], len(note)]
    targets = [(m.start, m.end) for m in annotations.mentions]
    by_id = {mention.id: mention for mention in annotations.mentions}
    for link in annotations.links:
        head, tail = by_id[link.head], by_id[link.tail]
        targets.append((min(head.start, tail.start), max(head.end, tail.end)))
    layout = Layout(annotations)
    cut = _cut_borders(annotations.mentions, starts)
    runs = set()
    for start, end in targets:
        first, last = bisect_right(starts, start) - 1, bisect_right(starts, end - 1) - 1
        while first in cut:
            first -= 1
        while last + 1 in cut:
            last += 1
        runs.add((first, last))
    segments, skipped = [], Counter[str]()
    for first, last in sorted(runs):
        segment = segment_at(note_id, note, layout, starts[first], ends[last])
        if len(segment.text.split()) > max_words:
            skipped["longer than max_words"] += 1
            continue
        if max_term_words and _longest_term(segment) > max_term_words:
            skipped["longer term than max_term_words"] += 1
            continue
        try:
            parents = nesting(segment.annotations.mentions).values()
        except MarkupError as error:
            skipped[error.reason] += 1
            continue
        if not nested and any(parent is not None for parent in parents):
            skipped["nested mentions"] += 1
            continue
        segments.append(segment)
    return segments, skipped


def segment_to_doc(nlp: Language, segment: Segment) -> Doc:
    """A Doc that holds the segment alone, and knows where it comes from."""
    doc = make_doc(nlp, segment.text, segment.annotations, segment.note_id)
    ties = [sorted(segment.bound), sorted(segment.echoed)]
    doc.user_data[_SEGMENT] = [segment.start, segment.end, *ties]
    return doc


def segment_of(doc: Doc) -> Segment:
    """The segment on a Doc that `segment_to_doc` made; any other Doc is a segment as a whole."""
    text = text_of(doc)
    start, end, *ties = doc.user_data.get(_SEGMENT, [0, len(text), [], []])
    return Segment(doc._.note_id, start, end, text, annotations_of(doc), *map(frozenset, ties))


class Layout:
    """The annotations of one note by where they lie: a long note has a thousand segments, and each
    would look through all of its mentions and relations.

    annotations (Annotations): The note's.
    """

    def __init__(self, annotations: Annotations) -> None:
        self._mentions = annotations.mentions
        self._links = annotations.links
        self._by_start = sorted((m.start, place) for place, m in enumerate(annotations.mentions))
        self._by_id = {mention.id: mention for mention in annotations.mentions}
        self._links_of: dict[str, list[int]] = {}
        for place, link in enumerate(annotations.links):
            for id_ in _ends(link):
                self._links_of.setdefault(id_, []).append(place)

    def between(self, start: int, end: int) -> list[Mention]:
        """The mentions that lie between two characters, in their own order."""
        first = bisect_left(self._by_start, (start, 0))
        last = bisect_left(self._by_start, (end + 1, 0))
        places = sorted(place for _, place in self._by_start[first:last])
        return [self._mentions[place] for place in places if self._mentions[place].end <= end]

    def links_of(self, ids: Iterable[str]) -> list[Link]:
        """The relations with an end among some mentions, in their own order."""
        places = {place for id_ in ids for place in self._links_of.get(id_, ())}
        return [self._links[place] for place in sorted(places)]

    def mention(self, id_: str) -> Mention:
        """A mention by its id."""
        return self._by_id[id_]


def segment_at(note_id: str, note: str, layout: Layout, start: int, end: int) -> Segment:
    """The segment between two characters of a note, without the white space at its ends."""
    inside = layout.between(start, end)
    text = note[start:end]
    # Blanks and newlines around the segment stay in the note, unless a mention begins with one.
    first, last = min(m.start for m in inside), max(m.end for m in inside)
    start = min(first, start + len(text) - len(text.lstrip()))
    end = max(last, start + len(note[start:end].rstrip()))
    ids = {mention.id for mention in inside}
    touching = layout.links_of(ids)
    links = [link for link in touching if link.head in ids and link.tail in ids]
    crossing = [link for link in touching if (link.head in ids) != (link.tail in ids)]
    bound = {id_ for link in crossing for id_ in _ends(link) & ids}
    mentions = [shifted(_joined(mention, note), -start) for mention in inside]
    return Segment(
        note_id,
        start,
        end,
        note[start:end],
        Annotations(mentions, links),
        frozenset(bound),
        frozenset(_echoed(note, layout, crossing) & ids),
    )


def shifted(mention: Mention, by: int) -> Mention:
    """The same mention, `by` characters further on."""
    fragments = tuple((start + by, end + by) for start, end in mention.fragments)
    return mention._replace(fragments=fragments)


def _joined(mention: Mention, text: str) -> Mention:
    """A mention whose pieces a line break parts, in one piece; any other as it is."""
    if len(mention.fragments) == 1:
        return mention
    pieces = sorted(mention.fragments)
    gaps = (text[left[1] : right[0]] for left, right in pairwise(pieces))
    if any(gap.strip() for gap in gaps):
        return mention
    return mention._replace(fragments=((mention.start, mention.end),))


def _longest_term(segment: Segment) -> int:
    """Words of the longest term, the figures of a formula counted one by one."""
    terms = (segment.text[m.start : m.end] for m in segment.annotations.mentions)
    return max((len(_WORD_OR_FIGURE.findall(term)) for term in terms), default=0)


def _echoed(note: str, layout: Layout, links: Sequence[Link]) -> set[str]:
    """Ids of the mentions that one of some relations ties to another of their label and words."""
    mentions = [layout.mention(id_) for id_ in {id_ for link in links for id_ in _ends(link)}]
    labels = {mention.id: mention.label for mention in mentions}
    texts = {mention.id: covered_text(note, mention.fragments) for mention in mentions}
    groups = named_alike(labels, texts, [(link.head, link.tail) for link in links])
    return {id_ for group in groups if len(group) > 1 for id_ in group}


def _ends(link: Link) -> set[str]:
    return {link.head, link.tail}


def _cut_borders(mentions: Iterable[Mention], starts: list[int]) -> set[int]:
    """Indices of the sentences before whose start a mention begins and after it ends."""
    cut: set[int] = set()
    for mention in mentions:
        first, last = bisect_right(starts, mention.start), bisect_right(starts, mention.end - 1)
        cut.update(range(first, last))
    return cut
