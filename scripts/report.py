"""Write the HTML report of a dataset from the outputs of evaluation and augmentation."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.augment.output import rewrites_table
from clinical_ie.report.metrics import read_arms
from clinical_ie.report.page import STEPS, read_rewrites, write_page
from clinical_ie.report.terminal import arm_tables, table_console
from clinical_ie.terminal.console import complain, run
from clinical_ie.terminal.progress import progress_bar

N_SHOWN = 5


def main(
    metrics: Annotated[Path, typer.Argument(help="The folder that evaluate.py wrote")],
    augment_json: Annotated[Path, typer.Argument(help="Augmentation's summary; may be missing")],
    training: Annotated[Path, typer.Argument(help="The folder of both arms' runs; may be missing")],
    out: Annotated[Path, typer.Argument(help="The HTML file to write")],
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Leave out text and names of notes")
    ] = False,
) -> None:
    """Write one self-contained HTML file, readable by its owner only, and print the main tables."""
    try:
        with progress_bar() as bar:
            task = bar.add_task("report", total=len(STEPS))

            def on_step(step: str) -> None:
                bar.update(task, completed=STEPS.index(step), description=f"report, {step}")

            write_page(metrics, augment_json, training, out, with_text=not no_text, on_step=on_step)
            bar.update(task, completed=len(STEPS), description="report")
        tables = arm_tables(read_arms(metrics))
        rewrites = read_rewrites(augment_json)
    except (OSError, ValueError) as error:
        complain("report", error)
        raise typer.Exit(1) from None
    console = table_console()
    for table in tables:
        console.print(table)
    if rewrites and not no_text:
        console.print(rewrites_table(rewrites, N_SHOWN))
    typer.echo(f"report: {out}")


if __name__ == "__main__":
    run(main)
