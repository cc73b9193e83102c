"""The content of one `.ann` file: a list of lines, each with the record it holds.

A line that nobody edits is written back as it was read, so that order, blanks, tabs, line ends
and unknown line kinds survive. Format: https://brat.nlplab.org/standoff.html
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

Fragments = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TextBound:
    """`T1<TAB>Drug 0 5;16 23<TAB>text`: fragments in the order listed, offsets in characters."""

    id: str
    label: str
    fragments: Fragments
    text: str

    def render(self) -> str:
        spans = ";".join(f"{start} {end}" for start, end in self.fragments)
        return f"{self.id}\t{self.label} {spans}\t{self.text}"


@dataclass(frozen=True, slots=True)
class Relation:
    """`R1<TAB>Reason-Drug Arg1:T1 Arg2:T2`; `args` holds (role, id) in the order listed."""

    id: str
    label: str
    args: tuple[tuple[str, str], ...]

    def render(self) -> str:
        return f"{self.id}\t{self.label} " + " ".join(f"{role}:{ref}" for role, ref in self.args)

    @property
    def ends(self) -> tuple[str, str]:
        """Ids of the first and second argument: Arg1 and Arg2 by name, others as listed."""
        by_role = dict(self.args)
        if by_role.keys() == {"Arg1", "Arg2"}:
            return by_role["Arg1"], by_role["Arg2"]
        return self.args[0][1], self.args[1][1]


@dataclass(frozen=True, slots=True)
class Event:
    """`E1<TAB>Type:T1 Role:T2 …`: a trigger and its roles."""

    id: str
    label: str
    trigger: str
    args: tuple[tuple[str, str], ...]

    def render(self) -> str:
        rest = "".join(f" {role}:{ref}" for role, ref in self.args)
        return f"{self.id}\t{self.label}:{self.trigger}{rest}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """`A1<TAB>Negated T1` or `A2<TAB>Certainty E1 possible`."""

    id: str
    label: str
    target: str
    value: str

    def render(self) -> str:
        return f"{self.id}\t{self.label} {self.target}" + (f" {self.value}" if self.value else "")


@dataclass(frozen=True, slots=True)
class Normalization:
    """`N1<TAB>Reference T1 RxNorm:161<TAB>acetaminophen`."""

    id: str
    label: str
    target: str
    reference: str
    text: str

    def render(self) -> str:
        return f"{self.id}\t{self.label} {self.target} {self.reference}\t{self.text}"


@dataclass(frozen=True, slots=True)
class Comment:
    """`#1<TAB>AnnotatorNotes T1<TAB>text`: brat's note on an annotation."""

    id: str
    label: str
    target: str
    text: str

    def render(self) -> str:
        return f"{self.id}\t{self.label} {self.target}\t{self.text}"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """`*<TAB>Equiv T1 T2 …`: symmetric, any number of members, no id of its own."""

    id: str
    label: str
    members: tuple[str, ...]

    def render(self) -> str:
        return f"*\t{self.label} " + " ".join(self.members)


Record = TextBound | Relation | Event | Attribute | Normalization | Comment | Equivalence
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Problem:
    """What was wrong at one line of a file (line 0: the file as a whole), and what became of it."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.message}"
            if self.line
            else f"{self.file}: {self.message}"
        )


@dataclass(slots=True)
class Line:
    """One line: `raw` with its line end; the record, None where the line holds none."""

    raw: str
    record: Record | None


class StandoffError(ValueError):
    """A line that starts as a known kind and does not parse as one."""


@dataclass(slots=True)
class Standoff:
    """The lines of one `.ann` file, in file order.

    lines (list[Line]): Every line, blank and unknown ones too.
    problems (list[tuple[int, str]]): Line number (from 1) and message of each line that could not
        be read as what it claims to be. Such a line is kept in `lines` without a record.
    """

    lines: list[Line] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    _last_number: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> "Standoff":
        """Read the content of an `.ann` file.

        text (str): The decoded file, newlines untouched.
        RETURNS (Standoff): `str(Standoff.parse(text)) == text` for every text.
        """
        # A BOM is no part of the first line's id; a carriage return no part of its last column.
        standoff = cls()
        for number, raw in enumerate(re.findall(r"[^\n]*\n|[^\n]+\Z", text), start=1):
            body = raw.removesuffix("\n").removesuffix("\r")
            if number == 1:
                body = body.removeprefix("\ufeff")
            try:
                record = parse_line(body)
            except StandoffError as error:
                standoff.problems.append((number, str(error)))
                record = None
            standoff.lines.append(Line(raw, record))
        return standoff

    def __str__(self) -> str:
        return "".join(line.raw for line in self.lines)

    def records(self, kind: type[R]) -> Iterator[R]:
        """The records of one kind, in file order."""
        for line in self.lines:
            if isinstance(line.record, kind):
                yield line.record

    def add_textbound(
        self, label: str, fragments: Sequence[tuple[int, int]], text: str
    ) -> TextBound:
        """Append a text-bound annotation under the next free id.

        fragments (Sequence[tuple[int, int]]): Start and end of each piece, in characters.
        text (str): The covered text, pieces joined by one blank.
        """
        return self._add(TextBound(self._next_id("T"), label, tuple(fragments), text))

    def add_relation(self, label: str, arg1: str, arg2: str) -> Relation:
        """Append a binary relation between two ids under the next free id."""
        return self._add(Relation(self._next_id("R"), label, (("Arg1", arg1), ("Arg2", arg2))))

    def update(self, change: Callable[[Record], Record | None]) -> None:
        """Pass every record through `change`.

        change (Callable[[Record], Record | None]): Gives back the same object to keep its line as
            it was read, another to have the line rendered anew, None to take the line out.
        """
        kept = []
        for line in self.lines:
            new = change(line.record) if line.record is not None else None
            if line.record is None or new is line.record:
                kept.append(line)
            elif new is not None:
                kept.append(Line(new.render() + "\n", new))
        self.lines = kept

    def _add(self, record: R) -> R:
        if self.lines and not self.lines[-1].raw.endswith("\n"):
            self.lines[-1].raw += "\n"
        self.lines.append(Line(record.render() + "\n", record))
        return record

    def _next_id(self, prefix: str) -> str:
        if prefix not in self._last_number:
            used = (line.record.id for line in self.lines if line.record is not None)
            numbers = [int(i[len(prefix) :]) for i in used if re.fullmatch(prefix + r"\d+", i)]
            self._last_number[prefix] = max(numbers, default=0)
        self._last_number[prefix] += 1
        return f"{prefix}{self._last_number[prefix]}"


def parse_line(line: str) -> Record | None:
    """Read one line of a standoff file, without its line end.

    RETURNS (Record | None): None for a blank line and for kinds that brat does not know.
    RAISES (StandoffError): The line starts as a known kind and is not one.
    """
    kind = line[:1]
    if kind not in _PARSERS:
        return None
    id_, tab, rest = line.partition("\t")
    if not tab:
        raise StandoffError(f"no tab after the id in {_shown(line)}; expected ID<TAB>…")
    fields, _, text = rest.partition("\t")
    words = fields.split()
    if not words:
        raise StandoffError(f"nothing after the id in {_shown(line)}")
    return _PARSERS[kind](id_.strip(), words, text)


def _textbound(id_: str, words: list[str], text: str) -> TextBound:
    label, *offsets = words
    fragments = []
    for piece in " ".join(offsets).split(";"):
        match = re.fullmatch(r"\s*(\d+)\s+(\d+)\s*", piece, flags=re.ASCII)
        if match is None:
            raise StandoffError(
                f"{id_}: {' '.join(offsets)!r} is not 'START END[;START END…]' in characters"
            )
        start, end = int(match[1]), int(match[2])
        if end <= start:
            raise StandoffError(f"{id_}: the span {start} {end} is empty or reversed")
        fragments.append((start, end))
    return TextBound(id_, label, tuple(fragments), text)


def _roles(id_: str, words: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for word in words:
        role, colon, ref = word.partition(":")
        if not (role and colon and ref):
            raise StandoffError(f"{id_}: {word!r} is not ROLE:ID")
        pairs.append((role, ref))
    return tuple(pairs)


def _relation(id_: str, words: list[str], text: str) -> Relation:
    args = _roles(id_, words[1:])
    if len(args) != 2:
        raise StandoffError(f"{id_}: a relation has two arguments, not {len(args)}")
    return Relation(id_, words[0], args)


def _event(id_: str, words: list[str], text: str) -> Event:
    (label, trigger), *args = _roles(id_, words)
    return Event(id_, label, trigger, tuple(args))


def _attribute(id_: str, words: list[str], text: str) -> Attribute:
    if len(words) < 2:
        raise StandoffError(f"{id_}: an attribute names the annotation it belongs to")
    return Attribute(id_, words[0], words[1], " ".join(words[2:]))


def _normalization(id_: str, words: list[str], text: str) -> Normalization:
    if len(words) < 3:
        raise StandoffError(f"{id_}: a normalisation reads TYPE TARGET SOURCE:ID")
    return Normalization(id_, words[0], words[1], " ".join(words[2:]), text)


def _comment(id_: str, words: list[str], text: str) -> Comment:
    if len(words) < 2:
        raise StandoffError(f"{id_}: a note names the annotation it belongs to")
    return Comment(id_, words[0], words[1], text)


def _equivalence(id_: str, words: list[str], text: str) -> Equivalence:
    return Equivalence(id_, words[0], tuple(words[1:]))


def _shown(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "…")


_PARSERS: dict[str, Callable[[str, list[str], str], Record]] = {
    "T": _textbound,
    "R": _relation,
    "E": _event,
    "A": _attribute,
    "M": _attribute,
    "N": _normalization,
    "#": _comment,
    "*": _equivalence,
}
