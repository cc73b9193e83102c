"""`clinical-ie annotate` and `clinical-ie score`."""

from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .annotate import BratWriter, Failure, JsonlWriter, annotate_notes, load_pipeline
from .annotate.run_log import pipeline_fingerprint
from .brat import list_notes
from .brat.files import files_below, misspelt, note_name
from .console import fail, tell
from .progress import progress_bar
from .score_command import score_command

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
    precision: Annotated[
        str | None,
        typer.Option(help="float32; faster: bfloat16 (GPUs and newer CPUs), int8 (other CPUs)"),
    ] = None,
) -> None:
    """Run a pipeline over every .txt below a folder.

    Notes that cannot be read or processed are listed at the end, and the exit code is then 1; all
    others are written. A run that was stopped goes on where it was by the same command.
    """
    if format_ not in FORMATS:
        fail(f"no format {format_!r} in this version; there is: {', '.join(FORMATS)}")
    if source.is_file():
        fail(f"{source} is a file; this version reads a folder of .txt notes")
    try:
        paths = list_notes(source)
        run = {
            "pipeline": pipeline_fingerprint(pipeline),
            "precision": precision or "as saved",
            "folder of notes": str(source.resolve()),
        }
        writer = _writer(paths, source, out, format_, overwrite, run)
        done = set(writer.done)
        todo = [path for path in paths if note_name(path, source) not in done]
        results = annotate_notes(
            partial(load_pipeline, pipeline, gpu_id, precision),
            todo,
            source,
            batch_size=batch_size,
            n_process=n_process,
        )
    except (OSError, ValueError) as error:
        fail(str(error))
    odd = misspelt(files_below(source), (".txt",))
    failures = [Failure(problem.file, problem.message) for problem in odd]
    written = len(paths) - len(todo)
    if written:
        typer.echo(f"{written} of {len(paths)} notes are there already: going on", err=True)
    stopped = partial(_stopped, total=len(paths), overwrite=overwrite)
    try:
        with writer, progress_bar() as bar, closing(results):
            task = bar.add_task("annotate", total=len(paths), completed=written)
            for result in results:
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    note = result.note
                    try:
                        writer.write(note.name, note.text, result.annotations, bom=note.bom)
                        written += 1
                    except ValueError as error:
                        # The pipeline gives a label that brat has no room for.
                        failures.append(Failure(f"{note.name}.txt", str(error)))
                bar.advance(task)
    except KeyboardInterrupt:
        fail(stopped("interrupted", written), code=130)
    except BrokenProcessPool:
        reason = "a worker process ended by itself; is there too little memory for --n-process?"
        fail(stopped(reason, written))
    except OSError as error:
        fail(stopped(str(error), written))
    typer.echo(f"{written} of {len(paths)} notes written to {out}", err=True)
    if failures:
        tell("left out", [f"{failure.name}: {failure.reason}" for failure in failures], limit=None)
        raise typer.Exit(1)


app.command("score")(score_command)


def _writer(
    paths: Sequence[Path],
    source: Path,
    out: Path,
    format_: str,
    overwrite: bool,
    run: Mapping[str, str],
) -> BratWriter | JsonlWriter:
    """The writer for a place that is free, may be overwritten, or holds this run's beginning.

    RAISES (ValueError): It is none of these, or cannot be written to without harm.
    """
    if format_ == "jsonl":
        path = out if out.suffix == ".jsonl" else out / "annotations.jsonl"
        if path.is_dir():
            raise ValueError(f"{path} is a folder; JSON Lines need a file")
        if overwrite:
            JsonlWriter.log_of(path).unlink(missing_ok=True)
        lines = JsonlWriter(path, run)
        if path.exists() and not (overwrite or lines.done):
            raise ValueError(f"{path} is there already; --overwrite replaces it")
        return lines
    if out.is_file():
        raise ValueError(f"{out} is a file; brat output needs a folder")
    if out.suffix == ".jsonl":
        raise ValueError(f"{out} would be a folder of brat files; give --format jsonl with it")
    if out.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            f"{out} lies in {source}: its notes would be read as input, or replace the input's "
            ".ann; choose a folder outside"
        )
    if overwrite:
        BratWriter.log_of(out).unlink(missing_ok=True)
    writer = BratWriter(out, run)
    targets = (
        out / path.relative_to(source).with_suffix(s) for path in paths for s in (".txt", ".ann")
    )
    found = next((target for target in targets if target.exists()), None)
    if found is not None and not (overwrite or writer.done):
        raise ValueError(f"{found} is there already; --overwrite replaces it and the others")
    return writer


def _stopped(reason: str, written: int, total: int, overwrite: bool) -> str:
    command = "the same command" + (" without --overwrite" if overwrite else "")
    then = f"; {command} goes on from there" if written else ""
    return f"stopped: {reason} ({written} of {total} notes are written{then})"


if __name__ == "__main__":
    app()
