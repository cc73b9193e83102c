"""Counts of true and false positives and false negatives, and the ratios derived from them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

TASKS = ("entities", "relations")
MODES = ("strict", "lenient")


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives and false negatives; a ratio with denominator 0 is 0."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


ByLabel = dict[str, Counts]
# By task, mode and label.
NoteCounts = dict[str, dict[str, ByLabel]]


def total(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts())


def by_label(
    gold: Iterable[str], predicted: Iterable[str], right: Iterable[str] | Counter[str]
) -> ByLabel:
    """Counts of each label, from the labels of gold items, predicted items and true positives.

    right (Iterable[str] | Counter[str]): Labels of the true positives.
    """
    in_gold, in_predicted, tp = Counter(gold), Counter(predicted), Counter(right)
    return {
        label: Counts(tp[label], in_predicted[label] - tp[label], in_gold[label] - tp[label])
        for label in in_gold.keys() | in_predicted.keys()
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
