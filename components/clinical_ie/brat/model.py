"""The content of one `.ann` file: a list of lines, each with the record it holds.

Lines that are not edited are written back as they were read, so that order, blanks, tabs, line
ends and unknown kinds of lines survive.
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
    """One line: `raw` includes the line end; `record` is None if the line holds none."""

    raw: str
    record: Record | None


def _unknown(raw: str, number: int) -> Problem:
    """The problem of a line of no known kind; an error if it was likely meant as an annotation."""
    cited = shown(raw.rstrip())
    meant = raw.lstrip()
    guesses = [meant[:1].upper() + meant[1:]]
    if raw.startswith("\t"):
        guesses += [f"{kind}1{raw}" for kind in "TRE"]
    if any(map(_is_annotation, guesses)):
        wanted = "expected a line that begins with its id, in capitals, no blank before it"
        return Problem("", number, f"brat does not read {cited}; {wanted}: line left out")
    return Problem("", number, f"{cited} is not of a kind that brat knows: kept as is", "warning")


def _is_annotation(raw: str) -> bool:
    try:
        return _read(raw) is not None
    except StandoffError:
        return False


def _unread(raw: str, record: Record | None) -> str:
    """Text beyond the columns of a line's kind, for instance where two lines were joined."""
    if record is None or isinstance(record, TextBound | Normalization | Comment):
        return ""
    return "".join(raw.split("\t", 2)[2:]).strip()


class Standoff:
    """The lines of one `.ann` file, in file order.

    The text of a file is only split into lines when they are first needed.

    lines (Iterable[Line]): All lines, including blank and unknown ones.
    problems (Iterable[Problem]): One for each line that could not be read as the kind it claims to
        be, without the name of the file. Such a line is kept in `lines` without a record.
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
        """The content of the lines by kind; None if they may be edited or are not all plain."""
        return self._columns

    def _split(self) -> None:
        """Split the text into lines, which replace it."""
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
                    told = f"{shown(unread)} after the second tab is kept as is, but not read"
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
        """Read the bytes of an `.ann` file; a line that is not UTF-8 does not affect the others.

        A file in UTF-16 or UTF-32 gives a single problem, and its lines have no records.
        """
        text = content.decode("utf8", errors="surrogateescape")
        wide = wide_encoding(content)
        if not wide:
            return cls.parse(text)
        told = f"looks like {wide}, not UTF-8: convert it with `iconv -f {wide} -t UTF-8`"
        lines = (Line(raw, None) for raw in _LINE.findall(text))
        return cls(lines, [Problem("", 0, f"{told}: all of its lines left out")])

    def to_bytes(self) -> bytes:
        """The bytes of the file: `Standoff.from_bytes(content).to_bytes() == content`."""
        return str(self).encode("utf8", errors="surrogateescape")

    def __str__(self) -> str:
        return self._text if self._text is not None else "".join(line.raw for line in self._lines)

    def copy(self) -> "Standoff":
        """A copy that can be edited independently."""
        return Standoff(self.lines, self.problems)

    def records(self, kind: type[R]) -> Iterator[R]:
        """The records of one kind, in file order."""
        for line in self.lines:
            if isinstance(line.record, kind):
                yield line.record

    def add(self, record: R) -> R:
        """Append a record under its own id, with the line end of the file.

        RAISES (ValueError): The line would not be read back as this record, or the file as a whole
            cannot be read.
        """
        written = _written(record)
        lines = self.lines
        for problem in self._problems[:1]:
            if problem.line == 0:
                raise ValueError(f"{record.id} cannot be added to a file that {problem.message}")
        ends = "\r\n" if lines and lines[0].raw.endswith("\r\n") else "\n"
        if lines and not lines[-1].raw.endswith("\n"):
            # A file that was cut off inside its last line end has half of it.
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

    def remove(self, ids: Collection[str] | str) -> None:
        """Remove the records with these ids, and everything that depends on them.

        A relation goes with either argument, an attribute, normalisation or comment with its
        target, an event with its trigger. Removed arguments are taken out of other events, and
        removed members out of equivalences.
        ids (Collection[str] | str): Several ids, or one.
        """
        ids = _as_ids(ids)
        lines = enumerate(self.lines)
        bearers = [at for at, line in lines if line.record is not None and line.record.id in ids]
        self._take_out(bearers, ids)

    def edit(
        self, changes: Mapping[int, Record | None], meant: Mapping[str, int] | None = None
    ) -> None:
        """Change lines by their position, which tells lines with the same id apart.

        changes (Mapping[int, Record | None]): By position in `lines`: the new record, or None to
            remove the line and everything that depends on it. If an id is used twice, references
            mean the first line.
        meant (Mapping[str, int] | None): By id, the line that references mean instead of the first,
            which may have been rejected as an annotation of this text.
        RAISES (ValueError): As in `add`; then nothing is changed.
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

    def shift(self, offset: int, by: int, keep: Collection[str] | str = ()) -> None:
        """Move the offsets after the text grew or shrank before `offset`.

        offset (int): Where the unchanged rest of the old text begins.
        by (int): Number of characters by which the rest moved; negative if text was removed.
        keep (Collection[str] | str): Ids of mentions to leave alone, because the caller updates
            them, or one.
        RAISES (ValueError): A mention reaches across `offset`, or into text that was removed.
        """
        end_of_kept = offset + min(by, 0)
        keep = _as_ids(keep)

        def moved(record: Record) -> Record:
            if not isinstance(record, TextBound) or record.id in keep:
                return record
            for start, end in record.fragments:
                if start < offset and end > end_of_kept:
                    raise ValueError(
                        f"{record.id} ({start} {end}) reaches into the text that changes, "
                        f"which ends at {offset}: remove it, or list it in `keep` and update it"
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

        change (Callable[[Record], Record | None]): Returns the same object to keep the line as it
            was read, another one to rewrite the line, None to remove it.
        RAISES (ValueError): As in `add`; then nothing is changed.
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
        """An unused id: above the highest number with this prefix that the file uses or names."""
        if prefix not in self._last_number:
            numbered = map(_numbered, self._used_ids())
            numbers = (number for used, number in numbered if used == prefix)
            self._last_number[prefix] = max(numbers, default=0)
        self._last_number[prefix] += 1
        return f"{prefix}{self._last_number[prefix]}"

    def _used_ids(self) -> Iterator[str]:
        for line in self.lines:
            if line.record is None:
                # The line may be corrected later, and then needs its id.
                yield line.raw.partition("\t")[0].lstrip(BOM).strip()
            else:
                # A new record must not become the target of a dangling reference.
                yield line.record.id
                yield from line.record.references


_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
# An annotation line that begins after a bare carriage return, once the line end on Macs.
_OLD_LINES = re.compile(r"\r(?=(?:[TREAMN#][0-9]+|\*)\t)")
# Python refuses to convert more than 4,300 digits.
_MAX_DIGITS = 1000


def _numbered(id_: str) -> tuple[str, int]:
    """The prefix of an id, and its number; 0 if it has none."""
    prefix = id_.rstrip("0123456789")
    digits = id_[len(prefix) :]
    return prefix, int(digits) if 0 < len(digits) <= _MAX_DIGITS else 0


def _read(raw: str) -> Record | None:
    # A BOM (or two, if another editor added one) is not part of the first line's id, and a
    # carriage return is not part of the last column.
    body = raw.removesuffix("\n").removesuffix("\r").lstrip(BOM)
    if not body.isascii() and (undecoded := UNDECODED.search(body)):
        byte = ord(undecoded[0]) - 0xDC00
        raise StandoffError(
            f"byte {byte:#04x} at column {undecoded.start() + 1} is not UTF-8, as brat requires"
        )
    if "\r" in body and (lines := _OLD_LINES.findall(body)):
        raise StandoffError(
            f"{len(lines) + 1} lines in one: they end in bare carriage returns, but brat ends "
            "lines with newlines; convert the file with `tr '\\r' '\\n'`"
        )
    return parse_line(body)


def _as_ids(ids: Collection[str] | str) -> Collection[str]:
    """Ids to look others up in: in a string, `in` would find parts of it."""
    return {ids} if isinstance(ids, str) else ids


def _rendered(record: Record, raw: str) -> str:
    """The new content of a line, with the line end and the BOM of the old one."""
    body = raw.removesuffix("\n").removesuffix("\r")
    return raw[: len(raw) - len(raw.lstrip(BOM))] + _written(record) + raw[len(body) :]


def _written(record: Record) -> str:
    """The line of a record, without its end.

    RAISES (ValueError): It would not be read back as this record.
    """
    line = record.render()
    try:
        read = None if "\n" in line else parse_line(line)
    except StandoffError:
        read = None
    if read != record:
        raise ValueError(
            f"{record.id}: {shown(line)} cannot be read back; in brat a label is one word without "
            "blanks, of an event also without colons, a span is not empty and a text has no line "
            "break: rename or remove it"
        )
    return line
