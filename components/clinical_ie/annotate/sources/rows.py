"""Notes from the rows of a file, whatever its format."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...terminal.printable import shown
from ...text.surrogates import HALF_A_SIGN
from ..notes import Failure, InputNote
from ..run_log import text_sum
from .base import CHANGED, Refusal, gone
from .part import Part

# The values of both columns, None if there is none; or what is wrong with the whole row.
Row = tuple[object, object] | str


class RowSource(ABC):
    """A file with a note in each row: its id and its text in two columns.

    Only the ids that were read are kept in memory.

    id_column, text_column (str): The names of the columns; others are ignored.
    part (Part): The rows that this run reads.
    """

    total: int

    def __init__(self, path: Path, id_column: str, text_column: str, part: Part) -> None:
        self.path = path
        self.part = part
        self.id_column = id_column
        self.text_column = text_column
        self.left_out: list[Failure] = []
        self.warnings: list[str] = []

    def describe(self) -> str:
        columns = f"columns {self.id_column} and {self.text_column}"
        return self.part.of_place(f"{self.path.resolve()}, {columns}")

    @abstractmethod
    def rows(self) -> Iterator[tuple[int, Row]]:
        """All rows with their numbers, from 1."""

    def read(self, done: Mapping[str, int], refusal: Refusal) -> Iterator[InputNote | Failure]:
        first_row: dict[str, int] = {}
        met: set[str] = set()
        for index, (number, row) in enumerate(self.rows()):
            name, text, problem = self._checked(row)
            if problem is None and name in first_row:
                problem = f"row {first_row[name]} has the id {shown(name)} too; expected unique ids"
            elif problem is None:
                first_row[name] = number
                if name in done and self.part.holds(index):
                    met.add(name)
                if name not in done:
                    problem = refusal(name)
                elif done[name] == text_sum(text):
                    continue
                else:
                    problem = CHANGED
            if not self.part.holds(index):
                # It had to be read all the same: no other note may have its id.
                continue
            place = f"{self.path}:{number}"
            if problem is None:
                yield InputNote(name, text, place)
            elif problem is CHANGED:
                yield Failure(place, CHANGED, counted=True)
            else:
                yield Failure(place, f"{problem}: left out")
        yield from gone(done, met)

    def _checked(self, row: Row) -> tuple[str, str, str | None]:
        """Name and text of a note, and what is wrong with it."""
        if isinstance(row, str):
            return "", "", row
        id_, text = row
        # To Python, True is an int; it is not an id.
        name = str(id_) if isinstance(id_, int) and not isinstance(id_, bool) else id_
        if not isinstance(name, str) or not name:
            found = "null" if id_ is None else shown(id_)
            return "", "", f"{self.id_column!r} is {found}; expected a string or a whole number"
        if not isinstance(text, str):
            # Without the value, which may be a whole note.
            found = "null" if text is None else f"of type {type(text).__name__}"
            return "", "", f"{self.text_column!r} is {found}; expected a string"
        half = HALF_A_SIGN.search(name) or HALF_A_SIGN.search(text)
        if half:
            return "", "", f"{half[0]!r} is a lone surrogate, which UTF-8 cannot encode"
        return name, text, None
