"""Log of the notes that a run has written, from which an interrupted run continues."""

import json
import os
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import TextIO
from weakref import finalize
from zlib import crc32

from ..system.locks import HAS_LOCKS, lock


class RunLog:
    """A hidden file beside the output: the settings of the run, then each note that it has written.

    It exists while a run is unfinished, and only its owner can read it. A run keeps it locked while
    it is at work, since two runs that write the same files would spoil each other's.

    path (Path): The file.
    notes (dict[str, int]): The `text_sum` of each note by name, in the order of writing.
    run (Mapping[str, str]): The settings that must be the same for a run to be continued.
    RAISES (ValueError): There is an unfinished run with other settings, or the file is no such log.
    RAISES (BlockingIOError): Another run is at work there.
    """

    _file: TextIO | None = None

    def __init__(self, path: Path, run: Mapping[str, str]) -> None:
        self._path = path
        self._run = dict(run)
        self.notes: dict[str, int] = {}
        # Where the last line of each note ends, in bytes.
        self._ends: dict[str, int] = {}
        if path.exists():
            opened = self._lock()
            try:
                self.notes = self._read()
            except ValueError:
                # The error's traceback would keep this object alive, and the file locked.
                opened.close()
                raise

    @staticmethod
    def remove(path: Path) -> None:
        """Remove the log of an unfinished run, if there is one.

        RAISES (BlockingIOError): A run is at work there.
        """
        if path.exists():
            with _locked(path):
                if HAS_LOCKS:
                    path.unlink()
            if not HAS_LOCKS:
                # Windows cannot remove an open file.
                path.unlink()

    def start(self, notes: Mapping[str, int]) -> None:
        """Start the log, or go on after the last of the notes that are still valid.

        Lines before that stay: were they written anew, a kill meanwhile would lose them.
        RAISES (BlockingIOError): Another run has started there since.
        """
        self.notes = dict(notes)
        self._file = self._file or self._lock()
        end = max((self._ends[name] for name in notes), default=0)
        self._file.truncate(end)
        if not end:
            self._file.write(json.dumps(self._run) + "\n")

    def add(self, name: str, text: str) -> None:
        """Record that a note has been written."""
        assert self._file is not None
        self.notes[name] = text_sum(text)
        self._file.write(json.dumps((name, self.notes[name])) + "\n")

    def close(self, finished: bool) -> None:
        """End the run; the log is removed if the run is finished or has written no note."""
        assert self._file is not None
        self._file.close()
        if finished or not self.notes:
            self._path.unlink(missing_ok=True)

    def _lock(self) -> TextIO:
        self._file = _locked(self._path)
        # For a run that is never started.
        finalize(self, self._file.close)
        return self._file

    def _read(self) -> dict[str, int]:
        try:
            # The last line may have been cut off.
            lines = self._path.read_text("utf8").split("\n")[:-1]
            if not lines:
                return {}
            run, *notes = map(json.loads, lines)
            written = {name: int(found) for name, found in notes}
            _, *ends = accumulate(len(line.encode()) + 1 for line in lines)
            self._ends = {name: end for (name, _), end in zip(notes, ends, strict=True)}
            differing = {key for key in run.keys() | self._run.keys() if run[key] != self._run[key]}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{self._path}: not the log of an unfinished run; --overwrite starts over"
            ) from error
        if differing:
            key = min(differing)
            raise ValueError(
                f"{self._path}: there is an unfinished run with another {key} ({run[key]}, now "
                f"{self._run[key]}); finish it with its original command, or start over with "
                "--overwrite"
            )
        return written


def text_sum(text: str) -> int:
    """A checksum that shows whether a note's text has changed since it was annotated."""
    return crc32(text.encode("utf8", "surrogatepass"))


def _locked(path: Path) -> TextIO:
    """Open a log for appending, created if missing; this run has it locked until it is closed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    # Line-buffered: whatever ends this process, the lines written before remain.
    file = os.fdopen(descriptor, "a", encoding="utf8", newline="\n", buffering=1)
    try:
        lock(descriptor)
    except BlockingIOError as error:
        file.close()
        raise BlockingIOError(
            f"{path}: another run is at work here; wait until it ends, or write to another place"
        ) from error
    return file
