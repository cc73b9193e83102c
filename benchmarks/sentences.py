"""Comparison of sentence splitters: the project's own, spaCy's sentencizer, pysbd and PyRuSH.

`python benchmarks/sentences.py [BRAT_DIR] [--quick]`. The gold in `data/sentences.txt` is
made up and marked by hand; `dev` may be looked at when rules are written, `test` may not. pysbd and
PyRuSH are not dependencies: the table says if one is not installed.
"""

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import spacy
import typer
from rich.console import Console
from rich.table import Table

from clinical_ie.brat import TextBound, list_notes, read_note
from clinical_ie.corpora.notes import corpus_nlp
from clinical_ie.corpora.standoff_reading import note_to_annotations
from clinical_ie.corpora.synthetic import generate_note

GOLD = Path(__file__).parent / "data" / "sentences.txt"
MARK = "‖"

# From a text to the characters where its sentences start.
Splitter = Callable[[str], set[int]]
Marked = tuple[str, set[int]]


def main(
    folder: Annotated[Path | None, typer.Argument(help="brat notes, one sentence a line")] = None,
    quick: Annotated[bool, typer.Option(help="A few notes, in seconds")] = False,
) -> None:
    """Compare the splitters that are installed."""
    splitters = {
        "clinical_sentences": _own,
        "sentencizer": _sentencizer(),
        "pysbd": _pysbd(),
        "PyRuSH": _pyrush(),
    }
    gold = _gold()
    synthetic = [generate_note(0, "train", i) for i in range(3 if quick else 32)]
    demo = [
        (
            note.text,
            [(b.fragments[0][0], b.fragments[-1][1]) for b in note.standoff.records(TextBound)],
        )
        for note in synthetic
    ]
    paths = list_notes(folder)[: 5 if quick else None] if folder else []
    real = [_with_mentions(path) for path in paths]
    table = Table(
        "splitter", "dev P / R / F1", "test P / R / F1", "lines joined P / R / F1",
        "cut mentions per 1,000: demo", "corpus", "1,000 characters/s",
        title="Sentence starts; the first of each note is not counted",
    )  # fmt: skip
    for name, split in splitters.items():
        if split is None:
            table.add_row(name, "not installed", *[""] * 5)
            continue
        # First, since a tokenizer is twice as fast on words that it has seen before.
        speed = _speed([text for text, _ in demo + real], split)
        cells = [_prf(gold[part], split) for part in ("dev", "test")]
        cells.append(_prf([_joined(text) for text, _ in real], split) if real else "-")
        cells += [_cut(notes, split) if notes else "-" for notes in (demo, real)]
        cells.append(f"{speed / 1000:,.0f}")
        table.add_row(name, *cells)
    Console(width=150).print(table)
    sizes = ", ".join(
        f"{part} {len(notes)} texts, {sum(len(starts) for _, starts in notes)} starts"
        for part, notes in gold.items()
    )
    typer.echo(f"Gold by hand: {sizes}; demo: {len(demo)} notes; corpus: {len(real)} notes.")


def _gold() -> dict[str, list[Marked]]:
    parts: dict[str, list[Marked]] = {"dev": [], "test": []}
    for head, body in re.findall(
        r"^=== (dev|test) \w+\n(.*?)(?=^=== |\Z)", GOLD.read_text(encoding="utf8"), re.M | re.S
    ):
        pieces = body.split(MARK)[1:]
        starts, offset = set(), 0
        for piece in pieces:
            starts.add(offset)
            offset += len(piece)
        parts[head].append(("".join(pieces), starts - {0}))
    return parts


def _joined(text: str) -> Marked:
    """The joined lines of a text with one sentence per line: only words tell where they start."""
    starts = {match.end() for match in re.finditer(r"\n+(?=\S)", text)}
    return text.replace("\n", " "), starts


Spans = list[tuple[int, int]]


def _with_mentions(path: Path) -> tuple[str, Spans]:
    note = read_note(path)
    annotations, _ = note_to_annotations(note)
    return note.text, [(mention.start, mention.end) for mention in annotations.mentions]


def _prf(notes: Iterable[Marked], split: Splitter) -> str:
    right = found = wanted = 0
    for text, gold in notes:
        predicted = split(text) - {0}
        right += len(gold & predicted)
        found += len(predicted)
        wanted += len(gold)
    precision, recall = right / max(found, 1), right / max(wanted, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"{precision * 100:.1f} / {recall * 100:.1f} / {f1 * 100:.1f}"


def _cut(notes: Iterable[tuple[str, Spans]], split: Splitter) -> str:
    cut = total = 0
    for text, spans in notes:
        starts = split(text)
        cut += sum(any(start < place < end for place in starts) for start, end in spans)
        total += len(spans)
    return f"{cut / max(total, 1) * 1000:.2f}"


def _speed(texts: list[str], split: Splitter) -> float:
    """Characters per second of processor time, with each text read for the first time."""
    split("What is made once is made.")
    started = time.process_time()
    for text in texts:
        split(text)
    return sum(map(len, texts)) / (time.process_time() - started)


def _starts(nlp: spacy.language.Language, text: str) -> set[int]:
    starts = set()
    for sentence in nlp(text).sents:
        # Some put a line break at the start of a sentence, some at its end.
        word = next((token for token in sentence if not token.is_space), None)
        if word is not None:
            starts.add(word.idx)
    return starts


def _own(text: str) -> set[int]:
    return _starts(corpus_nlp(), text)


def _sentencizer() -> Splitter:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    return lambda text: _starts(nlp, text)


def _from_spans(text: str, spans: Iterable[tuple[int, int]]) -> set[int]:
    found = (re.search(r"\S", text[start:end]) for start, end in spans)
    return {start + match.start() for (start, _), match in zip(spans, found, strict=True) if match}


def _pysbd() -> Splitter | None:
    try:
        import pysbd
    except ImportError:
        return None
    segmenter = pysbd.Segmenter(language="en", clean=False, char_span=True)
    return lambda text: _from_spans(text, [(s.start, s.end) for s in segmenter.segment(text)])


def _pyrush() -> Splitter | None:
    try:
        import PyRuSH
    except ImportError:
        return None
    rules = Path(PyRuSH.__file__).parent.parent / "conf" / "rush_rules.tsv"
    rush = PyRuSH.RuSH(str(rules))
    return lambda text: _from_spans(text, [(s.begin, s.end) for s in rush.segToSentenceSpans(text)])


if __name__ == "__main__":
    typer.run(main)
