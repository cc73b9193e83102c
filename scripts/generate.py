"""Write a corpus from a schema as brat folders: OUT_DIR/{train,dev,test}."""

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clinical_ie.corpora.generator import NoteCounts, load_schema, write_generated_corpus
from clinical_ie.terminal.console import complain, run
from clinical_ie.terminal.progress import track


def main(
    schema: Annotated[Path, typer.Argument(help="YAML file such as configs/synthetic/full.yml")],
    out_dir: Annotated[
        Path, typer.Argument(help="Folder to write; replaced if an earlier run wrote it as it is")
    ],
    seed: Annotated[int, typer.Option(help="Another seed gives another corpus")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Does not affect the notes")] = 1,
    train: Annotated[int, typer.Option(min=0, help="Number of training notes")] = 1679,
    dev: Annotated[int, typer.Option(min=0, help="Number of development notes")] = 313,
    test: Annotated[int, typer.Option(min=0, help="Number of test notes")] = 314,
) -> None:
    """Write synthetic notes with the entity and relation types of a schema.

    The default numbers of notes are those of the proprietary corpus in the paper. An interrupted
    run leaves OUT_DIR unchanged, and must be started again.
    """
    sizes = {"train": train, "dev": dev, "test": test}
    try:
        counts = write_generated_corpus(
            load_schema(schema), out_dir, seed, sizes, n_process=processes, track=track
        )
    except (OSError, ValueError, BrokenProcessPool) as error:
        complain("generate", error)
        raise typer.Exit(1) from None
    Console().print(_table(counts))
    typer.echo(f"Wrote {train} train, {dev} dev and {test} test notes to {out_dir}")


def _table(counts: NoteCounts) -> Table:
    table = Table("type", "number", title="Generated")
    for name, number in counts.mentions.most_common():
        table.add_row(name, str(number))
    table.add_section()
    for name, number in counts.relations.most_common():
        table.add_row(name, str(number))
    table.add_section()
    table.add_row("words", str(sum(counts.words)))
    return table


if __name__ == "__main__":
    run(main)
