"""A schema such as a user may write, with three entity types and two relation types."""

from pathlib import Path

from clinical_ie.corpora.generator import Schema, load_schema

SMALL = """\
length: {min: 30, median: 60, p90: 90, max: 120}
shapes: {filler: 0.2, crossing: 0.2, nested: 0.2, equal: 0.1, discontinuous: 0.1}
splits: {held_out: {test: 0.3}, use: 0.5, open: [Plant]}
cast:
  - {she: she, her: her}
  - {she: he, her: his}
words:
  room: ["{kitchen|bath}room", hall]
entities:
  Plant:
    - fern; Nephrolepis @shade
    - cactus @sun
    - ivy @shade
    - aloe @sun
    - lily @shade
    - olive @sun
    - basil @sun
    - mint @shade
    - sage @sun
    - moss @shade
  Amount: ["{#1-9} cups", "{#0.5-2.5} l"]
  Fault: [brown leaves @sun, yellow leaves @shade, mould]
relations:
  Amount-Plant: {head: Amount, tail: Plant}
  Fault-Plant: {head: Fault, tail: Plant}
sections:
  Care:
    titles: [Care]
    patterns:
      - "{she} gave the [Plant:p] [Amount -> p]{ in the {room}|}."
      - "The [Plant:p] was moved. It had [Fault -> p]."
      - "[Fault:f -> p = {Fault} on the [Plant:p]] came back."
      - "{she} saw [Plant:p = [Fault -> p]]."
      - "[Fault:a -> p = Brown] and [Fault:b -> p = green [+a = spots]] on the [Plant:p]."
      - "No {Fault} was seen."
  Stock:
    layout: table
    header: "Plant | Water"
    patterns: ["[Plant:p] | [Amount -> p]", "[Plant] | none"]
notes:
  card: {sections: [Care, Stock]}
"""


def small_schema(folder: Path) -> Schema:
    """Load the schema."""
    return load_schema(write_schema(folder))


def write_schema(folder: Path, old: str = "", new: str = "") -> Path:
    """Write the schema, optionally with a part of it replaced."""
    assert old in SMALL
    path = folder / "plants.yml"
    path.write_text(SMALL.replace(old, new, 1) if old else SMALL, encoding="utf8")
    return path
