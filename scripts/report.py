"""Write the HTML report of a dataset from what evaluation and augmentation left behind."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.report import write_page


def main(
    metrics: Annotated[Path, typer.Argument(help="The folder that evaluate.py wrote")],
    augment_json: Annotated[Path, typer.Argument(help="Augmentation's summary; may be missing")],
    training: Annotated[Path, typer.Argument(help="The folder of both arms' runs; may be missing")],
    out: Annotated[Path, typer.Argument(help="The HTML file to write")],
) -> None:
    """Make one self-contained HTML file, readable by its owner alone."""
    try:
        write_page(metrics, augment_json, training, out)
    except (OSError, ValueError) as error:
        typer.echo(f"report: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"report: {out}")


if __name__ == "__main__":
    typer.run(main)
