"""What every place for annotated notes can do."""

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ...doc import Annotations

PRIVATE = 0o700


class Writer(Protocol):
    """A place for annotated notes; leaving its context by an error leaves whole files only.

    done (dict[str, int]): The notes that a run which was stopped has written already, by name with
        the `text_sum` of each.
    """

    done: dict[str, int]

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def refusal(self, name: str) -> str | None:
        """Why a note of this name cannot be written; None where it can."""

    def write(self, name: str, text: str, annotations: Annotations, *, bom: bool = False) -> None:
        """Take one note.

        name (str): Its name, with folders below the root.
        text (str): What the offsets count into.
        bom (bool): The file began with a byte order mark that the offsets do not count.
        """


def make_folder(folder: Path, mode: int = PRIVATE) -> None:
    """Make a folder and those above it that are missing, all with the same mode."""
    for path in reversed([folder, *folder.parents]):
        if path.is_dir():
            continue
        try:
            path.mkdir()
        except FileExistsError:
            # Runs that share the notes, and are started together, share folders above theirs, too.
            if not path.is_dir():
                raise
        else:
            path.chmod(mode)
