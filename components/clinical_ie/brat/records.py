"""Records of the lines of an `.ann` file. Format: https://brat.nlplab.org/standoff.html"""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

Fragments = tuple[tuple[int, int], ...]


def is_label(text: str) -> bool:
    """Whether a line can have it as its type: one word, or the rest would be misread."""
    return text.split() == [text]


def label_twins(labels: Iterable[str]) -> list[dict[str, str]]:
    """Labels that differ only in case, or in how Unicode encodes their accents.

    RETURNS (list[dict[str, str]]): For each group, the sorted spellings and how to show each: two
        that look the same are shown with escapes.
    """
    twins: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        twins[_composed(_composed(label).casefold())].add(label)
    return [
        {
            spelling: spelling
            if sum(_composed(spelling) == _composed(other) for other in spellings) == 1
            else ascii(spelling)
            for spelling in sorted(spellings)
        }
        for _, spellings in sorted(twins.items())
        if len(spellings) > 1
    ]


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


class TextBound(NamedTuple):
    """`T1<TAB>Drug 0 5;16 23<TAB>text`: fragments in the order listed, offsets in characters."""

    id: str
    label: str
    fragments: Fragments
    text: str

    def render(self) -> str:
        spans = ";".join(f"{start} {end}" for start, end in self.fragments)
        return f"{self.id}\t{self.label} {spans}\t{self.text}"

    @property
    def references(self) -> tuple[str, ...]:
        """Ids that this record refers to."""
        return ()

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids that this record depends on."""
        return ()


class Relation(NamedTuple):
    """`R1<TAB>Reason-Drug Arg1:T1 Arg2:T2`; `args` holds (role, id) in the order listed."""

    id: str
    label: str
    args: tuple[tuple[str, str], ...]

    def render(self) -> str:
        return f"{self.id}\t{self.label} " + " ".join(f"{role}:{ref}" for role, ref in self.args)

    @property
    def ends(self) -> tuple[str, str]:
        """Ids of the first and second argument: Arg1 and Arg2 by name, others as listed."""
        (role, first), (other, second) = self.args
        if (role, other) == ("Arg2", "Arg1"):
            return second, first
        return first, second

    @property
    def references(self) -> tuple[str, ...]:
        """Ids that this record refers to."""
        return tuple(ref for _, ref in self.args)

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids that this record depends on."""
        return self.references


class Event(NamedTuple):
    """`E1<TAB>Type:T1 Role:T2 …`: a trigger and its roles."""

    id: str
    label: str
    trigger: str
    args: tuple[tuple[str, str], ...]

    def render(self) -> str:
        rest = "".join(f" {role}:{ref}" for role, ref in self.args)
        return f"{self.id}\t{self.label}:{self.trigger}{rest}"

    @property
    def references(self) -> tuple[str, ...]:
        """Ids that this record refers to."""
        return (self.trigger, *(ref for _, ref in self.args))

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids that this record depends on."""
        return (self.trigger,)

    def without(self, ids: Collection[str]) -> "Event":
        """What is left of it once the records with these ids are gone: it can lose roles."""
        args = tuple(arg for arg in self.args if arg[1] not in ids)
        return self if args == self.args else self._replace(args=args)


class Attribute(NamedTuple):
    """`A1<TAB>Negated T1` or `A2<TAB>Certainty E1 possible`."""

    id: str
    label: str
    target: str
    value: str

    def render(self) -> str:
        return f"{self.id}\t{self.label} {self.target}" + (f" {self.value}" if self.value else "")

    @property
    def references(self) -> tuple[str, ...]:
        """Ids that this record refers to."""
        return (self.target,)

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids that this record depends on."""
        return (self.target,)


class Normalization(NamedTuple):
    """`N1<TAB>Reference T1 RxNorm:161<TAB>acetaminophen`."""

    id: str
    label: str
    target: str
    reference: str
    text: str

    def render(self) -> str:
        return f"{self.id}\t{self.label} {self.target} {self.reference}\t{self.text}"

    @property
    def references(self) -> tuple[str, ...]:
        """Ids that this record refers to."""
        return (self.target,)

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids that this record depends on."""
        return (self.target,)


class Comment(NamedTuple):
    """`#1<TAB>AnnotatorNotes T1<TAB>text`: brat's note on an annotation."""

    id: str
    label: str
    target: str
    text: str

    def render(self) -> str:
        return f"{self.id}\t{self.label} {self.target}\t{self.text}"

    @property
    def references(self) -> tuple[str, ...]:
        """Ids that this record refers to."""
        return (self.target,)

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids that this record depends on."""
        return (self.target,)


class Equivalence(NamedTuple):
    """`*<TAB>Equiv T1 T2 …`: symmetric, any number of members, no id of its own."""

    id: str
    label: str
    members: tuple[str, ...]

    def render(self) -> str:
        return f"{self.id}\t{self.label} " + " ".join(self.members)

    @property
    def references(self) -> tuple[str, ...]:
        """Ids that this record refers to."""
        return self.members

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids that this record depends on."""
        return ()

    def without(self, ids: Collection[str]) -> "Equivalence | None":
        """What is left of it once the records with these ids are gone: it needs two members."""
        members = tuple(member for member in self.members if member not in ids)
        if members == self.members:
            return self
        return self._replace(members=members) if len(members) > 1 else None


# Records that describe an annotation.
Detail = Attribute | Normalization | Comment
Record = TextBound | Relation | Event | Equivalence | Detail
