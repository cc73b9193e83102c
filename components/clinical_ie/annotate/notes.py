"""What goes into a pipeline run and what comes out, whatever file it is read from or written to."""

from dataclasses import dataclass

from ..doc import Annotations


@dataclass(frozen=True, slots=True)
class InputNote:
    """A note to be annotated.

    name (str): Unlike that of any other note of the run.
    text (str): What offsets will count into.
    place (str): Where it was read, for messages: a file, or a file and line.
    bom (bool): The file began with a byte order mark that offsets do not count.
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

    name (str): Where it stands, as `InputNote.place` has it.
    counted (bool): It is among those that were done before, and is done no more.
    """

    name: str
    reason: str
    counted: bool = False


def reason_of(error: Exception) -> str:
    """An error in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
