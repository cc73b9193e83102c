"""Parquet: two columns, read a few rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..arrow import require_pyarrow
from .part import WHOLE, Part
from .rows import Row, RowSource

# Notes that are in memory at once; the pipeline takes them on in batches of its own.
_ROWS_AT_ONCE = 64
# Of a column, so that a row group of any size is not read as one.
_BYTES_AT_ONCE = 1 << 20


class ParquetSource(RowSource):
    """A Parquet file with a column of ids, strings or whole numbers, and a column of texts.

    RAISES (OSError): The file cannot be read.
    RAISES (ValueError): It is no Parquet file, holds no row, or has no such columns; or pyarrow is
        not installed.
    """

    def __init__(self, path: Path, id_column: str, text_column: str, part: Part = WHOLE) -> None:
        super().__init__(path, id_column, text_column, part)
        self._arrow = require_pyarrow()
        try:
            with self._open() as file:
                n_rows = file.metadata.num_rows
                schema = file.schema_arrow
        except self._arrow.ArrowException as error:
            raise ValueError(f"{path}: no Parquet file ({error})") from error
        types = self._arrow.types
        self._check(schema, id_column, "id", (_is_string, types.is_integer))
        self._check(schema, text_column, "text", (_is_string,))
        if not n_rows:
            raise ValueError(f"{path}: holds no row; expected one a note")
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
        except self._arrow.ArrowException as error:
            raise OSError(f"{self.path}: cannot be read beyond row {number}: {error}") from error

    def _open(self) -> Any:
        # Read page by page: what is read ahead would be a whole row group.
        parquet = self._arrow.parquet
        return parquet.ParquetFile(self.path, buffer_size=_BYTES_AT_ONCE, pre_buffer=False)

    def _check(self, schema: Any, column: str, option: str, fitting: tuple[Any, ...]) -> None:
        if schema.names.count(column) != 1:
            raise ValueError(
                f"{self.path}: no column {column!r}, or two of them; it has "
                f"{', '.join(schema.names)}; --{option}-column names it"
            )
        found = schema.field(column).type
        if self._arrow.types.is_dictionary(found):
            found = found.value_type
        if not any(fits(found) for fits in fitting):
            raise ValueError(
                f"{self.path}: its column {column!r} holds {found}; expected strings; "
                f"--{option}-column names another"
            )


def _is_string(type_: Any) -> bool:
    return str(type_) in ("string", "large_string", "string_view")


def _row(id_: Any, text: Any) -> Row:
    try:
        return id_.as_py(), text.as_py()
    except UnicodeDecodeError as error:
        return f"byte {error.object[error.start]:#04x} in it is not UTF-8"
