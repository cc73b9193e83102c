"""A text under construction, with its mentions and relations."""

from dataclasses import dataclass, field
from typing import NamedTuple

from ...brat import Standoff
from ...brat.files import covered_text, line_fragments


class Mention(NamedTuple):
    """Label, and start and end in characters of the passage."""

    label: str
    start: int
    end: int


class Link(NamedTuple):
    """A relation: positions in `Passage.mentions` of the attribute and of the drug."""

    attribute: int
    drug: int


@dataclass
class Passage:
    """Text that grows at its end.

    text (str): What is written so far.
    mentions (list[Mention]): In the order of writing.
    links (list[Link]): Relations between them.
    """

    text: str = ""
    mentions: list[Mention] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def write(self, text: str, labels: tuple[str, ...] = ()) -> list[int]:
        """Append text, with one mention on all of it per label.

        RETURNS (list[int]): The mentions' positions in `mentions`.
        """
        start = len(self.text)
        self.text += text
        self.mentions += [Mention(label, start, len(self.text)) for label in labels]
        return list(range(len(self.mentions) - len(labels), len(self.mentions)))

    def extend(self, other: "Passage") -> None:
        """Append a passage with its annotations."""
        offset, first = len(self.text), len(self.mentions)
        self.text += other.text
        self.mentions += [
            Mention(label, start + offset, end + offset) for label, start, end in other.mentions
        ]
        self.links += [Link(attribute + first, drug + first) for attribute, drug in other.links]

    def wrapped(self, width: int) -> "Passage":
        """The same passage with lines of at most `width` columns where blanks allow it.

        Blanks become newlines and no offset changes, so a mention may end up on two lines.
        """
        return Passage(wrap(self.text, width), self.mentions, self.links)

    def standoff(self) -> Standoff:
        """The annotations as standoff, numbered in the order of the text.

        A mention that crosses a line break has a fragment per line, as brat requires.
        """
        standoff = Standoff()
        ids = {}
        for position in sorted(range(len(self.mentions)), key=lambda i: self.mentions[i][1:]):
            label, start, end = self.mentions[position]
            fragments = line_fragments(self.text, (start, end))
            covered = covered_text(self.text, fragments)
            ids[position] = standoff.add_textbound(label, fragments, covered).id
        for attribute, drug in sorted(
            self.links, key=lambda link: self.mentions[link.attribute][1]
        ):
            label = f"{self.mentions[attribute].label}-Drug"
            standoff.add_relation(label, ids[attribute], ids[drug])
        return standoff


def wrap(text: str, width: int) -> str:
    """The text with lines of at most `width` columns where blanks allow it.

    RETURNS (str): Some blanks have become newlines; all else is unchanged, at the same offsets.
    """
    return "\n".join(_wrap_line(line, width) for line in text.split("\n"))


def _wrap_line(line: str, width: int) -> str:
    wrapped, start = line, 0
    while len(wrapped) - start > width:
        blank = wrapped.rfind(" ", start + 1, start + width + 1)
        if blank < 0:
            blank = wrapped.find(" ", start + width)
        if blank < 0:
            break
        wrapped = wrapped[:blank] + "\n" + wrapped[blank + 1 :]
        start = blank + 1
    return wrapped
