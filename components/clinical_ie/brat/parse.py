"""Parsing of single lines of an `.ann` file into records."""

import re
from collections.abc import Callable

from ..terminal.printable import shown
from .records import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Record,
    Relation,
    TextBound,
)

# Bytes that are not UTF-8, as decoded with `errors="surrogateescape"`.
UNDECODED = re.compile("[\udc80-\udcff]")


def wide_encoding(content: bytes) -> str:
    """`UTF-16` or `UTF-32` if a file has this encoding, else "".

    It shows in the byte order mark, or in the share of NULs: almost half, or three quarters.
    """
    nuls = content.count(0) / max(1, len(content))
    if content[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff") or nuls > 0.6:
        return "UTF-32"
    return "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") or nuls > 0.4 else ""


class StandoffError(ValueError):
    """A line that starts as a known kind but does not parse as one."""


def parse_line(line: str) -> Record | None:
    """Read one line of a standoff file, without its line end.

    RETURNS (Record | None): None for a blank line and for kinds that brat does not know.
    RAISES (StandoffError): The line starts as a known kind but is not one.
    """
    kind = line[:1]
    if kind == "T" and (found := _PLAIN_MENTION(line)) is not None:
        id_, label, first, last, text = found.groups()
        start, end = int(first), int(last)
        if start < end:
            return TextBound(id_, label, ((start, end),), text)
    if kind not in _PARSERS:
        return None
    id_, tab, rest = line.partition("\t")
    if not tab:
        raise StandoffError(f"no tab after the id in {shown(line)}; expected ID<TAB>…")
    fields, _, text = rest.partition("\t")
    # A value or reference is all of the rest, including blanks.
    words = fields.rstrip().split(maxsplit=2 if kind in "AMN" else -1)
    if not words:
        raise StandoffError(f"nothing after the id in {shown(line)}")
    return _PARSERS[kind](id_.strip(), words, text)


# A fast path for most lines; all others are read piece by piece, to say what is wrong with them.
_PLAIN_MENTION = re.compile(r"(T\S*)\t(\S+) ([0-9]{1,18}) ([0-9]{1,18})\t(.*)", re.DOTALL).fullmatch
_OFFSETS = re.compile(r"\s*([0-9]{1,18})\s+([0-9]{1,18})\s*", re.ASCII).fullmatch


def _textbound(id_: str, words: list[str], text: str) -> TextBound:
    label, *offsets = words
    fragments = []
    for piece in " ".join(offsets).split(";"):
        match = _OFFSETS(piece)
        if match is None:
            told = f"{id_}: {' '.join(offsets)!r} is not 'START END[;START END…]' in characters"
            if re.fullmatch(r"[^\d\s]+(?: [^\d\s]+)* \d+ \d+", " ".join(offsets)):
                told += "; a label has no blanks"
            raise StandoffError(told)
        start, end = int(match[1]), int(match[2])
        if end <= start:
            raise StandoffError(
                f"{id_}: the span {start} {end} is empty or reversed; expected START below END"
            )
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
        raise StandoffError(f"{id_}: an attribute must name the annotation it belongs to")
    return Attribute(id_, words[0], words[1], words[2] if len(words) > 2 else "")


def _normalization(id_: str, words: list[str], text: str) -> Normalization:
    if len(words) < 3:
        raise StandoffError(f"{id_}: a normalisation must read TYPE TARGET SOURCE:ID")
    return Normalization(id_, words[0], words[1], words[2], text)


def _comment(id_: str, words: list[str], text: str) -> Comment:
    if len(words) < 2:
        raise StandoffError(f"{id_}: a note must name the annotation it belongs to")
    return Comment(id_, words[0], words[1], text)


def _equivalence(id_: str, words: list[str], text: str) -> Equivalence:
    if len(words) < 3:
        raise StandoffError(f"an equivalence needs two or more annotations, not {len(words) - 1}")
    return Equivalence(id_, words[0], tuple(words[1:]))


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
