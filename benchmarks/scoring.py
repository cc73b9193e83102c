"""Score a large corpus by both protocols, from files to figures, on one core.

    python benchmarks/scoring.py [--quick]

Writes two brat folders with mentions and relations, gold and, with seeded errors, predicted; then
reads and scores them as `clinical-ie score` does.
"""

import random
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from clinical_ie.brat import Standoff, write_note
from clinical_ie.scoring import PROTOCOLS, note_counts, sum_up
from clinical_ie.scoring.folders import read_pair
from clinical_ie.scoring.significance import bootstrap, compare

LABELS = ("Drug", "Strength", "Form", "Dosage", "Frequency", "Route", "Duration", "Reason", "ADE")
WIDTH = 24


def main(
    notes: Annotated[int, typer.Option(min=1, help="Notes")] = 500,
    mentions: Annotated[int, typer.Option(min=2, help="Mentions of a note")] = 160,
    seed: Annotated[int, typer.Option(help="Of labels and errors")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A small corpus, for CI")] = False,
) -> None:
    """Print seconds of reading, of each protocol, and of the statistics on top."""
    if quick:
        notes, mentions = 20, 40
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary) / side for side in ("gold", "predicted")]
        for number in track(range(notes), "writing", transient=True):
            _write(folders, f"{number:06}", mentions, random.Random(f"{seed}/{number}"))
        seconds: dict[str, float] = {}
        start = time.perf_counter()
        pair = read_pair(*folders)
        seconds["read both folders"] = time.perf_counter() - start
        f1 = {}
        for protocol in PROTOCOLS:
            start = time.perf_counter()
            counts = note_counts(pair.gold, pair.predicted, protocol=protocol, texts=pair.texts)
            scores = sum_up(counts, protocol)
            seconds[f"score, {protocol}"] = time.perf_counter() - start
            f1[f"score, {protocol}"] = scores["entities"]["lenient"]["micro"]["f1"]
        start = time.perf_counter()
        bootstrap([counts], "entities", "strict")
        seconds["bootstrap, 10,000 rounds"] = time.perf_counter() - start
        start = time.perf_counter()
        compare([counts], [counts], "entities", "strict")
        seconds["randomization test, 10,000 rounds"] = time.perf_counter() - start
    table = Table(title=f"{notes} notes, {notes * mentions} gold mentions, as many relations")
    for column in ("what", "seconds", "lenient F1 of mentions"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for what, value in seconds.items():
        table.add_row(what, f"{value:.2f}", f"{f1[what]:.4f}" if what in f1 else "")
    Console(width=100).print(table)


def _write(folders: list[Path], name: str, mentions: int, draw: random.Random) -> None:
    text = ("word " * (WIDTH // 5)).ljust(WIDTH) * mentions
    gold, predicted = [], []
    for i in range(mentions):
        label, start = draw.choice(LABELS), i * WIDTH
        gold.append((i, label, start, start + 9))
        error = draw.random()
        if error < 0.1:
            continue
        if error < 0.2:
            predicted.append((i, draw.choice(LABELS), start, start + 9))
        elif error < 0.35:
            predicted.append((i, label, start + 5, start + 9))
        else:
            predicted.append((i, label, start, start + 9))
        if error > 0.95:
            predicted.append((mentions + i, label, start, start + 14))
    for folder, items in zip(folders, (gold, predicted), strict=True):
        lines = [f"T{i}\t{label} {a} {b}\t{text[a:b]}\n" for i, label, a, b in items]
        ids = [i for i, *_ in items]
        for n, (head, tail) in enumerate(zip(ids, [*ids[1:], ids[0]], strict=True)):
            lines.append(f"R{n}\tNext Arg1:T{head} Arg2:T{tail}\n")
        write_note(folder, name, text, Standoff.parse("".join(lines)))


if __name__ == "__main__":
    typer.run(main)
