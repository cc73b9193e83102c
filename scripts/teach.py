"""Annotate notes with a trained pipeline, for a smaller one to learn from."""

from pathlib import Path
from typing import Annotated

import typer
from spacy.util import minibatch

from clinical_ie.annotate import ID_COLUMN, TEXT_COLUMN, load_pipeline, open_source
from clinical_ie.system.gpu import gpu_errors_in_one_line
from clinical_ie.system.hashing import pipeline_fingerprint
from clinical_ie.system.workplace import claimed
from clinical_ie.terminal.console import complain, run, tell
from clinical_ie.terminal.progress import progress_bar
from clinical_ie.training.taught_parts import Parts
from clinical_ie.training.teaching import Teacher, teach_batch


def main(
    pipeline: Annotated[str, typer.Argument(help="The teacher: a folder or an installed package")],
    notes: Annotated[Path, typer.Argument(help="A folder of .txt notes, a .jsonl or a .parquet")],
    out: Annotated[Path, typer.Argument(help="For the --augmented of a training, .spacy")],
    id_column: Annotated[str, typer.Option(help="For JSON Lines and Parquet")] = ID_COLUMN,
    text_column: Annotated[str, typer.Option(help="For JSON Lines and Parquet")] = TEXT_COLUMN,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace OUT, and what an interrupted run has done")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Notes per batch")] = 16,
    gpu_id: Annotated[int, typer.Option(min=-1, help="The GPU to run on; -1 for the CPU")] = -1,
    precision: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or int8; default: as it was saved")
    ] = None,
) -> None:
    """Annotate notes, and keep how probable the teacher finds what it finds, and what it does not.

    Notes that cannot be read or processed are listed at the end, and the exit code is then 1; all
    others are written. An interrupted run continues with the same command.
    """
    done: dict[str, int] = {}
    try:
        if out.suffix != ".spacy" or out.is_dir():
            raise ValueError(f"{out}: expected the name of a file that ends in .spacy")
        if out.exists() and not overwrite:
            raise ValueError(f"{out} exists already; --overwrite replaces it")
        source = open_source(notes, id_column, text_column)
        for warning in source.warnings:
            typer.echo(warning, err=True)
        made_from = pipeline_fingerprint(pipeline), str(precision), source.describe()
        folder = out.with_name(f".{out.name}.part")
        with claimed(folder, 0o700), gpu_errors_in_one_line("a smaller --batch-size"):
            teacher = Teacher(load_pipeline(pipeline, gpu_id, precision))
            parts = Parts(folder, "\n".join(made_from), overwrite)
            done = parts.done
            failures = [*source.left_out]
            with progress_bar() as bar:
                task = bar.add_task("teach", total=source.total, completed=len(done))
                unread = source.read(done, refusal=lambda name: None)
                for batch in minibatch(unread, batch_size):
                    failures += teach_batch(teacher, batch, parts)
                    bar.advance(task, len(batch))
            if changed := sum(failure.counted for failure in failures):
                raise ValueError(f"{changed} notes have changed since; --overwrite starts over")
            parts.join(out)
    except (OSError, ValueError) as error:
        complain("teach", error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        told = f"interrupted; {len(done)} notes are done, and the same command continues"
        typer.echo(f"teach: {told}", err=True)
        raise typer.Exit(130) from None
    where = out if done else f"{out}, which was not written"
    typer.echo(f"{len(done)} of {source.total} notes in {where}", err=True)
    if failures:
        tell("left out", [f"{failure.name}: {failure.reason}" for failure in failures], limit=None)
        raise typer.Exit(1)


if __name__ == "__main__":
    run(main)
