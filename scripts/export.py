"""Write the notes of a .spacy file as a brat folder, or in the form of i2b2-2012."""

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from spacy.tokens import Doc

from clinical_ie.annotate.writers.base import make_folder
from clinical_ie.brat import Standoff, write_note
from clinical_ie.brat.files import file_below, make_parent
from clinical_ie.corpora.docbin import read_docs
from clinical_ie.corpora.i2b2 import standoff_to_xml
from clinical_ie.corpora.standoff_writing import doc_to_standoff
from clinical_ie.doc import unique_ids
from clinical_ie.system.workplace import NO_ROOM
from clinical_ie.terminal.console import complain, run, tell
from clinical_ie.terminal.progress import track


def main(
    source: Annotated[Path, typer.Argument(help="A .spacy file")],
    out: Annotated[Path, typer.Argument(help="The folder to write into")],
    format_: Annotated[
        Literal["brat", "i2b2-2012"], typer.Option("--format", help=".txt with .ann, or .xml")
    ] = "brat",
) -> None:
    """Write notes to a folder; those read from brat get their own .ann back, line for line.

    A new folder is readable by its owner only; an existing one decides who can read the notes.
    """
    told: list[str] = []
    lost: Counter[str] = Counter()
    losing: list[str] = []
    try:
        docs = read_docs(source)
        given = [doc._.note_id or f"note-{number}" for number, doc in enumerate(docs, start=1)]
        make_folder(out)
        mode = out.stat().st_mode & 0o666
        with closing(track(docs, "export")) as tracked:
            for doc, name, new in zip(tracked, given, unique_ids(given), strict=True):
                if new != name:
                    told.append(f"another note is called {name} too: this one is written as {new}")
                try:
                    if format_ == "brat":
                        write_note(
                            out, new, doc.text, doc_to_standoff(doc), bom=doc._.bom, mode=mode
                        )
                    elif of_note := _write_i2b2(out, new, doc, mode):
                        lost += of_note
                        counts = ", ".join(f"{count} {what}" for what, count in of_note.items())
                        losing.append(f"{new}: {counts}")
                except (OSError, ValueError) as error:
                    if isinstance(error, OSError) and error.errno in NO_ROOM:
                        raise
                    told.append(f"{new}: left out: {error}")
    except (OSError, ValueError) as error:
        complain("export", f"stopped: {error}")
        tell("problems before that", told)
        raise typer.Exit(1) from None
    if lost:
        counts = ", ".join(f"{count} {what}" for what, count in lost.items())
        typer.echo(f"export: {format_} has no place for: {counts}", err=True)
        tell("notes with some of these", losing)
    if told:
        tell("problems", told, limit=None)
        raise typer.Exit(1)


def _write_i2b2(out: Path, name: str, doc: Doc, mode: int) -> Counter[str]:
    content, left_out = standoff_to_xml(doc.text, doc_to_standoff(doc) or Standoff())
    path = file_below(out, name, ".xml")
    make_parent(out, path)
    path.touch(mode)
    path.write_bytes(content.encode("utf8"))
    return left_out


if __name__ == "__main__":
    run(main)
