"""A sentence pattern: what its marks refer to, and what shape of annotation it has."""

import re
from dataclasses import dataclass, field
from typing import Literal

from .notation import Choice, Mark, Node, Nodes, NotationError, Slot, parse_nodes, walk

Shape = Literal["filler", "discontinuous", "equal", "nested", "crossing", "plain"]

# The choices around a mark, outermost first: the number of each, and that of the option.
Scope = tuple[tuple[int, int], ...]

_SENTENCE_END = re.compile(r"[.!?]\s|\n")


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern.

    source (str): The pattern as written.
    nodes (Nodes): The parsed form.
    shape (Shape): The rarest shape that applies: a filler has no mentions; a crossing pattern has
        a relation between sentences.
    marks (dict[str, Mark]): The mentions by name.
    slots (tuple[Slot, ...]): Where it draws terms without annotating them.
    depths (dict[str, int]): By name, the length of the longest chain of arrows from a mention.
    """

    source: str
    nodes: Nodes
    shape: Shape
    marks: dict[str, Mark]
    slots: tuple[Slot, ...]
    depths: dict[str, int]

    @property
    def fixed(self) -> bool:
        """Whether it gives the same words every time."""
        return all(isinstance(node, str) for node in self.nodes)


def parse_pattern(source: str) -> Pattern:
    """Parse a pattern and check that its names fit together.

    RAISES (NotationError): It is not in the notation, has a name twice, refers to a mention that
        may be absent, or its relations form a circle.
    """
    nodes = parse_nodes(source)
    if not source.strip():
        raise NotationError("the pattern is empty; give it some text")
    survey = _Survey()
    survey.visit(nodes, ())
    depths: dict[str, int] = {}
    for name in survey.marks:
        _depth(name, survey.marks, depths, ())
    for mark, scope in survey.pieces:
        survey.require(mark.name, scope, f"[+{mark.name} = …]")
    for mark in survey.marks.values():
        for arrow in mark.arrows:
            survey.require(arrow.target, survey.scopes[mark.name], f"-> {arrow.target}")
    slots = tuple(node for node in walk(nodes) if isinstance(node, Slot))
    return Pattern(source, nodes, _shape(survey), survey.marks, slots, depths)


@dataclass
class _Survey:
    marks: dict[str, Mark] = field(default_factory=dict)
    pieces: list[tuple[Mark, Scope]] = field(default_factory=list)
    scopes: dict[str, Scope] = field(default_factory=dict)
    sentences: dict[str, int] = field(default_factory=dict)
    sentence: int = 0
    choices: int = 0

    def visit(self, nodes: Nodes, scope: Scope) -> None:
        for node in nodes:
            if isinstance(node, str):
                self.sentence += len(_SENTENCE_END.findall(node))
            elif isinstance(node, Choice):
                self.choices += 1
                number = self.choices
                for option, branch in enumerate(node.options):
                    self.visit(branch, (*scope, (number, option)))
            elif isinstance(node, Mark):
                self.visit_mark(node, scope)

    def visit_mark(self, mark: Mark, scope: Scope) -> None:
        if not mark.label:
            self.pieces.append((mark, scope))
        elif mark.name in self.marks:
            raise NotationError(f"two mentions are called {mark.name!r}; give them different names")
        else:
            self.marks[mark.name] = mark
            self.scopes[mark.name] = scope
            self.sentences[mark.name] = self.sentence
        self.visit(mark.content or (), scope)

    def require(self, name: str, scope: Scope, what: str) -> None:
        if name not in self.marks:
            named = sorted(name for name in self.marks if not name.startswith("#"))
            raise NotationError(f"{what!r}: no mention is called {name!r}; there are {named}")
        if scope[: len(self.scopes[name])] != self.scopes[name]:
            raise NotationError(
                f"{what!r}: {name!r} is in an option that may not be chosen; move it out of the "
                "braces, or put both into the same option"
            )


def _depth(name: str, marks: dict[str, Mark], depths: dict[str, int], path: tuple[str, ...]) -> int:
    if name in path:
        raise NotationError(f"relations form a circle: {' -> '.join([*path, name])}")
    if name not in depths:
        targets = [arrow.target for arrow in marks[name].arrows] if name in marks else []
        below = [_depth(target, marks, depths, (*path, name)) for target in targets]
        depths[name] = 1 + max(below) if below else 0
    return depths[name]


def _shape(survey: _Survey) -> Shape:
    marks = list(survey.marks.values())
    if not marks:
        return "filler"
    if survey.pieces:
        return "discontinuous"
    inner = [mark.content for mark in marks if mark.content and _has_mark(mark.content)]
    if any(_is_one_mark(content) for content in inner):
        return "equal"
    if inner:
        return "nested"
    where = survey.sentences
    if any(where[m.name] != where[arrow.target] for m in marks for arrow in m.arrows):
        return "crossing"
    return "plain"


def _has_mark(content: Nodes) -> bool:
    return any(isinstance(node, Mark) for node in walk(content))


def _is_one_mark(content: tuple[Node, ...]) -> bool:
    return len(content) == 1 and isinstance(content[0], Mark)
