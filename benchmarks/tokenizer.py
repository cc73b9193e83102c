"""The clinical tokenizer and spaCy's default: mention boundaries, number of tokens, speed.

    python benchmarks/tokenizer.py [BRAT_DIR] [--quick]

A boundary is the start or end of a fragment of a mention, in every `T` line. It is on a border if a
token starts or ends there; a mention is aligned if all its boundaries are on a border.

Both sides take turns in one run, and the best turn counts. spaCy caches the tokens of every string
between blanks: *fresh* is the first pass of a new tokenizer over all notes, *warm* its second.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import spacy
import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language

from clinical_ie.brat import TextBound, list_notes, read_note
from clinical_ie.corpora.synthetic import generate_note
from clinical_ie.text.alignment import misaligned_offsets

QUICK_NOTES = 5
SYNTHETIC_NOTES = 60
CLINICAL = {"nlp": {"tokenizer": {"@tokenizers": "clinical_ie.ClinicalTokenizer.v1"}}}


@dataclass
class Gold:
    """A text and the boundaries of its mentions, one list a mention."""

    text: str
    mentions: list[list[int]]


@dataclass
class Side:
    """One of the tokenizers, and the seconds of its turns."""

    name: str
    make: Callable[[], Language]
    fresh: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)

    def take_turn(self, texts: list[str]) -> None:
        tokenizer = self.make().tokenizer
        for seconds in (self.fresh, self.warm):
            start = time.perf_counter()
            for text in texts:
                tokenizer(text)
            seconds.append(time.perf_counter() - start)


def main(
    brat_dir: Annotated[
        Path | None, typer.Argument(help="Brat notes; default: synthetic ones")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few notes and two turns")] = False,
) -> None:
    notes = read_notes(brat_dir, QUICK_NOTES if quick else None)
    texts = [note.text for note in notes]
    sides = [
        Side("spaCy default", lambda: spacy.blank("en")),
        Side("clinical", lambda: spacy.blank("en", config=CLINICAL)),
    ]
    for turn in range(2 if quick else 8):
        for side in sides if turn % 2 else reversed(sides):
            side.take_turn(texts)

    table = Table(title=f"{brat_dir.name if brat_dir else 'synthetic'}, {len(notes)} notes")
    for column in ("", "boundaries on a border", "mentions aligned", "tokens", "fresh", "warm"):
        table.add_column(column, justify="right" if column else "left")
    default = sides[0]
    default_tokens = count(default.make(), notes)[2]
    characters = sum(map(len, texts))
    for side in sides:
        boundaries, mentions, tokens = count(side.make(), notes)
        table.add_row(
            side.name,
            boundaries,
            mentions,
            f"{tokens} ({tokens / default_tokens:.3f}x)",
            speed(characters, side.fresh, default.fresh),
            speed(characters, side.warm, default.warm),
        )
    Console(width=130).print(table)


def read_notes(brat_dir: Path | None, limit: int | None) -> list[Gold]:
    """The first notes of a folder; without one, synthetic notes."""
    if brat_dir is None:
        made = (generate_note(0, "train", i) for i in range(limit or SYNTHETIC_NOTES))
        pairs = [(note.text, note.standoff) for note in made]
    else:
        read = (read_note(path) for path in list_notes(brat_dir)[:limit])
        pairs = [(note.text, note.standoff) for note in read]
    return [
        Gold(text, [[at for piece in m.fragments for at in piece] for m in ann.records(TextBound)])
        for text, ann in pairs
    ]


def count(nlp: Language, notes: list[Gold]) -> tuple[str, str, int]:
    """Boundaries on a border and mentions aligned, as shares to print; number of tokens."""
    lost = aligned = tokens = 0
    for note in notes:
        doc = nlp.make_doc(note.text)
        tokens += len(doc)
        for offsets in note.mentions:
            missed = len(misaligned_offsets(doc, offsets))
            lost += missed
            aligned += not missed
    boundaries = sum(len(offsets) for note in notes for offsets in note.mentions)
    mentions = sum(len(note.mentions) for note in notes)
    return share(boundaries - lost, boundaries), share(aligned, mentions), tokens


def share(part: int, whole: int) -> str:
    return f"{part}/{whole} = {part / whole:.3%}" if whole else "none"


def speed(characters: int, seconds: list[float], default: list[float]) -> str:
    return f"{characters / min(seconds) / 1e6:.2f} Mchar/s ({min(default) / min(seconds):.2f}x)"


if __name__ == "__main__":
    typer.run(main)
