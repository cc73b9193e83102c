"""llama.cpp grammars (GBNF) for one passage: what a rewrite of it may look like."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from ..markup import Marker, bodies_of
from .wording import alternatives

Mode = Literal["markers", "terms_fixed", "context_fixed", "context_varied", "near_terms"]
# From the labels and terms of a passage to the terms that may stand in the place of each.
Choices = Callable[[Sequence[tuple[str, str]]], Sequence[Sequence[str]]]

_BRACKETS_BEFORE = re.compile(r"(?:\]\])+")
_BRACKETS_AFTER = re.compile(r"(?:\[\[[^\s\[\]:]+:[ ])+$")
_OPENS_SENTENCE = re.compile(r"(?:\A|[.!?]\s+|\n\s*)(?:\[\[[^\s\[\]:]+:[ ])+\Z")
# So many neighbouring markers may come in any order: a grammar needs a rule for each set of them.
_IN_ANY_ORDER = 7


def passage_grammar(
    source: str,
    markers: Sequence[Marker],
    mode: Mode = "markers",
    choices: Choices | None = None,
) -> str:
    """Let a model write each marker exactly once, nested as in the passage.

    Markers of one level come in any order; of more than seven, each seven neighbours do.

    source (str): The passage in markup.
    markers (Sequence[Marker]): The markers in it, in any order.
    mode (Mode): With `terms_fixed` the words in markers stay and those between them are free, with
        `context_fixed` it is the other way round, with `markers` both are free. `context_varied`
        is `context_fixed` with a choice at expressions that have others of the same meaning, and at
        the number of a verb after a term; `near_terms` is that with `choices` for terms.
    choices (Choices | None): With `near_terms`; a term without any stays as it is.
    """
    bodies = bodies_of(source)
    if mode in ("context_fixed", "context_varied", "near_terms"):
        return _context(source, markers, bodies, mode != "context_fixed", choices)
    return _Rules(source, markers, bodies, mode).text()


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


def _context(
    source: str,
    markers: Sequence[Marker],
    bodies: Mapping[str, tuple[int, int]],
    varied: bool,
    choices: Choices | None,
) -> str:
    nesting = {marker.parent for marker in markers}
    leaves = sorted((*bodies[m.key], m.label) for m in markers if m.key not in nesting)
    terms = [(label, source[start:end]) for start, end, label in leaves]
    options = iter(choices(terms) if choices else ())
    parts: list[str] = []
    done = 0
    for start, end, _ in [*leaves, (len(source), len(source), "")]:
        between = source[done:start]
        parts += _varied(between) if varied else [_literal(between)]
        if end > start:
            opens = bool(_OPENS_SENTENCE.search(source[:start]))
            new = next(options, None)
            parts.append("term" if new is None else _choice(source[start:end], opens, new))
        done = end
    free = f"\nterm ::= {_char(source)}{{1,60}}" if choices is None else ""
    return f"root ::= {' '.join(parts)}{free}"


def _choice(term: str, opens: bool, others: Sequence[str]) -> str:
    """The terms that may stand here, with a capital where they open a sentence, or the old one has
    one that is not an abbreviation's."""
    capital = opens or (term[:1].isupper() and not term[1:2].isupper())
    terms = [new[:1].upper() + new[1:] if capital else new for new in others]
    # What brackets mean is settled.
    options = [new for new in dict.fromkeys(terms) if not set(new) & set("[]")] or [term]
    return f"({' | '.join(map(_literal, options))})"


def _varied(between: str) -> list[str]:
    """What stands between two terms: brackets as they are, and words with their alternatives."""
    closing, opening = _BRACKETS_BEFORE.match(between), _BRACKETS_AFTER.search(between)
    start = closing.end() if closing else 0
    end = max(opening.start(), start) if opening else len(between)
    pieces = alternatives(between[start:end], after_term=closing is not None)
    return [
        *([_literal(between[:start])] if start else []),
        *(f"({' | '.join(map(_literal, piece))})" for piece in pieces),
        *([_literal(between[end:])] if end < len(between) else []),
    ]


def _char(source: str) -> str:
    """No brackets: where a marker ends is the grammar's to say; line ends where the source has
    some."""
    return r"[^\[\]\\]" if "\n" in source else r"[^\[\]\\\n]"


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
