"""Fast reading, kind by kind, of `.ann` files in which every line is as brat itself writes it.

Nearly all files are, and this takes a fifth of the time of reading line by line. `columns_of`
returns None for a file with any line that no pattern here matches, valid or not. `parse.py` reads
those files; on all others, both give the same result.
"""

import re
from collections.abc import Sequence
from itertools import chain, starmap
from operator import lt
from typing import Any, NamedTuple

from .records import Fragments

# Each pattern matches a line after a newline. It begins with fixed characters, so search is fast.
_SPAN = "[0-9]{1,18} [0-9]{1,18}"
_MENTION = re.compile(rf"\n(T[0-9]+)\t(\S+) ([0-9]{{1,18}}) ([0-9]{{1,18}})((?:;{_SPAN})*)\t(.*)")
_EVENT = re.compile(r"\n(E[0-9]+)\t([^\s:]+):([^\s:]+)((?: [^\s:]+:[^\s:]+)*) ?(?=\n)")
_RELATION = re.compile(r"\n(R[0-9]+)\t(\S+) Arg1:([^\s:]+) Arg2:([^\s:]+)[ \t]?(?=\n)")
_ATTRIBUTE = re.compile(r"\n([AM][0-9]+)\t(\S+) (\S+)(?: (\S+))?(?=\n)")
_NORMALIZATION = re.compile(r"\n(N[0-9]+)\t(\S+) (\S+) (\S+)\t(.*)")
_COMMENT = re.compile(r"\n(#[0-9]+)\t(\S+) (\S+)\t(.*)")
_EQUIVALENCE = re.compile(r"\n\*\t(\S+)((?: \S+){2,})(?=\n)")

# The most frequent first: once every line is found, the rest of the patterns are not searched.
_OTHERS = (_RELATION, _EVENT, _ATTRIBUTE, _EQUIVALENCE, _COMMENT, _NORMALIZATION)
_RARE_LINE = re.compile(r"\n[^TRE\n].*")


class TextBounds(NamedTuple):
    """The fields of all mention lines, in file order."""

    ids: Sequence[str]
    labels: Sequence[str]
    fragments: Sequence[Fragments]
    texts: Sequence[str]


class Columns(NamedTuple):
    """The lines of each kind in file order, all fields but offsets as strings from the file.

    mentions: Columns of their own.
    relations: Id, label, first and second argument.
    events: Id, label, trigger, roles as `" ROLE:ID ROLE:ID"`.
    attributes: Id, label, target, value; the value of a flag is "".
    equivalences: Label, members as `" ID ID"`.
    comments: Id, label, target, text.
    normalizations: Id, label, target, reference, text.
    """

    mentions: TextBounds
    relations: list[tuple[str, str, str, str]]
    events: list[tuple[str, str, str, str]]
    attributes: list[tuple[str, str, str, str]]
    equivalences: list[tuple[str, str]]
    comments: list[tuple[str, str, str, str]]
    normalizations: list[tuple[str, str, str, str, str]]


def columns_of(text: str) -> Columns | None:
    """The columns of a file.

    text (str): The decoded file, newlines untouched.
    RETURNS (Columns | None): None if the file is empty or any line is not plain: of another kind,
        blank, with other white space or line ends, not UTF-8, with an empty or reversed span.
    """
    if "\r" in text or not text:
        return None
    try:
        # Fails where a byte was not UTF-8, and takes less time than to search for such characters.
        text.isascii() or text.encode("utf8")
    except UnicodeEncodeError:
        return None
    framed = f"\n{text}" if text.endswith("\n") else f"\n{text}\n"
    mentions = _MENTION.findall(framed)
    # At most one pattern matches a line, because its first letter determines its kind.
    left = framed.count("\n") - 1 - len(mentions)
    others: list[list[Any]] = []
    for pattern in _OTHERS:
        if left and pattern is _ATTRIBUTE:
            # From here on, kinds of which there are few lines: these are searched alone.
            framed = "".join([*_RARE_LINE.findall(framed), "\n"])
        others.append(pattern.findall(framed) if left else [])
        left -= len(others[-1])
    bounds = _text_bounds(mentions)
    return None if left or bounds is None else Columns(bounds, *others)


def _text_bounds(lines: list[tuple[str, str, str, str, str, str]]) -> TextBounds | None:
    """The columns of mention lines; None if a span is empty or reversed."""
    if not lines:
        return TextBounds((), (), (), ())
    ids, labels, starts, ends, others, texts = zip(*lines, strict=True)
    pieces = list(zip(map(int, starts), map(int, ends), strict=True))
    fragments: list[Fragments] = list(zip(pieces, strict=True))
    if any(others):
        fragments = [
            first + _fragments(more) for first, more in zip(fragments, others, strict=True)
        ]
        pieces = list(chain.from_iterable(fragments))
    return TextBounds(ids, labels, fragments, texts) if all(starmap(lt, pieces)) else None


def _fragments(others: str) -> Fragments:
    """The fragments after a mention's first one."""
    pairs = (piece.split(" ") for piece in others.split(";")[1:])
    return tuple((int(start), int(end)) for start, end in pairs)
