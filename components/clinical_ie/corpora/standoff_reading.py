"""What the lines of a note's `.ann` say of its mentions, line by line, and what they get wrong."""

import unicodedata
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from ..brat import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Note,
    Problem,
    Record,
    Relation,
    TextBound,
)
from ..brat.files import covered_text
from ..brat.problem import Severity
from ..doc import Annotations, Link, Mention, unique_ids


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Which lines become relations, beside the `R` lines.

    roles (bool): Each role of an event, from its trigger to the argument, with the role as label.
    equivalences (bool): Each pair of an equivalence, in the order listed, with its type as label.
    """

    roles: bool = False
    equivalences: bool = False


def note_to_annotations(
    note: Note, settings: LinkSettings | None = None
) -> tuple[Annotations, list[Problem]]:
    """Mentions and relations of a note; an event id stands for its trigger.

    settings (LinkSettings | None): Default: relations are the `R` lines alone.
    RETURNS (tuple[Annotations, list[Problem]]): Problems name file, line and what was done. Left
        out are a mention past the end of the text or with other text than its offsets cover, and
        whatever names a record that is not there.
    """
    reader = _Reader(note, settings or LinkSettings())
    return reader.read(), reader.problems


class _Reader:
    """One note's records, while they are put together."""

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
        self.triggers: dict[str, str] = {}
        self.details: dict[str, dict[str, tuple[tuple[str, ...], ...]]] = {}
        self.links: list[Link] = []

    def read(self) -> Annotations:
        for number, line in enumerate(self.note.standoff.lines, start=1):
            self.line = number
            if line.record is not None:
                self._sort(line.record)
        mentions = self._mentions()
        ids = {mention.id for mention in mentions}
        self._resolve_events(ids)
        for number, event in self.events:
            self.line = number
            if self.settings.roles and event.id in self.triggers:
                self._roles(event, ids)
        for number, record in self.others:
            self.line = number
            self._other(record, ids)
        return Annotations([self._with_details(mention) for mention in mentions], self.links)

    def _with_details(self, mention: Mention) -> Mention:
        details: dict[str, Any] = self.details.get(mention.id, {})
        return replace(mention, **details) if details else mention

    def _sort(self, record: Record) -> None:
        if record.id in self.known and not isinstance(record, TextBound | Equivalence):
            self._tell(
                f"the id {record.id} is used twice: what names it means the first", "warning"
            )
        if isinstance(record, TextBound):
            if self._fits(record):
                self.bounds.append((self.line, record))
            else:
                return
        elif isinstance(record, Event):
            self.events.append((self.line, record))
        else:
            self.others.append((self.line, record))
        self.known.add(record.id)

    def _fits(self, bound: TextBound) -> bool:
        """Whether a mention's offsets and text agree with the note."""
        text = self.note.text
        end = max(end for _, end in bound.fragments)
        if end > len(text):
            self._tell(f"{bound.id} ends at {end}, the text has {len(text)} characters: left out")
            return False
        covered = covered_text(text, bound.fragments)
        if covered == bound.text:
            return True
        told = f"{bound.id} says {_shown(bound.text)}, its offsets cover {_shown(covered)}"
        if _loosely(covered) == _loosely(bound.text):
            self._tell(f"{told}: offsets believed", "warning")
            return True
        place = text.find(bound.text) if bound.text else -1
        only = place >= 0 and text.find(bound.text, place + 1) < 0
        remedy = f" (that text stands at {place} {place + len(bound.text)})" if only else ""
        self._tell(f"{told}{remedy}: left out")
        return False

    def _mentions(self) -> list[Mention]:
        ids = unique_ids(bound.id for _, bound in self.bounds)
        mentions = []
        for (number, bound), id_ in zip(self.bounds, ids, strict=True):
            self.line = number
            if id_ != bound.id:
                message = f"the id {bound.id} is used twice: this one is {id_} from here on"
                self._tell(message, "mended")
            mentions.append(Mention(id_, bound.label, bound.fragments))
        return mentions

    def _resolve_events(self, mentions: set[str]) -> None:
        """Find the mention behind each event."""
        named: dict[str, str] = {}
        for _, event in self.events:
            named.setdefault(event.id, event.trigger)
        for number, event in self.events:
            self.line = number
            seen, id_ = {event.id}, event.trigger
            while id_ in named and id_ not in seen:
                seen.add(id_)
                id_ = named[id_]
            if id_ in mentions:
                self.triggers.setdefault(event.id, id_)
            elif id_ in seen:
                self._tell(
                    f"{event.id}: its triggers form a circle through {id_}; expected the id of a "
                    "text-bound annotation: left out"
                )
            else:
                self._tell(f"{event.id}: its trigger {id_} is no mention here: left out")

    def _roles(self, event: Event, mentions: set[str]) -> None:
        for role, ref in event.args:
            tail = self.triggers.get(ref, ref)
            if tail in mentions:
                self.links.append(Link(role, self.triggers[event.id], tail))
            else:
                self._tell(f"{event.id}: its {role} {ref} is no mention here: role left out")

    def _other(self, record: Record, mentions: set[str]) -> None:
        if isinstance(record, Relation):
            if all(self._reaches(record, ref, mentions) for ref in record.ends):
                head, tail = (self.triggers.get(end, end) for end in record.ends)
                self.links.append(Link(record.label, head, tail))
            return
        if isinstance(record, Equivalence):
            members = [ref for ref in record.members if self._reaches(record, ref, mentions)]
            if self.settings.equivalences:
                ends = [self.triggers.get(ref, ref) for ref in members]
                self.links += [Link(record.label, a, b) for a, b in combinations(ends, 2)]
            return
        assert isinstance(record, Attribute | Normalization | Comment)
        target = record.target
        mention = self.triggers.get(target, target)
        if mention in mentions:
            details = self.details.setdefault(mention, {})
            name, value = detail_of(record)
            details[name] = (*details.get(name, ()), value)
        elif target not in self.known:
            self._tell(f"{record.id} names {target}, which is not in this file: left out")

    def _reaches(self, record: Record, ref: str, mentions: set[str]) -> bool:
        if self.triggers.get(ref, ref) in mentions:
            return True
        id_ = "an equivalence" if record.id == "*" else record.id
        self._tell(f"{id_} names {ref}, which is no mention here: left out")
        return False

    def _tell(self, message: str, severity: Severity = "error") -> None:
        self.problems.append(Problem(self.note.ann, self.line, message, severity))


def detail_of(record: Attribute | Normalization | Comment) -> tuple[str, tuple[str, ...]]:
    """The field of a `Mention` that takes a record in, and what it takes in."""
    if isinstance(record, Attribute):
        return "attributes", (record.label, record.value)
    if isinstance(record, Normalization):
        return "normalizations", (record.label, record.reference, record.text)
    return "comments", (record.label, record.text)


def _loosely(text: str) -> str:
    """The text without what editors and exporters change on the way."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
