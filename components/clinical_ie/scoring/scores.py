"""Scores of a set of notes, as they are printed, stored and compared."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypedDict

from ..doc import Annotations
from .counts import MODES, ByLabel, Counts, NoteCounts, total
from .protocols import DEFAULT_PROTOCOL, get_protocol


class Ratios(TypedDict):
    """Fractions between 0 and 1."""

    precision: float
    recall: float
    f1: float


class Figures(Ratios):
    """Counts and the fractions derived from them."""

    tp: int
    fp: int
    fn: int


class LabelFigures(Figures):
    """The figures of one label: counts summed over notes, and their mean over notes."""

    macro: Ratios


class ModeScores(TypedDict):
    """micro: counts summed over notes; macro: mean over notes; by_label: both, label by label."""

    micro: Figures
    macro: Ratios
    by_label: dict[str, LabelFigures]


class TaskScores(TypedDict):
    """A task's scores with equal borders required (strict), and with overlap (lenient)."""

    strict: ModeScores
    lenient: ModeScores


class Scores(TypedDict):
    """All scores, with the protocol and the number of notes scored."""

    protocol: str
    notes: int
    entities: TaskScores
    relations: TaskScores


def note_counts(
    gold: Mapping[str, Annotations],
    predicted: Mapping[str, Annotations],
    *,
    protocol: str = DEFAULT_PROTOCOL,
    texts: Mapping[str, str] | None = None,
) -> dict[str, NoteCounts]:
    """The counts of every note that the protocol scores, by note name, sorted.

    gold, predicted (Mapping[str, Annotations]): By note name.
    protocol (str): What counts as correct; see `PROTOCOLS`.
    texts (Mapping[str, str] | None): By note name; see `normalise`. Notes may be missing.
    RAISES (ValueError): Unknown protocol, or inconsistent annotations; the message names the note.
    """
    rules = get_protocol(protocol)
    empty = Annotations()
    names = gold.keys() | predicted.keys() if rules.scores_missing else gold.keys() & predicted
    counts = {}
    for name in sorted(names):
        text = texts.get(name) if texts is not None else None
        try:
            counts[name] = rules.count(gold.get(name, empty), predicted.get(name, empty), text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return counts


def score(
    gold: Mapping[str, Annotations],
    predicted: Mapping[str, Annotations],
    *,
    protocol: str = DEFAULT_PROTOCOL,
    texts: Mapping[str, str] | None = None,
) -> Scores:
    """Score predicted annotations against gold ones.

    gold, predicted (Mapping[str, Annotations]): By note name. The protocol decides how a note is
        scored that is missing on one side.
    protocol (str): What counts as correct; see `PROTOCOLS`.
    texts (Mapping[str, str] | None): By note name; see `normalise`. Notes may be missing.
    RAISES (ValueError): Unknown protocol, or inconsistent annotations; the message names the note.
    """
    return sum_up(note_counts(gold, predicted, protocol=protocol, texts=texts), protocol)


def sum_up(counts: Mapping[str, NoteCounts], protocol: str) -> Scores:
    """The scores of a set of notes, from their counts.

    counts (Mapping[str, NoteCounts]): From `note_counts` with the same protocol.
    """
    empty_is_zero = get_protocol(protocol).empty_is_zero

    def task_scores(task: str) -> TaskScores:
        strict, lenient = (
            summarise([note[task][mode] for note in counts.values()], empty_is_zero)
            for mode in MODES
        )
        return TaskScores(strict=strict, lenient=lenient)

    return Scores(
        protocol=protocol,
        notes=len(counts),
        entities=task_scores("entities"),
        relations=task_scores("relations"),
    )


def summarise(notes: Sequence[ByLabel], empty_is_zero: bool = False) -> ModeScores:
    """Add up the counts of notes.

    notes (Sequence[ByLabel]): Counts by label, one entry per note.
    empty_is_zero (bool): See `Protocol`; for the scores of a label, a note without it is empty.
    """
    of_label: dict[str, list[Counts]] = defaultdict(list)
    for note in notes:
        for label, counts in note.items():
            of_label[label].append(counts)
    of_note = [total(note.values()) for note in notes if note]
    n_empty = len(notes) if empty_is_zero else 0
    return ModeScores(
        micro=figures(total(of_note)),
        macro=_mean(of_note, n_empty),
        by_label={
            label: LabelFigures(**figures(total(counts)), macro=_mean(counts, n_empty))
            for label, counts in sorted(of_label.items())
        },
    )


def figures(counts: Counts) -> Figures:
    """Counts with their ratios."""
    return Figures(
        tp=counts.tp,
        fp=counts.fp,
        fn=counts.fn,
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
    )


def _mean(counts: Sequence[Counts], at_least: int) -> Ratios:
    """The mean of the notes' ratios, filled up with zeros to `at_least` notes."""
    n = max(len(counts), at_least, 1)
    return Ratios(
        precision=sum(c.precision for c in counts) / n,
        recall=sum(c.recall for c in counts) / n,
        f1=sum(c.f1 for c in counts) / n,
    )
