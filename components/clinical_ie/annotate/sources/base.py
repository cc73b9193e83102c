"""What every source of notes can do."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from ..notes import Failure, InputNote
from .part import Part

# Why a note of this name cannot be written where the output goes; None where it can.
Refusal = Callable[[str], str | None]
# Of a note whose annotations are of another text than it has now.
CHANGED = "its text has changed since this run annotated it; --overwrite starts anew"


class Source(Protocol):
    """Notes to be annotated, read one after the other.

    path (Path): The folder or file.
    part (Part): What of it this run reads.
    total (int): How many there are in the part, bad ones too.
    left_out (list[Failure]): What looks like a note by its file's name and is none.
    warnings (list[str]): What its owner should know, and costs no note.
    """

    path: Path
    part: Part
    total: int
    left_out: list[Failure]
    warnings: list[str]

    def describe(self) -> str:
        """What a run has to read again to go on where it was."""

    def read(self, done: Mapping[str, int], refusal: Refusal) -> Iterator[InputNote | Failure]:
        """The part's notes in their order, less those that are done; a bad one takes no other with
        it, and neither does one that has changed since it was done.

        done (Mapping[str, int]): By name the `text_sum` of each.
        refusal (Refusal): Asked for names that were not made as file names.
        RAISES (OSError): The source itself is gone or damaged.
        """
