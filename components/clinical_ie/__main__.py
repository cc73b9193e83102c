"""`clinical-ie annotate` and `clinical-ie score`."""

from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from .annotate import (
    FORMATS,
    Failure,
    Part,
    annotate_notes,
    load_pipeline,
    open_source,
    open_writer,
)
from .annotate.sources import ID_COLUMN, TEXT_COLUMN
from .annotate.sources.base import GONE
from .score_command import score_command
from .system.hashing import pipeline_fingerprint
from .terminal.console import fail, show_anything, tell
from .terminal.printable import printable
from .terminal.progress import progress_bar
from .terminal.signals import Terminated, ended_by_sigterm

_WORKER_ENDED = "a worker process died; is there too little memory for --n-process?"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def clinical_ie() -> None:
    """Run a pipeline over clinical notes, or score one brat folder against another."""
    show_anything()


@app.command("annotate")
def annotate_command(
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="A folder or an installed package")
    ],
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A folder of .txt notes, a .jsonl or a .parquet")
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="A folder; for jsonl and parquet, also a file with that ending"
        ),
    ],
    format_: Annotated[
        str,
        typer.Option(
            "--format", help="brat: .txt and .ann; jsonl: a line per note; parquet: a row per note"
        ),
    ] = "brat",
    id_column: Annotated[
        str, typer.Option(help="Key or column of a .jsonl or .parquet that holds the note's id")
    ] = ID_COLUMN,
    text_column: Annotated[
        str, typer.Option(help="Key or column of a .jsonl or .parquet that holds the text")
    ] = TEXT_COLUMN,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace existing output; files of other notes stay")
    ] = False,
    part: Annotated[
        str,
        typer.Option(
            metavar="K/N",
            help="Every N-th note, from the K-th on; each part needs an OUT of its own",
        ),
    ] = "1/1",
    batch_size: Annotated[int, typer.Option(min=1, help="Notes per batch")] = 16,
    n_process: Annotated[int, typer.Option(min=1, help="Number of processes (CPU only)")] = 1,
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
    precision: Annotated[
        str | None,
        typer.Option(help="float32; faster: bfloat16 (GPUs and newer CPUs), int8 (other CPUs)"),
    ] = None,
) -> None:
    """Run a pipeline over every .txt below a folder, or every row of a JSONL or Parquet file.

    Notes that cannot be read or processed are listed at the end, and the exit code is then 1; all
    others are written. An interrupted run continues with the same command.
    """
    if format_ not in FORMATS:
        fail(f"--format {format_!r} is unknown; expected one of {', '.join(FORMATS)}")
    try:
        notes = open_source(source, id_column, text_column, Part.parse(part))
        run = {
            "pipeline": pipeline_fingerprint(pipeline),
            "precision": precision or "as saved",
            "input": notes.describe(),
        }
        writer = open_writer(out, format_, notes, run, overwrite)
        results = annotate_notes(
            partial(load_pipeline, pipeline, gpu_id, precision),
            notes.read(writer.done, writer.refusal),
            batch_size=batch_size,
            n_process=n_process,
        )
    except (OSError, ValueError) as error:
        fail(str(error))
    except BrokenProcessPool:
        fail(_WORKER_ENDED)
    for warning in notes.warnings:
        typer.echo(warning, err=True)
    failures = list(notes.left_out)
    written = len(writer.done)
    if written:
        # Not `of`: some of these may be gone from the input.
        told = f"{written} notes are there already, {notes.total} are in the input: continuing"
        typer.echo(told, err=True)
    stopped = partial(_stopped, total=notes.total, overwrite=overwrite)
    try:
        with ended_by_sigterm(), writer, progress_bar() as bar, closing(results):
            task = bar.add_task("annotate", total=notes.total, completed=written)
            for result in results:
                if isinstance(result, Failure):
                    failures.append(result)
                    if result.counted:
                        written -= 1
                        # A note that is gone is not in the total.
                        bar.advance(task, -1 if result.reason == GONE else 0)
                        continue
                else:
                    note = result.note
                    try:
                        writer.write(note.name, note.text, result.annotations, bom=note.bom)
                        written += 1
                    except ValueError as error:
                        # The format cannot express one of the pipeline's labels, or the name.
                        failures.append(Failure(note.place, str(error)))
                bar.advance(task)
    except Terminated:
        fail(stopped("terminated", written), code=143)
    except KeyboardInterrupt:
        fail(stopped("interrupted", written), code=130)
    except BrokenProcessPool:
        fail(stopped(_WORKER_ENDED, written))
    except OSError as error:
        # Those of a full disk name no place; the project's own have no number, and name theirs.
        is_whole = error.filename or error.errno is None
        told = str(error) if is_whole else f"{out}: {error.strerror or error}"
        fail(stopped(told, written))
    typer.echo(f"{written} of {notes.total} notes written to {out}", err=True)
    if others := writer.others():
        told = f"{len(others)} files of other notes, such as {others[0]}: they stay as they are"
        typer.echo(printable(f"{out} also holds {told}"), err=True)
    if failures:
        heading = "left out or out of date" if any(f.counted for f in failures) else "left out"
        tell(heading, [f"{failure.name}: {failure.reason}" for failure in failures], limit=None)
        raise typer.Exit(1)


app.command("score")(score_command)


def _stopped(reason: str, written: int, total: int, overwrite: bool) -> str:
    command = "the same command" + (" without --overwrite" if overwrite else "")
    then = f"; {command} continues from there" if written else ""
    return f"stopped: {reason} ({written} of {total} notes are written{then})"


if __name__ == "__main__":
    app()
