"""Make new annotated notes by rewriting segments of the training notes."""

import sqlite3
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from spacy.util import import_file

from clinical_ie.augment.output import rewrites_table
from clinical_ie.augment.run import augment
from clinical_ie.augment.summary import summary_lines
from clinical_ie.terminal.console import complain, run
from clinical_ie.terminal.progress import progress_bar

N_SHOWN = 5


def main(
    train: Annotated[Path, typer.Argument(help="Annotated training notes, .spacy")],
    out: Annotated[Path, typer.Argument(help="File for the new notes, .spacy")],
    out_dir: Annotated[Path, typer.Argument(help="Gets brat/, journal.sqlite, augment.json …")],
    config: Annotated[Path, typer.Option(help="A config of configs/augment")],
    n_augmented: Annotated[int, typer.Option(min=1, help="How many new notes")] = 24,
    seed: Annotated[int, typer.Option(help="For choosing segments and for sampling")] = 0,
    model_path: Annotated[
        Path | None, typer.Option(help="Weights; overrides the config's paths.model")
    ] = None,
    code: Annotated[
        Path | None, typer.Option(help="A Python file that registers filters and the like")
    ] = None,
) -> None:
    """Rewrite segments of the training notes, and put them into new notes."""
    console = Console()
    try:
        if code is not None:
            _run_code(code)
        with progress_bar() as bar:
            # No estimate from the time until the first note: it includes loading notes and weights.
            task = bar.add_task("new notes", total=None)

            def on_accepted() -> None:
                bar.advance(task)
                if bar.tasks[task].total is None:
                    bar.update(task, total=n_augmented)

            outcome = augment(
                train,
                out,
                out_dir,
                config,
                n_augmented,
                seed,
                model_path=model_path,
                on_accepted=on_accepted,
            )
    except (OSError, ValueError, RuntimeError, sqlite3.DatabaseError) as error:
        complain("augment", error)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(
            "augment: interrupted; the answers so far are in the journal, and the same command "
            "continues from there",
            err=True,
        )
        raise typer.Exit(130) from None
    if outcome.pairs:
        console.print(rewrites_table(outcome.pairs, N_SHOWN))
    for line in summary_lines(outcome):
        typer.echo(line)
    typer.echo(f"augment: {out_dir / 'augment.html'}")
    if not outcome.accepted:
        # Otherwise an arm without augmented notes would pass as an augmented one.
        typer.echo(
            "augment: no new note at all; see above for what was dropped and why; notes of an "
            "earlier run, if any, stay",
            err=True,
        )
    if not outcome.accepted or outcome.cut_off:
        raise typer.Exit(1)


def _run_code(path: Path) -> None:
    """Run a file of the user's own, by which its functions become known to the config.

    RAISES (OSError, ValueError): There is none, or it fails.
    """
    if not path.is_file():
        raise FileNotFoundError(f"--code {path}: no such file")
    try:
        import_file("clinical_ie_own_code", path)
    except Exception as error:
        raise ValueError(f"--code {path}: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    run(main)
