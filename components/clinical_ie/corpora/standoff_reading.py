"""Line-by-line reading of a note's `.ann`, with a report of everything that is wrong in it."""

import unicodedata
from dataclasses import asdict, dataclass
from itertools import combinations
from operator import attrgetter
from typing import Any, cast

from spacy.tokens import Doc

from ..annotation_columns import AnnotationColumns
from ..brat import (
    Attribute,
    Detail,
    Equivalence,
    Event,
    Normalization,
    Note,
    Problem,
    Record,
    Relation,
    TextBound,
)
from ..brat.files import covered_text, covers
from ..brat.problem import Severity
from ..brat.triggers import Triggers
from ..doc import Annotations, Link, Mention, annotations_in, as_columns, unique_ids
from ..terminal.printable import shown
from .countings import Countings
from .plain_reading import plain_columns

# The whole note is searched for a mention's text only for this many mistakes.
MAX_SEARCHES = 100
# NFKC makes a character at most 18 times as long; whatever is covered beyond this factor is white
# space or another text.
LOOSE_LENGTH = 40
_LINKS: Any = ("._.", "clinical_ie.links", None, None)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Which lines become relations besides the `R` lines.

    roles (bool): Each role of an event, from its trigger to the argument, labelled with the role.
    equivalences (bool): Each pair of members of an equivalence, in the order listed, labelled with
        its type.
    """

    roles: bool = False
    equivalences: bool = False

    @classmethod
    def of(cls, doc: Doc) -> "LinkSettings":
        """The settings that a Doc was read with."""
        return cls(**doc.user_data.get(_LINKS, {}))

    def keep_on(self, doc: Doc) -> None:
        """Store them on a Doc, to distinguish removed relations from those that were never read."""
        if self != LinkSettings():
            doc.user_data[_LINKS] = asdict(self)


@dataclass(slots=True)
class Reading:
    """The content of a note's lines, and the line that each item is from, counted from 0.

    annotations (Annotations): Mentions and relations.
    problems (list[Problem]): What could not be kept as it is.
    mention_lines (dict[str, int]): The line of each mention, by the mention's id.
    link_lines (list[int]): The line of each relation, in the order of `annotations.links`.
    triggers (dict[str, str]): The mention behind each event, by the event's id.
    """

    annotations: Annotations
    problems: list[Problem]
    mention_lines: dict[str, int]
    link_lines: list[int]
    triggers: dict[str, str]


def note_to_annotations(
    note: Note, settings: LinkSettings | None = None
) -> tuple[Annotations, list[Problem]]:
    """Mentions and relations of a note; an event id stands for its trigger.

    settings (LinkSettings | None): Default: only the `R` lines are relations.
    RETURNS (tuple[Annotations, list[Problem]]): Problems name file, line and what was done. A
        mention is left out if it ends outside the text or its offsets cover another text than it
        states, and a record if it refers to one that is not there.
    """
    columns, problems = note_to_columns(note, settings)
    return annotations_in(columns), problems


def note_to_columns(
    note: Note, settings: LinkSettings | None = None
) -> tuple[AnnotationColumns, list[Problem]]:
    """The same as `note_to_annotations`, by column."""
    columns = note.standoff.columns if settings in {None, LinkSettings()} else None
    if columns is not None and not note.problems:
        plain = plain_columns(note.text, columns)
        if plain is not None:
            return plain, []
    reading = read_lines(note, settings)
    return as_columns(reading.annotations), reading.problems


def read_lines(note: Note, settings: LinkSettings | None = None) -> Reading:
    """Read a note as `note_to_annotations` does, and record the line that each item is from."""
    return _Reader(note, settings or LinkSettings()).read()


class _Reader:
    """The records of one note while they are being read."""

    def __init__(self, note: Note, settings: LinkSettings) -> None:
        self.note = note
        self.settings = settings
        self.problems = list(note.problems)
        self.line = 0
        # By kind, with line numbers: annotation lines may come before what they refer to.
        self.bounds: list[tuple[int, TextBound]] = []
        self.events: list[tuple[int, Event]] = []
        self.others: list[tuple[int, Record]] = []
        self.known: set[str] = set()
        self.mention_ids: set[str] = set()
        self.triggers: dict[str, str] = {}
        self.details: dict[str, dict[str, list[tuple[str, ...]]]] = {}
        self.links: list[Link] = []
        self.link_lines: list[int] = []
        self.searches = MAX_SEARCHES
        self.countings = Countings(note.text)

    def read(self) -> Reading:
        for number, (_, record) in enumerate(self.note.standoff.lines, start=1):
            self.line = number
            if isinstance(record, TextBound):
                if self._fits(record):
                    self.bounds.append((self.line, record))
                    self.known.add(record.id)
            elif record is not None:
                self._sort(record)
        mentions = self._mentions()
        self.mention_ids = {mention.id for mention in mentions}
        triggers = self._resolve_events()
        for (number, event), trigger in zip(self.events, triggers, strict=True):
            self.line = number
            self._roles(event, trigger)
        # Attributes and the like come last: the relation that they refer to may be left out.
        for number, record in sorted(self.others, key=lambda item: isinstance(item[1], Detail)):
            self.line = number
            self._other(record)
        # They were found kind by kind; users look for them line by line.
        self.problems.sort(key=attrgetter("file", "line"))
        return Reading(
            Annotations([self._with_details(mention) for mention in mentions], self.links),
            self.problems,
            {m.id: number - 1 for (number, _), m in zip(self.bounds, mentions, strict=True)},
            self.link_lines,
            self.triggers,
        )

    def _with_details(self, mention: Mention) -> Mention:
        if mention.id not in self.details:
            return mention
        details = {name: tuple(values) for name, values in self.details[mention.id].items()}
        return mention._replace(**cast(dict[str, Any], details))

    def _sort(self, record: Record) -> None:
        if record.id in self.known and not isinstance(record, Equivalence):
            self._tell(f"the id {record.id} is used twice: references mean the first", "warning")
        if isinstance(record, Event):
            self.events.append((self.line, record))
        else:
            self.others.append((self.line, record))
        self.known.add(record.id)

    def _fits(self, bound: TextBound) -> bool:
        """Whether a mention's offsets and text agree with the note."""
        text = self.note.text
        if covers(text, bound.fragments, bound.text):
            return True
        end = max(end for _, end in bound.fragments)
        if end > len(text):
            told = f"{bound.id} ends at {end}, the text has {len(text)} characters"
            self._tell(f"{told}{self._remedy(bound)}: left out")
            return False
        covered = _start_of_covered(text, bound)
        says = f"says {shown(bound.text)}" if bound.text else "has no text after its offsets"
        told = f"{bound.id} {says}, its offsets cover {shown(covered)}"
        if _loosely(covered) == _loosely(bound.text):
            self._tell(f"{told}: offsets kept", "warning")
            return True
        self._tell(f"{told}{self._remedy(bound)}: left out")
        return False

    def _remedy(self, bound: TextBound) -> str:
        """What the offsets count if not characters, or the only place of the text in the note."""
        if not bound.text or not self.searches:
            return ""
        self.searches -= 1
        if counted := self.countings.of(bound.fragments, bound.text):
            return f" (it fits if offsets count {counted})"
        place = self.note.text.find(bound.text)
        if place < 0 or self.note.text.find(bound.text, place + 1) >= 0:
            return ""
        return f" (that text is at {place} {place + len(bound.text)})"

    def _mentions(self) -> list[Mention]:
        ids = unique_ids(bound.id for _, bound in self.bounds)
        mentions = []
        for (number, bound), id_ in zip(self.bounds, ids, strict=True):
            if id_ != bound.id:
                self.line = number
                message = f"the id {bound.id} is used twice: this one is {id_} from here on"
                self._tell(message, "mended")
            mentions.append(Mention(id_, bound.label, bound.fragments))
        return mentions

    def _resolve_events(self) -> list[str | None]:
        """Find the mention behind each event.

        RETURNS (list[str | None]): One entry per event line; None if there is no such mention.
        """
        triggers = Triggers(event for _, event in self.events)
        found: list[str | None] = []
        for number, event in self.events:
            self.line = number
            is_first = triggers.first[event.id] == event.trigger
            id_ = triggers.end(event.id if is_first else event.trigger)
            found.append(id_ if id_ in self.mention_ids else None)
            if id_ in self.mention_ids:
                self.triggers.setdefault(event.id, id_)
                continue
            if is_first:
                self.known.discard(event.id)
            if id_ in triggers.first:
                self._tell(
                    f"{event.id}: its triggers form a circle through {id_}; expected the id of a "
                    "text-bound annotation: left out"
                )
            else:
                self._tell(f"{event.id}: its trigger {id_} is not a mention here: left out")
        return found

    def _roles(self, event: Event, trigger: str | None) -> None:
        if trigger is None:
            return
        for role, ref in event.args:
            tail = self._mention_behind(ref)
            if tail is None:
                self._tell(f"{event.id}: its {role} {ref} is not a mention here: role left out")
            elif self.settings.roles:
                self._link(role, trigger, tail)

    def _link(self, label: str, head: str, tail: str) -> None:
        self.links.append(Link(label, head, tail))
        self.link_lines.append(self.line - 1)

    def _other(self, record: Record) -> None:
        if isinstance(record, Relation):
            first, second = record.ends
            head, tail = self._end(record.id, first), self._end(record.id, second)
            if head is not None and tail is not None:
                self._link(record.label, head, tail)
            else:
                self.known.discard(record.id)
            return
        if isinstance(record, Equivalence):
            members = [self._end("an equivalence", ref) for ref in record.members]
            if self.settings.equivalences:
                for head, tail in combinations(filter(None, members), 2):
                    self._link(record.label, head, tail)
            return
        assert isinstance(record, Detail)
        mention = self._mention_behind(record.target)
        if mention is not None:
            name, value = detail_of(record)
            self.details.setdefault(mention, {}).setdefault(name, []).append(value)
        elif record.target not in self.known:
            self._tell(f"{record.id} names {record.target}, not an annotation here: left out")

    def _mention_behind(self, ref: str) -> str | None:
        """The mention that an id refers to, directly or through an event."""
        mention = self.triggers.get(ref, ref)
        return mention if mention in self.mention_ids else None

    def _end(self, name: str, ref: str) -> str | None:
        """The mention at one end of a relation; reports an id that is not a mention's."""
        mention = self._mention_behind(ref)
        if mention is None:
            self._tell(f"{name} names {ref}, which is not a mention here: left out")
        return mention

    def _tell(self, message: str, severity: Severity = "error") -> None:
        self.problems.append(Problem(self.note.ann, self.line, message, severity))


def detail_of(record: Detail) -> tuple[str, tuple[str, ...]]:
    """The field of `Mention` that a record belongs to, and its value there."""
    if isinstance(record, Attribute):
        return "attributes", (record.label, record.value)
    if isinstance(record, Normalization):
        return "normalizations", (record.label, record.reference, record.text)
    return "comments", (record.label, record.text)


def _start_of_covered(text: str, bound: TextBound) -> str:
    """The text that a mention covers, cut off where it is too long to match."""
    room = LOOSE_LENGTH * (len(bound.text) + 10)
    pieces = []
    for start, end in bound.fragments:
        pieces.append((start, min(end, start + room)))
        room -= end - start
        if room <= 0:
            break
    return covered_text(text, tuple(pieces))


def _loosely(text: str) -> str:
    """The text without differences that editors and exporters introduce."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
