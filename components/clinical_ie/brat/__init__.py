"""Standoff files of the brat annotation tool: model, reader and writer."""

from .files import Note, list_notes, read_note, write_note
from .model import Standoff
from .problem import Problem
from .records import (
    Attribute,
    Comment,
    Detail,
    Equivalence,
    Event,
    Normalization,
    Record,
    Relation,
    TextBound,
)

__all__ = [
    "Attribute",
    "Comment",
    "Detail",
    "Equivalence",
    "Event",
    "Normalization",
    "Note",
    "Problem",
    "Record",
    "Relation",
    "Standoff",
    "TextBound",
    "list_notes",
    "read_note",
    "write_note",
]
