"""The `.txt` files of a folder."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ...brat import list_notes, read_note
from ...brat.files import files_below, hidden_folders, misspelt, note_name
from ..notes import Failure, InputNote, reason_of
from ..run_log import text_sum
from .base import CHANGED, UNREADABLE, Refusal, gone
from .part import WHOLE, Part


class FolderSource:
    """Every `.txt` below a folder, by name.

    RAISES (FileNotFoundError): No such folder, or it holds no `.txt`.
    """

    def __init__(self, path: Path, part: Part = WHOLE) -> None:
        self.path = path
        self.part = part
        self.files = list_notes(path)[part.number - 1 :: part.of]
        self.total = len(self.files)
        # Files that are not notes belong to no part; the first part reports them.
        odd = misspelt(files_below(path), (".txt",)) if part.number == 1 else []
        self.warnings = [str(problem) for problem in hidden_folders(path)]
        self.left_out = [Failure(problem.file, problem.message) for problem in odd]

    def describe(self) -> str:
        return self.part.of_place(str(self.path.resolve()))

    def names(self) -> Iterator[str]:
        """The names of all notes, including those that cannot be read."""
        return (note_name(file, self.path) for file in self.files)

    def read(self, done: Mapping[str, int], refusal: Refusal) -> Iterator[InputNote | Failure]:
        for file, name in zip(self.files, self.names(), strict=True):
            place = file.relative_to(self.path).as_posix()
            try:
                note = read_note(file, self.path)
            except (OSError, UnicodeDecodeError) as error:
                is_done = name in done
                reason = reason_of(error) + (f"; {UNREADABLE}" if is_done else "")
                yield Failure(place, reason, counted=is_done)
                continue
            if name not in done:
                yield InputNote(name, note.text, place, note.bom)
            elif done[name] != text_sum(note.text):
                yield Failure(place, CHANGED, counted=True)
        yield from gone(done, set(self.names()))
