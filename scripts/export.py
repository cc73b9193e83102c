"""Write the notes of a .spacy file as a brat folder."""

from pathlib import Path
from typing import Annotated

import typer

from clinical_ie.brat import write_note
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.progress import track


def main(
    source: Annotated[Path, typer.Argument(help="A .spacy file")],
    out: Annotated[Path, typer.Argument(help="The folder to write .txt and .ann into")],
) -> None:
    """Notes that were read from brat get their own .ann back, line for line."""
    try:
        docs = read_docs(source)
    except (OSError, ValueError) as error:
        typer.echo(f"export: {error}", err=True)
        raise typer.Exit(1) from None
    for number, doc in enumerate(track(docs, "export"), start=1):
        name = doc._.note_id or f"note-{number:06d}"
        write_note(out, name, doc.text, doc_to_standoff(doc), bom=doc._.bom)


if __name__ == "__main__":
    typer.run(main)
