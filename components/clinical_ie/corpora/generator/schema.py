"""The schema by which a user describes a corpus; `loading` reads it from YAML.

Every part rejects unknown keys. Checks that need more than one part are in `checks`.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .notation import Entry, parse_entry
from .pattern import Pattern, parse_pattern

SPLITS = ("train", "dev", "test")

Rate = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(gt=0)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _ascending(pair: tuple[int, int]) -> tuple[int, int]:
    if pair[0] > pair[1]:
        raise ValueError("the first of the two must be the lower one; swap them")
    return pair


def _parsed_entry(value: Any) -> Any:
    return parse_entry(_text(value))


def _parsed_pattern(value: Any) -> Any:
    return parse_pattern(_text(value))


def _text(value: Any) -> str:
    # YAML does not read no, 12 and 3:30 as text.
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError("string_type", "this is not text")
    return value


Span = Annotated[tuple[Annotated[int, Field(ge=1)], int], AfterValidator(_ascending)]
Names = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]
Terms = Annotated[
    list[Annotated[Entry, BeforeValidator(_parsed_entry)]],
    Field(min_length=1),
]
Patterns = Annotated[
    list[Annotated[Pattern, BeforeValidator(_parsed_pattern)]],
    Field(min_length=1),
]


class Part(BaseModel):
    """A part of the schema: frozen, and with only the keys listed here."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        for key in data if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                raise PydanticCustomError(
                    "unknown_key",
                    "there is no such key here; {remedy}",
                    {"key": key, "remedy": suggestion(str(key), list(cls.model_fields))},
                )
        return data


class RelationType(Part):
    """A relation type, with the entity types of its heads and tails."""

    head: Names
    tail: Names


class Section(Part):
    """A section of a note.

    titles (list[str]): Its possible headings; if empty, it has none.
    layout (str): "prose" in paragraphs, "lines", a "list" with bullets or numbers, a "table".
    header (str): First row of a table; ` | ` separates cells, here and in the rows.
    weight (float): Its share of the note's words, relative to the other sections of the note.
    rate (float): How often it occurs in notes that may have it.
    items (tuple[int, int]): Minimum and maximum number of patterns.
    patterns (list[Pattern]): Sentences, list items or rows, in the notation of `notation`.
    """

    titles: list[str] = []
    layout: Literal["prose", "lines", "list", "table"] = "prose"
    header: str = ""
    weight: Weight = 1
    rate: Rate = 1
    items: Span = (1, 10_000)
    patterns: Patterns


class NoteKind(Part):
    """A kind of note: how frequent, relative to the others, and its sections in order."""

    weight: Weight = 1
    sections: Annotated[list[str], Field(min_length=1)]


class Length(Part):
    """Length of notes in words; between two neighbouring values, it is uniformly distributed."""

    min: Annotated[int, Field(ge=1)] = 300
    median: int = 800
    p90: int = 1600
    max: int = 4000

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.min <= self.median <= self.p90 <= self.max:
            raise ValueError("the lengths must ascend: min, median, p90, max")
        return self


class Wrap(Part):
    """Hard line breaks: the share of notes that have them, and the range of widths."""

    rate: Rate = 0.7
    widths: Span = (70, 80)


class Shapes(Part):
    """Share of the patterns of each shape, in sections that have some; the rest is plain."""

    filler: Rate = 0.2
    crossing: Rate = 0.1
    nested: Rate = 0.05
    equal: Rate = 0.02
    discontinuous: Rate = 0.02

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        if sum(self.model_dump().values()) > 1:
            raise ValueError("the rates add up to more than 1; lower some")
        return self


class Splits(Part):
    """What is held out for dev and test notes.

    open (list[str]): Entity types, lists of words and sections whose entries are divided.
    held_out (dict[str, float]): Share of the entries that only notes of this split use.
    use (float): How often such a note uses one of these entries.
    """

    open: list[str] = []
    held_out: dict[Literal["dev", "test"], Rate] = {"dev": 0.1, "test": 0.25}
    use: Rate = 0.5

    @model_validator(mode="after")
    def _leave_some(self) -> Self:
        if sum(self.held_out.values()) >= 1:
            raise ValueError("dev and test hold out everything; leave some entries to train")
        return self


class AttributeType(Part):
    """A brat attribute: on which entity types, with which values, and how often at random.

    Patterns can also set it at a mark: `[Symptom !Negated]`.
    """

    types: Names
    values: list[str] = []
    rate: Rate = 0


class Events(Part):
    """Types and share of the mentions that trigger an event; relations then refer to the event."""

    types: Names
    rate: Rate


class Normalizations(Part):
    """Made-up codes: the name of the code system by entity type, and how often there is a code."""

    sources: Annotated[dict[str, str], Field(min_length=1)]
    rate: Rate


class Comments(Part):
    """Annotators' comments on mentions."""

    texts: Annotated[list[str], Field(min_length=1)]
    rate: Rate


class Equivalences(Part):
    """How often the mentions of one entry in a note are marked as equivalent."""

    rate: Rate


class Layers(Part):
    """The kinds of brat lines besides mentions and relations; those not set do not occur."""

    attributes: dict[str, AttributeType] = {}
    events: Events | None = None
    normalizations: Normalizations | None = None
    comments: Comments | None = None
    equivalences: Equivalences | None = None


class Schema(Part):
    """A whole schema.

    entities (dict[str, list[Entry]]): The terms of each entity type.
    words (dict[str, list[Entry]]): Lists for braces in patterns and terms.
    cast (list[dict[str, str]]): Sets of words that go together, such as pronouns; a note has one.
    once (list[str]): Lists of which a note uses only one term, such as the patient's name.
    """

    length: Length = Length()
    wrap: Wrap = Wrap()
    shapes: Shapes = Shapes()
    splits: Splits = Splits()
    layers: Layers = Layers()
    cast: list[dict[str, str]] = []
    once: list[str] = []
    words: dict[str, Terms] = {}
    entities: Annotated[dict[str, Terms], Field(min_length=1)]
    relations: dict[str, RelationType] = {}
    notes: Annotated[dict[str, NoteKind], Field(min_length=1)]
    sections: Annotated[dict[str, Section], Field(min_length=1)]

    def relation_labels(self, head: str, tail: str) -> list[str]:
        """The relation types that go from one entity type to the other."""
        return [
            label
            for label, relation in self.relations.items()
            if head in relation.head and tail in relation.tail
        ]


def suggestion(name: str, known: list[str]) -> str:
    """What to write instead of an unknown name."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"expected one of {', '.join(known)}" if known else "none is defined"
