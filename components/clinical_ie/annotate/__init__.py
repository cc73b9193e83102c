"""A pipeline over notes, from a folder, JSON Lines or Parquet into brat, JSON Lines or Parquet.

Whatever happens on the way, a file that is there is whole. A note that cannot be read, or on which
the pipeline fails, is told and left out; all others are written.
"""

from .notes import Annotated, Failure, InputNote
from .sources import (
    ID_COLUMN,
    TEXT_COLUMN,
    FolderSource,
    JsonlSource,
    ParquetSource,
    Part,
    open_source,
)
from .stream import annotate_notes, load_pipeline
from .writers import FORMATS, BratWriter, JsonlWriter, ParquetWriter, as_record, open_writer

__all__ = [
    "FORMATS",
    "ID_COLUMN",
    "TEXT_COLUMN",
    "Annotated",
    "BratWriter",
    "Failure",
    "FolderSource",
    "InputNote",
    "JsonlSource",
    "JsonlWriter",
    "ParquetSource",
    "ParquetWriter",
    "Part",
    "annotate_notes",
    "as_record",
    "load_pipeline",
    "open_source",
    "open_writer",
]
