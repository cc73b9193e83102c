"""Writing a pattern into a note."""

import re
from dataclasses import dataclass, field, replace

from ..synthetic.dice import Dice
from .draft import Draft, Link, Mention
from .lexicon import Lexicon, Term, Topic, capital, render_number
from .notation import Choice, Mark, Node, Nodes, Number, Slot, walk
from .pattern import Pattern
from .schema import Schema

CELL = " | "
_BAR = re.compile(r" *\| *")


@dataclass(frozen=True, slots=True)
class Row:
    """How the cells of a table row are set: padded to columns, or with a separator."""

    widths: tuple[int, ...] = ()
    between: str = CELL


@dataclass
class Scribe:
    """Writes patterns into the draft of one note.

    story (dict[str, str]): The words that stay the same throughout the note.
    """

    schema: Schema
    lexicon: Lexicon
    dice: Dice
    draft: Draft
    story: dict[str, str]

    def write(self, pattern: Pattern, used: set[tuple[str, str]], row: Row | None = None) -> int:
        """Write a pattern at the end of the draft.

        used (set[tuple[str, str]]): Terms that the section has used; new ones are added.
        row (Row | None): For a row of a table; its words are not capitalized.
        RETURNS (int): Words written.
        """
        sentence = _Sentence(self, pattern, row, Topic(used=used))
        first = len(self.draft.parts)
        sentence.compose()
        return len("".join(self.draft.parts[first:]).split())


@dataclass
class _Sentence:
    scribe: Scribe
    pattern: Pattern
    row: Row | None
    topic: Topic
    terms: dict[str, Term] = field(default_factory=dict)
    # Position of each mention among those of the draft.
    places: dict[str, int] = field(default_factory=dict)
    # The end of the unannotated text so far; "b.i.d." in a mention does not end a sentence.
    tail: str = ". "
    cell: int = 0
    cell_start: int = 0

    def compose(self) -> None:
        draft, pattern = self.scribe.draft, self.pattern
        self.cell_start = draft.length
        self._write(self._drawn(self._chosen(pattern.nodes)))
        for name, head in self.places.items():
            for arrow in pattern.marks[name].arrows:
                tail = self.places[arrow.target]
                ends = draft.mentions[head].label, draft.mentions[tail].label
                label = arrow.label or self.scribe.schema.relation_labels(*ends)[0]
                draft.links.append(Link(label, head, tail))

    def _chosen(self, nodes: Nodes) -> Nodes:
        """The nodes with one option taken for every choice."""
        chosen: Nodes = ()
        for node in nodes:
            if isinstance(node, Choice):
                chosen += self._chosen(self.scribe.dice.pick(node.options))
            elif isinstance(node, Mark) and node.content is not None:
                chosen += (replace(node, content=self._chosen(node.content)),)
            else:
                chosen += (node,)
        return chosen

    def _drawn(self, nodes: Nodes) -> Nodes:
        """The nodes with text for every slot and every mark without content.

        A drug is drawn before its strength, whatever their order in the text.
        """
        marks = [node for node in walk(nodes) if isinstance(node, Mark)]
        contents: dict[int, Nodes] = {}
        for mark in sorted(marks, key=lambda mark: self.pattern.depths[mark.name]):
            contents[id(mark)] = self._content(mark)
        return self._filled(nodes, contents)

    def _content(self, mark: Mark) -> Nodes:
        """The text of a mark, with the marks inside it as they are."""
        scribe = self.scribe
        if mark.content is None:
            targets = [self.terms[a.target] for a in mark.arrows if a.target in self.terms]
            wish = frozenset[str]().union(*(term.tags for term in targets))
            term = scribe.lexicon.draw(
                scribe.dice, mark.label, self.topic, scribe.story, mark.tags, wish
            )
            self.terms[mark.name] = term
            return (term.text,)
        texts, terms = self._plain(mark.content)
        tags = frozenset[str]().union(*(term.tags for term in terms))
        self.terms.setdefault(mark.name, Term("", "", tags))
        return texts

    def _plain(self, nodes: Nodes) -> tuple[Nodes, list[Term]]:
        """The nodes with text for slots and numbers, and the terms in the slots."""
        scribe, terms = self.scribe, []
        texts: list[Node] = []
        for node in nodes:
            if isinstance(node, Slot):
                term = scribe.lexicon.word(scribe.dice, node, self.topic, scribe.story)
                terms.append(term)
                texts.append(term.text)
            elif isinstance(node, Number):
                texts.append(render_number(scribe.dice, node))
            else:
                texts.append(node)
        return tuple(texts), terms

    def _filled(self, nodes: Nodes, contents: dict[int, Nodes]) -> Nodes:
        filled: list[Node] = []
        for node in nodes:
            if isinstance(node, Mark):
                filled.append(replace(node, content=self._filled(contents[id(node)], contents)))
            else:
                filled.append(node)
        return tuple(filled)

    def _write(self, nodes: Nodes, *, top: bool = True) -> None:
        for node in self._plain(nodes)[0] if top else nodes:
            if isinstance(node, Mark):
                self._mark(node)
            elif isinstance(node, str):
                self._text(node, in_cells=top and self.row is not None)
                self.tail = (self.tail + node)[-2:] if top else ""

    def _text(self, text: str, *, in_cells: bool) -> None:
        draft = self.scribe.draft
        if in_cells and self.row is not None:
            first, *others = _BAR.split(text)
            draft.write(first)
            for cell in others:
                self._end_cell(self.row)
                draft.write(cell)
        elif text:
            starts = self.row is None and self.tail in (". ", ".\n")
            draft.write(capital(text) if starts else text)

    def _end_cell(self, row: Row) -> None:
        draft = self.scribe.draft
        if self.cell < len(row.widths):
            # After a cell that fills its column, there is still one blank.
            draft.write(" " * max(1, row.widths[self.cell] - (draft.length - self.cell_start)))
        else:
            draft.write(row.between)
        self.cell += 1
        self.cell_start = draft.length

    def _mark(self, mark: Mark) -> None:
        draft = self.scribe.draft
        if mark.name not in self.places:
            whole = self.pattern.marks[mark.name]
            key = self.terms[mark.name].key
            self.places[mark.name] = len(draft.mentions)
            draft.mentions.append(Mention(whole.label, key, attributes=whole.attributes))
        mention = draft.mentions[self.places[mark.name]]
        start, first = draft.length, len(draft.parts)
        self._write(mark.content or (), top=False)
        written = "".join(draft.parts[first:])
        left = len(written) - len(written.lstrip())
        mention.pieces.append((start + left, start + len(written.rstrip())))
