"""Parquet; the file appears once it is complete."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacy.util import minibatch

from ..arrow import require_pyarrow
from .jsonl import JsonlWriter

# Notes per row group, all of which are in memory at once.
_NOTES_AT_ONCE = 1024


class ParquetWriter(JsonlWriter):
    """One row per note, with the same fields as in JSON Lines.

    A Parquet file ends with its metadata, so that an unfinished one cannot be extended. Until all
    notes are done, they are JSON Lines in `path` + `.part`, from which an interrupted run
    continues; then the file is made from these, one row group at a time.

    RAISES (ValueError): pyarrow is not installed; or as in `JsonlWriter`.
    """

    def __init__(self, path: Path, run: Mapping[str, str] | None = None) -> None:
        self._arrow = require_pyarrow()
        super().__init__(path, run)

    def _finish(self, lines: Path) -> None:
        whole = self.path.with_name(f".{self.path.name}.whole")
        whole.unlink(missing_ok=True)
        descriptor = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        schema = _schema(self._arrow)
        with (
            lines.open(encoding="utf8") as notes,
            os.fdopen(descriptor, "wb") as file,
            self._arrow.parquet.ParquetWriter(file, schema) as table,
        ):
            for group in minibatch(notes, _NOTES_AT_ONCE):
                rows = [json.loads(note) for note in group]
                table.write_table(self._arrow.Table.from_pylist(rows, schema))
        whole.replace(self.path)
        lines.unlink()


def _schema(pa: Any) -> Any:
    """The schema of what `as_record` returns."""
    text, number, score = pa.string(), pa.int64(), pa.float64()
    entity = {"id": text, "start": number, "end": number, "label": text, "text": text}
    relation = {"label": text, "head": text, "tail": text}
    return pa.schema(
        {
            "id": text,
            "entities": pa.list_(pa.struct(entity | {"score": score})),
            "relations": pa.list_(pa.struct(relation | {"score": score})),
        }
    )
