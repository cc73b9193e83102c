"""llama.cpp grammars (GBNF) for one passage: what a rewrite of it may look like."""

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
# From the labels and terms of a passage that may change, and its terms that may not, to the terms
# that may stand in the place of each of the former.
Choices = Callable[[Sequence[tuple[str, str]], Sequence[str]], Sequence[Sequence[str]]]
# Start and end of an innermost term, and its marker.
_Leaf = tuple[int, int, Marker]

_BRACKETS_BEFORE = re.compile(r"(?:\]\])+")
_BRACKETS_AFTER = re.compile(r"(?:\[\[[^\s\[\]:]+:[ ])+$")
_OPENS_SENTENCE = re.compile(r"(?:\A|[.!?]\s+|\n\s*)(?:\[\[[^\s\[\]:]+:[ ])+\Z")
_ESCAPED = re.compile(r'[\\"\x00-\x1f\x7f]')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
# So many neighbouring markers may come in any order: a grammar needs a rule for each set of them.
_IN_ANY_ORDER = 7
# So many times over may several mentions get one new term: the grammar is written out for each pair
# of these.
_SHARED = 2


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


def choice_grammar(
    source: str,
    markers: Sequence[Marker],
    choices: Choices,
    links: Sequence[Link] = (),
    echoed: frozenset[str] = frozenset(),
) -> str | None:
    """Let a model choose among terms, among expressions of one meaning between them, and, after a
    term that changes, the number of the verb.

    source, markers (str, Sequence[Marker]): As for `passage_grammar`.
    choices (Choices): The terms that may stand in the place of each; one without any stays.
    links (Sequence[Link]): Relations: what they tie together in the same words gets one choice.
    echoed (frozenset[str]): Ids of the mentions that keep their words.
    RETURNS (str | None): None where nothing can be chosen. Where no term can, one of the
        expressions has to change.
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
    # What brackets mean is settled.
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


def _ways(
    groups: Sequence[Sequence[str]], found: Sequence[Sequence[str]]
) -> Iterator[dict[str, Sequence[str]]]:
    """The new terms of each mention, by id; where several get the same, once for each of its terms.

    groups (Sequence[Sequence[str]]): Ids of mentions that get the same term.
    found (Sequence[Sequence[str]]): Which terms that may be.
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
    """The markup before, between and after the innermost terms, and these."""
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
    """The passage in slots, each with all that may stand there.

    offered (Mapping[str, Sequence[str]]): New terms by mention id.
    """
    slots = _worded(pieces[0], after_new=False)
    for (start, end, marker), piece in zip(leaves, pieces[1:], strict=True):
        new = _options(source, start, end, offered.get(marker.mention, ()))
        slots += [new or [source[start:end]], *_worded(piece, after_new=bool(new))]
    return slots


def _worded(piece: str, after_new: bool) -> list[list[str]]:
    """What stands between two terms in slots: brackets as they are, words with their alternatives.

    after_new (bool): Whether the term before may change: the number of the verb after it is then
        open.
    """
    closing, opening = _BRACKETS_BEFORE.match(piece), _BRACKETS_AFTER.search(piece)
    start = closing.end() if closing else 0
    end = max(opening.start(), start) if opening else len(piece)
    words = alternatives(piece[start:end], after_term=after_new and closing is not None)
    return [x for x in ([piece[:start]], *words, [piece[end:]]) if x != [""]]


def _options(source: str, start: int, end: int, others: Sequence[str]) -> list[str]:
    """The terms that may stand here, with a capital where they open a sentence, or the old one has
    one that is not an abbreviation's."""
    term = source[start:end]
    opens = bool(_OPENS_SENTENCE.search(source[:start]))
    capital = opens or (term[:1].isupper() and not term[1:2].isupper())
    return list(dict.fromkeys(new[:1].upper() + new[1:] if capital else new for new in others))


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
