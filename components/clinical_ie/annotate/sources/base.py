"""The interface of sources of notes."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from ..notes import Failure, InputNote
from .part import Part

# From a note's name to the reason why the output cannot hold it, or None.
Refusal = Callable[[str], str | None]
# Of a note that was annotated with a text that it no longer has.
CHANGED = (
    "its text has changed since this run annotated it: the output has what was found in the old "
    "text; --overwrite starts over"
)
GONE = (
    "this run has annotated it, and it is no longer among the notes to be read: the output has it "
    "still; --overwrite starts over"
)
UNREADABLE = "this run has annotated it before: the output has it still; --overwrite starts over"


class Source(Protocol):
    """Notes to be annotated, read one after the other.

    path (Path): The folder or file.
    part (Part): The part of the notes that this run reads.
    total (int): Number of notes in the part, including bad ones.
    left_out (list[Failure]): Files that look like notes by their names but are not.
    warnings (list[str]): Messages for the user about anything else.
    """

    path: Path
    part: Part
    total: int
    left_out: list[Failure]
    warnings: list[str]

    def describe(self) -> str:
        """A description of the input, which must be the same for a run to be continued."""

    def read(self, done: Mapping[str, int], refusal: Refusal) -> Iterator[InputNote | Failure]:
        """The notes of the part in order, without those that are done. A bad note, or one that has
        changed since it was done, is a `Failure`; so, in the end, is each that is done and gone.

        done (Mapping[str, int]): The `text_sum` of each note that is done, by name.
        refusal (Refusal): Called for names that do not come from file names.
        RAISES (OSError): The source itself is gone or damaged.
        """


def gone(done: Mapping[str, int], met: Collection[str]) -> Iterator[Failure]:
    """The notes that are done, but were not met when the input was read again."""
    return (Failure(name, GONE, counted=True) for name in done if name not in met)
