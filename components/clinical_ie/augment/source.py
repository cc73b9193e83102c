"""The training notes, in a form that takes little memory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from spacy.tokens import Doc

from ..brat import Standoff
from ..brat.files import file_below
from ..brat.records import is_label
from ..corpora.mention_lines import MentionLines
from ..corpora.notes import corpus_nlp, make_doc
from ..corpora.standoff_reading import LinkSettings
from ..corpora.standoff_writing import annotations_to_standoff, edit_standoff
from ..doc import KEYS, Annotations, Mention, annotations_of, has_standoff
from ..text.columns import text_of
from .segment import Layout, Place, Segment, segment_at
from .splice import splice

# Mentions and relations by label.
LabelCounts = tuple[Counter[str], Counter[str]]
_LABEL = attrgetter("label")
# What the names of a note's copies end with, and what file systems take.
_ENDING, _LONGEST_NAME = ".aug0000.txt", 255


@dataclass(slots=True)
class NewNote:
    """A new note, with what is needed to write it in brat."""

    doc: Doc
    text: str
    annotations: Annotations
    ann: bytes


# A slot would exclude the cached property.
@dataclass
class Source:
    """One training note.

    standoff (bytes | None): Its `.ann` as it was read; None if there was none.
    settings (LinkSettings): Which of its lines were read as relations.
    """

    note_id: str
    text: str
    annotations: Annotations
    standoff: bytes | None
    settings: LinkSettings = field(default_factory=LinkSettings)

    @classmethod
    def of(cls, doc: Doc) -> "Source":
        """The needed parts of a Doc."""
        standoff = doc._.standoff.to_bytes() if has_standoff(doc) else None
        settings = LinkSettings.of(doc)
        return cls(doc._.note_id, text_of(doc), annotations_of(doc), standoff, settings)

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
            ann = annotations_to_standoff(annotations, text).to_bytes()
        else:
            # Events, attributes and all other lines of the file are kept.
            ann = self._edited(self.standoff, annotations, text)
            doc.user_data[KEYS["standoff"]] = ann
            self.settings.keep_on(doc)
        return NewNote(doc, text, annotations, ann)

    def _edited(self, ann: bytes, annotations: Annotations, text: str) -> bytes:
        if self._lines is not None:
            edited = self._lines.with_mentions(annotations.mentions, text)
            if edited is not None:
                return edited
        standoff = Standoff.from_bytes(ann)
        edit_standoff(standoff, annotations, self.text, text, self.settings)
        return standoff.to_bytes()

    @cached_property
    def _lines(self) -> MentionLines | None:
        """The `.ann`, cut at its mention lines."""
        return MentionLines.of(self.standoff or b"", self.annotations, self.text)


def sources_of(docs: Iterable[Doc], path: Path) -> dict[str, Source]:
    """Training notes by id.

    path (Path): Where they come from, for error messages.
    RAISES (ValueError): Two notes have the same id, an id cannot be a file's name, or a label
        cannot be written in an `.ann`.
    """
    sources: dict[str, Source] = {}
    fine: set[str] = set()
    for doc in named(docs):
        source = Source.of(doc)
        if source.note_id in sources:
            raise ValueError(f"{path}: two notes with the id {source.note_id!r}")
        # Checked before the first request, since requests may cost money.
        name = file_below(Path(), source.note_id, _ENDING).name
        if len(name.encode("utf8", "surrogatepass")) > _LONGEST_NAME:
            raise ValueError(
                f"{path}: the note {source.note_id!r} has too long a name: with {_ENDING}, it must "
                f"have at most {_LONGEST_NAME} bytes; rename it"
            )
        annotations = source.annotations
        labels = dict.fromkeys(map(_LABEL, [*annotations.mentions, *annotations.links]))
        for label in labels:
            if label not in fine and not is_label(label):
                raise ValueError(
                    f"{path}: the label {label!r} in the note {source.note_id!r} cannot be written "
                    "in brat, where a label is one word without blanks; rename it"
                )
        fine.update(labels)
        sources[source.note_id] = source
    return sources


def named(docs: Iterable[Doc]) -> Iterator[Doc]:
    """The same notes, each with an id: notes made by other software have none."""
    for number, doc in enumerate(docs, start=1):
        doc._.note_id = doc._.note_id or f"note-{number}"
        yield doc


def add_labels(counts: LabelCounts, annotations: Annotations) -> None:
    """Count the labels of mentions and of relations."""
    counts[0].update(map(_LABEL, annotations.mentions))
    counts[1].update(map(_LABEL, annotations.links))
