"""Standoff files of the brat annotation tool: model, reader and writer."""

from .files import Note, list_notes, read_note, write_note
from .model import (
    Attribute,
    Comment,
    Equivalence,
    Event,
    Normalization,
    Problem,
    Relation,
    Standoff,
    TextBound,
)

__all__ = [
    "Attribute",
    "Comment",
    "Equivalence",
    "Event",
    "Normalization",
    "Note",
    "Problem",
    "Relation",
    "Standoff",
    "TextBound",
    "list_notes",
    "read_note",
    "write_note",
]
