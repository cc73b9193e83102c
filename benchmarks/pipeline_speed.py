"""Speed of a pipeline, compared with its bare encoder and with spaCy's stock components.

    python benchmarks/pipeline_speed.py PIPELINE NOTES_DIR [--turns 5] [--long 360000]

PIPELINE must be trained, since untrained heads predict far too much. All sides read the same notes
in turns, in one process; processor time is measured, so use OMP_NUM_THREADS=1:

- the bare encoder: the notes' wordpieces laid end to end, each read once, in full windows
- the pipeline, in float32, and in bfloat16 and int8 where this machine has them
- spaCy's `transformer` (strided spans, 128/96) and `ner`, untrained, with the same encoder

Then one note of --long characters: the memory it takes beyond the loaded pipeline, and the time per
character compared with ordinary notes. --quick uses a tiny pipeline made on the spot.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import spacy
import torch
import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language
from spacy.training import Example
from support.tiny import TEXTS, tiny_pipeline

from clinical_ie.encoder.reading import pays


def main(
    pipeline: Annotated[str, typer.Argument(help="A trained pipeline")] = "",
    notes: Annotated[Path | None, typer.Argument(help="A folder of .txt")] = None,
    turns: Annotated[int, typer.Option(min=1, help="Times each side reads the notes")] = 5,
    long: Annotated[int, typer.Option(min=1000, help="Characters of the long note")] = 360_000,
    quick: Annotated[bool, typer.Option(help="See that it runs")] = False,
) -> None:
    """Print the best of the turns of each side, and its ratio to the bare encoder."""
    with tempfile.TemporaryDirectory() as temporary:
        if quick:
            pipeline, texts = tiny_pipeline(Path(temporary)), TEXTS
            turns, long = 1, 5000
        elif pipeline and notes is not None:
            texts = [path.read_text("utf8") for path in sorted(notes.rglob("*.txt"))]
            if not any(texts):
                raise typer.BadParameter(f"{notes}: no folder with notes (.txt) in it")
        else:
            raise typer.BadParameter("give PIPELINE and NOTES_DIR, or --quick")
        full = spacy.load(pipeline)
        sides: dict[str, Callable[[], object]] = {"the bare encoder": bare_encoder(full, texts)}
        for precision in ("float32", "bfloat16", "int8"):
            if pays(precision, torch.device("cpu")):
                chosen = {"components.tok2vec.model.precision": precision}
                nlp = spacy.load(pipeline, config=chosen)
                sides[f"the pipeline, {precision}"] = partial(read_all, nlp, texts)
        sides["spaCy's transformer + ner"] = stock(full, texts, Path(temporary))
        seconds = {name: float("inf") for name in sides}
        for _ in range(turns + 1):
            for name, read in sides.items():
                start = time.process_time()
                read()
                seconds[name] = min(seconds[name], time.process_time() - start)
        print_speeds(seconds, texts)
        print_long_note(full, texts, long, seconds["the pipeline, float32"])


def read_all(nlp: Language, texts: list[str]) -> None:
    """Run a pipeline over texts, and keep nothing."""
    for _ in nlp.pipe(texts):
        pass


def bare_encoder(nlp: Language, texts: list[str]) -> Callable[[], object]:
    """Only the encoder over all wordpieces, in plain PyTorch."""
    model, tokenizer = encoder_of(nlp)
    encode = partial(tokenizer.backend_tokenizer.encode, add_special_tokens=False)
    ids = [i for text in texts for i in encode(text).ids]
    size = min(512, model.config.max_position_embeddings)
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    windows = [[first, *ids[i : i + size - 2], last] for i in range(0, len(ids), size - 2)]
    whole = torch.tensor(windows[:-1] or windows)
    rest = torch.tensor(windows[-1:])

    def read() -> None:
        with torch.no_grad():
            # The fastest batch size: with eight windows, it takes a tenth longer.
            for batch in (*whole.split(2), rest):
                model(input_ids=batch)

    return read


def encoder_of(nlp: Language) -> tuple[Any, Any]:
    """The Hugging Face model within a pipeline, and its tokenizer."""
    shims = (shim for node in nlp.get_pipe("tok2vec").model.walk() for shim in node.shims)
    shim = next(shim for shim in shims if hasattr(shim, "tokenizer"))
    return shim._model.eval(), shim.tokenizer


def stock(nlp: Language, texts: list[str], folder: Path) -> Callable[[], object]:
    """spaCy's own components over the same weights."""
    for part in encoder_of(nlp):
        part.save_pretrained(folder / "encoder")
    other = spacy.blank("en")
    other.add_pipe("transformer", config={"model": {"name": str(folder / "encoder")}})
    ner = other.add_pipe("ner")
    for label in nlp.get_pipe("clinical_ner").labels:
        ner.add_label(label)
    other.initialize(lambda: [Example.from_dict(other.make_doc("x"), {"entities": []})])
    # The fastest batch size: with larger ones, a tenth of the time goes into padding.
    return lambda: list(other.pipe(texts, batch_size=2))


def print_speeds(seconds: dict[str, float], texts: list[str]) -> None:
    """Print one row per side."""
    words = sum(len(text.split()) for text in texts)
    console = Console(width=110)
    table = Table(title=f"{len(texts)} notes, {words} words, {torch.get_num_threads()} threads")
    for column in ("side", "seconds", "words/s", "over the bare encoder", "over spaCy's"):
        table.add_column(column, justify="left" if column == "side" else "right")
    bare, spacys = seconds["the bare encoder"], seconds["spaCy's transformer + ner"]
    for name, value in seconds.items():
        ratios = f"{value / bare:.2f}", f"{value / spacys:.2f}"
        table.add_row(name, f"{value:.2f}", f"{words / value:.0f}", *ratios)
    console.print(table)


def print_long_note(nlp: Language, texts: list[str], length: int, seconds: float) -> None:
    """Print memory and time of one long note."""
    joined = "\n\n".join(texts)
    note = (joined * (1 + length // len(joined)))[:length]
    nlp.max_length = len(note)
    before = resident_mb()
    Path("/proc/self/clear_refs").write_text("5")
    start = time.process_time()
    nlp(note)
    each = (time.process_time() - start) / len(note)
    ordinary = seconds / sum(map(len, texts))
    Console(width=110).print(
        f"one note of {len(note):,} characters: {peak_mb() - before:.0f} MB more at the peak, "
        f"{each / ordinary:.2f} times the time of ordinary notes for each character"
    )


def resident_mb() -> float:
    """Resident memory of the process now."""
    return _status("VmRSS")


def peak_mb() -> float:
    """Peak resident memory since the mark was cleared."""
    return _status("VmHWM")


def _status(key: str) -> float:
    lines: Iterator[str] = iter(Path("/proc/self/status").read_text().splitlines())
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


if __name__ == "__main__":
    typer.run(main)
