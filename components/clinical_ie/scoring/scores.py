"""Scores of a set of notes, in the form in which they are printed, stored and compared."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from ..doc import Annotations
from .protocols import MODES, PROTOCOLS, ByLabel, Counts, NoteCounts, Protocol

DEFAULT_PROTOCOL = "one-to-one"


class Ratios(TypedDict):
    """Fractions between 0 and 1."""

    precision: float
    recall: float
    f1: float


class Figures(Ratios):
    """Counts and the fractions that follow from them."""

    tp: int
    fp: int
    fn: int


class ModeScores(TypedDict):
    """micro: counts summed over notes; macro: mean over notes; by_label: micro, label by label."""

    micro: Figures
    macro: Ratios
    by_label: dict[str, Figures]


class TaskScores(TypedDict):
    """A task's scores where borders must agree, and where they may differ."""

    strict: ModeScores
    lenient: ModeScores


class Scores(TypedDict):
    """All scores, with the protocol they were counted by."""

    protocol: str
    entities: TaskScores
    relations: TaskScores


def get_protocol(name: str) -> Protocol:
    """The protocol of that name.

    RAISES (ValueError): There is none; the message names those that there are.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"no scoring protocol {name!r} here; there is: {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def score(
    gold: Mapping[str, Annotations],
    predicted: Mapping[str, Annotations],
    *,
    protocol: str = DEFAULT_PROTOCOL,
    texts: Mapping[str, str] | None = None,
) -> Scores:
    """Score predicted annotations against gold ones.

    A note without predictions is all missed; a note that only the predictions have is all false
    positives.

    gold (Mapping[str, Annotations]): By note name.
    predicted (Mapping[str, Annotations]): By note name.
    protocol (str): What counts as right; see `PROTOCOLS`.
    texts (Mapping[str, str] | None): By note name; see `normalise`. May lack notes.
    RAISES (ValueError): Unknown protocol; or annotations that contradict themselves, by note.
    """
    count = get_protocol(protocol)
    empty = Annotations()
    counts = []
    for name in sorted(gold.keys() | predicted.keys()):
        text = texts.get(name) if texts is not None else None
        try:
            counts.append(count(gold.get(name, empty), predicted.get(name, empty), text))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return Scores(
        protocol=protocol,
        entities=_task_scores(counts, "entities"),
        relations=_task_scores(counts, "relations"),
    )


def _task_scores(notes: Sequence[NoteCounts], task: str) -> TaskScores:
    strict, lenient = (summarise([note[task][mode] for note in notes]) for mode in MODES)
    return TaskScores(strict=strict, lenient=lenient)


def summarise(notes: Sequence[ByLabel]) -> ModeScores:
    """Add up the counts of notes.

    notes (Sequence[ByLabel]): Counts by label, one entry a note. A note with neither gold nor
        predicted items says nothing, and is left out of the macro mean.
    """
    by_label: ByLabel = {}
    for note in notes:
        for label, counts in note.items():
            by_label[label] = by_label.get(label, Counts()) + counts
    totals = [_total(note.values()) for note in notes if note]
    n = max(len(totals), 1)
    return ModeScores(
        micro=_figures(_total(by_label.values())),
        macro=Ratios(
            precision=sum(counts.precision for counts in totals) / n,
            recall=sum(counts.recall for counts in totals) / n,
            f1=sum(counts.f1 for counts in totals) / n,
        ),
        by_label={label: _figures(by_label[label]) for label in sorted(by_label)},
    )


def _total(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts())


def _figures(counts: Counts) -> Figures:
    return Figures(
        tp=counts.tp,
        fp=counts.fp,
        fn=counts.fn,
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
    )
