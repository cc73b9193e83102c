"""Drawing terms: which ones a split may use, and which ones go together.

*Splits.* The entries of an open list are divided by the seed: some occur only in test notes, some
only in dev notes, the others everywhere.

*Tags.* `metformin @diabetes @mg500` and `500 mg @mg500` share a tag. When a term is drawn for a
sentence about metformin, entries that share a tag with it are preferred.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..synthetic.dice import Dice
from .notation import Choice, Entry, Nodes, Number, Slot
from .schema import SPLITS, Schema, Splits

T = TypeVar("T")

# How often an entry is not written in the first of its ways.
VARIANTS = 0.4


@dataclass(frozen=True, slots=True)
class Shelf(Generic[T]):
    """What one split draws from.

    own (Sequence[T]): Entries that only this split has.
    common (Sequence[T]): Entries that every split has.
    """

    own: Sequence[T]
    common: Sequence[T]


def divide(name: str, items: Sequence[T], splits: Splits, seed: int) -> dict[str, Shelf[T]]:
    """Divide the entries of a list between the splits.

    name (str): Name of the list; every list is divided independently.
    RETURNS (dict[str, Shelf[T]]): By split, each in the order of the list.
    """
    order = Dice(f"{seed}/divide/{name}").shuffled(range(len(items)))
    own: dict[str, list[int]] = {split: [] for split in SPLITS}
    if name in splits.open:
        for split, share in splits.held_out.items():
            count = round(share * len(items))
            own[split], order = sorted(order[:count]), order[count:]
    common = [items[index] for index in sorted(order)]
    return {split: Shelf([items[index] for index in own[split]], common) for split in SPLITS}


@dataclass(frozen=True, slots=True)
class Term:
    """A drawn term: the key of its entry, its text and its tags."""

    key: str
    text: str
    tags: frozenset[str]


@dataclass
class Topic:
    """What a sentence is about so far.

    tags (frozenset[str]): The tags of all its terms.
    used (set[tuple[str, str]]): Lists and keys of the terms in its section.
    """

    tags: frozenset[str] = frozenset()
    used: set[tuple[str, str]] = field(default_factory=set)


class Lexicon:
    """The lists of a schema, as far as one split may use them.

    schema (Schema): Holds the lists.
    seed (int): Determines how they are divided.
    split (str): The split to draw for.
    """

    def __init__(self, schema: Schema, seed: int, split: str) -> None:
        self._use = schema.splits.use
        self._cast = schema.cast
        self._once = schema.once
        self.shelves = {
            name: divide(name, entries, schema.splits, seed)[split]
            for name, entries in [*schema.entities.items(), *schema.words.items()]
        }

    def story(self, dice: Dice) -> dict[str, str]:
        """Draw the words that stay the same throughout a note."""
        words = dict(dice.pick(self._cast)) if self._cast else {}
        for name in self._once:
            words[name] = self.draw(dice, name, Topic(), words).text
        return words

    def draw(
        self,
        dice: Dice,
        name: str,
        topic: Topic,
        story: dict[str, str],
        *wishes: frozenset[str],
    ) -> Term:
        """Draw a term.

        name (str): The list.
        topic (Topic): What the sentence is about; the term becomes part of it.
        story (dict[str, str]): The words that stay the same throughout the note.
        wishes (frozenset[str]): Tags with priority over those of the topic, the first ones highest.
        """
        own_first = dice.chance(self._use)
        entry = dice.pick(self._candidates(name, topic, wishes, own_first))
        topic.used.add((name, entry.key))
        topic.tags |= entry.tags
        others = entry.surfaces[1:]
        surface = dice.pick(others) if others and dice.chance(VARIANTS) else entry.surfaces[0]
        return Term(entry.key, self.render(dice, surface, topic, story), entry.tags)

    def render(self, dice: Dice, nodes: Nodes, topic: Topic, story: dict[str, str]) -> str:
        """The text of nodes without marks."""
        text = ""
        for node in nodes:
            if isinstance(node, str):
                text += node
            elif isinstance(node, Number):
                text += render_number(dice, node)
            elif isinstance(node, Choice):
                text += self.render(dice, dice.pick(node.options), topic, story)
            elif isinstance(node, Slot):
                text += self.word(dice, node, topic, story).text
        return text

    def word(self, dice: Dice, slot: Slot, topic: Topic, story: dict[str, str]) -> Term:
        """The term for a slot."""
        if slot.name in story:
            return Term(slot.name, story[slot.name], frozenset())
        return self.draw(dice, slot.name, topic, story, slot.tags)

    def _candidates(
        self, name: str, topic: Topic, wishes: tuple[frozenset[str], ...], own_first: bool
    ) -> Sequence[Entry]:
        """Entries to draw from: those that fit a wish, else unused ones that fit the topic, else
        all unused ones, else all."""
        shelf = self.shelves[name]
        for tags in wishes:
            if wanted := _choose(_with_tags(shelf, tags), own_first):
                return _fresh(wanted, name, topic) or wanted
        wanted = _choose(_with_tags(shelf, topic.tags), own_first)
        everything = _choose(shelf, own_first)
        return _fresh(wanted, name, topic) or _fresh(everything, name, topic) or everything


def _with_tags(shelf: Shelf[Entry], tags: frozenset[str]) -> Shelf[Entry]:
    """The entries that share a tag with these."""
    return Shelf(*([e for e in part if e.tags & tags] for part in (shelf.own, shelf.common)))


def _choose(shelf: Shelf[T], own_first: bool) -> Sequence[T]:
    return shelf.own if shelf.own and (own_first or not shelf.common) else shelf.common


def _fresh(entries: Sequence[Entry], name: str, topic: Topic) -> Sequence[Entry]:
    return [entry for entry in entries if (name, entry.key) not in topic.used]


def render_number(dice: Dice, number: Number) -> str:
    """A number as text."""
    if number.decimals == 0:
        return str(dice.between(int(number.low), int(number.high)))
    return dice.measure(number.low, number.high, number.decimals)


def capital(text: str) -> str:
    """The text with a capital first letter, unless it is a word like pH or eGFR."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]
