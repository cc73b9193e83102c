"""Where annotated notes go: brat files, JSON Lines or Parquet. Files that exist are complete.

An interrupted run leaves a hidden log, from which its next start continues.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ...brat.files import files_below
from ..run_log import RunLog
from ..sources import FolderSource, Source
from .base import Writer
from .brat import BratWriter
from .jsonl import JsonlWriter, as_record
from .parquet import ParquetWriter

__all__ = [
    "FORMATS",
    "BratWriter",
    "JsonlWriter",
    "ParquetWriter",
    "Writer",
    "as_record",
    "open_writer",
]

# Formats with one file for all notes, whose ending is the format's name.
_ONE_FILE = {"jsonl": JsonlWriter, "parquet": ParquetWriter}
FORMATS = ("brat", *_ONE_FILE)
_SAME = {"ndjson": "jsonl"}
# Nobody means a folder by these.
_OTHER_FILES = ("csv", "json", "tsv", "txt", "xml")


def open_writer(
    out: Path, format_: str, source: Source, run: Mapping[str, str], overwrite: bool
) -> Writer:
    """The writer for a place that is free, may be overwritten, or holds the start of this run.

    format_ (str): One of `FORMATS`.
    run (Mapping[str, str]): The settings of the run; see `RunLog`.
    RAISES (ValueError): The place is none of these, or writing there would damage the input.
    RAISES (BlockingIOError): Another run is at work there.
    """
    ending = out.suffix.lower().removeprefix(".")
    ending = _SAME.get(ending, ending)
    if ending in _OTHER_FILES:
        raise ValueError(
            f"{out} would be a folder; expected a folder's name, or a file's that ends in "
            f"{' or '.join(f'.{each}' for each in _ONE_FILE)}, with the --format of that name"
        )
    if ending != format_ and ending in _ONE_FILE:
        raise ValueError(
            f"{out} would be a folder of {format_} files; give --format {ending} with it"
        )
    if format_ == "brat":
        return _brat(out, source, run, overwrite)
    path = out if ending == format_ else out / f"annotations.{format_}"
    if path.is_dir():
        raise ValueError(f"{path} is a folder; {format_} output needs a file")
    if path.resolve() == source.path.resolve():
        raise ValueError(f"{path} is the input, and would be replaced; choose another file")
    kind = _ONE_FILE[format_]
    if overwrite:
        RunLog.remove(kind.log_of(path))
    writer = kind(path, run)
    if path.exists() and not (overwrite or writer.done):
        raise ValueError(f"{path} already exists; --overwrite replaces it")
    return writer


def _brat(out: Path, source: Source, run: Mapping[str, str], overwrite: bool) -> BratWriter:
    if out.is_file():
        raise ValueError(f"{out} is a file; brat output needs a folder")
    if out.resolve().is_relative_to(source.path.resolve()):
        raise ValueError(
            f"{out} lies in {source.path}: its notes would be read as input, or replace the "
            "input's .ann; choose a folder outside"
        )
    if overwrite:
        RunLog.remove(BratWriter.log_of(out))
    writer = BratWriter(out, run)
    if overwrite or writer.done:
        return writer
    found = next(_in_the_way(out, source), None)
    if found is not None:
        raise ValueError(f"{found} already exists; --overwrite replaces it and the others")
    return writer


def _in_the_way(out: Path, source: Source) -> Iterator[Path]:
    """Files that the output would replace, or could replace if its names are not known yet."""
    if isinstance(source, FolderSource):
        targets = (out / f"{name}{e}" for name in source.names() for e in (".txt", ".ann"))
        return (target for target in targets if target.exists())
    there = files_below(out) if out.is_dir() else iter(())
    return (path for path in there if path.suffix in (".txt", ".ann"))
