"""Input and output of a pipeline run, independent of the files they are read from or written to."""

from dataclasses import dataclass

from ..doc import Annotations


@dataclass(frozen=True, slots=True)
class InputNote:
    """A note to be annotated.

    name (str): Unique among the notes of the run.
    text (str): The text that offsets refer to.
    place (str): Where it was read, for messages: a file, or a file and line.
    bom (bool): Whether the file began with a byte order mark that offsets do not count.
    """

    name: str
    text: str
    place: str
    bom: bool = False


@dataclass(frozen=True, slots=True)
class Annotated:
    """A note as read and what the pipeline found in it."""

    note: InputNote
    annotations: Annotations


@dataclass(frozen=True, slots=True)
class Failure:
    """A note that was left out, and why.

    name (str): Its place, as in `InputNote.place`.
    counted (bool): Whether it was counted as done before the run continued, and no longer is.
    """

    name: str
    reason: str
    counted: bool = False


def reason_of(error: Exception) -> str:
    """An error in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
