"""Significance of the difference between two arms, and confidence intervals of scores.

The unit is the note, since mentions of one note are not independent of each other. The test is
paired approximate randomization (Noreen 1989; Yeh 2000 for F1), the intervals are percentile
bootstrap intervals over notes (Efron and Tibshirani 1993), both of the micro scores. Both take the
runs as given; Student's t-test over the runs accounts for the variation between seeds.

With few notes, the intervals are too narrow: in simulations they contained the true F1 in 90 % of
cases with 15 notes, 93 % with 40 and 94 % with 200.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from .counts import NoteCounts, total

ROUNDS = 10_000
LEVEL = 0.05
MEASURES = ("precision", "recall", "f1")
# Size of the largest array held in memory, in cells.
_CELLS = 4_000_000
# Differences of F1 that are mathematically equal may differ in their last digits.
_TOLERANCE = 1e-12

Table = NDArray[np.float64]
# The counts of every note, for one run or several of the same arm.
Runs = Sequence[Mapping[str, NoteCounts]]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the limits of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of two arms on the same notes.

    first, second (float): The arms' scores, fractions.
    difference (Interval): Second minus first, with its paired bootstrap interval.
    p (float): Two-sided: how often randomly swapping notes between the arms gives a difference at
        least as large.
    n_notes (int): Notes that both arms were scored on.
    n_runs (int): Runs of each arm.
    p_runs (float | None): Two-sided, of Student's t-test over the runs; None for one run of each
        arm.
    """

    first: float
    second: float
    difference: Interval
    p: float
    n_notes: int
    n_runs: int = 1
    p_runs: float | None = None

    def in_words(self, first: str, second: str) -> str:
        """The result in a sentence; `first` and `second` name the arms.

        One is called better only if neither the choice of notes nor that of seeds explains the
        difference.
        """
        points = f"{100 * abs(self.difference.value):.2f} points"
        tested = f"{_p(self.p)}, {self.n_notes} notes"
        if self.p_runs is None:
            tested += "; one run of each"
        else:
            tested += f"; {_p(self.p_runs)}, {self.n_runs} runs of each"
        if max(self.p, self.p_runs or 0.0) >= LEVEL:
            return (
                f"{first} and {second} are not distinguishable at the {LEVEL} level: "
                f"they differ by {points} ({tested})"
            )
        better, worse = (second, first) if self.difference.value > 0 else (first, second)
        return f"{better} is better than {worse} by {points} ({tested})"


def _p(value: float) -> str:
    return f"p = {value:.4f}" if value >= 0.0001 else "p < 0.0001"


@dataclass(frozen=True, slots=True)
class Spread:
    """Scores of several seeds: mean, sample standard deviation (0 for one seed), extremes."""

    mean: float
    sd: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of the scores, one per seed.

        RAISES (ValueError): There are no values.
        """
        if not values:
            raise ValueError("no scores to summarise; expected one per seed")
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), sd, min(values), max(values), len(values))


def bootstrap(
    runs: Runs, task: str, mode: str, *, rounds: int = ROUNDS, seed: int = 0
) -> dict[str, Interval]:
    """Intervals of micro precision, recall and F1, or of their means over several runs.

    runs (Runs): The counts of one run, or of one run per seed, on the same notes.
    RETURNS (dict[str, Interval]): By measure; all 0 if there are no notes.
    RAISES (ValueError): The runs were scored on different notes.
    """
    tables = _tables(runs, task, mode)
    if not tables.shape[1]:
        return {name: Interval(0.0, 0.0, 0.0) for name in MEASURES}
    values = _measures(tables.sum(axis=1)).mean(axis=0)
    limits = _limits(_resampled(tables, rounds, seed))
    return {
        name: Interval(float(values[i]), *map(float, limits[:, i]))
        for i, name in enumerate(MEASURES)
    }


def compare(
    first: Runs,
    second: Runs,
    task: str,
    mode: str,
    *,
    measure: str = "f1",
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Comparison:
    """Compare two arms that were scored on the same notes, by their means over the runs.

    first, second (Runs): Each arm's counts, one run per seed. The randomization test swaps a note
        in all runs at once.
    measure (str): `precision`, `recall` or `f1`.
    rounds (int): Number of random swaps, and of bootstrap samples; p is at least 1 / (rounds + 1).
    RAISES (ValueError): The arms were scored on different notes, or differ in their number of runs.
    """
    if len(first) != len(second):
        raise ValueError(
            f"{len(first)} runs against {len(second)}; expected the same number for both arms"
        )
    together = _tables([*first, *second], task, mode)
    tables = together[: len(first)], together[len(first) :]
    column = MEASURES.index(measure)
    n_notes = together.shape[1]
    if not n_notes:
        return Comparison(0.0, 0.0, Interval(0.0, 0.0, 0.0), 1.0, 0, len(first))
    sums = tables[0].sum(axis=1), tables[1].sum(axis=1)
    of_runs = [_measures(of_arm)[:, column] for of_arm in sums]
    a, b = (float(values.mean()) for values in of_runs)
    gap = tables[1] - tables[0]
    as_large = 0
    for swapped in _swaps(n_notes, rounds, seed):
        moved = swapped @ gap
        one, other = (
            _measures(sums[0][:, None] + moved)[..., column].mean(axis=0),
            _measures(sums[1][:, None] - moved)[..., column].mean(axis=0),
        )
        as_large += int((np.abs(one - other) >= abs(b - a) - _TOLERANCE).sum())
    # The same notes are drawn for both arms.
    drawn = [_resampled(of_arm, rounds, seed)[:, column] for of_arm in tables]
    low, high = _limits(drawn[1] - drawn[0])
    return Comparison(
        a,
        b,
        Interval(b - a, float(low), float(high)),
        (as_large + 1) / (rounds + 1),
        n_notes,
        len(first),
        _p_of_runs(*of_runs),
    )


def _p_of_runs(first: Table, second: Table) -> float | None:
    """Two-sided p of Student's t-test over equally many runs of two arms; None for one run each."""
    n = len(first)
    if n < 2:
        return None
    gap = abs(float(second.mean() - first.mean()))
    error = float(np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / n))
    if error <= _TOLERANCE:
        # The runs of each arm are all alike, so any difference is more than chance.
        return 1.0 if gap <= _TOLERANCE else 0.0
    return float(2 * stdtr(2 * n - 2, -gap / error))


def _tables(runs: Runs, task: str, mode: str) -> Table:
    """True positives, false positives and false negatives, shape (n_runs, n_notes, 3)."""
    for run in runs[1:]:
        if run.keys() != runs[0].keys():
            alone = ", ".join(sorted(run.keys() ^ runs[0].keys())[:5])
            raise ValueError(f"only one of the arms was scored on these notes: {alone}")
    totals = [[total(run[name][task][mode].values()) for name in sorted(run)] for run in runs]
    rows = [[(c.tp, c.fp, c.fn) for c in of_run] for of_run in totals]
    return np.array(rows, dtype=np.float64).reshape(len(runs), -1, 3)


def _resampled(tables: Table, rounds: int, seed: int) -> Table:
    """The mean measures of the runs in each bootstrap sample of notes, shape (rounds, 3)."""
    return np.concatenate(
        [_measures(w @ tables).mean(axis=0) for w in _resamples(tables.shape[1], rounds, seed)]
    )


def _measures(sums: Table) -> Table:
    """Precision, recall and F1 from (…, 3) sums; a ratio with denominator 0 is 0."""
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
    """How often each note is drawn in each round; rows sum to `n_notes`."""
    random = np.random.default_rng(seed)
    for n in _chunks(n_notes, rounds):
        draws = random.integers(0, n_notes, size=(n, n_notes)) + n_notes * np.arange(n)[:, None]
        drawn = np.bincount(draws.ravel(), minlength=n * n_notes).reshape(n, n_notes)
        yield drawn.astype(np.float64)


def _swaps(n_notes: int, rounds: int, seed: int) -> Iterator[Table]:
    """Which notes are swapped between the arms in each round: 0 or 1."""
    random = np.random.default_rng(seed)
    for n in _chunks(n_notes, rounds):
        yield random.integers(0, 2, size=(n, n_notes)).astype(np.float64)
