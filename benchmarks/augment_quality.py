"""The share of segments with an accepted rewrite, its cost, and a sheet for reading the rewrites.

    python benchmarks/augment_quality.py TRAIN.spacy OUT --config CONFIG.cfg

TRAIN.spacy holds training notes, from `scripts/convert.py`. OUT gets the journal, from which an
interrupted run continues, and `rewrites.md`, which contains note text; only its owner can read it.
"""

import os
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from support.tiny import tiny_corpus

from clinical_ie.augment.config import load
from clinical_ie.augment.markup import encode
from clinical_ie.augment.outcome import Outcome
from clinical_ie.augment.schedule import Schedule
from clinical_ie.augment.segment import segments_of
from clinical_ie.augment.source import sources_of
from clinical_ie.augment.strategy import plan
from clinical_ie.corpora.docbin import read_docs

RULES = Path(__file__).parent.parent / "configs" / "augment" / "rules.cfg"


def main(
    train: Annotated[Path | None, typer.Argument(help="Training notes, .spacy")] = None,
    out_dir: Annotated[Path, typer.Argument(help="Gets journal.sqlite and rewrites.md")] = Path(),
    config: Annotated[list[Path] | None, typer.Option(help="Configs of configs/augment")] = None,
    segments: Annotated[int, typer.Option(min=1, help="Segments given to each")] = 50,
    seed: Annotated[int, typer.Option(help="Draws the segments and samples")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Three segments of made-up notes, no language model")
    ] = False,
) -> None:
    """Give each config's model the first segments of its plan, and print the results."""
    with tempfile.TemporaryDirectory() as temporary:
        if quick:
            train, out_dir = tiny_corpus(Path(temporary)) / "train.spacy", Path(temporary)
            config, segments = [RULES], 3
        if train is None or not config:
            raise typer.BadParameter("give TRAIN.spacy, OUT and --config, or --quick")
        _measure_all(train, out_dir, config, segments, seed)


def _measure_all(train: Path, out_dir: Path, config: list[Path], segments: int, seed: int) -> None:
    table = Table(title=f"{segments} segments of {train}, seed {seed}")
    columns = ("config", "accepted", "answers", "s each segment", "core-s each segment", "dropped")
    for column in columns:
        table.add_column(column)
    for path in config:
        table.add_row(*_measured(train, out_dir / path.stem, path, segments, seed))
    Console(width=160).print(table)


def _measured(train: Path, out_dir: Path, config: Path, size: int, seed: int) -> list[str]:
    out_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings, nlp, model = load(config, {"train": train, "journal": out_dir / "journal.sqlite"})
    docs = read_docs(train)
    sources = sources_of(docs, train)
    places = [
        [
            segment.place
            for segment in segments_of(
                doc, settings.max_words, settings.nested, settings.max_term_words
            )[0]
        ]
        for doc in docs
    ]
    preferred = settings.min_mentions, settings.max_mentions
    order = list(islice(plan(places, seed, preferred), size))
    outcome = Outcome({"n_augmented": size, "model": model}, (0, 0), {}, (Counter(), Counter()))
    one_each = settings.model_copy(update={"segments_per_note": 1, "variants": 1})
    began, began_processor = time.perf_counter(), time.process_time()
    sheet = []
    for _, accepted in Schedule(nlp, sources, order, one_each, seed, outcome).notes():
        [(segment, rewrite)] = accepted
        mentions = segment.annotations.mentions
        source = encode(segment.text, mentions)
        keys = {marker.mention: marker.key for marker in source.markers}
        new = encode(rewrite.text, rewrite.mentions(mentions), keys)
        sheet.append(f"{len(sheet) + 1}. {source.text}\n   - {new.text}\n")
    seconds = time.perf_counter() - began, time.process_time() - began_processor
    path = out_dir / "rewrites.md"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(sheet))
    dropped = sorted(outcome.dropped.items(), key=lambda item: -item[1].answers)
    return [
        config.stem,
        f"{len(sheet)} of {len(order)} ({len(sheet) / max(len(order), 1):.0%})",
        f"{outcome.requests} ({outcome.replayed} from the journal)",
        *(f"{value / max(len(order), 1):.1f}" for value in seconds),
        ", ".join(f"{entry.answers} {reason}" for reason, entry in dropped),
    ]


if __name__ == "__main__":
    typer.run(main)
