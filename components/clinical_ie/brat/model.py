"""The content of one `.ann` file: a list of lines, each with the record it holds.

A line that nobody edits is written back as it was read, so that order, blanks, tabs, line ends
and unknown line kinds survive.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ..terminal.printable import shown
from .columns import Columns, columns_of
from .parse import UNDECODED, StandoffError, parse_line, wide_encoding
from .problem import Problem
from .records import (
    Comment,
    Equivalence,
    Event,
    Fragments,
    Normalization,
    Record,
    Relation,
    TextBound,
)

R = TypeVar("R", bound=Record)
BOM = "\ufeff"


class Line(NamedTuple):
    """One line: `raw` with its line end; the record, None where the line holds none."""

    raw: str
    record: Record | None


def _unknown(raw: str, number: int) -> Problem:
    """A line of no kind; one that was meant to be an annotation is lost where it is not seen."""
    cited = shown(raw.rstrip())
    meant = raw.lstrip()
    guesses = [meant[:1].upper() + meant[1:]]
    if raw.startswith("\t"):
        guesses += [f"{kind}1{raw}" for kind in "TRE"]
    if any(map(_is_annotation, guesses)):
        wanted = "expected a line that begins with its id, in capitals, no blank before it"
        return Problem("", number, f"{cited} is no annotation to brat; {wanted}: line left out")
    return Problem("", number, f"{cited} is of no kind that brat knows: kept as it is", "warning")


def _is_annotation(raw: str) -> bool:
    try:
        return _read(raw) is not None
    except StandoffError:
        return False


def _unread(raw: str, record: Record | None) -> str:
    """What a line holds beyond the columns of its kind, as where two lines ran into one."""
    if record is None or isinstance(record, TextBound | Normalization | Comment):
        return ""
    return "".join(raw.split("\t", 2)[2:]).strip()


class Standoff:
    """The lines of one `.ann` file, in file order.

    A file that was read is only looked through line by line once somebody asks for its lines.

    lines (Iterable[Line]): Every line, blank and unknown ones too.
    problems (Iterable[Problem]): Each line that could not be read as what it claims to be, without
        the name of the file. Such a line is kept in `lines` without a record.
    """

    __slots__ = ("_columns", "_last_number", "_lines", "_problems", "_text")

    def __init__(self, lines: Iterable[Line] = (), problems: Iterable[Problem] = ()) -> None:
        self._lines = list(lines)
        self._problems = list(problems)
        self._last_number: dict[str, int] = {}
        # The file as it was read, until its lines are asked for; and its columns, if it has them.
        self._text: str | None = None
        self._columns: Columns | None = None

    @classmethod
    def parse(cls, text: str) -> "Standoff":
        """Read the content of an `.ann` file.

        text (str): The decoded file, newlines untouched.
        RETURNS (Standoff): `str(Standoff.parse(text)) == text` for every text.
        """
        standoff = cls()
        standoff._text = text
        standoff._columns = columns_of(text)
        return standoff

    @property
    def lines(self) -> list[Line]:
        """Every line; the list may be edited."""
        self._split()
        return self._lines

    @lines.setter
    def lines(self, lines: list[Line]) -> None:
        self._split()
        self._lines = lines

    @property
    def problems(self) -> list[Problem]:
        """What could not be read."""
        if self._columns is None:
            self._split()
        return self._problems

    @property
    def columns(self) -> Columns | None:
        """What the lines hold, kind by kind, where nobody edited them and all of them are plain."""
        return self._columns

    def _split(self) -> None:
        """From a text to lines, which take its place."""
        text, self._text, self._columns = self._text, None, None
        if text is None:
            return
        for number, raw in enumerate(_LINE.findall(text), start=1):
            record = None
            try:
                record = _read(raw)
            except StandoffError as error:
                self._problems.append(Problem("", number, f"{error}: line left out"))
            else:
                if record is None and raw.strip(" \t\r\n" + BOM):
                    self._problems.append(_unknown(raw, number))
                elif unread := _unread(raw, record):
                    told = f"{shown(unread)} after the second tab is kept as it is, and not read"
                    told += "; expected an annotation on a line of its own, or a note (#)"
                    self._problems.append(Problem("", number, told, "warning"))
            self._lines.append(Line(raw, record))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Standoff):
            return NotImplemented
        return self.lines == other.lines and self.problems == other.problems

    def __repr__(self) -> str:
        return f"Standoff({self.lines!r}, {self.problems!r})"

    @classmethod
    def from_bytes(cls, content: bytes) -> "Standoff":
        """Read an `.ann` file as it is on disk; a line that is not UTF-8 costs no other line.

        A file in UTF-16 or UTF-32 is one problem, and its lines hold no record.
        """
        text = content.decode("utf8", errors="surrogateescape")
        wide = wide_encoding(content)
        if not wide:
            return cls.parse(text)
        told = f"looks like {wide}, which brat files are not: `iconv -f {wide} -t UTF-8` mends it"
        lines = (Line(raw, None) for raw in _LINE.findall(text))
        return cls(lines, [Problem("", 0, f"{told}: all of its lines left out")])

    def to_bytes(self) -> bytes:
        """The file as it is on disk: `Standoff.from_bytes(content).to_bytes() == content`."""
        return str(self).encode("utf8", errors="surrogateescape")

    def __str__(self) -> str:
        return self._text if self._text is not None else "".join(line.raw for line in self._lines)

    def copy(self) -> "Standoff":
        """The same lines, to be edited apart."""
        return Standoff(self.lines, self.problems)

    def records(self, kind: type[R]) -> Iterator[R]:
        """The records of one kind, in file order."""
        for line in self.lines:
            if isinstance(line.record, kind):
                yield line.record

    def add(self, record: R) -> R:
        """Append a record under the id it has; its line ends as the others do.

        RAISES (ValueError): Its line would be read as anything else, or as nothing; or the whole
            file cannot be read.
        """
        written = _written(record)
        lines = self.lines
        for problem in self._problems[:1]:
            if problem.line == 0:
                raise ValueError(f"{record.id} cannot be added to a file that {problem.message}")
        ends = "\r\n" if lines and lines[0].raw.endswith("\r\n") else "\n"
        if lines and not lines[-1].raw.endswith("\n"):
            # A file that was cut within its last line end has half of it.
            missing = "\n" if lines[-1].raw.endswith("\r") else ends
            lines[-1] = Line(lines[-1].raw + missing, lines[-1].record)
        lines.append(Line(written + ends, record))
        prefix, number = _numbered(record.id)
        if prefix in self._last_number:
            self._last_number[prefix] = max(self._last_number[prefix], number)
        return record

    def add_textbound(
        self, label: str, fragments: Sequence[tuple[int, int]], text: str
    ) -> TextBound:
        """Append a text-bound annotation under the next free id.

        fragments (Sequence[tuple[int, int]]): Start and end of each piece, in characters.
        text (str): The covered text, pieces joined by one blank.
        """
        return self.add(TextBound(self.next_id("T"), label, tuple(fragments), text))

    def add_relation(self, label: str, arg1: str, arg2: str) -> Relation:
        """Append a binary relation between two ids under the next free id."""
        return self.add(Relation(self.next_id("R"), label, (("Arg1", arg1), ("Arg2", arg2))))

    def remove(self, ids: Collection[str]) -> None:
        """Take out the records with these ids, and what cannot stand without them.

        A relation goes with either argument, an attribute, normalisation or note with its target,
        an event with its trigger; an event only loses the roles, and an equivalence the members,
        that are gone.
        """
        lines = enumerate(self.lines)
        bearers = [at for at, line in lines if line.record is not None and line.record.id in ids]
        self._take_out(bearers, ids)

    def edit(
        self, changes: Mapping[int, Record | None], meant: Mapping[str, int] | None = None
    ) -> None:
        """Change single lines, which tells apart lines that bear the same id.

        changes (Mapping[int, Record | None]): By place in `lines`: what the line is to hold, or
            None to take it out with what cannot stand without it. Where an id is borne twice, what
            names it means the first line.
        meant (Mapping[str, int] | None): By id the line that is meant, where that is another: the
            first may have been read as no annotation of this text.
        RAISES (ValueError): As `add`; nothing is changed then.
        """
        changed = {
            at: Line(_rendered(record, self.lines[at].raw), record)
            for at, record in changes.items()
            if record is not None
        }
        for at, line in changed.items():
            self.lines[at] = line
        self._take_out([at for at, record in changes.items() if record is None], (), meant)

    def _take_out(
        self, lines: Iterable[int], ids: Iterable[str], meant: Mapping[str, int] | None = None
    ) -> None:
        bearer: dict[str, int] = dict(meant or {})
        needed_by: dict[str, list[int]] = {}
        for at, line in enumerate(self.lines):
            if line.record is not None:
                bearer.setdefault(line.record.id, at)
                for id_ in line.record.needs:
                    needed_by.setdefault(id_, []).append(at)
        gone, todo = set(lines), list(ids)
        todo += [id_ for id_, at in bearer.items() if at in gone]
        gone_ids: set[str] = set()
        while todo:
            id_ = todo.pop()
            if id_ not in gone_ids:
                gone_ids.add(id_)
                for at in needed_by.get(id_, ()):
                    gone.add(at)
                    record = self.lines[at].record
                    if record is not None and bearer[record.id] == at:
                        todo.append(record.id)
        self.lines = [line for at, line in enumerate(self.lines) if at not in gone]
        # Whatever needs one of them is gone as well.
        self.update(lambda r: r.without(gone_ids) if isinstance(r, Event | Equivalence) else r)

    def shift(self, offset: int, by: int, keep: Collection[str] = ()) -> None:
        """Follow a text that grew or shrank before `offset`.

        offset (int): Where the unchanged rest of the old text begins.
        by (int): Characters that the rest moved; less than 0 where text was taken out.
        keep (Collection[str]): Ids of mentions to leave alone, since the caller sets them anew.
        RAISES (ValueError): A mention reaches across `offset`, or into text that was taken out.
        """
        end_of_kept = offset + min(by, 0)

        def moved(record: Record) -> Record:
            if not isinstance(record, TextBound) or record.id in keep:
                return record
            for start, end in record.fragments:
                if start < offset and end > end_of_kept:
                    raise ValueError(
                        f"{record.id} ({start} {end}) reaches into the text that changes, "
                        f"which ends at {offset}: remove it or set it anew"
                    )
            fragments: Fragments = tuple(
                (start + by, end + by) if start >= offset else (start, end)
                for start, end in record.fragments
            )
            return record if fragments == record.fragments else record._replace(fragments=fragments)

        if by:
            self.update(moved)

    def update(self, change: Callable[[Record], Record | None]) -> None:
        """Pass every record through `change`.

        change (Callable[[Record], Record | None]): Gives back the same object to keep its line as
            it was read, another to have the line rendered anew, None to take the line out.
        RAISES (ValueError): As `add`; nothing is changed then.
        """
        kept = []
        for line in self.lines:
            new = change(line.record) if line.record is not None else None
            if line.record is None or new is line.record:
                kept.append(line)
            elif new is not None:
                kept.append(Line(_rendered(new, line.raw), new))
        self.lines = kept

    def next_id(self, prefix: str) -> str:
        """An id that nothing in the file bears or names, above the highest with this prefix."""
        if prefix not in self._last_number:
            numbered = map(_numbered, self._used_ids())
            numbers = (number for used, number in numbered if used == prefix)
            self._last_number[prefix] = max(numbers, default=0)
        self._last_number[prefix] += 1
        return f"{prefix}{self._last_number[prefix]}"

    def _used_ids(self) -> Iterator[str]:
        for line in self.lines:
            if line.record is None:
                # Once somebody mends the line, its id counts.
                yield line.raw.partition("\t")[0].lstrip(BOM).strip()
            else:
                # A new record must not become what a dangling reference names.
                yield line.record.id
                yield from line.record.references


_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
# Where a line of annotations begins behind a line end of old: a carriage return alone.
_OLD_LINES = re.compile(r"\r(?=(?:[TREAMN#][0-9]+|\*)\t)")
# Python itself reads no number of more than 4,300 digits.
_MAX_DIGITS = 1000


def _numbered(id_: str) -> tuple[str, int]:
    """The letters of an id, and its number; 0 for none."""
    prefix = id_.rstrip("0123456789")
    digits = id_[len(prefix) :]
    return prefix, int(digits) if 0 < len(digits) <= _MAX_DIGITS else 0


def _read(raw: str) -> Record | None:
    # A BOM, or a second one that another editor put before it, is no part of the first line's id;
    # a carriage return no part of its last column.
    body = raw.removesuffix("\n").removesuffix("\r").lstrip(BOM)
    if not body.isascii() and (undecoded := UNDECODED.search(body)):
        byte = ord(undecoded[0]) - 0xDC00
        raise StandoffError(
            f"byte {byte:#04x} at column {undecoded.start() + 1} is not UTF-8, which brat files are"
        )
    if "\r" in body and (lines := _OLD_LINES.findall(body)):
        raise StandoffError(
            f"{len(lines) + 1} lines in one: they end in carriage returns alone, where brat ends "
            "lines with newlines; `tr '\\r' '\\n'` mends it"
        )
    return parse_line(body)


def _rendered(record: Record, raw: str) -> str:
    """The new line in the place of an old one, with its line end and its BOM."""
    body = raw.removesuffix("\n").removesuffix("\r")
    return raw[: len(raw) - len(raw.lstrip(BOM))] + _written(record) + raw[len(body) :]


def _written(record: Record) -> str:
    """The line of a record, without its end.

    RAISES (ValueError): It would be read as anything else, or as nothing.
    """
    line = record.render()
    try:
        read = None if "\n" in line else parse_line(line)
    except StandoffError:
        read = None
    if read != record:
        raise ValueError(
            f"{record.id}: {shown(line)} cannot be read back; in brat a label is one word without "
            "blanks, a span is not empty and a text has no line break: rename or remove it"
        )
    return line
