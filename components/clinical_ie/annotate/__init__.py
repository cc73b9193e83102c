"""A pipeline over notes: a folder, JSON Lines or Parquet in; brat, JSON Lines or Parquet out.

Output files are complete whenever they exist, even if the run is killed. A note that cannot be
read, or on which the pipeline fails, is reported and left out; all others are written.
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
