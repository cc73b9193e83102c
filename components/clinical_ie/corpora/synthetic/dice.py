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

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One of the items, as likely as its weight says.

        weights (Sequence[float]): None of them below 0, and not all of them 0.
        """
        rest = self._random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            rest -= weight
            if rest < 0:
                return item
        # Rounding may leave a trace of the last weight that counts.
        return next(
            item for item, weight in reversed(list(zip(items, weights, strict=True))) if weight
        )

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in an order that is drawn."""
        rest, drawn = list(items), []
        while rest:
            drawn.append(rest.pop(int(self._random() * len(rest))))
        return drawn
