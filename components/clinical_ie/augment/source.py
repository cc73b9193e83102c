"""The training notes, in the little memory that rewriting pieces of them takes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..brat import Standoff
from ..brat.records import is_label
from ..corpora.notes import corpus_nlp, make_doc
from ..corpora.standoff_writing import annotations_to_standoff, edit_standoff
from ..doc import Annotations, Mention, annotations_of, has_standoff
from ..text.columns import text_of
from .segment import Layout, Place, Segment, segment_at
from .splice import splice


@dataclass(slots=True)
class NewNote:
    """A note that was put together anew, and what a brat folder needs of it."""

    doc: Doc
    text: str
    annotations: Annotations
    standoff: Standoff


@dataclass(slots=True)
class Source:
    """One training note.

    standoff (bytes | None): Its `.ann` as it was read; None where there was none.
    """

    note_id: str
    text: str
    annotations: Annotations
    standoff: bytes | None

    @classmethod
    def of(cls, doc: Doc) -> "Source":
        """What is needed of a Doc."""
        standoff = doc._.standoff.to_bytes() if has_standoff(doc) else None
        return cls(doc._.note_id, text_of(doc), annotations_of(doc), standoff)

    def segment(self, place: Place) -> Segment:
        """A piece of the note."""
        layout = Layout(self.annotations)
        return segment_at(self.note_id, self.text, layout, place.start, place.end)

    def with_rewrites(
        self,
        rewrites: Sequence[tuple[Segment, str, list[Mention]]],
        note_id: str,
        provenance: dict[str, Any],
    ) -> NewNote:
        """A new note, with new text in the place of some segments.

        rewrites (Sequence[tuple[Segment, str, list[Mention]]]): Segments that share no text, each
            with its new text and mentions.
        RAISES (ValueError): A mention would cover other text than it did.
        """
        text, annotations = self.text, self.annotations
        # From the back, so that what stands before keeps its place.
        for segment, new_text, mentions in sorted(rewrites, key=lambda r: -r[0].start):
            text, annotations = splice(text, annotations, segment, new_text, mentions)
        doc = make_doc(corpus_nlp(), text, annotations, note_id)
        doc._.provenance = provenance
        if self.standoff is None:
            return NewNote(doc, text, annotations, annotations_to_standoff(annotations, text))
        # Events, attributes and whatever else the file holds go along.
        standoff = Standoff.from_bytes(self.standoff)
        edit_standoff(standoff, annotations, self.text, text)
        doc._.standoff = standoff
        return NewNote(doc, text, annotations, standoff)


def sources_of(docs: Iterable[Doc], path: Path) -> dict[str, Source]:
    """Training notes by id.

    path (Path): Where they come from, for the error.
    RAISES (ValueError): Two have one id, or a label is none that the new notes' `.ann` can bear.
    """
    sources: dict[str, Source] = {}
    for doc in named(docs):
        source = Source.of(doc)
        if source.note_id in sources:
            raise ValueError(f"{path}: two notes with the id {source.note_id!r}")
        # Now, and not at the first new note, when much may have been paid for.
        for label in chain.from_iterable(label_counts(source.annotations)):
            if not is_label(label):
                raise ValueError(
                    f"{path}: the label {label!r} in the note {source.note_id!r}: new notes are "
                    "written as brat files too, whose labels are one word without blanks; rename it"
                )
        sources[source.note_id] = source
    return sources


def named(docs: Iterable[Doc]) -> Iterator[Doc]:
    """The same notes, none without an id: those of other software have none."""
    for number, doc in enumerate(docs, start=1):
        doc._.note_id = doc._.note_id or f"note-{number}"
        yield doc


def label_counts(annotations: Annotations) -> tuple[Counter[str], Counter[str]]:
    """How many mentions and relations there are of each label."""
    return (
        Counter(mention.label for mention in annotations.mentions),
        Counter(link.label for link in annotations.links),
    )
