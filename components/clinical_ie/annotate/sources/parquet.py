"""Parquet: two columns, read a few rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..arrow import require_pyarrow
from .part import WHOLE, Part
from .rows import Row, RowSource

# Notes in memory at once; the pipeline divides them into its own batches.
_ROWS_AT_ONCE = 64
# Bytes of a column, so that a large row group is not read as a whole.
_BYTES_AT_ONCE = 1 << 20


class ParquetSource(RowSource):
    """A Parquet file with a column of ids (strings or whole numbers) and a column of texts.

    RAISES (OSError): The file cannot be read.
    RAISES (ValueError): It is not a Parquet file, holds no rows, or lacks a column; or pyarrow is
        not installed.
    """

    def __init__(self, path: Path, id_column: str, text_column: str, part: Part = WHOLE) -> None:
        super().__init__(path, id_column, text_column, part)
        self._arrow = require_pyarrow()
        try:
            with self._open() as file:
                n_rows = file.metadata.num_rows
                schema = file.schema_arrow
        except (self._arrow.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ValueError(f"{path}: not a Parquet file ({error})") from error
        types = self._arrow.types
        whole = "strings or whole numbers"
        self._check(schema, id_column, "id", whole, (_is_string, types.is_integer))
        self._check(schema, text_column, "text", "strings", (_is_string,))
        if not n_rows:
            raise ValueError(f"{path}: holds no rows; expected one per note")
        self.total = part.size(n_rows)

    def rows(self) -> Iterator[tuple[int, Row]]:
        number = 0
        try:
            with self._open() as file:
                columns = [self.id_column, self.text_column]
                for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
                    for values in zip(*(batch.column(column) for column in columns), strict=True):
                        number += 1
                        yield number, _row(*values)
        # For some damage, Arrow raises an OSError without the name of the file.
        except (self._arrow.ArrowException, OSError) as error:
            raise OSError(f"{self.path}: cannot be read beyond row {number}: {error}") from error

    def _open(self) -> Any:
        # Page by page: with pre-buffering, a whole row group would be read ahead.
        parquet = self._arrow.parquet
        return parquet.ParquetFile(self.path, buffer_size=_BYTES_AT_ONCE, pre_buffer=False)

    def _check(
        self, schema: Any, column: str, option: str, expected: str, fitting: tuple[Any, ...]
    ) -> None:
        if schema.names.count(column) != 1:
            raise ValueError(
                f"{self.path}: no column {column!r}, or two of them; it has "
                f"{', '.join(schema.names)}; name it with --{option}-column"
            )
        found = schema.field(column).type
        if self._arrow.types.is_dictionary(found):
            found = found.value_type
        if not any(fits(found) for fits in fitting):
            raise ValueError(
                f"{self.path}: its column {column!r} holds {found}; expected {expected}; "
                f"name another with --{option}-column"
            )


def _is_string(type_: Any) -> bool:
    return str(type_) in ("string", "large_string", "string_view")


def _row(id_: Any, text: Any) -> Row:
    try:
        return id_.as_py(), text.as_py()
    except UnicodeDecodeError as error:
        return f"byte {error.object[error.start]:#04x} in it is not UTF-8"
