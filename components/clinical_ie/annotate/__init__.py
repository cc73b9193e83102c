"""A pipeline over a folder of notes, into brat files or JSON Lines.

Whatever happens on the way, a file that is there is whole. A note that cannot be read, or on which
the pipeline fails, is told and left out; all others are written.
"""

from .stream import Annotated, Failure, annotate_notes, load_pipeline
from .writers import BratWriter, JsonlWriter, as_record

__all__ = [
    "Annotated",
    "BratWriter",
    "Failure",
    "JsonlWriter",
    "annotate_notes",
    "as_record",
    "load_pipeline",
]
