"""Write the notes of a .spacy file as a brat folder, or in the form of i2b2-2012."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clinical_ie.brat import Standoff, write_note
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.i2b2 import standoff_to_xml
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.progress import track


def main(
    source: Annotated[Path, typer.Argument(help="A .spacy file")],
    out: Annotated[Path, typer.Argument(help="The folder to write into")],
    format_: Annotated[
        Literal["brat", "i2b2-2012"], typer.Option("--format", help=".txt with .ann, or .xml")
    ] = "brat",
) -> None:
    """Notes that were read from brat get their own .ann back, line for line."""
    try:
        docs = read_docs(source)
    except (OSError, ValueError) as error:
        typer.echo(f"export: {error}", err=True)
        raise typer.Exit(1) from None
    for number, doc in enumerate(track(docs, "export"), start=1):
        name = doc._.note_id or f"note-{number:06d}"
        standoff = doc_to_standoff(doc)
        if format_ == "brat":
            write_note(out, name, doc.text, standoff, bom=doc._.bom)
            continue
        path = out / f"{name}.xml"
        try:
            content = standoff_to_xml(doc.text, standoff or Standoff())
        except ValueError as error:
            typer.echo(f"export: {path}: {error}", err=True)
            raise typer.Exit(1) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf8"))


if __name__ == "__main__":
    typer.run(main)
