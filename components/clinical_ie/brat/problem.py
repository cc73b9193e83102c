"""Problems found in files: what is wrong, where, and what was done about it."""

from dataclasses import dataclass
from typing import Literal

from ..terminal.printable import printable

Severity = Literal["error", "mended", "warning"]
# A damaged file has ids and words of any length, and characters that control a terminal.
MAX_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file.

    file (str): The file.
    line (int): Its line, from 1; 0 for the file as a whole.
    message (str): What was found, what was expected, and what was done.
    severity (Severity): "error": something was left out; "mended": it was corrected; "warning":
        it was kept as is, and may cause trouble elsewhere.
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
