"""Where annotated notes go: brat files, or JSON Lines. A file that is there is whole.

Of a run that was stopped, a hidden log stays, and its next start goes on.
"""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from ..brat import write_note
from ..corpora.standoff_writing import annotations_to_standoff
from ..doc import Annotations
from ..workplace import workplace
from .run_log import RunLog

PRIVATE = 0o700


class Writer(Protocol):
    """A place for annotated notes; leaving its context by an error leaves whole files only.

    done (list[str]): The notes that a run which was stopped has written already.
    """

    done: list[str]

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, name: str, text: str, annotations: Annotations, *, bom: bool = False) -> None:
        """Take one note.

        name (str): Its name, with folders below the root.
        text (str): What the offsets count into.
        bom (bool): The file began with a byte order mark that the offsets do not count.
        """


class BratWriter:
    """A `.txt` and an `.ann` for each note.

    folder (Path): Made where missing, for its owner alone. The files of a folder that is there
        already are as open as the folder.
    run (Mapping[str, str] | None): What the run is; see `RunLog`.
    RAISES (ValueError): An unfinished run of another kind is there.
    """

    def __init__(self, folder: Path, run: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._log = RunLog(self.log_of(folder), run or {})
        # What somebody has taken away since is written again.
        self.done = [n for n in self._log.names if (folder / f"{n}.txt").exists()]

    @staticmethod
    def log_of(folder: Path) -> Path:
        """Where the log of an unfinished run is."""
        return folder / ".annotate-run"

    def __enter__(self) -> Self:
        make_folder(self.folder)
        self._mode = self.folder.stat().st_mode & 0o777
        # On the same file system as the folder: from here, a file moves in whole.
        self._stack = ExitStack()
        self._part = self._stack.enter_context(workplace(self.folder, "part"))
        self._log.start(self.done)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            self._log.close(finished=kind is None)

    def write(self, name: str, text: str, annotations: Annotations, *, bom: bool = False) -> None:
        target = self.folder / f"{name}.txt"
        if not target.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"the note {name!r} would be written outside {self.folder}")
        make_folder(target.parent, self._mode)
        write_note(self._part, "note", text, annotations_to_standoff(annotations, text), bom=bom)
        # The text comes last: an .ann alone is no note, a .txt alone is a note with nothing in it.
        for suffix in (".ann", ".txt"):
            source = self._part / f"note{suffix}"
            source.chmod(self._mode & 0o666)
            source.replace(target.with_suffix(suffix))
        self._log.add(name)


class JsonlWriter:
    """One line a note; the file appears when all are written, and is `path` + `.part` until then.

    path (Path): The file, for its owner alone.
    run (Mapping[str, str] | None): What the run is; see `RunLog`.
    RAISES (ValueError): An unfinished run of another kind is there.
    """

    def __init__(self, path: Path, run: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._log = RunLog(self.log_of(path), run or {})
        self._kept = 0
        self.done = []
        if self._log.names and self._part.exists():
            with self._part.open("rb") as part:
                # A line that the log does not have, or that is no whole one, is written again.
                for name, line in zip(self._log.names, part, strict=False):
                    if line.endswith(b"\n"):
                        self.done.append(name)
                        self._kept += len(line)

    @staticmethod
    def log_of(path: Path) -> Path:
        """Where the log of an unfinished run is."""
        return path.with_name(f".{path.name}-run")

    def __enter__(self) -> Self:
        make_folder(self.path.parent)
        how = os.O_WRONLY | os.O_APPEND if self.done else os.O_WRONLY | os.O_CREAT | os.O_EXCL
        if not self.done:
            self._part.unlink(missing_ok=True)
        descriptor = os.open(self._part, how, 0o600)
        os.truncate(descriptor, self._kept)
        self._file = os.fdopen(descriptor, "a", encoding="utf8", newline="\n", buffering=1)
        self._log.start(self.done)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is None:
            self._part.replace(self.path)
        elif not self._log.names:
            self._part.unlink()
        self._log.close(finished=kind is None)

    def write(self, name: str, text: str, annotations: Annotations, *, bom: bool = False) -> None:
        # The line goes out before the log knows of it.
        self._file.write(json.dumps(as_record(name, text, annotations)) + "\n")
        self._log.add(name)


def as_record(name: str, text: str, annotations: Annotations) -> dict[str, Any]:
    """A note's annotations as plain values; offsets are characters of its text.

    RETURNS (dict[str, Any]): `{"id", "entities": [{"id", "start", "end", "label", "text",
        "score"}], "relations": [{"label", "head", "tail", "score"}]}`.
    """
    return {
        "id": name,
        "entities": [
            {
                "id": mention.id,
                "start": mention.start,
                "end": mention.end,
                "label": mention.label,
                "text": text[mention.start : mention.end],
                "score": mention.score,
            }
            for mention in annotations.mentions
        ],
        "relations": [
            {"label": link.label, "head": link.head, "tail": link.tail, "score": link.score}
            for link in annotations.links
        ],
    }


def make_folder(folder: Path, mode: int = PRIVATE) -> None:
    """Make a folder and those above it that are missing, all with the same mode."""
    for path in reversed([folder, *folder.parents]):
        if not path.is_dir():
            path.mkdir()
            path.chmod(mode)
