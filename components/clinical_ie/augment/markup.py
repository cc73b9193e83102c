r"""Writes mentions into the text, `[[Drug: aspirin]]`, and reads them back.

If a label occurs twice in a segment, each of its markers has a short id: `[[T1|Drug: aspirin]]`.
Brackets and backslashes are escaped only where they could be read as part of a marker, so that
`[** name **]` and `[1]` look as they do in the note.

This markup cannot express discontinuous mentions. If only white space separates the fragments,
they are joined beforehand (`segment`); a segment with any other one is left out and counted.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ..doc import Mention

_LABEL = re.compile(r"[^\s\[\]|:\\]+")
_ESCAPED = re.compile(r"\[(?=\[)|\](?=\])|\\(?=[\\\[\]])")
_SIGNS = "[]\\"
_TOKEN = re.compile(
    r"\\(?P<escaped>[\\\[\]])"
    r"|\[\[(?P<key>[^\s\[\]:]+):[ ]?"
    r"|(?P<broken>\[\[)"
    r"|(?P<close>\]\])"
    r"|(?P<plain>[^\\\[\]]+|.)",
    re.DOTALL,
)


class MarkupError(ValueError):
    """Text that cannot be encoded, or markup without the markers that it must have.

    reason (str): A short name for the kind of error.
    detail (str): What was found.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker that must occur exactly once in a piece of markup.

    key (str): The part before the colon: `Drug` or `T1|Drug`.
    mention (str): Id of its mention.
    label (str): That mention's label.
    parent (str | None): Key of the marker it is nested in.
    """

    key: str
    mention: str
    label: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Markup:
    """Encoded text, with its markers in the order of the given mentions, and their keys in the
    order of the text."""

    text: str
    markers: tuple[Marker, ...]
    keys: tuple[str, ...]


def encode(text: str, mentions: Sequence[Mention], keys: Mapping[str, str] | None = None) -> Markup:
    """Write mentions into their text; nested mentions become nested markers.

    keys (Mapping[str, str] | None): Keys by mention id; default: made from the labels.
    RETURNS (Markup): `decode` turns it back into the same text and mentions, without scores.
    RAISES (MarkupError): A mention is discontinuous, two mentions cross, or a label contains white
        space, a bracket, a bar, a colon or a backslash.
    """
    parents = nesting(mentions)
    order = list(parents)
    own = _keys(mentions, order)
    key = [own[i] if keys is None else keys[m.id] for i, m in enumerate(mentions)]
    opens: dict[int, list[str]] = {}
    closes = Counter(mention.end for mention in mentions)
    for i in order:
        opens.setdefault(mentions[i].start, []).append(f"[[{key[i]}: ")
    pieces: list[str] = []
    start = 0
    is_plain = not any(sign in text for sign in _SIGNS)
    for border in sorted({*opens, *closes, len(text)}):
        if is_plain:
            pieces.append(text[start:border])
        else:
            # Whether a character needs a backslash depends on the next one.
            following = "]" if closes[border] else "[" if border in opens else ""
            escaped = _ESCAPED.sub(r"\\\g<0>", text[start:border] + following)
            pieces.append(escaped[:-1] if following else escaped)
        pieces += ["]]"] * closes[border]
        pieces += opens.get(border, ())
        start = border
    markers = tuple(
        Marker(key[i], mention.id, mention.label, None if (up := parents[i]) is None else key[up])
        for i, mention in enumerate(mentions)
    )
    return Markup("".join(pieces), markers, tuple(key[i] for i in order))


def decode(markup: str, markers: Sequence[Marker]) -> tuple[str, list[Mention]]:
    """Read markup that must contain each of `markers` exactly once, nested as they specify.

    RETURNS (tuple[str, list[Mention]]): The plain text, and a mention for each marker, in their
        order.
    RAISES (MarkupError): The string is anything else; names the first error.
    """
    expected = {marker.key: marker for marker in markers}
    found: dict[str, Mention] = {}
    open_: list[tuple[Marker, int]] = []
    pieces: list[str] = []
    length = 0
    for token in _TOKEN.finditer(markup):
        if key := token["key"]:
            marker = expected.get(key)
            if marker is None:
                raise MarkupError("unknown marker", key[:80])
            if key in found or any(key == other.key for other, _ in open_):
                raise MarkupError("doubled marker", key)
            if (open_[-1][0].key if open_ else None) != marker.parent:
                if open_ and _is_left_open(markup):
                    raise MarkupError("unclosed marker", open_[-1][0].key)
                raise MarkupError("changed nesting", key)
            open_.append((marker, length))
        elif token["broken"]:
            raise MarkupError("malformed marker", markup[token.start() : token.start() + 40])
        elif token["close"]:
            if not open_:
                raise MarkupError("stray closing brackets")
            marker, start = open_.pop()
            if start == length:
                raise MarkupError("empty mention", marker.key)
            found[marker.key] = Mention(marker.mention, marker.label, ((start, length),))
        else:
            piece = token["escaped"] or token["plain"]
            pieces.append(piece)
            length += len(piece)
    if open_:
        raise MarkupError("unclosed marker", open_[-1][0].key)
    missing = [marker.key for marker in markers if marker.key not in found]
    if missing:
        raise MarkupError("missing marker", ", ".join(missing))
    return "".join(pieces), [found[marker.key] for marker in markers]


def _is_left_open(markup: str) -> bool:
    """Whether a string has fewer ends of markers than beginnings."""
    kinds = Counter(kind for kind, _ in pieces_of(markup))
    return kinds[Kind.CLOSE] < kinds[Kind.OPEN]


def keys_in(markup: str) -> list[str]:
    """The keys of the markers in a piece of markup, in text order."""
    return [piece for kind, piece in pieces_of(markup) if kind is Kind.OPEN]


class Kind(Enum):
    """What a piece of markup is."""

    OPEN = "open"
    CLOSE = "close"
    TEXT = "text"


def pieces_of(markup: str) -> Iterator[tuple[Kind, str]]:
    """Split any string into markup pieces: a marker's key, its end, or text without escapes."""
    for token in _TOKEN.finditer(markup):
        if token["key"]:
            yield Kind.OPEN, token["key"]
        elif token["close"]:
            yield Kind.CLOSE, token["close"]
        else:
            yield Kind.TEXT, token["escaped"] or token["plain"] or token["broken"]


def bodies_of(markup: str) -> dict[str, tuple[int, int]]:
    """Start and end of each marker's content in a piece of well-formed markup, by key."""
    bodies: dict[str, tuple[int, int]] = {}
    open_: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(markup):
        if token["key"]:
            open_.append((token["key"], token.end()))
        elif token["close"]:
            key, start = open_.pop()
            bodies[key] = (start, token.start())
    return bodies


def read_loosely(markup: str) -> tuple[str, dict[str, str]]:
    """Text and terms of a piece of markup, whatever its markers.

    RETURNS (tuple[str, dict[str, str]]): The text without markers, and the text that each marker
        covers, by key, in text order.
    """
    pieces: list[str] = []
    open_: list[str] = []
    terms: dict[str, str] = {}
    for kind, piece in pieces_of(markup):
        if kind is Kind.OPEN:
            open_.append(piece)
            terms[piece] = ""
        elif kind is Kind.CLOSE and open_:
            open_.pop()
        else:
            pieces.append(piece)
            terms |= {key: terms[key] + piece for key in open_}
    return "".join(pieces), terms


def nesting(mentions: Sequence[Mention]) -> dict[int, int | None]:
    """For each mention, in text order, the smallest one that encloses it; both as indices.

    RAISES (MarkupError): As for `encode`.
    """
    for mention in mentions:
        if len(mention.fragments) > 1:
            raise MarkupError("mention in several pieces", mention.label)
        if not _LABEL.fullmatch(mention.label):
            reason = (
                f"label that cannot be written (a blank, or one of [ ] | : \\): {mention.label!r}"
            )
            raise MarkupError(reason, "")
    order = sorted(range(len(mentions)), key=lambda i: (mentions[i].start, -mentions[i].end, i))
    parents: dict[int, int | None] = {}
    around: list[int] = []
    for i in order:
        while around and mentions[around[-1]].end <= mentions[i].start:
            around.pop()
        if around and mentions[around[-1]].end < mentions[i].end:
            crossing = f"{mentions[around[-1]].label} and {mentions[i].label}"
            raise MarkupError("crossing mentions", crossing)
        parents[i] = around[-1] if around else None
        around.append(i)
    return parents


def _keys(mentions: Sequence[Mention], order: list[int]) -> dict[int, str]:
    labels = [mention.label for mention in mentions]
    if len(set(labels)) == len(labels):
        return dict(enumerate(labels))
    return {i: f"T{number}|{labels[i]}" for number, i in enumerate(order, start=1)}
