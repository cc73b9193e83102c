"""The interface of writers of annotated notes."""

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ...doc import Annotations

PRIVATE = 0o700


class Writer(Protocol):
    """A writer of annotated notes; if its context is left by an error, only complete files remain.

    done (dict[str, int]): The `text_sum` of each note that an interrupted run has written already,
        by name.
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
        """Why a note of this name cannot be written; None if it can."""

    def write(self, name: str, text: str, annotations: Annotations, *, bom: bool = False) -> None:
        """Write one note.

        name (str): Its name, with folders below the root.
        text (str): The text that the offsets refer to.
        bom (bool): Whether the file began with a byte order mark that offsets do not count.
        """

    def others(self) -> list[Path]:
        """Files of notes in the same place that this run has not written."""


def make_folder(folder: Path, mode: int = PRIVATE) -> None:
    """Make a folder and those above it that are missing, all with the same mode."""
    for path in reversed([folder, *folder.parents]):
        if path.is_dir():
            continue
        try:
            path.mkdir()
        except FileExistsError:
            # Runs on several parts of the notes, started together, may share parent folders.
            if not path.is_dir():
                raise
        else:
            path.chmod(mode)
