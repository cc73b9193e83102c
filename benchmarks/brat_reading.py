"""From brat files to annotated Docs, and to a .spacy file: this project compared with edsnlp.

    python benchmarks/brat_reading.py [BRAT_DIR] [--rounds 7] [--quick]

Each side runs in its own process; they take turns in one run, in alternating order, on the files
that all sides can read. Processor time is measured, which other work on the machine disturbs less:
no side waits for anything but a warm disk cache, or uses a second thread. edsnlp is not a
dependency: `pip install -c constraints.txt edsnlp`; without it, only this project is measured.

A turn, with the files in the disk cache:

- clinical_ie: `read_brat`: the clinical tokenizer, sentence boundaries, every
  kind of line, relations, attributes, notes, the `.ann` itself; each mention is checked against
  its text column. Measured without sentence boundaries, too, since edsnlp's reader makes none.
- edsnlp: `edsnlp.data.read_standoff` to Docs: mentions, attributes and notes; no sentences and no
  relations. Measured with its own tokenizer (`eds`), with that and its own sentence boundaries,
  which is closest to the first, and with the tokenizer of spaCy's blank English.
- the `.spacy` file: `write_docs` here, spaCy's `DocBin` there.
"""

import importlib.util
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from rich.console import Console
from rich.table import Table

from clinical_ie.brat import list_notes, read_note, write_note
from clinical_ie.corpora.docbin import write_docs
from clinical_ie.corpora.notes import corpus_nlp, note_to_doc, read_brat
from clinical_ie.corpora.synthetic import generate_note

QUICK_NOTES = 5
SYNTHETIC_NOTES = 100
SPACY_FILE = "notes.spacy"
STEPS = ("to Docs", "to Docs and .spacy")

Step = Callable[[Path], object]


def ours(*without: str) -> dict[str, Step]:
    """This project: from a folder to Docs, and to a file, without some components."""
    nlp = corpus_nlp()
    for pipe in without:
        nlp.disable_pipe(pipe)

    def to_docs(folder: Path) -> list[Any]:
        return read_brat(folder, nlp)[0]

    def to_file(folder: Path) -> None:
        docs = (note_to_doc(nlp, read_note(path, folder))[0] for path in list_notes(folder))
        write_docs(docs, folder / SPACY_FILE)

    return dict(zip(STEPS, (to_docs, to_file), strict=True))


def theirs(language: str, *pipes: str) -> dict[str, Step]:
    """The same with edsnlp: with the tokenizer of a language, and with some components."""
    import edsnlp
    from loguru import logger
    from spacy.tokens import DocBin

    logger.disable("edsnlp")
    nlp = edsnlp.blank("eds") if language == "eds" else spacy.blank(language)
    for pipe in pipes:
        nlp.add_pipe(pipe)

    def to_docs(folder: Path) -> list[Any]:
        options = {"keep_txt_only_docs": True, "tokenizer": nlp.tokenizer}
        docs = edsnlp.data.read_standoff(folder, **options)
        return [nlp(doc) for doc in docs] if pipes else list(docs)

    def to_file(folder: Path) -> None:
        DocBin(store_user_data=True, docs=to_docs(folder)).to_disk(folder / SPACY_FILE)

    return dict(zip(STEPS, (to_docs, to_file), strict=True))


def work(make: Callable[..., dict[str, Step]], arguments: Sequence[str], pipe: Connection) -> None:
    """Answer requests (step, folder) with the processor seconds taken, or with the error."""
    steps = make(*arguments)
    while (request := pipe.recv()) is not None:
        step, folder = request
        start = time.process_time()
        try:
            steps[step](folder)
            pipe.send(time.process_time() - start)
        except Exception as error:  # Any error of a reader is a result.
            pipe.send(f"{type(error).__name__}: {str(error)[:60]}")


@dataclass
class Side:
    """One reader in a process of its own, and the seconds of its turns by step."""

    name: str
    make: Callable[..., dict[str, Step]]
    arguments: Sequence[str] = ()
    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})

    def start(self) -> None:
        context = get_context("spawn")
        self.pipe, end = context.Pipe()
        # A daemon, so that the error of one side does not leave the others waiting.
        self.process = context.Process(
            target=work, args=(self.make, self.arguments, end), daemon=True
        )
        self.process.start()

    def ask(self, step: str, folder: Path) -> float | str:
        self.pipe.send((step, folder))
        return self.pipe.recv()

    def stop(self) -> None:
        self.pipe.send(None)
        self.process.join()


def main(
    brat_dir: Annotated[
        Path | None, typer.Argument(help="Brat notes; default: synthetic ones")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns of each side")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="A few notes and two rounds")] = False,
) -> None:
    console = Console(width=120)
    sides = [Side("clinical_ie", ours)]
    if importlib.util.find_spec("edsnlp") is None:
        console.print("edsnlp is not installed: this project runs alone")
    else:
        sides += [
            Side("clinical_ie, no sentences", ours, ["clinical_sentences"]),
            Side("edsnlp, eds", theirs, ["eds"]),
            Side("edsnlp, eds, sentences", theirs, ["eds", "eds.sentences"]),
            Side("edsnlp, spaCy English", theirs, ["en"]),
        ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "all")
        copy_notes(brat_dir, folder, QUICK_NOTES if quick else SYNTHETIC_NOTES)
        for side in sides:
            side.start()
        n = keep_readable(folder, Path(name, "one"), sides, console)
        for turn in range(-1, 2 if quick else rounds):
            for side in sides if turn % 2 else reversed(sides):
                for step in STEPS:
                    seconds = side.ask(step, folder)
                    if isinstance(seconds, str):
                        raise RuntimeError(f"{side.name}, {step}: {seconds}")
                    # The first turn warms up.
                    if turn >= 0:
                        side.seconds[step].append(seconds)
        for side in sides:
            side.stop()
    console.print(table(f"{brat_dir.name if brat_dir else 'synthetic'}, {n} notes", sides, n))


def copy_notes(brat_dir: Path | None, folder: Path, n_synthetic: int) -> None:
    """Copy all notes into one folder, since the sides name notes in subfolders differently."""
    folder.mkdir()
    if brat_dir is None:
        for number in range(n_synthetic):
            note = generate_note(0, "train", number)
            write_note(folder, f"note-{number}", note.text, note.standoff)
        return
    for path in list_notes(brat_dir):
        name = "-".join(path.relative_to(brat_dir).with_suffix("").parts)
        for source in (path, path.with_suffix(".ann")):
            if source.exists():
                shutil.copy(source, folder / f"{name}{source.suffix}")


def keep_readable(folder: Path, one: Path, sides: list[Side], console: Console) -> int:
    """Remove the notes that a side cannot read, and print their number.

    RETURNS (int): The number of notes that are left.
    """
    errors = {side.name: Counter[str]() for side in sides}
    paths = list_notes(folder)
    left = 0
    for path in paths:
        one.mkdir()
        pair = [each for each in (path, path.with_suffix(".ann")) if each.exists()]
        for each in pair:
            shutil.copy(each, one)
        failed = False
        for side in sides:
            if isinstance(answer := side.ask(STEPS[0], one), str):
                errors[side.name][answer.split(":")[0]] += 1
                failed = True
        if failed:
            for each in pair:
                each.unlink()
        left += not failed
        shutil.rmtree(one)
    for name, counter in errors.items():
        console.print(f"{name}: cannot read {counter.total()} of {len(paths)} notes", dict(counter))
    return left


def table(title: str, sides: list[Side], notes: int) -> Table:
    """Notes per second of each side, and how many times as fast the first side is."""
    made = Table("", *(f"{step}, {what}" for step in STEPS for what in ("best", "median")))
    made.title = f"{title}: notes/s of one processor (clinical_ie is so many times as fast)"
    for side in sides:
        cells = []
        for step in STEPS:
            for pick in (min, statistics.median):
                seconds = pick(side.seconds[step])
                times = seconds / pick(sides[0].seconds[step])
                cells.append(f"{notes / seconds:,.1f} ({times:.2f}x)")
        made.add_row(side.name, *cells)
    return made


if __name__ == "__main__":
    typer.run(main)
