"""Random choices that are the same on every machine and version of Python."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Choices from a seed.

    Built only on `random.Random.random`, the one method whose sequence Python guarantees; the seed
    is text, which Python hashes with SHA-512 regardless of PYTHONHASHSEED.

    seed (str): Determines all choices.
    """

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self._random() * (high - low + 1))

    def measure(self, low: float, high: float, decimals: int) -> str:
        """A number as text, with this number of decimals."""
        return f"{low + self._random() * (high - low):.{decimals}f}"

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each equally likely.

        RAISES (IndexError): There are none.
        """
        return items[int(self._random() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One of the items, with a probability in proportion to its weight.

        weights (Sequence[float]): None of them below 0, and not all of them 0.
        """
        rest = self._random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            rest -= weight
            if rest < 0:
                return item
        # Rounding can leave a remainder, which belongs to the last item with a weight.
        return next(
            item for item, weight in reversed(list(zip(items, weights, strict=True))) if weight
        )

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in random order."""
        rest, drawn = list(items), []
        while rest:
            drawn.append(rest.pop(int(self._random() * len(rest))))
        return drawn
