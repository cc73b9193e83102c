"""The training notes, in a form that takes little memory."""

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
    """A new note, with what is needed to write it in brat."""

    doc: Doc
    text: str
    annotations: Annotations
    standoff: Standoff


@dataclass(slots=True)
class Source:
    """One training note.

    standoff (bytes | None): Its `.ann` as it was read; None if there was none.
    """

    note_id: str
    text: str
    annotations: Annotations
    standoff: bytes | None

    @classmethod
    def of(cls, doc: Doc) -> "Source":
        """The needed parts of a Doc."""
        standoff = doc._.standoff.to_bytes() if has_standoff(doc) else None
        return cls(doc._.note_id, text_of(doc), annotations_of(doc), standoff)

    def segment(self, place: Place) -> Segment:
        """The segment at a place of the note."""
        layout = Layout(self.annotations)
        return segment_at(self.note_id, self.text, layout, place.start, place.end)

    def with_rewrites(
        self,
        rewrites: Sequence[tuple[Segment, str, list[Mention]]],
        note_id: str,
        provenance: dict[str, Any],
    ) -> NewNote:
        """A new note, in which some segments are replaced.

        rewrites (Sequence[tuple[Segment, str, list[Mention]]]): Segments that share no text, each
            with its new text and mentions.
        RAISES (ValueError): A mention would not cover the text that it should.
        """
        text, annotations = self.text, self.annotations
        # From the back, so that the offsets before stay valid.
        for segment, new_text, mentions in sorted(rewrites, key=lambda r: -r[0].start):
            text, annotations = splice(text, annotations, segment, new_text, mentions)
        doc = make_doc(corpus_nlp(), text, annotations, note_id)
        doc._.provenance = provenance
        if self.standoff is None:
            return NewNote(doc, text, annotations, annotations_to_standoff(annotations, text))
        # Events, attributes and all other lines of the file are kept.
        standoff = Standoff.from_bytes(self.standoff)
        edit_standoff(standoff, annotations, self.text, text)
        doc._.standoff = standoff
        return NewNote(doc, text, annotations, standoff)


def sources_of(docs: Iterable[Doc], path: Path) -> dict[str, Source]:
    """Training notes by id.

    path (Path): Where they come from, for error messages.
    RAISES (ValueError): Two notes have the same id, or a label cannot be written in an `.ann`.
    """
    sources: dict[str, Source] = {}
    for doc in named(docs):
        source = Source.of(doc)
        if source.note_id in sources:
            raise ValueError(f"{path}: two notes with the id {source.note_id!r}")
        # Checked before the first request, since requests may cost money.
        for label in chain.from_iterable(label_counts(source.annotations)):
            if not is_label(label):
                raise ValueError(
                    f"{path}: the label {label!r} in the note {source.note_id!r} cannot be written "
                    "in brat, where a label is one word without blanks; rename it"
                )
        sources[source.note_id] = source
    return sources


def named(docs: Iterable[Doc]) -> Iterator[Doc]:
    """The same notes, each with an id: notes made by other software have none."""
    for number, doc in enumerate(docs, start=1):
        doc._.note_id = doc._.note_id or f"note-{number}"
        yield doc


def label_counts(annotations: Annotations) -> tuple[Counter[str], Counter[str]]:
    """The number of mentions and of relations with each label."""
    return (
        Counter(mention.label for mention in annotations.mentions),
        Counter(link.label for link in annotations.links),
    )
