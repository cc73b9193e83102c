"""Finds terms of the training notes that can replace those of a passage."""

import random
import re
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import islice

from .contrast import contrasts
from .kinds import ACRONYM
from .nearness import Nearness, Vectors
from .terms import Group, Terms, named_alike, normal, shape_of
from .values import is_date, nearest_values, other_values

# How many training groups are compared to find the one whose terms are most like the old ones.
_CANDIDATES = 30
# Finding one group within another takes exponential time: in notes whose mentions are all linked,
# it would not end.
_MAX_STEPS = 500
# One of this many terms, the nearest in meaning, is drawn.
_NEAREST = 3
_MAX_MORE_WORDS = 1
# If this share of a label's terms has numbers, they are values; otherwise they are parts of names.
_VALUES_SHARE = 0.4
_OTHER_VALUES = 4
# A value that occurs this often is one of a customary set, not a measurement.
_USUAL = 3
_BRACKETS = re.compile(r"[()\[\]]")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and or the no not any some all both about after among around at before behind below"
        " between by during for from in into near of on out over per since than through to under"
        " until up upon with within without almost less more most least non very"
        " another different further other same similar"
        " he her his its my our she their these they this those we",
    )
)
_ENDING = re.compile(
    r"(?P<ly>ly$)|(?P<ing>ing$)|(?P<ed>ed$)|(?P<s>(?<![sui])s$)"
    r"|(?P<al>(?:al|ac|ic|ous|ive|ar|ary|ant|(?<!m)ent)$)"
)
# Dates and durations can change without a change to the text next to them.
_TIME = re.compile(r"\b(?:month|0(?:[- ]|th |st |nd |rd )*(?:minute|hour|day|week|month|year)s?)\b")
# Weight of each agreement in form (number, several words, ending), to be added to a cosine.
_FORM = 0.1
# From this cosine on, two words that begin alike count as two spellings of one.
_SURE = 0.85
# Words share a stem if this many first letters agree, and this share of the shorter word.
_STEM, _STEM_SHARE = 6, 0.75


@dataclass(slots=True)
class Counterparts:
    """Other terms for mentions, from the training notes.

    nearness (Nearness | None): Without it, the terms that fit best in form are taken, and mentions
        linked by relations are replaced all together or not at all.
    least, most (float): Range of the cosine between old and new term: below it, the new term means
        something else; above it, only the spelling differs. Terms with numbers have no upper limit.
    """

    terms: Terms
    nearness: Nearness | None = None
    least: float = 0.7
    most: float = 0.93
    _pools: dict[str, tuple[list[str], Vectors]] = field(default_factory=dict)
    _with_values: dict[str, bool] = field(default_factory=dict)
    _by_shape: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def of(
        self, group: Group, rng: random.Random, room: int, present: Container[str] = ()
    ) -> dict[str, str]:
        """New terms for the mentions of a group, by id; mentions without an entry stay as they are.

        room (int): Maximum number of new terms; it applies only with a `nearness`.
        present (Container[str]): Terms of the same passage, which are not drawn a second time.
        """
        together = max(
            islice(self._together(group, rng), _CANDIDATES),
            key=lambda terms: self._fitness(group, terms),
            default={},
        )
        if self.nearness is None or (len(together) <= room and self._is_near(group, together)):
            return together
        return self._one_by_one(group, rng, room, present)

    def same(self, group: Group, rng: random.Random, present: Container[str]) -> dict[str, str]:
        """Synonyms or other values for the mentions of a group, by id.

        present (Container[str]): Terms of the same passage, which are not drawn: no "CT (CT)".
        """
        drawn: dict[str, str] = {}
        for first, *more in _alike(group):
            others = self._same(group.labels[first], group.texts[first], rng, _OTHER_VALUES)
            if others and others[0] not in present:
                drawn |= dict.fromkeys([first, *more], others[0])
        return drawn

    def same_as(self, label: str, term: str, most: int) -> list[str]:
        """Synonyms and other values for a term; every call returns the same ones.

        most (int): Maximum number.
        """
        return self._same(label, term, random.Random(f"{label}/{term}"), most)

    def _same(self, label: str, term: str, rng: random.Random, most: int) -> list[str]:
        if label not in self._with_values:
            pool = self.terms.by_label.get(label, [])
            share = sum(map(_has_number, pool)) / max(1, len(pool))
            self._with_values[label] = share >= _VALUES_SHARE
        names = self.terms.other_names(label, term)
        values = self._values(label, term, rng, most) if self._with_values[label] else []
        return (names + values)[:most]

    def _values(self, label: str, term: str, rng: random.Random, most: int) -> list[str]:
        """Other values for a term. A customary value is replaced by another such value, 25 mg for
        50 or every 8 hours for every 12; a rare one is a measurement, and changes a little. A term
        that is frequent, and never has another number, is a name: `BID (2 times a day)`."""
        if self._count(label, term) >= _USUAL:
            if label not in self._by_shape:
                self._by_shape[label] = self._of_one_shape(label)
            alike = self._by_shape[label].get(shape_of(term), [])
            if [normal(other) for other in alike] == [normal(term)]:
                return []
            near = nearest_values(term, [x for x in alike if self._count(label, x) > 1], most)
            if len(near) > 1:
                return rng.sample(near, len(near))
        return other_values(term, rng, most)

    def _of_one_shape(self, label: str) -> dict[str, list[str]]:
        by_shape: dict[str, list[str]] = {}
        # Reversed, so that the first spelling of each term remains.
        spelled = {normal(term): term for term in reversed(self.terms.by_label[label])}
        for term in filter(_has_number, spelled.values()):
            by_shape.setdefault(shape_of(term), []).append(term)
        return by_shape

    def _count(self, label: str, term: str) -> int:
        return self.terms.labels.get(normal(term), Counter())[label]

    def _together(self, group: Group, rng: random.Random) -> Iterator[dict[str, str]]:
        """Terms linked by the same relations in one training note."""
        hub = _hub(group)
        known = self.terms.groups.get(group.labels[hub], [])
        wanted = Counter(group.labels.values())
        for other, other_hub in rng.sample(known, len(known)):
            if len(other.links) < len(group.links) or not wanted <= Counter(other.labels.values()):
                continue
            match = next(_matches(group, other, {hub: other_hub}, [_MAX_STEPS]), None)
            if match is not None:
                found = {id_: other.texts[match[id_]] for id_ in match}
                spelled = _spelled(found)
                alike = all(len({spelled[id_] for id_ in ids}) == 1 for ids in _alike(group))
                if alike and spelled != _spelled(group.texts):
                    yield found

    def _fitness(self, group: Group, terms: dict[str, str]) -> tuple[bool, float]:
        """Sort key, a new hub first: another strength of the same drug changes too little."""
        hub = _hub(group)
        form = sum(_likeness(group.texts[id_], terms[id_]) for id_ in terms)
        near = sum(self._cosines(group, terms).values())
        return normal(terms[hub]) != normal(group.texts[hub]), near + _FORM * form

    def _cosines(self, group: Group, terms: dict[str, str]) -> dict[str, float]:
        """By id, the cosine of each term with the one that it replaces."""
        if self.nearness is None or not terms:
            return {}
        old = self.nearness.vectors([group.texts[id_] for id_ in terms])
        new = self.nearness.vectors(list(terms.values()))
        return dict(zip(terms, (old * new).sum(axis=1).tolist(), strict=True))

    def _is_near(self, group: Group, terms: dict[str, str]) -> bool:
        # A single number depends on the text next to it, a date on the course of the note.
        alone = len(group.texts) == 1
        if any(is_date(term) or (alone and _is_set(term)) for term in group.texts.values()):
            return False
        fitting = all(_fits(group.texts[id_], term) for id_, term in terms.items())
        cosines = self._cosines(group, terms).values()
        return fitting and min(cosines, default=0.0) >= self.least

    def _one_by_one(
        self, group: Group, rng: random.Random, room: int, present: Container[str]
    ) -> dict[str, str]:
        """Near terms, drawn for each mention by itself, or for all that must have equal words."""
        drawn = []
        for ids in _alike(group):
            found = self.near(group.labels[ids[0]], group.texts[ids[0]], _NEAREST)
            near = [(cosine, term) for cosine, term in found if term not in present]
            if near:
                drawn.append((*rng.choice(near), ids))
        drawn.sort(reverse=True)
        return {id_: term for _, term, ids in drawn[:room] for id_ in ids}

    def near(self, label: str, term: str, most: int) -> list[tuple[float, str]]:
        """Terms of a label that are near in meaning and of the same form, the nearest first.

        most (int): Maximum number.
        RETURNS (list[tuple[float, str]]): Score and term; empty for a term with a number, unless it
            is a date or duration: other numbers belong to the text next to them.
        """
        if _is_set(term):
            return []
        assert self.nearness is not None
        if label not in self._pools:
            pool = self.terms.by_label.get(label, [term])
            self._pools[label] = pool, self.nearness.vectors(pool)
        terms, vectors = self._pools[label]
        [own] = self.nearness.vectors([term])
        # With another number it is another term, however near.
        highest = 1.1 if _has_number(term) else self.most
        eligible = [
            (cosine + _FORM * _likeness(term, other), other)
            for cosine, other in zip((vectors @ own).tolist(), terms, strict=True)
            if self.least <= cosine <= highest
            and _fits(term, other)
            # "adenoma" for "adenocarcinoma": near because of shared wordpieces, but not the same.
            and (cosine >= _SURE or not _of_one_root(term, other))
        ]
        return sorted(eligible, reverse=True)[:most]


def _alike(group: Group) -> list[list[str]]:
    """The ids of a group's mentions; those that must get the same term are together."""
    links = [(head, tail) for _, head, tail in group.links]
    return named_alike(group.labels, group.texts, links)


def _hub(group: Group) -> str:
    degree = {id_: sum(id_ in link[1:] for link in group.links) for id_ in group.labels}
    return max(degree, key=lambda id_: degree[id_])


def _spelled(terms: dict[str, str]) -> dict[str, str]:
    return {id_: normal(term) for id_, term in terms.items()}


def _matches(
    group: Group, other: Group, match: dict[str, str], steps: list[int]
) -> Iterator[dict[str, str]]:
    """Every way to map a group onto part of another with equal labels and relations.

    match (dict[str, str]): The pairs mapped so far; at least one.
    steps (list[int]): A single number, the steps that are left; at 0 the search ends.
    """
    if len(match) == len(group.labels):
        yield match
        return
    # A mention linked to one that is already matched has few candidates.
    new = next(
        id_
        for id_ in group.labels
        if id_ not in match
        and any(id_ in (h, t) and {h, t} & match.keys() for _, h, t in group.links)
    )
    for candidate, label in other.labels.items():
        if label != group.labels[new] or candidate in match.values():
            continue
        steps[0] -= 1
        if steps[0] < 0:
            return
        extended = match | {new: candidate}
        if all(
            (relation, extended[head], extended[tail]) in other.links
            for relation, head, tail in group.links
            if head in extended and tail in extended
        ):
            yield from _matches(group, other, extended, steps)


def _likeness(old: str, new: str) -> int:
    """In how many ways a term has the form of the one that it replaces: 0 to 3."""
    return sum(a == b for a, b in zip(_form(old), _form(new), strict=True))


def _form(term: str) -> tuple[bool, bool, str]:
    return _has_number(term), " " in term, term[-2:]


def _fits(old: str, new: str) -> bool:
    """Whether a sentence stays grammatical with the new term, judging by the two terms only."""
    if normal(old) == normal(new) or _has_number(old) != _has_number(new):
        return False
    if contrasts(old, new):
        return False
    # An acronym's letters do not show its meaning: "HCV" is near "HCC" by wordpieces only.
    if ACRONYM.fullmatch(old) or ACRONYM.fullmatch(new):
        return False
    # No name for a common noun; the capital that opens a sentence is set later.
    if not old[0].isupper() and new[0].isupper() and not new[:2].isupper():
        return False
    if _has_number(old):
        return shape_of(old) == shape_of(new) and bool(_YEAR.search(old)) == bool(_YEAR.search(new))
    one, other = normal(old), normal(new)
    if (
        _derived(one, other, more=True)
        or _derived(other, one, more=False)
        or _BRACKETS.search(old + new)
    ):
        return False
    words, others = re.split(r"[\s-]+", one), re.split(r"[\s-]+", other)
    # A new acronym may stand for anything: "NAVA catheter".
    if any(map(ACRONYM.fullmatch, re.split(r"[\s-]+", new))) or _of_one_stem(words[-1], others[-1]):
        return False
    return (
        [w for w in words if w in _FUNCTION_WORDS] == [w for w in others if w in _FUNCTION_WORDS]
        and _ending(words[0]) == _ending(others[0])
        and _ending(words[-1]) == _ending(others[-1])
        and abs(len(words) - len(others)) <= _MAX_MORE_WORDS
    )


def _derived(word: str, longer: str, more: bool) -> bool:
    """Whether one extends the other: "stable condition", "milder", "unconscious"."""
    # Words removed in front, or added in front of several, leave the same kind of thing; added to a
    # single word, they make another: "table examination".
    fronted = longer.endswith(f" {word}") and (" " in word or not more)
    return longer.startswith(word) or (longer.endswith(word) and not fronted)


def _of_one_stem(word: str, other: str) -> bool:
    """Whether two words share a stem, as procedure and tool do: "endoscopy", "endoscope"."""
    shared = max(_STEM, round(_STEM_SHARE * min(len(word), len(other))))
    return word != other and word[:shared] == other[:shared]


def _of_one_root(old: str, new: str) -> bool:
    """Whether both are single words with the same beginning."""
    return " " not in old + new and normal(old)[:3] == normal(new)[:3]


def _ending(word: str) -> str:
    """The ending that marks an adverb, participle, plural or adjective; "" for other words."""
    found = _ENDING.search(word)
    return (found.lastgroup if found else None) or ""


def _is_set(term: str) -> bool:
    """Whether a term has a number, other than of a time."""
    return _has_number(term) and not _TIME.search(shape_of(term))


def _has_number(term: str) -> bool:
    return "0" in shape_of(term)
