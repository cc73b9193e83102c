"""Counts of what was kept, left out and wrong in the notes of one split."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ..brat import Problem
from ..doc import SPANS_KEY, Mention, annotations_of
from ..text.alignment import misaligned_offsets
from ..text.sameness import digest_of_words

OVERLAPS_OWN = "overlaps a longer or earlier mention of its type"
# Out of reach for a flat tagger, but not for `clinical_ner` in its default configuration.
OVERLAPS_OTHER = "overlaps one of another type (`overlapping` learns it)"


@dataclass(slots=True)
class SplitCount:
    """What was kept, what is out of a model's reach, and what was wrong.

    mentions, relations (Counter[str]): Kept on the Docs, by label.
    boundaries (int): Number of starts and ends of the mentions' fragments.
    misaligned (list[tuple[str, int]]): Note and character of each boundary inside a token.
    not_trainable (dict[str, Counter[str]]): Kept on the Docs, but not learnable for a flat token
        tagger, by reason and label.
    without_annotations (int): Notes without an annotation file.
    left_out (list[str]): Notes that were left out entirely; `problems` says why.
    problems (list[Problem]): What could not be kept as it is.
    texts (list[tuple[str, bytes]]): Name and hash of the words of each note that has any.
    shared (dict[str, list[str]]): By split, the notes whose words a note of that split has too; for
        their own split, those that repeat an earlier note.
    """

    notes: int = 0
    tokens: int = 0
    mentions: Counter[str] = field(default_factory=Counter)
    relations: Counter[str] = field(default_factory=Counter)
    boundaries: int = 0
    misaligned: list[tuple[str, int]] = field(default_factory=list)
    not_trainable: dict[str, Counter[str]] = field(default_factory=dict)
    without_annotations: int = 0
    left_out: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    texts: list[tuple[str, bytes]] = field(default_factory=list)
    shared: dict[str, list[str]] = field(default_factory=dict)

    @property
    def aligned_share(self) -> float:
        """Share of the boundaries that fall on token borders."""
        return 1 - len(self.misaligned) / self.boundaries if self.boundaries else 1.0

    def add_doc(self, doc: Doc) -> None:
        """Count one Doc."""
        self.notes += 1
        self.tokens += len(doc)
        annotations = annotations_of(doc)
        self.mentions.update(mention.label for mention in annotations.mentions)
        self.relations.update(link.label for link in annotations.links)
        offsets = [o for m in annotations.mentions for piece in m.fragments for o in piece]
        wrong = misaligned_offsets(doc, offsets)
        self.boundaries += len(offsets)
        self.misaligned += [(doc._.note_id, offset) for offset in wrong]
        cut = set(wrong)
        self._count_overlaps(list(doc.spans.get(SPANS_KEY, ())))
        for mention in annotations.mentions:
            if mention.start in cut or mention.end in cut:
                self._count("cuts through a token", mention.label)
        in_pieces = [mention for mention in annotations.mentions if len(mention.fragments) > 1]
        # Building the text is expensive, and few notes have such a mention.
        text = doc.text if in_pieces else ""
        for mention in in_pieces:
            if _has_gap(text, mention):
                self._count("is in several pieces", mention.label)
        for link in annotations.links:
            if link.head == link.tail:
                self._count("relates a mention to itself", link.label)

    def add_text(self, name: str, text: str) -> None:
        """Remember the words of a note."""
        if digest := digest_of_words(text):
            self.texts.append((name, digest))

    def compare_texts(self, split: str, other: "SplitCount") -> list[str]:
        """Record and return the names of the notes that another split has too, word for word."""
        known = {digest for _, digest in other.texts}
        if names := [name for name, digest in self.texts if digest in known]:
            self.shared[split] = names
        return names

    def repeated_texts(self, split: str) -> list[str]:
        """Record and return the names of the notes that repeat an earlier one, word for word.

        split (str): The name of this split.
        """
        known: set[bytes] = set()
        names = []
        for name, digest in self.texts:
            if digest in known:
                names.append(name)
            known.add(digest)
        if names:
            self.shared[split] = names
        return names

    def _count_overlaps(self, spans: Sequence[Span]) -> None:
        by_label: dict[str, list[Span]] = {}
        for span in spans:
            by_label.setdefault(span.label_, []).append(span)
        flat_in_label = {id(s) for members in by_label.values() for s in filter_spans(members)}
        flat = set(map(id, filter_spans(spans)))
        for span in spans:
            if id(span) not in flat_in_label:
                self._count(OVERLAPS_OWN, span.label_)
            elif id(span) not in flat:
                self._count(OVERLAPS_OTHER, span.label_)

    def add(self, other: "SplitCount") -> None:
        """Add the count of other notes."""
        for name in ("notes", "tokens", "boundaries", "without_annotations"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("misaligned", "left_out", "problems", "texts"):
            getattr(self, name).extend(getattr(other, name))
        self.mentions.update(other.mentions)
        self.relations.update(other.relations)
        for reason, labels in other.not_trainable.items():
            self.not_trainable.setdefault(reason, Counter()).update(labels)

    def _count(self, reason: str, label: str) -> None:
        self.not_trainable.setdefault(reason, Counter())[label] += 1

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "notes": self.notes,
            "tokens": self.tokens,
            "mentions": dict(self.mentions.most_common()),
            "relations": dict(self.relations.most_common()),
            "boundaries": {
                "all": self.boundaries,
                "on_token_borders": self.aligned_share,
                "inside_tokens": [f"{note}:{offset}" for note, offset in self.misaligned],
            },
            "not_trainable": {k: dict(v.most_common()) for k, v in self.not_trainable.items()},
            "without_annotations": self.without_annotations,
            "left_out": self.left_out,
            "same_text_as_in": self.shared,
            "problems": [
                {"severity": problem.severity, "problem": str(problem)} for problem in self.problems
            ],
        }


def _has_gap(text: str, mention: Mention) -> bool:
    """Whether anything but white space lies between its pieces, in whatever order they are."""
    pieces = sorted(mention.fragments)
    return any(text[left[1] : right[0]].strip() for left, right in pairwise(pieces))
