"""Random choices that are the same on every machine and version of Python."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Choices from a seed.

    Built on `random.Random.random` alone, the one method whose sequence Python promises to keep;
    the seed is text, which Python hashes by SHA-512 whatever PYTHONHASHSEED says.

    seed (str): What all choices follow from.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """True in so many of all cases."""
        return self._random() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self._random() * (high - low + 1))

    def measure(self, low: float, high: float, decimals: int) -> str:
        """A number as text, with so many decimals."""
        return f"{low + self._random() * (high - low):.{decimals}f}"

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely.

        RAISES (IndexError): There are none.
        """
        return items[int(self._random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in any order."""
        rest, drawn = list(items), []
        while rest:
            drawn.append(rest.pop(int(self._random() * len(rest))))
        return drawn
