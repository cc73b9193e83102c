"""Grammars for llama.cpp (GBNF) that constrain the rewrite of a passage."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Literal

from ...doc import Link
from ..markup import Marker, bodies_of
from ..terms import named_alike
from ..values import is_on_scale
from .wording import alternatives

Mode = Literal["markers", "terms_fixed", "context_fixed"]
# Takes (label, term) pairs of a passage that may change, and the terms that may not; returns the
# possible replacements for each pair.
Choices = Callable[[Sequence[tuple[str, str]], Sequence[str]], Sequence[Sequence[str]]]
# Start and end of an innermost term, and its marker.
_Leaf = tuple[int, int, Marker]

_BRACKETS_BEFORE = re.compile(r"(?:\]\])+")
_BRACKETS_AFTER = re.compile(r"(?:\[\[[^\s\[\]:]+:[ ])+$")
_OPENS_SENTENCE = re.compile(r"(?:\A|[.!?]\s+|\n\s*)(?:\[\[[^\s\[\]:]+:[ ])+\Z")
_ESCAPED = re.compile(r'[\\"\x00-\x1f\x7f]')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
# How many neighbouring markers may be reordered: a grammar needs a rule for each subset of them.
_IN_ANY_ORDER = 7
# How many groups of mentions may change to a common term: the grammar is repeated for each
# combination of these terms.
_SHARED = 2


def passage_grammar(source: str, markers: Sequence[Marker], mode: Mode = "markers") -> str:
    """A grammar with each marker exactly once, nested as in the passage.

    Markers of one level may come in any order; more than seven are reordered only within runs of
    seven neighbours, and none are with `context_fixed`.

    source (str): The passage in markup.
    markers (Sequence[Marker]): The markers in it, in any order.
    mode (Mode): `terms_fixed` keeps the words inside markers, `context_fixed` those between them,
        and `markers` neither.
    """
    bodies = bodies_of(source)
    if mode == "context_fixed":
        pieces, _ = _between(source, markers, bodies)
        root = " term ".join(map(_literal, pieces))
        return f"root ::= {root}\nterm ::= {_char(source)}{{1,60}}"
    return _Rules(source, markers, bodies, mode).text()


def choice_grammar(
    source: str,
    markers: Sequence[Marker],
    choices: Choices,
    links: Sequence[Link] = (),
    echoed: frozenset[str] = frozenset(),
) -> str | None:
    """A grammar with a choice of terms, of equivalent expressions between them, and, after a term
    that changes, of the number of the verb.

    source, markers (str, Sequence[Marker]): As for `passage_grammar`.
    choices (Choices): Finds the replacements of each term; a term without any stays.
    links (Sequence[Link]): Relations; related mentions with the same label and words get the same
        replacement.
    echoed (frozenset[str]): Ids of the mentions that keep their words.
    RETURNS (str | None): None if there is nothing to choose. If no term has a replacement, at least
        one expression has to change.
    """
    pieces, leaves = _between(source, markers, bodies_of(source))
    labels = {marker.mention: marker.label for _, _, marker in leaves}
    terms = {marker.mention: source[start:end] for start, end, marker in leaves}
    ties = [(link.head, link.tail) for link in links if {link.head, link.tail} <= terms.keys()]
    groups = named_alike(labels, terms, ties)
    fixed = echoed | {
        marker.mention
        for start, end, marker in leaves
        if is_on_scale(source[:start], source[start:end])
    }
    changing = [ids for ids in groups if not fixed.intersection(ids)]
    staying = [terms[id_] for ids in groups if fixed.intersection(ids) for id_ in ids]
    # Brackets are reserved for markers.
    found = [
        [new for new in others if not set(new) & set("[]")]
        for others in choices([(labels[ids[0]], terms[ids[0]]) for ids in changing], staying)
    ]
    ways = [_slots(source, pieces, leaves, offered) for offered in _ways(changing, found)]
    if any(found):
        return f"root ::= {' | '.join(' '.join(map(_one_of, slots)) for slots in ways)}"
    [slots] = ways
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
        """The grammar as text."""
        root = self._level(None)
        # About twice the length of the source in total: a small model fills any room it gets.
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
        """Add the rules for the content of a marker, or of the passage (None); return the first
        one's name."""
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
        """Add a rule for each set of markers already written, named after the set's bit mask."""
        full = (1 << len(run)) - 1
        for used in range(full + 1):
            free = [bit for bit in range(len(run)) if not used >> bit & 1]
            choices = " | ".join(f"m{run[bit]} {name}-{used | 1 << bit}" for bit in free)
            last = after or "text"
            rule = f"text ({choices})" if free else last
            self._rules.append(f"{name}-{used} ::= {rule}")


def _one_changed(slots: Sequence[Sequence[str]]) -> str:
    """A grammar in which at least one slot differs from its first option: each slot with a choice
    has a rule for what may follow while nothing has changed."""
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


def _ways(
    groups: Sequence[Sequence[str]], found: Sequence[Sequence[str]]
) -> Iterator[dict[str, Sequence[str]]]:
    """The options of each mention by id, once per combination of terms that mentions share.

    groups (Sequence[Sequence[str]]): Ids of mentions that get the same term.
    found (Sequence[Sequence[str]]): The possible terms of each group.
    """
    pairs = list(zip(groups, found, strict=True))
    offered = {ids[0]: terms for ids, terms in pairs if len(ids) == 1}
    shared = [(ids, terms) for ids, terms in pairs if len(ids) > 1 and terms][:_SHARED]
    for chosen in product(*(terms for _, terms in shared)):
        same = zip(shared, chosen, strict=True)
        yield offered | {id_: [term] for (ids, _), term in same for id_ in ids}


def _between(
    source: str, markers: Sequence[Marker], bodies: Mapping[str, tuple[int, int]]
) -> tuple[list[str], list[_Leaf]]:
    """The markup before, between and after the innermost terms, and these terms."""
    nesting = {marker.parent for marker in markers}
    leaves = [(*bodies[m.key], m) for m in markers if m.key not in nesting]
    leaves.sort(key=lambda leaf: leaf[:2])
    starts = [start for start, _, _ in leaves]
    ends = [end for _, end, _ in leaves]
    return [source[a:b] for a, b in zip([0, *ends], [*starts, len(source)], strict=True)], leaves


def _slots(
    source: str,
    pieces: Sequence[str],
    leaves: Sequence[_Leaf],
    offered: Mapping[str, Sequence[str]],
) -> list[list[str]]:
    """The passage as slots, each with the texts that may fill it.

    offered (Mapping[str, Sequence[str]]): New terms by mention id.
    """
    slots = _worded(pieces[0], after_new=False)
    for (start, end, marker), piece in zip(leaves, pieces[1:], strict=True):
        new = _options(source, start, end, offered.get(marker.mention, ()))
        slots += [new or [source[start:end]], *_worded(piece, after_new=bool(new))]
    return slots


def _worded(piece: str, after_new: bool) -> list[list[str]]:
    """The markup between two terms as slots: brackets fixed, words with their alternatives.

    after_new (bool): Whether the term before may change, which leaves the number of the verb after
        it open.
    """
    closing, opening = _BRACKETS_BEFORE.match(piece), _BRACKETS_AFTER.search(piece)
    start = closing.end() if closing else 0
    end = max(opening.start(), start) if opening else len(piece)
    words = alternatives(piece[start:end], after_term=after_new and closing is not None)
    return [x for x in ([piece[:start]], *words, [piece[end:]]) if x != [""]]


def _options(source: str, start: int, end: int, others: Sequence[str]) -> list[str]:
    """The replacements of a term, capitalized if it opens a sentence, or is itself capitalized and
    no abbreviation."""
    term = source[start:end]
    opens = bool(_OPENS_SENTENCE.search(source[:start]))
    capital = opens or (term[:1].isupper() and not term[1:2].isupper())
    return list(dict.fromkeys(new[:1].upper() + new[1:] if capital else new for new in others))


def _one_of(options: Sequence[str]) -> str:
    return f"({' | '.join(map(_literal, options))})"


def _char(source: str) -> str:
    """Any character but brackets, which only the grammar may place, and backslashes; newlines only
    if the source has some."""
    return r"[^\[\]\\]" if "\n" in source else r"[^\[\]\\\n]"


def _literal(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return _ESCAPES.get(char) or f"\\x{ord(char):02X}"
