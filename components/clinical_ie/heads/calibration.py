"""Scores that mean what they say: of all items with a score of 0.8, eight in ten are right."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
AnyFloat = TypeVar("AnyFloat", bound=np.floating[Any])

# Scores of exactly 0 or 1 have no logit.
_EDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """A line through the logit of a score, as temperature scaling with a shift.

    With two numbers it can be fitted on the few notes of a dev split, where a step function
    (isotonic regression) learns the split by heart; and it keeps the order of scores. After Platt
    (1999) and Guo et al. (2017).

    slope (float): Above 0; below 1 for a model that is too sure of itself.
    shift (float): Below 0 for a model that finds too much.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, scores: ArrayLike) -> Floats:
        """Calibrated scores of raw ones, all between 0 and 1."""
        # Never a 1, which is what a person annotated.
        return np.clip(sigmoid(self.slope * _logit(scores) + self.shift), 0.0, 1 - _EDGE)

    def undo(self, scores: ArrayLike) -> Floats:
        """Raw scores of calibrated ones."""
        return sigmoid((_logit(scores) - self.shift) / self.slope)

    @classmethod
    def fit(cls, scores: ArrayLike, right: ArrayLike) -> "Calibration":
        """The line under which what was right is least surprising.

        scores (ArrayLike): Raw, between 0 and 1, shape (n,).
        right (ArrayLike): Whether each item was right, shape (n,). Without an item, nothing is
            changed.
        """
        # Here, since spaCy loads every component at its start, and this takes a second.
        from scipy.optimize import minimize

        x = _logit(scores)
        y = np.asarray(right, dtype=np.float64)
        if not len(x):
            return cls()
        # Platt's targets: without a single wrong item, a score must not run off to 1.
        n_right = y.sum()
        y = np.where(y > 0, (n_right + 1) / (n_right + 2), 1 / (len(y) - n_right + 2))

        def loss(line: Floats) -> tuple[float, Floats]:
            z = line[0] * x + line[1]
            gap = (sigmoid(z) - y) / len(x)
            return float((np.logaddexp(0, z) - y * z).mean()), np.array([gap @ x, gap.sum()])

        found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[(0.05, 20), (-20, 20)])
        # No more digits than spaCy keeps on disk.
        return cls(round(float(found.x[0]), 9), round(float(found.x[1]), 9))

    def to_dict(self) -> dict[str, float]:
        """As it is kept in a component's settings."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float] | None) -> "Calibration":
        """The inverse of `to_dict`; None is a calibration that changes nothing."""
        return cls(**values) if values else cls()


def _logit(scores: ArrayLike) -> Floats:
    clipped = np.clip(np.asarray(scores, dtype=np.float64), _EDGE, 1 - _EDGE)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits


def sigmoid(logits: NDArray[AnyFloat]) -> NDArray[AnyFloat]:
    """Probabilities of logits, however large those are, in the same precision."""
    values: NDArray[AnyFloat] = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return values
