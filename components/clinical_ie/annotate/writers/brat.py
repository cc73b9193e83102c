"""Brat files: a file that is there is whole."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from ...brat import write_note
from ...corpora.standoff_writing import annotations_to_standoff
from ...doc import Annotations
from ...system.names import folded, ignores_case, suits_system
from ...system.workplace import workplace
from ...terminal.printable import shown
from ..run_log import RunLog
from .base import make_folder

# What file systems have room for in a name, less its ending.
MAX_NAME_BYTES = 255 - len(".txt")


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
        self.done = {
            name: found
            for name, found in self._log.notes.items()
            if (folder / f"{name}.txt").exists()
        }
        # The name of each file, where another name can mean it, too; otherwise None.
        self._taken: dict[str, str] | None = None

    @staticmethod
    def log_of(folder: Path) -> Path:
        """Where the log of an unfinished run is."""
        return folder / ".annotate-run"

    def __enter__(self) -> Self:
        make_folder(self.folder)
        self._mode = self.folder.stat().st_mode & 0o777
        self._log.start(self.done)
        # On the same file system as the folder: from here, a file moves in whole.
        self._stack = ExitStack()
        self._part = self._stack.enter_context(workplace(self.folder, "part"))
        if ignores_case(self._part):
            self._taken = {folded(name): name for name in self.done}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            self._log.close(finished=kind is None)

    def refusal(self, name: str) -> str | None:
        """Why a name is none for a note below the folder; None where it is one.

        No two names mean one file: where the file system ignores case, the first one has it.
        """
        *folders, _ = parts = name.split("/")
        if len(name.encode()) > MAX_NAME_BYTES:
            wrong = f"has more than {MAX_NAME_BYTES} bytes"
        elif not name.isprintable() or "\\" in name:
            wrong = "has signs that no file name should have"
        # Those with a dot are hidden, such as the log of the run; no .txt is a folder.
        elif any(part.startswith(".") or not part for part in parts):
            wrong = "has an empty part, or one that begins with a dot"
        elif any(part.endswith((".txt", ".ann")) for part in folders):
            wrong = "has a folder that ends as a note's file does"
        elif not suits_system(name):
            wrong = "is none on Windows"
        elif self._taken is not None and self._taken.setdefault(folded(name), name) != name:
            wrong = f"differs from {shown(self._taken[folded(name)])} in case alone"
        else:
            return None
        return (
            f"the id {shown(name)} is no name for a file, it {wrong} (--format jsonl "
            "and --format parquet take any id)"
        )

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
        self._log.add(name, text)
