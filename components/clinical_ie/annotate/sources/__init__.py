"""Where notes to be annotated come from: a folder, JSON Lines or Parquet."""

from pathlib import Path

from ...brat.files import files_below
from .base import Source
from .folder import FolderSource
from .jsonl import JsonlSource
from .parquet import ParquetSource
from .part import WHOLE, Part
from .rows import RowSource

__all__ = [
    "FolderSource",
    "JsonlSource",
    "ParquetSource",
    "Part",
    "RowSource",
    "Source",
    "open_source",
]

ID_COLUMN, TEXT_COLUMN = "id", "text"
_BY_ENDING: dict[str, type[JsonlSource] | type[ParquetSource]] = {
    ".jsonl": JsonlSource,
    ".ndjson": JsonlSource,
    ".parquet": ParquetSource,
}


def open_source(
    path: Path,
    id_column: str = ID_COLUMN,
    text_column: str = TEXT_COLUMN,
    part: Part = WHOLE,
) -> FolderSource | JsonlSource | ParquetSource:
    """The source of the notes at a path, a folder or a file.

    id_column, text_column (str): Keys or columns of a file.
    part (Part): The part of the notes that this run reads.
    RAISES (OSError): It cannot be read.
    RAISES (ValueError): It is not a file of a known kind, or its content is not as expected.
    """
    kind = _BY_ENDING.get(path.suffix.lower())
    if kind is not None and path.is_dir():
        # As Spark writes them.
        raise ValueError(
            f"{path} is a folder; expected a {path.suffix} file: name one of those in it at a time"
        )
    if path.is_dir() or (kind is None and not path.exists()):
        if (id_column, text_column) != (ID_COLUMN, TEXT_COLUMN):
            raise ValueError(
                f"{path} is not a file with columns; leave out --id-column and --text-column"
            )
        try:
            return FolderSource(path, part)
        except FileNotFoundError as error:
            if path.is_dir() and (file := _table_in(path)):
                told = f"{path} holds no .txt file, but {file.name}: name such a file"
                raise ValueError(told) from error
            raise
    if kind is None:
        raise ValueError(
            f"{path} is not a kind of file that can be read; expected a folder of .txt notes, a "
            ".jsonl or a .parquet file"
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a pipe or a device; expected a file, which is read twice")
    return kind(path, id_column, text_column, part)


def _table_in(folder: Path) -> Path | None:
    """A file of rows in a folder, as Spark writes them."""
    tables = (path for path in files_below(folder) if path.suffix.lower() in _BY_ENDING)
    return min(tables, default=None)
