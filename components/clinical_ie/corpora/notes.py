"""Conversion of brat notes to Docs."""

import sys
from functools import cache
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..annotation_columns import AnnotationColumns
from ..brat import Note, Problem, list_notes, read_note
from ..brat.files import strays
from ..doc import Annotations, annotate_columns, as_columns
from ..system.garbage import collect_rarely, made_to_stay
from ..text.limit import lift_length_limit
from .standoff_reading import LinkSettings, note_to_columns


@cache
def corpus_nlp() -> Language:
    """The pipeline that corpora are tokenized with: tokenizer and sentence boundaries."""
    tokenizer = {"@tokenizers": "clinical_ie.ClinicalTokenizer.v1"}
    nlp = spacy.blank("en", config={"nlp": {"tokenizer": tokenizer}})
    nlp.add_pipe("clinical_sentences")
    lift_length_limit(nlp)
    return nlp


def make_doc(nlp: Language, text: str, annotations: Annotations, note_id: str) -> Doc:
    """A tokenized, sentence-split and annotated Doc.

    RAISES (ValueError): A mention lies outside the text.
    """
    return _made(nlp, text, as_columns(annotations), note_id)


def _made(nlp: Language, text: str, columns: AnnotationColumns, note_id: str) -> Doc:
    doc = nlp(text)
    lost = annotate_columns(doc, columns)
    if lost:
        end = max(end for _, end in columns.fragments[lost[0]])
        raise ValueError(
            f"{note_id}: mention {columns.ids[lost[0]]} ends at {end}, but the text at {len(text)}"
        )
    doc._.note_id = note_id
    return doc


@collect_rarely()
def note_to_doc(
    nlp: Language, note: Note, settings: LinkSettings | None = None
) -> tuple[Doc, list[Problem]]:
    """A Doc with everything in a brat note: its annotations, and its `.ann` as read.

    settings (LinkSettings | None): Which lines become relations; default: the `R` lines.
    RETURNS (tuple[Doc, list[Problem]]): The Doc, and problems with what could not be kept as it is.
    """
    columns, problems = note_to_columns(note, settings)
    doc = _made(nlp, note.text, columns, note.name)
    if note.has_ann:
        doc._.standoff = note.standoff
        if settings is not None:
            settings.keep_on(doc)
    if note.bom:
        doc._.bom = True
    return doc, problems


@collect_rarely()
def read_brat(
    folder: Path | str, nlp: Language | None = None, settings: LinkSettings | None = None
) -> tuple[list[Doc], list[Problem]]:
    """Every note below a folder as a Doc, in the order of their names.

    For notebooks and short scripts: all Docs are in memory, at some 90 times the size of the texts.
    `scripts/convert.py` holds one at a time, in parallel processes, and counts what it reads.
    nlp (Language | None): Tokenizes and splits into sentences; default: `corpus_nlp`.
    settings (LinkSettings | None): Which lines become relations; default: the `R` lines.
    RETURNS (tuple[list[Doc], list[Problem]]): The Docs, and what could not be kept as it is, by
        file and line; a note that cannot be read is among these, and does not stop the others.
    RAISES (FileNotFoundError): No such folder, or it holds no notes.
    """
    folder = Path(folder)
    nlp = nlp or corpus_nlp()
    docs = []
    paths = list_notes(folder)
    problems = strays(folder)
    with made_to_stay():
        for path in paths:
            try:
                note = read_note(path, folder)
                check_name(note.name)
                doc, found = note_to_doc(nlp, note, settings)
            except Exception as error:
                # A file can be damaged in unforeseen ways; this must not affect the other notes.
                found = [left_out(path, error)]
            else:
                docs.append(doc)
            problems += found
    return docs, problems


def check_name(name: str) -> None:
    """Check that a file's name can be written as text, as a Doc's `note_id`.

    RAISES (ValueError): It is not UTF-8.
    """
    try:
        name.encode("utf8")
    except UnicodeEncodeError as error:
        told = "its file name is not UTF-8; rename it"
        if (system := sys.getfilesystemencoding()) != "utf-8":
            # Then the name may be right, and the locale wrong.
            told += f", or set PYTHONUTF8=1: this system's locale makes Python read it as {system}"
        raise ValueError(told) from error


def left_out(path: Path, error: Exception) -> Problem:
    """The problem of a note that cannot be read at all."""
    why = error if isinstance(error, OSError | ValueError) else repr(error)
    return Problem(str(path), 0, f"whole note left out: {why}")
