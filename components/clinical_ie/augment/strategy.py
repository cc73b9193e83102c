"""Decides which segments come first: any, those with rare labels, or those with hard ones."""

import heapq
import json
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from .segment import Place

Strategy = Literal["uniform", "rare_labels", "weak_labels"]


def plan(
    notes: Sequence[Sequence[Place]], seed: int, preferred: tuple[int, int]
) -> Iterator[Place]:
    """The order in which segments are tried: one of each note, then another one of each.

    notes (Sequence[Sequence[Place]]): The segments of each note.
    seed (int): For the order of the notes, and of the segments in a note.
    preferred (tuple[int, int]): Segments with a number of mentions in this range come first.
    YIELDS (Place): Each segment once.
    """
    rng = random.Random(seed)
    queues = [_queue(places, rng, preferred) for places in notes if places]
    rng.shuffle(queues)
    for turn in range(max(map(len, queues), default=0)):
        yield from (queue[turn] for queue in queues if turn < len(queue))


def by_labels(order: Sequence[Place], need: Callable[[str, int], float]) -> Iterator[Place]:
    """Take the next segment for the label in greatest need, again and again.

    order (Sequence[Place]): From `plan`; decides between segments of the same label.
    need (Callable[[str, int], float]): Takes a label and its number of mentions in the segments
        taken so far; the label with the lowest value is in greatest need.
    YIELDS (Place): Each segment once.
    """
    waiting: dict[str, list[int]] = {}
    for number in range(len(order) - 1, -1, -1):
        for label in set(order[number].labels):
            waiting.setdefault(label, []).append(number)
    planned: Counter[str] = Counter()
    heap = [(need(label, 0), label) for label in waiting]
    heapq.heapify(heap)
    taken: set[int] = set()
    while heap:
        value, label = heapq.heappop(heap)
        current = need(label, planned[label])
        if current > value:
            heapq.heappush(heap, (current, label))
            continue
        numbers = waiting[label]
        while numbers and numbers[-1] in taken:
            numbers.pop()
        if not numbers:
            continue
        number = numbers.pop()
        taken.add(number)
        planned.update(order[number].labels)
        yield order[number]
        heapq.heappush(heap, (need(label, planned[label]), label))


def rare_first(counts: Mapping[str, int]) -> Callable[[str, int], float]:
    """Ranks a label by its mentions in training and in the segments taken so far."""
    return lambda label, planned: counts.get(label, 0) + planned


def weak_first(errors: Mapping[str, int]) -> Callable[[str, int], float]:
    """Ranks a label such that segments are taken in proportion to a model's errors on it."""

    def need(label: str, planned: int) -> float:
        wrong = errors.get(label, 0)
        return (planned + 1) / wrong if wrong else float("inf")

    return need


def errors_by_label(path: Path) -> dict[str, int]:
    """False negatives plus false positives of each label on the dev notes, as written by
    `scripts/evaluate.py` or `clinical-ie score --json`.

    RAISES (FileNotFoundError): No such file.
    RAISES (ValueError): It holds no such scores, or was measured on the test notes.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; scripts/evaluate.py writes it, run on the dev notes"
        )
    try:
        metrics = json.loads(path.read_text(encoding="utf8"))
        by_label = metrics["entities"]["strict"]["by_label"]
        errors = {label: int(n["fp"]) + int(n["fn"]) for label, n in by_label.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: no scores by label in it; expected what scripts/evaluate.py writes"
        ) from error
    if metrics.get("split") == "test":
        raise ValueError(
            f"{path}: measured on the test notes, which must not influence training; run "
            "scripts/evaluate.py on the dev notes"
        )
    return errors


def _queue(places: Sequence[Place], rng: random.Random, preferred: tuple[int, int]) -> list[Place]:
    """The segments of a note: those that share no text first, and among them the preferred ones."""
    order = rng.sample(places, len(places))
    low, high = preferred
    order.sort(key=lambda place: not low <= len(place.labels) <= high)
    apart: list[Place] = []
    # The chosen ones in text order: only the two neighbours can overlap a new one.
    by_start: list[tuple[int, int]] = []
    for place in order:
        at = bisect_left(by_start, (place.start, place.end))
        before, behind = by_start[at - 1 : at], by_start[at : at + 1]
        if all(end <= place.start for _, end in before) and all(
            place.end <= start for start, _ in behind
        ):
            apart.append(place)
            by_start.insert(at, (place.start, place.end))
    taken = set(map(id, apart))
    return apart + [place for place in order if id(place) not in taken]
