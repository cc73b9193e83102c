"""Whether two arms differ by more than chance, and how far a score can be trusted.

Notes are the units: mentions of one note are not independent of each other. The test is paired
approximate randomization (Noreen 1989; Yeh 2000 for F1), the intervals are percentile bootstrap
intervals over notes (Efron and Tibshirani 1993), both of the micro scores.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .counts import NoteCounts, total

ROUNDS = 10_000
LEVEL = 0.05
MEASURES = ("precision", "recall", "f1")
# Cells of the largest array that is held at once.
_CELLS = 4_000_000
# Two differences of F1 that are equal on paper may differ in the last digits.
_TOLERANCE = 1e-12

Table = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the limits between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of two arms on the same notes.

    first, second (float): The arms' scores, fractions.
    difference (Interval): Second minus first, with its paired bootstrap interval.
    p (float): Two-sided; how often swapping the arms' notes at random gives as large a difference.
    n_notes (int): Notes that both arms were scored on.
    """

    first: float
    second: float
    difference: Interval
    p: float
    n_notes: int

    def in_words(self, first: str, second: str) -> str:
        """The result in a sentence; `first` and `second` name the arms."""
        points = f"{100 * abs(self.difference.value):.2f} points"
        tested = f"p = {self.p:.4f}, {self.n_notes} notes"
        if self.p >= LEVEL:
            return (
                f"{first} and {second} are not distinguishable at the {LEVEL} level: "
                f"they differ by {points} ({tested})"
            )
        better, worse = (second, first) if self.difference.value > 0 else (first, second)
        return f"{better} is better than {worse} by {points} ({tested})"


@dataclass(frozen=True, slots=True)
class Spread:
    """Several seeds' scores: mean, sample standard deviation (0 for one seed), extremes."""

    mean: float
    sd: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """RAISES (ValueError): There is no value."""
        if not values:
            raise ValueError("no scores to spread; expected one a seed")
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), sd, min(values), max(values), len(values))


def bootstrap(
    counts: Mapping[str, NoteCounts], task: str, mode: str, *, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Interval]:
    """Intervals of micro precision, recall and F1.

    counts (Mapping[str, NoteCounts]): From `note_counts`.
    RETURNS (dict[str, Interval]): By measure. Without a note all are 0.
    """
    table = _table(counts, sorted(counts), task, mode)
    values = _measures(table.sum(axis=0))
    if not len(table):
        return {name: Interval(0.0, 0.0, 0.0) for name in MEASURES}
    drawn = np.concatenate([_measures(w @ table) for w in _resamples(len(table), rounds, seed)])
    limits = _limits(drawn)
    return {
        name: Interval(float(values[i]), *map(float, limits[:, i]))
        for i, name in enumerate(MEASURES)
    }


def compare(
    first: Mapping[str, NoteCounts],
    second: Mapping[str, NoteCounts],
    task: str,
    mode: str,
    *,
    measure: str = "f1",
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Comparison:
    """Compare two arms that were scored on the same notes.

    first, second (Mapping[str, NoteCounts]): From `note_counts`, of the same gold notes.
    measure (str): `precision`, `recall` or `f1`.
    rounds (int): Random assignments, and bootstrap samples; p is never below 1 / (rounds + 1).
    RAISES (ValueError): The arms were scored on different notes.
    """
    if first.keys() != second.keys():
        alone = ", ".join(sorted(first.keys() ^ second.keys())[:5])
        raise ValueError(f"only one of the arms was scored on these notes: {alone}")
    names = sorted(first)
    tables = _table(first, names, task, mode), _table(second, names, task, mode)
    column = MEASURES.index(measure)
    a, b = (float(_measures(table.sum(axis=0))[column]) for table in tables)
    if not names:
        return Comparison(0.0, 0.0, Interval(0.0, 0.0, 0.0), 1.0, 0)
    gap = tables[1] - tables[0]
    as_large = 0
    for swapped in _swaps(len(names), rounds, seed):
        moved = swapped @ gap
        one, other = (
            _measures(tables[0].sum(axis=0) + moved)[:, column],
            _measures(tables[1].sum(axis=0) - moved)[:, column],
        )
        as_large += int((np.abs(one - other) >= abs(b - a) - _TOLERANCE).sum())
    drawn = [
        (_measures(w @ tables[1]) - _measures(w @ tables[0]))[:, column]
        for w in _resamples(len(names), rounds, seed)
    ]
    low, high = _limits(np.concatenate(drawn))
    return Comparison(
        a, b, Interval(b - a, float(low), float(high)), (as_large + 1) / (rounds + 1), len(names)
    )


def _table(counts: Mapping[str, NoteCounts], names: Sequence[str], task: str, mode: str) -> Table:
    """True positives, false positives and false negatives of each note, shape (n_notes, 3)."""
    rows = [total(counts[name][task][mode].values()) for name in names]
    return np.array([(c.tp, c.fp, c.fn) for c in rows], dtype=np.float64).reshape(-1, 3)


def _measures(sums: Table) -> Table:
    """Precision, recall and F1 from (…, 3) sums; a ratio without a base is 0."""
    tp, fp, fn = np.moveaxis(sums, -1, 0)
    bases = np.stack([tp + fp, tp + fn, tp + (fp + fn) / 2], axis=-1)
    return np.divide(tp[..., None], bases, out=np.zeros_like(bases), where=bases > 0)


def _limits(drawn: Table) -> Table:
    return np.percentile(drawn, [100 * LEVEL / 2, 100 * (1 - LEVEL / 2)], axis=0)


def _chunks(n_notes: int, rounds: int) -> Iterator[int]:
    step = max(1, _CELLS // n_notes)
    for done in range(0, rounds, step):
        yield min(step, rounds - done)


def _resamples(n_notes: int, rounds: int, seed: int) -> Iterator[Table]:
    """How often each note was drawn, in each round; rows sum to `n_notes`."""
    random = np.random.default_rng(seed)
    for n in _chunks(n_notes, rounds):
        draws = random.integers(0, n_notes, size=(n, n_notes)) + n_notes * np.arange(n)[:, None]
        drawn = np.bincount(draws.ravel(), minlength=n * n_notes).reshape(n, n_notes)
        yield drawn.astype(np.float64)


def _swaps(n_notes: int, rounds: int, seed: int) -> Iterator[Table]:
    """Which notes change arms, in each round: 0 or 1."""
    random = np.random.default_rng(seed)
    for n in _chunks(n_notes, rounds):
        yield random.integers(0, 2, size=(n, n_notes)).astype(np.float64)
