"""Helpers to write notes, and a pipeline without a model."""

import os
import re
import signal
from itertools import pairwise
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from clinical_ie.annotate import load_pipeline
from clinical_ie.brat import Standoff, write_note
from clinical_ie.doc import Annotations, Link, Mention, Relation, set_mentions


def mention(id_: str, label: str, *fragments: tuple[int, int]) -> Mention:
    return Mention(id_, label, fragments)


def note(*items: Mention | Link) -> Annotations:
    return Annotations(
        [item for item in items if isinstance(item, Mention)],
        [item for item in items if isinstance(item, Link)],
    )


def write_brat(folder: Path, notes: dict[str, tuple[str, str]]) -> Path:
    """Write `{name: (text, ann)}` as a brat folder."""
    for name, (text, ann) in notes.items():
        write_note(folder, name, text, Standoff.parse(ann))
    return folder


@Language.component("test_capitals")
def capitals(doc: Doc) -> Doc:
    """Label capitalized words as Name; a note with CRASH raises an error, and one with KILL kills
    the process."""
    if "KILL" in doc.text:
        os.kill(os.getpid(), signal.SIGKILL)
    if "CRASH" in doc.text:
        raise RuntimeError("too much\nand more about it")
    spans = [doc[t.i : t.i + 1] for t in doc if re.match("[A-Z]", t.text)]
    for number, span in enumerate(spans, start=1):
        span.label_, span.id_ = "Name", f"T{number}"
    set_mentions(doc, spans, [0.75] * len(spans))
    return doc


@Language.component("test_neighbours")
def neighbours(doc: Doc) -> Doc:
    """Relate each mention to the one after it, as Next."""
    spans = list(doc.spans["entities"])
    doc._.relations = [Relation(a, b, "Next", 0.5) for a, b in pairwise(spans)]
    return doc


def load(folder: Path | str, gpu_id: int = -1, precision: str | None = None) -> Language:
    """Load a pipeline of the components above; importing this registers them in workers."""
    return load_pipeline(str(folder), gpu_id, precision)


def save_pipeline(folder: Path) -> Path:
    nlp = spacy.blank("en")
    nlp.add_pipe("test_capitals", name="clinical_ner")
    nlp.add_pipe("test_neighbours", name="clinical_relations")
    nlp.to_disk(folder)
    return folder
