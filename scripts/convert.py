"""Turn annotated notes into spaCy's binary format, and say what was kept, mended and lost."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from clinical_ie.corpora.convert import SplitCount, convert_dataset, convert_folder, write_counts
from clinical_ie.progress import track

MAX_SHOWN = 20


def main(
    source: Annotated[
        Path, typer.Argument(help="A folder of notes, or a dataset with train/ in it")
    ],
    out: Annotated[Path, typer.Argument(help="A .spacy file, or a folder for train, dev and test")],
    format_: Annotated[str, typer.Option("--format", help="How the notes are stored")] = "brat",
    seed: Annotated[int, typer.Option(help="Draws dev from train where there is no dev")] = 0,
) -> None:
    """Convert one folder to one .spacy file, or a dataset to three."""
    console = Console()
    remarks: list[str] = []
    try:
        if out.suffix == ".spacy":
            counts = {out.stem: convert_folder(source, out, track)}
        else:
            counts, remarks = convert_dataset(source, out, format_, seed, track)
            write_counts(counts, out / "convert.json")
    except (OSError, ValueError) as error:
        typer.echo(f"convert: {error}", err=True)
        raise typer.Exit(1) from None
    for line in remarks:
        typer.echo(line)
    console.print(_table(counts))
    problems = [problem for count in counts.values() for problem in count.problems]
    for problem in problems[:MAX_SHOWN]:
        typer.echo(f"  {problem}", err=True)
    if len(problems) > MAX_SHOWN:
        typer.echo(f"  … and {len(problems) - MAX_SHOWN} more, all in convert.json", err=True)


def _table(counts: dict[str, SplitCount]) -> Table:
    table = Table("", *counts, title="Kept on the notes")
    for name in ("notes", "tokens"):
        table.add_row(name, *(str(getattr(count, name)) for count in counts.values()))
    for name in ("mentions", "relations"):
        table.add_row(name, *(str(getattr(count, name).total()) for count in counts.values()))
    reasons = dict.fromkeys(reason for count in counts.values() for reason in count.not_trainable)
    for reason in reasons:
        totals = (count.not_trainable.get(reason) for count in counts.values())
        table.add_row(f"  of them, {reason}", *(str(t.total()) if t else "0" for t in totals))
    table.add_row("problems", *(str(len(count.problems)) for count in counts.values()))
    return table


if __name__ == "__main__":
    typer.run(main)
