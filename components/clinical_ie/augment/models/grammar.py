"""llama.cpp grammars (GBNF) for one passage: what a rewrite of it may look like."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from ..markup import Marker, bodies_of
from .wording import alternatives

Mode = Literal["markers", "terms_fixed", "context_fixed"]
# From the labels and terms of a passage to the terms that may stand in the place of each.
Choices = Callable[[Sequence[tuple[str, str]]], Sequence[Sequence[str]]]

_BRACKETS_BEFORE = re.compile(r"(?:\]\])+")
_BRACKETS_AFTER = re.compile(r"(?:\[\[[^\s\[\]:]+:[ ])+$")
_OPENS_SENTENCE = re.compile(r"(?:\A|[.!?]\s+|\n\s*)(?:\[\[[^\s\[\]:]+:[ ])+\Z")
_ESCAPED = re.compile(r'[\\"\x00-\x1f\x7f]')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
# So many neighbouring markers may come in any order: a grammar needs a rule for each set of them.
_IN_ANY_ORDER = 7


def passage_grammar(source: str, markers: Sequence[Marker], mode: Mode = "markers") -> str:
    """Let a model write each marker exactly once, nested as in the passage.

    Markers of one level come in any order; of more than seven, each seven neighbours do.

    source (str): The passage in markup.
    markers (Sequence[Marker]): The markers in it, in any order.
    mode (Mode): With `terms_fixed` the words in markers stay and those between them are free, with
        `context_fixed` it is the other way round, with `markers` both are free.
    """
    bodies = bodies_of(source)
    if mode == "context_fixed":
        pieces, _ = _between(source, markers, bodies)
        root = " term ".join(map(_literal, pieces))
        return f"root ::= {root}\nterm ::= {_char(source)}{{1,60}}"
    return _Rules(source, markers, bodies, mode).text()


def choice_grammar(source: str, markers: Sequence[Marker], choices: Choices) -> str | None:
    """Let a model choose among terms, among expressions of one meaning between them, and, after a
    term that changes, the number of the verb.

    source, markers (str, Sequence[Marker]): As for `passage_grammar`.
    choices (Choices): The terms that may stand in the place of each; one without any stays.
    RETURNS (str | None): None where nothing can be chosen. Where no term can, one of the
        expressions has to change.
    """
    pieces, leaves = _between(source, markers, bodies_of(source))
    terms = [(label, source[start:end]) for start, end, label in leaves]
    options = [
        _options(source, start, end, new)
        for (start, end, _), new in zip(leaves, choices(terms), strict=True)
    ]
    before, *after = _slots(pieces, [bool(new) for new in options])
    slots = before
    for (_, term), new, words in zip(terms, options, after, strict=True):
        slots += [new or [term], *words]
    if any(options):
        return f"root ::= {' '.join(map(_one_of, slots))}"
    return _one_changed(slots) if any(len(slot) > 1 for slot in slots) else None


class _Rules:
    def __init__(
        self,
        source: str,
        markers: Sequence[Marker],
        bodies: Mapping[str, tuple[int, int]],
        mode: Mode,
    ) -> None:
        self._source = source
        self._bodies = bodies
        self._fixed = mode == "terms_fixed"
        self._order = sorted(markers, key=lambda marker: bodies[marker.key])
        self._rules: list[str] = []

    def text(self) -> str:
        """The grammar."""
        root = self._level(None)
        # Twice the text of the source at most: a small model fills whatever it is given.
        limit = max(24, 2 * len(self._source) // (len(self._order) + 1))
        char = _char(self._source)
        return "\n".join(
            [
                f"root ::= {root}",
                *self._rules,
                f"term ::= {char}{{1,60}}",
                f"text ::= {char}{{0,{limit}}}",
            ]
        )

    def _level(self, parent: str | None) -> str:
        """A name for what may stand in a marker, or in no marker."""
        places = [i for i, marker in enumerate(self._order) if marker.parent == parent]
        for i in places:
            marker = self._order[i]
            nested = any(other.parent == marker.key for other in self._order)
            body = self._level(marker.key) if nested else "term"
            if self._fixed:
                body = _literal(self._source[slice(*self._bodies[marker.key])])
            self._rules.append(f'm{i} ::= {_literal(f"[[{marker.key}: ")} {body} "]]"')
        name = "all" if parent is None else f"in{[m.key for m in self._order].index(parent)}"
        runs = [places[i : i + _IN_ANY_ORDER] for i in range(0, len(places), _IN_ANY_ORDER)]
        for number, run in enumerate(runs):
            after = f"{name}-{number + 1}-0" if number + 1 < len(runs) else ""
            self._add_sets(f"{name}-{number}", run, after)
        return f"{name}-0-0" if runs else "text"

    def _add_sets(self, name: str, run: Sequence[int], after: str) -> None:
        """A rule for each set of markers that may have been written already, as a bit mask."""
        full = (1 << len(run)) - 1
        for used in range(full + 1):
            free = [bit for bit in range(len(run)) if not used >> bit & 1]
            choices = " | ".join(f"m{run[bit]} {name}-{used | 1 << bit}" for bit in free)
            last = after or "text"
            rule = f"text ({choices})" if free else last
            self._rules.append(f"{name}-{used} ::= {rule}")


def _one_changed(slots: Sequence[Sequence[str]]) -> str:
    """What differs from the first of each in one slot at least: a rule for each slot with a choice,
    of what may follow while nothing has changed."""
    rules: list[str] = []
    name = "root"
    places = [place for place, slot in enumerate(slots) if len(slot) > 1]
    for number, place in enumerate(places):
        done = places[number - 1] + 1 if number else 0
        fixed = " ".join(map(_one_of, slots[done:place]))
        old, *others = slots[place]
        rest = " ".join(map(_one_of, slots[place + 1 :]))
        ways = [f"{_one_of(others)} {rest}"]
        following = f"same{number}"
        if place != places[-1]:
            ways.append(f"{_literal(old)} {following}")
        rules.append(f"{name} ::= {fixed} ({' | '.join(ways)})")
        name = following
    return "\n".join(rules)


def _between(
    source: str, markers: Sequence[Marker], bodies: Mapping[str, tuple[int, int]]
) -> tuple[list[str], list[tuple[int, int, str]]]:
    """The markup before, between and after the innermost terms; start, end and label of these."""
    nesting = {marker.parent for marker in markers}
    leaves = sorted((*bodies[m.key], m.label) for m in markers if m.key not in nesting)
    starts = [start for start, _, _ in leaves]
    ends = [end for _, end, _ in leaves]
    return [source[a:b] for a, b in zip([0, *ends], [*starts, len(source)], strict=True)], leaves


def _slots(pieces: Sequence[str], changing: Sequence[bool]) -> list[list[list[str]]]:
    """Each piece in slots: brackets as they are, and words with their alternatives.

    changing (Sequence[bool]): Whether the term before each piece but the first may change: the
        number of the verb after it is then open.
    """
    slots = []
    for piece, after_new in zip(pieces, [False, *changing], strict=True):
        closing, opening = _BRACKETS_BEFORE.match(piece), _BRACKETS_AFTER.search(piece)
        start = closing.end() if closing else 0
        end = max(opening.start(), start) if opening else len(piece)
        words = alternatives(piece[start:end], after_term=after_new and closing is not None)
        slots.append([x for x in ([piece[:start]], *words, [piece[end:]]) if x != [""]])
    return slots


def _options(source: str, start: int, end: int, others: Sequence[str]) -> list[str]:
    """The terms that may stand here, with a capital where they open a sentence, or the old one has
    one that is not an abbreviation's."""
    term = source[start:end]
    opens = bool(_OPENS_SENTENCE.search(source[:start]))
    capital = opens or (term[:1].isupper() and not term[1:2].isupper())
    terms = [new[:1].upper() + new[1:] if capital else new for new in others]
    # What brackets mean is settled.
    return [new for new in dict.fromkeys(terms) if not set(new) & set("[]")]


def _one_of(options: Sequence[str]) -> str:
    return f"({' | '.join(map(_literal, options))})"


def _char(source: str) -> str:
    """No brackets: where a marker ends is the grammar's to say; line ends where the source has
    some."""
    return r"[^\[\]\\]" if "\n" in source else r"[^\[\]\\\n]"


def _literal(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return _ESCAPES.get(char) or f"\\x{ord(char):02X}"
