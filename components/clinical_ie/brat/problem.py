"""What was wrong in a file, where, and what became of it."""

from dataclasses import dataclass
from typing import Literal

from ..terminal.printable import printable

Severity = Literal["error", "mended", "warning"]
# A damaged file has ids and words of any length, and signs that a terminal would obey.
MAX_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be.

    file (str): The file.
    line (int): Its line, from 1; 0 for the file as a whole.
    message (str): What was read, what would be right, and what became of it.
    severity (Severity): "error": something was left out; "mended": it was put right; "warning":
        it was taken over as it stands, and may trip others.
    """

    file: str
    line: int
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{printable(place)}: {_shortened(printable(_shortened(self.message)))}"


def _shortened(text: str) -> str:
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[: MAX_SHOWN // 2]}…{text[-MAX_SHOWN // 2 :]}"
