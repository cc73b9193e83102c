"""Calibrated scores: of all items with a score of 0.8, eight in ten are right."""

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
    """A linear function of a score's logit: temperature scaling with a shift.

    Its two parameters can be fitted on the few notes of a dev split, on which a step function
    (isotonic regression) would overfit, and it keeps the order of scores. After Platt (1999) and
    Guo et al. (2017).

    slope (float): Above 0; below 1 for an overconfident model.
    shift (float): Below 0 for a model that finds too much.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, scores: ArrayLike) -> Floats:
        """Turn raw scores into calibrated ones, all between 0 and 1."""
        # Never 1, which marks what a person annotated.
        return np.clip(sigmoid(self.slope * _logit(scores) + self.shift), 0.0, 1 - _EDGE)

    def undo(self, scores: ArrayLike) -> Floats:
        """Turn calibrated scores into raw ones."""
        return sigmoid((_logit(scores) - self.shift) / self.slope)

    @classmethod
    def fit(cls, scores: ArrayLike, right: ArrayLike) -> "Calibration":
        """Fit slope and shift by maximum likelihood; without items, they change nothing.

        scores (ArrayLike): Raw scores between 0 and 1, shape (n,).
        right (ArrayLike): Whether each item was right, shape (n,).
        """
        # Imported here, since it takes a second and spaCy imports every component at startup.
        from scipy.optimize import minimize

        x = _logit(scores)
        y = np.asarray(right, dtype=np.float64)
        if not len(x):
            return cls()
        # Platt's targets keep scores from going to 1 if no item was wrong.
        n_right = y.sum()
        y = np.where(y > 0, (n_right + 1) / (n_right + 2), 1 / (len(y) - n_right + 2))

        def loss(line: Floats) -> tuple[float, Floats]:
            z = line[0] * x + line[1]
            gap = (sigmoid(z) - y) / len(x)
            return float((np.logaddexp(0, z) - y * z).mean()), np.array([gap @ x, gap.sum()])

        found = minimize(loss, np.array([1.0, 0.0]), jac=True, bounds=[(0.05, 20), (-20, 20)])
        # spaCy keeps no more digits on disk.
        return cls(round(float(found.x[0]), 9), round(float(found.x[1]), 9))

    def to_dict(self) -> dict[str, float]:
        """The form in which a component's settings store it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, float] | None) -> "Calibration":
        """The inverse of `to_dict`; None gives a calibration that changes nothing."""
        return cls(**values) if values else cls()


def _logit(scores: ArrayLike) -> Floats:
    clipped = np.clip(np.asarray(scores, dtype=np.float64), _EDGE, 1 - _EDGE)
    logits: Floats = np.log(clipped) - np.log1p(-clipped)
    return logits


def sigmoid(logits: NDArray[AnyFloat]) -> NDArray[AnyFloat]:
    """The logistic function, without overflow and in the precision of its input."""
    values: NDArray[AnyFloat] = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return values
