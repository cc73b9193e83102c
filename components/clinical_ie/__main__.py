"""`clinical-ie annotate` and `clinical-ie score`."""

import json
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from .annotate import BratWriter, Failure, JsonlWriter, annotate_notes, load_pipeline
from .brat import list_notes
from .progress import progress_bar
from .report import score_table, table_console
from .scoring import DEFAULT_PROTOCOL, PROTOCOLS, get_protocol, score
from .scoring.folders import FolderPair, read_pair

MAX_LISTED = 20
FORMATS = ("brat", "jsonl")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def clinical_ie() -> None:
    """Run a pipeline over clinical notes, or score one brat folder against another."""


@app.command("annotate")
def annotate_command(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="A folder or an installed package")
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder with .txt notes")],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A folder; for jsonl also a file that ends in .jsonl"),
    ],
    format_: Annotated[
        str, typer.Option("--format", help="brat: .txt and .ann; jsonl: one line a note")
    ] = "brat",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Notes that run together")] = 16,
    n_process: Annotated[int, typer.Option(min=1, help="Processes, on a CPU")] = 1,
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
) -> None:
    """Run a pipeline over every .txt below a folder.

    Notes that cannot be read or processed are listed at the end, and the exit code is then 1; all
    others are written.
    """
    if format_ not in FORMATS:
        _fail(f"no format {format_!r} in this version; there is: {', '.join(FORMATS)}")
    if source.is_file():
        _fail(f"{source} is a file; this version reads a folder of .txt notes")
    try:
        paths = list_notes(source)
        writer = _writer(paths, source, out, format_, overwrite)
        results = annotate_notes(
            partial(load_pipeline, pipeline, gpu_id),
            paths,
            source,
            batch_size=batch_size,
            n_process=n_process,
        )
    except (OSError, ValueError) as error:
        _fail(str(error))
    failures: list[Failure] = []
    written = 0
    try:
        with writer, progress_bar() as bar, closing(results):
            task = bar.add_task("annotate", total=len(paths))
            for result in results:
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    note = result.note
                    writer.write(note.name, note.text, result.annotations, bom=note.bom)
                    written += 1
                bar.advance(task)
    except KeyboardInterrupt:
        _fail(_stopped("interrupted", written, len(paths), format_), code=130)
    except BrokenProcessPool:
        reason = "a worker process ended by itself; is there too little memory for --n-process?"
        _fail(_stopped(reason, written, len(paths), format_))
    except OSError as error:
        _fail(_stopped(str(error), written, len(paths), format_))
    typer.echo(f"{written} of {len(paths)} notes written to {out}", err=True)
    if failures:
        _list("left out", [f"{failure.name}: {failure.reason}" for failure in failures], limit=None)
        raise typer.Exit(1)


@app.command("score")
def score_command(
    gold: Annotated[Path, typer.Argument(metavar="GOLD_DIR", help="Brat notes, as annotated")],
    predicted: Annotated[Path, typer.Argument(metavar="PRED_DIR", help="Brat notes to score")],
    protocol: Annotated[
        str, typer.Option(help=f"What counts as right: {', '.join(PROTOCOLS)}")
    ] = DEFAULT_PROTOCOL,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, figures as fractions")] = False,
) -> None:
    """Score a brat folder against a gold one; no model is needed.

    A note that PRED_DIR lacks is all missed, and one that GOLD_DIR lacks all wrong; both are named.
    """
    try:
        get_protocol(protocol)
        pair = read_pair(gold, predicted)
        scores = score(pair.gold, pair.predicted, protocol=protocol, texts=pair.texts)
    except (OSError, ValueError) as error:
        _fail(str(error))
    _tell(pair, gold, predicted)
    if as_json:
        typer.echo(json.dumps(scores, indent=2))
        return
    console = table_console()
    for task in ("entities", "relations"):
        console.print(score_table(scores, task))


def _writer(
    paths: Sequence[Path], source: Path, out: Path, format_: str, overwrite: bool
) -> BratWriter | JsonlWriter:
    """The writer for a place that is free, or may be overwritten.

    RAISES (ValueError): It is not free, or cannot be written to without harm.
    """
    if format_ == "jsonl":
        path = out if out.suffix == ".jsonl" else out / "annotations.jsonl"
        if path.exists() and not overwrite:
            raise ValueError(f"{path} is there already; --overwrite replaces it")
        return JsonlWriter(path)
    if out.is_file():
        raise ValueError(f"{out} is a file; brat output needs a folder")
    if out.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            f"{out} lies in {source}: its notes would be read as input, or replace the input's "
            ".ann; choose a folder outside"
        )
    targets = (
        out / path.relative_to(source).with_suffix(s) for path in paths for s in (".txt", ".ann")
    )
    found = next((target for target in targets if target.exists()), None)
    if found is not None and not overwrite:
        raise ValueError(f"{found} is there already; --overwrite replaces it and the others")
    return BratWriter(out)


def _stopped(reason: str, written: int, total: int, format_: str) -> str:
    kept = f"{written} of {total} notes are written" if format_ == "brat" else "nothing is written"
    return f"stopped: {reason} ({kept})"


def _tell(pair: FolderPair, gold: Path, predicted: Path) -> None:
    _list(f"not in {predicted}, scored as all missed", pair.missing)
    _list(f"not in {gold}, scored as all wrong", pair.extra)
    _list("no .ann, read as a note with nothing in it", [str(path) for path in pair.without_ann])
    _list("not taken over as it stands", [str(problem) for problem in pair.problems])


def _list(what: str, items: Sequence[str], limit: int | None = MAX_LISTED) -> None:
    if not items:
        return
    typer.echo(f"{len(items)} {what}:", err=True)
    for item in items[:limit]:
        typer.echo(f"  {item}", err=True)
    if limit is not None and len(items) > limit:
        typer.echo(f"  … and {len(items) - limit} more", err=True)


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(f"clinical-ie: {' '.join(message.split())}", err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
