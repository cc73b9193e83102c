"""The notation of terms and sentence patterns, and its parser.

    Started [Drug:d] [Strength -> d]{ [Route -> d]|} for [Problem:p -> d:Reason-Drug]. {He} agreed.

*Marks.* `[Drug]` is a mention with a term of that entity type. After the type, in this order:

    [Drug:d]                    a name, for others in the pattern to refer to
    [Strength -> d]             a relation from this mention to the one named d
    [Strength -> d, e]          two relations
    [Problem -> d:Reason-Drug]  the relation's label, where the types allow more than one
    [Sign @chest]               a term with this tag, if there is one; see `lexicon`
    [Symptom !Negated]          an attribute
    [Problem !Certainty=likely] an attribute with its value
    [Finding = mild [Site] pain] exactly this text, which can hold marks: nested mentions; if the
                                text is a single mark, two mentions on the same span
    [Site:a = left] and [Site:b = right [+a = knee]]
                                one more piece of the mention a, which is then discontinuous

*Braces.* `{Symptom}` is a term of a list, without annotation, and `{Symptom @chest}` one with this
tag. `{one|other|}` is one of the options, which can hold marks; the last one is empty here.
`{#3.5-5.1}` is a number with as many decimals as the first. Sentences are capitalized
automatically.

A backslash escapes the next character. Terms can hold braces but not marks.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass


class NotationError(ValueError):
    """A term or pattern that is not in the notation."""


@dataclass(frozen=True, slots=True)
class Slot:
    """`{name @tag}`: a term of a list, not annotated."""

    name: str
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Number:
    """`{#low-high}`, with this number of decimals."""

    low: float
    high: float
    decimals: int


@dataclass(frozen=True, slots=True)
class Choice:
    """`{a|b}`: one of the options."""

    options: tuple["Nodes", ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A relation: the name of the other mention, and the label if it is given."""

    target: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Mark:
    """`[Type:name -> …]`: a mention, or one more piece of one.

    label (str): Its entity type; empty for one more piece.
    name (str): The name of the mention; generated for a mark without one.
    content (Nodes | None): Its text; None if a term of its type is drawn.
    tags (frozenset[str]): Preferred tags of the drawn term.
    """

    label: str
    name: str
    arrows: tuple[Arrow, ...]
    attributes: tuple[tuple[str, str], ...]
    content: "Nodes | None"
    tags: frozenset[str] = frozenset()


Node = str | Slot | Number | Choice | Mark
Nodes = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a lexicon: `metformin; Glucophage @diabetes @oral`.

    key (str): The first way to write it, as in the lexicon.
    surfaces (tuple[Nodes, ...]): All ways to write it.
    tags (frozenset[str]): What it goes with; see `lexicon`.
    """

    key: str
    surfaces: tuple[Nodes, ...]
    tags: frozenset[str]


_HEADER = re.compile(
    r"(?:\+(?P<more>\w+)|(?P<label>[A-Za-z][\w-]*)(?::(?P<name>[A-Za-z]\w*))?)"
    r"(?: -> (?P<arrows>\w+(?::[\w-]+)?(?:, \w+(?::[\w-]+)?)*))?"
    r"(?P<tags>(?: @[\w-]+)*)"
    r"(?P<attributes>(?: ![\w-]+(?:=[\w-]+)?)*)"
)
_NUMBER = re.compile(r"#(\d+(?:\.(\d+))?)-(\d+(?:\.\d+)?)")
_SLOT = re.compile(r"(?P<name>[A-Za-z][\w-]*)(?P<tags>(?: @[\w-]+)*)")


def parse_nodes(source: str) -> Nodes:
    """Parse a pattern or a term.

    RAISES (NotationError): The message shows where it fails, and what to write.
    """
    return _Parser(source).sequence("")


def parse_entry(line: str) -> Entry:
    """Parse one line of a lexicon.

    RAISES (NotationError): It is not in the notation, holds a mark, or may come out empty.
    """
    terms, *tags = re.split(r" +@", line)
    surfaces = []
    for source in terms.split("; "):
        nodes = parse_nodes(source)
        if any(isinstance(node, Mark) for node in walk(nodes)):
            raise NotationError(f"{source!r} holds a mark; a term can only hold text and braces")
        if may_be_empty(nodes):
            raise NotationError(f"{source!r} may come out empty; give every term some text")
        surfaces.append(nodes)
    if odd := [tag for tag in tags if not re.fullmatch(r"[\w-]+", tag)]:
        raise NotationError(f"'@{odd[0]}' is not a tag; tags are words at the end, as in 'x @a @b'")
    return Entry(terms.split("; ")[0], tuple(surfaces), frozenset(tags))


def walk(nodes: Nodes) -> Iterator[Node]:
    """All nodes in the order of the text, each before its content."""
    for node in nodes:
        yield node
        if isinstance(node, Choice):
            for option in node.options:
                yield from walk(option)
        elif isinstance(node, Mark) and node.content is not None:
            yield from walk(node.content)


def may_be_empty(nodes: Nodes) -> bool:
    """Whether the nodes can come out as nothing but white space."""
    return all(
        not node.strip()
        if isinstance(node, str)
        else isinstance(node, Choice) and any(map(may_be_empty, node.options))
        for node in nodes
    )


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.unnamed = 0

    def sequence(self, stops: str) -> Nodes:
        nodes: list[Node] = []
        text = ""
        while self.at < len(self.source) and (char := self.source[self.at]) not in stops:
            if char in "[{":
                if text:
                    nodes.append(text)
                text = ""
                nodes.append(self.mark() if char == "[" else self.braces())
                continue
            if char in "]}":
                raise self.error(
                    self.at, f"unmatched {char!r}; write \\{char} for the character itself"
                )
            if char == "\\":
                self.at += 1
            text += self.source[self.at : self.at + 1]
            self.at += 1
        if text:
            nodes.append(text)
        return tuple(nodes)

    def braces(self) -> Node:
        start = self.at
        self.at += 1
        options = [self.sequence("|}")]
        while self.source[self.at : self.at + 1] == "|":
            self.at += 1
            options.append(self.sequence("|}"))
        self.close(start, "}")
        if len(options) > 1:
            return Choice(tuple(options))
        match options[0]:
            case (str() as body,) if number := _NUMBER.fullmatch(body):
                low, high = float(number[1]), float(number[3])
                if not math.isfinite(high):
                    raise self.error(start, "the number has more digits than can be written")
                if low > high:
                    raise self.error(start, f"the number runs from {low:g} down to {high:g}")
                return Number(low, high, len(number[2] or ""))
            case (str() as body,) if slot := _SLOT.fullmatch(body):
                return Slot(slot["name"], _tags(slot["tags"]))
        raise self.error(start, "braces hold a {name}, {options|divided by bars} or a {#1-9}")

    def mark(self) -> Mark:
        start = self.at
        found = re.compile(r"\[([^\[\]{}]*?)( = |(?=[\[\]{}])|\Z)").match(self.source, start)
        assert found is not None
        header = _HEADER.fullmatch(found[1])
        if header is None:
            raise self.error(
                start, f"{found[1]!r} is not a mark; write [Type:name -> other @tag !Attribute]"
            )
        self.at = found.end()
        content = self.sequence("]") if found[2] else None
        self.close(start, "]")
        if content is not None and may_be_empty(content):
            raise self.error(start, "the mention may come out empty; give it some text")
        more = header["more"] is not None
        if more and (content is None or header["arrows"] or header["attributes"]):
            raise self.error(start, f"one more piece is only text: [+{header['more']} = text]")
        self.unnamed += 1
        return Mark(
            header["label"] or "",
            header["more"] or header["name"] or f"#{self.unnamed}",
            tuple(_arrow(arrow) for arrow in (header["arrows"] or "").split(", ") if arrow),
            tuple(_attribute(text) for text in header["attributes"].split(" !")[1:]),
            content,
            _tags(header["tags"]),
        )

    def close(self, start: int, bracket: str) -> None:
        if self.source[self.at : self.at + 1] != bracket:
            raise self.error(start, f"missing {bracket!r} at its end")
        self.at += 1

    def error(self, at: int, message: str) -> NotationError:
        around = self.source[at : at + 30] + ("…" if len(self.source) > at + 30 else "")
        return NotationError(f"character {at + 1}, {around!r}: {message}")


def _arrow(text: str) -> Arrow:
    target, _, label = text.partition(":")
    return Arrow(target, label or None)


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.replace("@", "").split())


def _attribute(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value
