"""Brat files; those that exist are complete."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from ...brat import write_note
from ...brat.files import files_below, note_name
from ...corpora.standoff_writing import annotations_to_standoff
from ...doc import Annotations
from ...system.names import folded, ignores_case, suits_system
from ...system.workplace import workplace
from ...terminal.printable import shown
from ..run_log import RunLog
from .base import make_folder

# The limit of file systems for a name, minus the ending.
MAX_NAME_BYTES = 255 - len(".txt")


class BratWriter:
    """A `.txt` and an `.ann` for each note.

    folder (Path): Created if missing, accessible to its owner only. In a folder that exists, files
        get the permissions of the folder.
    run (Mapping[str, str] | None): The settings of the run; see `RunLog`.
    RAISES (ValueError): There is an unfinished run with other settings.
    """

    def __init__(self, folder: Path, run: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._log = RunLog(self.log_of(folder), run or {})
        # Files that were removed since are written again.
        self.done = {
            name: found
            for name, found in self._log.notes.items()
            if all((folder / f"{name}{suffix}").exists() for suffix in (".txt", ".ann"))
        }
        # Names by their folded form, if the file system ignores case; otherwise None.
        self._taken: dict[str, str] | None = None

    @staticmethod
    def log_of(folder: Path) -> Path:
        """The path of the log of an unfinished run."""
        return folder / ".annotate-run"

    def __enter__(self) -> Self:
        make_folder(self.folder)
        self._mode = self.folder.stat().st_mode & 0o777
        self._log.start(self.done)
        # On the same file system as the folder, so that files are moved there atomically.
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
        """Why a note of this name cannot be written below the folder; None if it can.

        If the file system ignores case, the first of the names that mean the same file is taken.
        """
        *folders, _ = parts = name.split("/")
        if len(name.encode()) > MAX_NAME_BYTES:
            wrong = f"has more than {MAX_NAME_BYTES} bytes"
        elif not name.isprintable() or "\\" in name:
            wrong = "has characters that no file name should have"
        # Names with a leading dot are hidden, such as the log of the run.
        elif any(part.startswith(".") or not part for part in parts):
            wrong = "has an empty part, or one that begins with a dot"
        elif any(part.endswith((".txt", ".ann")) for part in folders):
            wrong = "has a folder that ends with .txt or .ann"
        elif not suits_system(name):
            wrong = "is not allowed on Windows"
        elif self._taken is not None and self._taken.setdefault(folded(name), name) != name:
            wrong = f"differs from {shown(self._taken[folded(name)])} only in case"
        else:
            return None
        return (
            f"the id {shown(name)} cannot name a file: it {wrong} (--format jsonl "
            "and --format parquet take any id)"
        )

    def write(self, name: str, text: str, annotations: Annotations, *, bom: bool = False) -> None:
        target = self.folder / f"{name}.txt"
        if not target.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"the note {name!r} would be written outside {self.folder}")
        make_folder(target.parent, self._mode)
        write_note(self._part, "note", text, annotations_to_standoff(annotations, text), bom=bom)
        # The .txt comes last: without an .ann it would be a note without annotations, whereas an
        # .ann without a .txt is no note.
        for suffix in (".ann", ".txt"):
            source = self._part / f"note{suffix}"
            source.chmod(self._mode & 0o666)
            source.replace(target.with_suffix(suffix))
        self._log.add(name, text)

    def others(self) -> list[Path]:
        """The `.txt` and `.ann` files in the folder that this run has not written."""
        try:
            there = list(files_below(self.folder))
        except OSError:
            # A folder in it that cannot be read: nothing in there was replaced.
            return []
        own = self._log.notes
        notes = (path for path in there if path.suffix in (".txt", ".ann"))
        return sorted(path for path in notes if note_name(path, self.folder) not in own)
