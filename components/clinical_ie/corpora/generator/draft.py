"""A note under construction."""

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True)
class Mention:
    """A mention in the draft.

    label (str): Entity type.
    key (str): Its lexicon entry; empty if its text is from the pattern.
    pieces (list[tuple[int, int]]): Start and end of each, in characters, in the order of the text.
    attributes (tuple[tuple[str, str], ...]): Names and values that the pattern sets.
    """

    label: str
    key: str = ""
    pieces: list[tuple[int, int]] = field(default_factory=list)
    attributes: tuple[tuple[str, str], ...] = ()


class Link(NamedTuple):
    """A relation: its label, and positions in `Draft.mentions`."""

    label: str
    head: int
    tail: int


@dataclass
class Draft:
    """Text that grows at its end, with mentions and relations.

    length (int): Characters so far.
    """

    parts: list[str] = field(default_factory=list)
    length: int = 0
    mentions: list[Mention] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def write(self, text: str) -> None:
        """Append text."""
        self.parts.append(text)
        self.length += len(text)

    @property
    def text(self) -> str:
        """The text written so far."""
        return "".join(self.parts)
