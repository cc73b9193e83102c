"""Which notes a run has written, so that one that was stopped can go on."""

import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO
from weakref import finalize
from zlib import crc32

from ..system.hashing import hash_of
from ..system.locks import HAS_LOCKS, lock


class RunLog:
    """A hidden file beside the output: what the run is, then each note that it has written.

    It is there while a run is unfinished, for its owner alone. Two runs that wrote the same files
    at once would spoil each other's, so a run at work has it locked.

    path (Path): The file.
    notes (dict[str, int]): By name the `text_sum` of each note, in the order in which they were
        written.
    run (Mapping[str, str]): All that must be the same for a run to be the same.
    RAISES (ValueError): An unfinished run of another kind is there, or the file is no such log.
    RAISES (BlockingIOError): Another run is at work there.
    """

    _file: TextIO | None = None

    def __init__(self, path: Path, run: Mapping[str, str]) -> None:
        self._path = path
        self._run = dict(run)
        self.notes: dict[str, int] = {}
        if path.exists():
            opened = self._lock()
            try:
                self.notes = self._read()
            except ValueError:
                # An error that somebody looks at keeps this object, and the lock with it.
                opened.close()
                raise

    @staticmethod
    def remove(path: Path) -> None:
        """Take away the log of an unfinished run, if there is one, but for a run at work.

        RAISES (BlockingIOError): A run is at work there.
        """
        if path.exists():
            with _locked(path):
                if HAS_LOCKS:
                    path.unlink()
            if not HAS_LOCKS:
                # Windows removes no file that is open.
                path.unlink()

    def start(self, notes: Mapping[str, int]) -> None:
        """Begin to write, after those of the notes that still hold.

        RAISES (BlockingIOError): Another run has begun there since.
        """
        self.notes = dict(notes)
        self._file = self._file or self._lock()
        self._file.truncate(0)
        for line in (self._run, *self.notes.items()):
            self._file.write(json.dumps(line) + "\n")

    def add(self, name: str, text: str) -> None:
        """Take down that a note has been written."""
        assert self._file is not None
        self.notes[name] = text_sum(text)
        self._file.write(json.dumps((name, self.notes[name])) + "\n")

    def close(self, finished: bool) -> None:
        """End the run; one that is finished leaves no log, and neither does one without a note."""
        assert self._file is not None
        self._file.close()
        if finished or not self.notes:
            self._path.unlink(missing_ok=True)

    def _lock(self) -> TextIO:
        self._file = _locked(self._path)
        # Where a run is not started after all.
        finalize(self, self._file.close)
        return self._file

    def _read(self) -> dict[str, int]:
        # The last line may have been cut off.
        lines = self._path.read_text("utf8").split("\n")[:-1]
        try:
            run, *notes = map(json.loads, lines or ["{}"])
            written = {name: int(found) for name, found in notes}
            differing = {key for key in run.keys() | self._run.keys() if run[key] != self._run[key]}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{self._path}: not the log of an unfinished run; --overwrite starts anew"
            ) from error
        if differing:
            key = min(differing)
            raise ValueError(
                f"{self._path}: here is an unfinished run with another {key} ({run[key]}, now "
                f"{self._run[key]}); finish it with the command that it began with, or start anew "
                "with --overwrite"
            )
        return written


def text_sum(text: str) -> int:
    """A number by which a note whose text has changed is told from the one that was annotated."""
    return crc32(text.encode("utf8", "surrogatepass"))


def _locked(path: Path) -> TextIO:
    """A log to be added to by this run alone, until it is closed; made where it is missing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # A line at a time: whatever ends this process, the lines before stay.
    file = os.fdopen(descriptor, "a", encoding="utf8", newline="\n", buffering=1)
    try:
        lock(descriptor)
    except BlockingIOError as error:
        file.close()
        raise BlockingIOError(
            f"{path}: another run is at work here; wait for its end, or write to another place"
        ) from error
    return file


def pipeline_fingerprint(name: str) -> str:
    """A hash of all files of a pipeline, a folder or an installed package.

    RETURNS (str): The name itself where there is no such pipeline.
    """
    folder = Path(name)
    if not folder.is_dir():
        spec = find_spec(name) if name.isidentifier() else None
        if spec is None or spec.origin is None:
            return name
        folder = Path(spec.origin).parent
    return hash_of([folder])[:16]
