"""Writing a note section by section, up to its length."""

from collections import Counter
from dataclasses import dataclass, field

from ...brat import Standoff
from ..synthetic.dice import Dice
from ..synthetic.passage import wrap
from .draft import Draft
from .layers import to_standoff
from .lexicon import Lexicon, Shelf, divide
from .pattern import Pattern, Shape
from .schema import SPLITS, Length, Schema, Section, Shapes
from .sentence import CELL, Row, Scribe

BULLETS = ("- ", "* ", "• ", "{}. ", "{}) ", "#{} ", "")
# Probability that a paragraph ends after a sentence.
PARAGRAPH = 0.18


@dataclass(frozen=True, slots=True)
class GeneratedNote:
    """One note.

    name (str): Split and number, such as "train-0007".
    """

    name: str
    text: str
    standoff: Standoff


class Generator:
    """Writes the notes of one corpus; each depends only on seed, split and number.

    schema (Schema): Defines their content.
    seed (int): Another seed gives another corpus, with other terms held out.
    """

    def __init__(self, schema: Schema, seed: int) -> None:
        self._schema = schema
        self._seed = seed
        self._lexicons = {split: Lexicon(schema, seed, split) for split in SPLITS}
        self._patterns = {
            split: {
                name: _by_shape(divide(name, section.patterns, schema.splits, seed)[split])
                for name, section in schema.sections.items()
            }
            for split in SPLITS
        }

    def write(self, split: str, index: int) -> GeneratedNote:
        """Write one note.

        split (str): "train", "dev" or "test".
        index (int): Number of the note within its split, from 0.
        RAISES (KeyError): No such split.
        """
        schema, lexicon = self._schema, self._lexicons[split]
        dice = Dice(f"{self._seed}/note/{split}/{index}")
        draft = Draft()
        scribe = Scribe(schema, lexicon, dice, draft, lexicon.story(dice))
        kinds = list(schema.notes.values())
        kind = dice.weighted(kinds, [kind.weight for kind in kinds])
        names = [name for name in kind.sections if dice.chance(schema.sections[name].rate)]
        upper = dice.chance(0.4)
        words = draw_length(dice, schema.length)
        weights = sum(schema.sections[name].weight for name in names)
        for name in names:
            section = schema.sections[name]
            budget = words * section.weight / weights
            writer = _SectionWriter(scribe, section, self._patterns[split][name], budget, upper)
            writer.write()
        draft.write("\n")
        text = draft.text
        if dice.chance(schema.wrap.rate):
            text = wrap(text, dice.between(*schema.wrap.widths))
        standoff = to_standoff(draft, text, schema.layers, dice)
        return GeneratedNote(f"{split}-{index:04}", text, standoff)


def draw_length(dice: Dice, length: Length) -> int:
    """Draw a length in words: half of them lie below the median, nine in ten below p90."""
    low, high = dice.weighted(
        [
            (length.min, length.median),
            (length.median, length.p90),
            (length.p90, length.max),
        ],
        [0.5, 0.4, 0.1],
    )
    return dice.between(low, high)


Decks = dict[Shape, Shelf[Pattern]]


def _by_shape(shelf: Shelf[Pattern]) -> Decks:
    shapes = dict.fromkeys(pattern.shape for pattern in [*shelf.own, *shelf.common])
    return {
        shape: Shelf(
            [pattern for pattern in shelf.own if pattern.shape == shape],
            [pattern for pattern in shelf.common if pattern.shape == shape],
        )
        for shape in shapes
    }


@dataclass
class _SectionWriter:
    scribe: Scribe
    section: Section
    decks: Decks
    budget: float
    upper: bool
    used: set[tuple[str, str]] = field(default_factory=set)
    told: Counter[str] = field(default_factory=Counter)

    def write(self) -> None:
        draft, dice, section = self.scribe.draft, self.scribe.dice, self.section
        if draft.parts:
            draft.write("\n\n")
        if section.titles:
            title = dice.pick(section.titles)
            draft.write(f"{title.upper() if self.upper else title}:\n")
        row = self._table() if section.layout == "table" else None
        bullet = dice.pick(BULLETS) if section.layout == "list" else ""
        words = count = 0
        least, most = section.items
        while count < most and (count < least or words < self.budget):
            pattern = self._pattern()
            if pattern is None:
                break
            count += 1
            if count > 1:
                draft.write(self._between())
            draft.write(bullet.format(count))
            words += self.scribe.write(pattern, self.used, row)

    def _between(self) -> str:
        if self.section.layout != "prose":
            return "\n"
        return "\n" if self.scribe.dice.chance(PARAGRAPH) else " "

    def _table(self) -> Row:
        """Draw the style of a table, and write its header."""
        draft, dice = self.scribe.draft, self.scribe.dice
        cells = self.section.header.split(CELL)
        widths = [22, *(14 for _ in cells[1:])]
        row = dice.weighted([Row(tuple(widths)), Row(), Row(between="\t")], [0.6, 0.2, 0.2])
        if self.section.header:
            ends = [
                cell.ljust(width) if row.widths else cell
                for cell, width in zip(cells[:-1], widths, strict=False)
            ]
            draft.write(("" if row.widths else row.between).join([*ends, cells[-1]]) + "\n")
        return row

    def _pattern(self) -> Pattern | None:
        """Draw a pattern of a random shape, else of another shape; None if none is left."""
        dice, schema = self.scribe.dice, self.scribe.schema
        shapes: list[Shape] = [_draw_shape(dice, schema.shapes), "plain", *self.decks]
        for shape in shapes:
            shelf = self.decks.get(shape)
            if shelf is None:
                continue
            own = shelf.own and (not shelf.common or dice.chance(schema.splits.use))
            # Repeated words in a section, or one pattern far more often than others, read badly.
            fresh = [
                pattern
                for pattern in (shelf.own if own else shelf.common)
                if not (pattern.fixed and self.told[pattern.source])
            ]
            if fresh:
                least = min(self.told[pattern.source] for pattern in fresh)
                pattern = dice.pick([p for p in fresh if self.told[p.source] == least])
                self.told[pattern.source] += 1
                return pattern
        return None


def _draw_shape(dice: Dice, shapes: Shapes) -> Shape:
    rates: dict[Shape, float] = {
        "filler": shapes.filler,
        "crossing": shapes.crossing,
        "nested": shapes.nested,
        "equal": shapes.equal,
        "discontinuous": shapes.discontinuous,
    }
    rates["plain"] = max(0.0, 1 - sum(rates.values()))
    return dice.weighted(list(rates), list(rates.values()))
