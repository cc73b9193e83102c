"""Evaluation of a pipeline on gold notes: end-to-end, and with gold mentions given."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..doc import Annotations, annotate, annotations_of, scored_mentions
from ..found import found_in
from ..heads.calibration import Calibration
from ..heads.components import MENTION_COMPONENT, calibrated_pipes
from ..system.gpu import gpu_errors_in_one_line
from ..terminal.printable import printable
from ..text.limit import lift_length_limit
from .counts import NoteCounts
from .reliability import Outcomes, outcomes
from .scores import Scores, TaskScores, note_counts, score

logger = logging.getLogger(__name__)

END_TO_END, GOLD_ENTITIES = SETTINGS = ("end-to-end", "gold entities")


@dataclass(slots=True)
class Evaluation:
    """The results of one pipeline on one set of notes.

    scores (Scores): End-to-end: mentions and relations predicted from the text only.
    gold_entity_relations (TaskScores): Relations predicted on the gold mentions.
    predicted (dict[str, Annotations]): The end-to-end predictions, by note.
    texts (dict[str, str]): The notes.
    seconds (float): Wall time of the end-to-end pass, without loading.
    words (int): Words in all notes, separated by white space.
    peak_memory_mb (float | None): Peak resident memory of the process during both passes; None if
        the system does not report it.
    gold (dict[str, Annotations]): Gold annotations, by note.
    given (dict[str, Annotations]): Gold mentions with the relations predicted on them, by note.
    candidate_ceiling (float | None): Share of the gold relations whose mentions are a candidate
        pair of the pipeline, an upper bound of relation recall on gold entities. None if there
        are no gold relations, or the pipeline does not report its candidates.
    unreachable (dict[str, list[int]]): By note, the indices of the gold relations that are not
        candidates; empty if the pipeline does not report its candidates.
    calibrations (dict[str, Calibration]): The calibration of the pipeline's scores, by task.
    """

    scores: Scores
    gold_entity_relations: TaskScores
    predicted: dict[str, Annotations]
    texts: dict[str, str]
    seconds: float
    words: int
    peak_memory_mb: float | None
    gold: dict[str, Annotations] = field(default_factory=dict)
    given: dict[str, Annotations] = field(default_factory=dict)
    candidate_ceiling: float | None = None
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    unreachable: dict[str, list[int]] = field(default_factory=dict)

    def outcomes(self) -> dict[str, dict[str, Outcomes]]:
        """Outcomes of the end-to-end predictions, by task, with `calibrated` and `raw` scores."""
        return {
            task: {
                "calibrated": found,
                "raw": Outcomes(
                    self.calibrations.get(task, Calibration()).undo(found.scores), found.right
                ),
            }
            for task, found in outcomes(self.gold, self.predicted, self.texts).items()
        }

    def note_counts(self, setting: str, protocol: str) -> dict[str, NoteCounts]:
        """Counts by note.

        setting (str): One of `SETTINGS`.
        protocol (str): See `PROTOCOLS`.
        """
        predicted = self.predicted if setting == END_TO_END else self.given
        return note_counts(self.gold, predicted, protocol=protocol, texts=self.texts)


@gpu_errors_in_one_line("less of batch_pieces or nlp.batch_size in the pipeline's config.cfg")
def evaluate(
    nlp: Language, docs: Sequence[Doc], on_note: Callable[[], None] = lambda: None
) -> Evaluation:
    """Run a pipeline over gold Docs and score what it finds.

    docs (Sequence[Doc]): Gold Docs. The pipeline sees only their text and, in the second pass,
        their mentions.
    on_note (Callable[[], None]): Called after every note of each of the two passes.
    RAISES (ValueError): Two Docs have the same note id, or a GPU fails.
    """
    by_name = named(docs)
    gold = {name: annotations_of(doc) for name, doc in by_name.items()}
    texts = {name: doc.text for name, doc in by_name.items()}
    tell_unknown_labels(nlp, gold.values())
    is_candidate = getattr(calibrated_pipes(nlp).get("relations"), "is_candidate", None)
    _reset_peak_memory()
    start = time.perf_counter()
    predicted = predict(nlp, texts, on_note)
    seconds = time.perf_counter() - start
    given = {}
    unreachable: dict[str, list[int]] = {}
    n_links = sum(len(annotations.links) for annotations in gold.values())
    for name, doc in relate_given(nlp, gold, texts):
        given[name] = annotations_of(doc)
        if is_candidate is not None:
            ids = (mention.id for mention in given[name].mentions)
            spans = dict(zip(ids, scored_mentions(doc)[0], strict=True))
            unreachable[name] = [
                place
                for place, link in enumerate(gold[name].links)
                # A mention is never a candidate for a relation to itself.
                if link.head == link.tail
                or link.head not in spans
                or link.tail not in spans
                or not is_candidate(spans[link.head], spans[link.tail])
            ]
        on_note()
    return Evaluation(
        scores=score(gold, predicted, texts=texts),
        gold_entity_relations=score(gold, given, texts=texts)["relations"],
        predicted=predicted,
        texts=texts,
        seconds=seconds,
        words=sum(len(text.split()) for text in texts.values()),
        peak_memory_mb=_peak_memory_mb(),
        gold=gold,
        given=given,
        calibrations={task: pipe.calibration for task, pipe in calibrated_pipes(nlp).items()},
        candidate_ceiling=(
            1 - sum(map(len, unreachable.values())) / n_links
            if n_links and is_candidate is not None
            else None
        ),
        unreachable=unreachable,
    )


def tell_unknown_labels(nlp: Language, gold: Collection[Annotations]) -> None:
    """Warn of labels in gold notes that the pipeline can never find."""
    pipes = calibrated_pipes(nlp)
    for task, labels in (
        ("entities", [m.label for annotations in gold for m in annotations.mentions]),
        ("relations", [link.label for annotations in gold for link in annotations.links]),
    ):
        known = pipes[task].labels if task in pipes else labels
        unknown = Counter(label for label in labels if label not in known)
        if unknown:
            logger.warning(
                "%d of %d gold %s have labels that the pipeline was not trained on, so they count "
                "as missed: %s",
                unknown.total(),
                len(labels),
                task,
                ", ".join(f"{printable(label)} ({n})" for label, n in unknown.most_common()),
            )


def predict(
    nlp: Language, texts: Mapping[str, str], on_note: Callable[[], None] = lambda: None
) -> dict[str, Annotations]:
    """A pipeline's predictions for notes, by name.

    texts (Mapping[str, str]): By name.
    on_note (Callable[[], None]): Called after every note.
    """
    lift_length_limit(nlp)
    predicted = {}
    for name, doc in zip(texts, nlp.pipe(texts.values()), strict=True):
        predicted[name] = found_in(doc)
        on_note()
    return predicted


def named(docs: Sequence[Doc]) -> dict[str, Doc]:
    """Docs by their note ids; those without an id are numbered.

    RAISES (ValueError): Two Docs have the same id.
    """
    result: dict[str, Doc] = {}
    for number, doc in enumerate(docs, start=1):
        name = doc._.note_id or f"note-{number}"
        if name in result:
            raise ValueError(f"two gold notes have the id {name!r}; expected one Doc for each note")
        result[name] = doc
    return result


def relate_given(
    nlp: Language, gold: Mapping[str, Annotations], texts: Mapping[str, str]
) -> Iterator[tuple[str, Doc]]:
    """Notes by name, with gold mentions and the relations a pipeline predicts between them."""

    def with_mentions() -> Iterator[Doc]:
        for name, text in texts.items():
            doc = nlp.make_doc(text)
            annotate(doc, Annotations(mentions=gold[name].mentions))
            yield doc

    # Components that write mentions would replace the given ones.
    writers = [
        name
        for name in nlp.pipe_names
        if name == MENTION_COMPONENT or "doc.spans" in nlp.get_pipe_meta(name).assigns
    ]
    with nlp.select_pipes(disable=writers):
        yield from zip(texts, nlp.pipe(with_mentions()), strict=True)


def _reset_peak_memory() -> None:
    """Reset the system's high-water mark, so that one arm's peak does not count for the next."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        # Not Linux, or not permitted: the peak then counts from the start of the process.
        return


def _peak_memory_mb() -> float | None:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    marks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(marks[0]) / 1024, 1) if marks else None
