"""Division of the notes among several runs, each on its own machine or GPU."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Every `of`-th note, from the `number`-th on: together, the parts hold every note once.

    RAISES (ValueError): `number` is not between 1 and `of`.
    """

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(f"part {self}: the first number must lie between 1 and the second")

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Parse a part such as "2/4".

        RAISES (ValueError): The text has another form.
        """
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        if found is None:
            raise ValueError(
                f"part {text!r}: expected two numbers like 2/4, for the second of four"
            )
        return cls(int(found[1]), int(found[2]))

    def holds(self, index: int) -> bool:
        """Whether the note with this index, from 0, is in the part."""
        return index % self.of == self.number - 1

    def size(self, total: int) -> int:
        """How many of `total` notes are in the part."""
        return len(range(self.number - 1, total, self.of))

    def of_place(self, place: str) -> str:
        """The place, and which part of it is read unless it is the whole."""
        return place if self.of == 1 else f"{place}, part {self}"

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = Part()
