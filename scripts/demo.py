"""Write the synthetic demo corpus as brat folders: OUT_DIR/{train,dev,test}."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.corpora.synthetic import ChangedNotesError, write_corpus
from clinical_ie.terminal.console import complain, run


def main(
    out_dir: Annotated[Path, typer.Argument(help="Folder to write; an unchanged demo is replaced")],
    seed: Annotated[int, typer.Option(help="Another seed gives another corpus")] = 0,
    train: Annotated[int, typer.Option(min=0, help="Number of training notes")] = 32,
    dev: Annotated[int, typer.Option(min=0, help="Number of development notes")] = 10,
    test: Annotated[int, typer.Option(min=0, help="Number of test notes")] = 15,
) -> None:
    """Write synthetic discharge summaries in the schema of n2c2-2018 Track 2."""
    try:
        write_corpus(out_dir, seed, {"train": train, "dev": dev, "test": test})
    except ChangedNotesError as error:
        # The workflow goes on with them.
        complain("demo", f"kept as it is: {error}")
        return
    except OSError as error:
        complain("demo", error)
        raise typer.Exit(1) from None
    typer.echo(f"Wrote {train} train, {dev} dev and {test} test notes to {out_dir}")


if __name__ == "__main__":
    run(main)
