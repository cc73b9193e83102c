"""Decides which segments the model gets next, or again, until there are enough notes."""

import hashlib
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.notes import corpus_nlp
from .attempt import Attempt, Rewrite, rewrite_of, set_attempt
from .config import Settings
from .journal import NOT_ASKED, Journaled
from .models.endpoint import EndpointError
from .outcome import Outcome
from .segment import Place, Segment, bare_doc, segment_to_doc
from .source import Source
from .task import StructuredRewrite

Accepted = list[tuple[Segment, Rewrite]]


@dataclass(slots=True)
class _Note:
    """A note in progress: how many of its segments are still with the model, and those accepted."""

    source: Source
    open: int
    accepted: Accepted = field(default_factory=list)


@dataclass(slots=True)
class _Try:
    """A segment in progress: the Doc that goes through the pipeline, and how often it has.

    tries (int): Requests with an answer.
    missing (int): Requests without one.
    failed (tuple[str, str] | tuple[()]): The previous answer and what was wrong with it.
    """

    note: _Note
    segment: Segment
    doc: Doc
    variant: int
    tries: int = 0
    missing: int = 0
    failed: tuple[str, str] | tuple[()] = ()


class Schedule:
    """Passes segments to the pipeline in batches, and again if they failed.

    sources (Mapping[str, Source]): The training notes by id.
    order (Sequence[Place]): The segments in the order in which to try them.
    """

    def __init__(
        self,
        nlp: Language,
        sources: Mapping[str, Source],
        order: Sequence[Place],
        settings: Settings,
        seed: int,
        outcome: Outcome,
    ) -> None:
        self._nlp = nlp
        self._sources = sources
        self._order = order
        self._settings = settings
        self._seed = seed
        self._outcome = outcome
        # Texts of accepted rewrites, kept if another variant of the same segment may follow.
        self._siblings: dict[Place, list[str]] = {}
        self._bare = _needs_segments_only(nlp)
        self._any_accepted = False
        # Segments whose prompts the model rejects, in every variant.
        self._refused: set[Place] = set()

    def notes(self) -> Iterator[tuple[Source, Accepted]]:
        """As many notes as are wanted, each with the rewrites that passed all filters."""
        wanted = self._outcome.wanted
        for variant in range(self._settings.variants):
            # Variants run one after the other, since a rewrite must not repeat an earlier one.
            order = [place for place in self._order if place not in self._refused]
            groups = _groups(order, self._settings.segments_per_note)
            for note in islice(self._pass(groups, variant, wanted), wanted):
                wanted -= 1
                yield note
            if not wanted or not self._requests_left():
                return

    def _requests_left(self) -> int:
        if self._outcome.ended:
            return 0
        left = [sys.maxsize]
        if self._settings.max_requests is not None:
            left.append(self._settings.max_requests - self._outcome.asked)
        if self._settings.give_up_after is not None and not self._any_accepted:
            left.append(self._settings.give_up_after - self._outcome.requests)
        return max(min(left), 0)

    def _pass(
        self, groups: Iterator[list[Place]], variant: int, wanted: int
    ) -> Iterator[tuple[Source, Accepted]]:
        waiting: deque[_Try] = deque()
        under_way = finished = 0
        while True:
            # Never more in progress than are still wanted: each answer has its price.
            while len(waiting) < self._settings.batch_size and under_way + finished < wanted:
                places = next(groups, None)
                if places is None:
                    break
                waiting += self._start(places, variant)
                under_way += 1
            size = min(len(waiting), self._settings.batch_size, self._requests_left())
            batch = [waiting.popleft() for _ in range(size)]
            if not batch:
                yield from _cut_short(waiting)
                return
            self._ask(batch)
            for attempt in batch:
                unasked = rewrite_of(attempt.doc).reason == NOT_ASKED
                if unasked or self._settle(attempt):
                    waiting.append(attempt)
                elif not attempt.note.open:
                    under_way -= 1
                    if attempt.note.accepted:
                        finished += 1
                        yield attempt.note.source, attempt.note.accepted

    def _start(self, places: Sequence[Place], variant: int) -> Iterator[_Try]:
        source = self._sources[places[0].note_id]
        note = _Note(source, len(places))
        for place in places:
            segment = source.segment(place)
            doc = bare_doc(segment) if self._bare else segment_to_doc(corpus_nlp(), segment)
            yield _Try(note, segment, doc, variant)

    def _ask(self, batch: Sequence[_Try]) -> None:
        for attempt in batch:
            siblings = self._siblings.get(attempt.segment.place, ())
            seed = _seed(self._seed, attempt)
            what = Attempt(seed, attempt.variant, attempt.tries, siblings, attempt.failed)
            set_attempt(attempt.doc, what)
        try:
            docs = self._rewritten(batch)
        except EndpointError as error:
            journals = _journals(self._nlp)
            if not journals:
                raise
            # Answers of this batch that came before the error have been paid for.
            self._outcome.ended = str(error)
            for journal in journals:
                journal.asks = False
            docs = self._rewritten(batch)
        for attempt, doc in zip(batch, docs, strict=True):
            attempt.doc = doc

    def _rewritten(self, batch: Sequence[_Try]) -> list[Doc]:
        docs = [attempt.doc for attempt in batch]
        return list(self._nlp.pipe(docs, batch_size=len(docs)))

    def _settle(self, attempt: _Try) -> bool:
        """Count the result of a request.

        RETURNS (bool): Whether to try the segment again.
        """
        rewrite = rewrite_of(attempt.doc)
        # Later variants use the same segments.
        self._outcome.tried += not (attempt.variant or attempt.tries or attempt.missing)
        self._outcome.count(rewrite)
        # A request without an answer is repeated unchanged and costs no try, but not without end.
        attempt.tries += rewrite.answered
        attempt.missing += rewrite.missing
        if rewrite.reason:
            last = rewrite.refused or self._settings.tries in (attempt.tries, attempt.missing)
            if rewrite.refused:
                self._refused.add(attempt.segment.place)
            self._outcome.drop(attempt.segment, rewrite, last)
            if not last:
                if self._settings.feedback and rewrite.markup:
                    attempt.failed = (rewrite.markup, _complaint(rewrite))
                return True
        else:
            self._any_accepted = True
            attempt.note.accepted.append((attempt.segment, rewrite))
            if self._settings.variants > 1:
                self._siblings.setdefault(attempt.segment.place, []).append(rewrite.text)
        attempt.note.open -= 1
        return False


def _needs_segments_only(nlp: Language) -> bool:
    """Whether nothing in a pipeline reads the annotations of a Doc other than by `segment_of`."""
    tasks = [getattr(component, "task", None) for _, component in nlp.pipeline]
    # Not `isinstance`: a subclass may read more.
    return all(type(task) is StructuredRewrite for task in tasks)


def _journals(nlp: Language) -> list[Journaled]:
    models = (getattr(component, "_model", None) for _, component in nlp.pipeline)
    return [model for model in models if isinstance(model, Journaled)]


def _cut_short(waiting: Iterable[_Try]) -> Iterator[tuple[Source, Accepted]]:
    """The notes with some of their segments rewritten when no more requests can be made."""
    for note in {id(attempt.note): attempt.note for attempt in waiting}.values():
        if note.accepted:
            yield note.source, note.accepted


def _groups(order: Sequence[Place], size: int) -> Iterator[list[Place]]:
    """Group each segment with others of its note that share no text, up to `size` in a group."""
    of_note: dict[str, list[Place]] = {}
    if size > 1:
        for place in order:
            of_note.setdefault(place.note_id, []).append(place)
    taken: set[int] = set()
    for place in order:
        if id(place) in taken:
            continue
        group = [place]
        for other in of_note.get(place.note_id, ()):
            if len(group) == size:
                break
            if id(other) not in taken and not any(map(other.overlaps, group)):
                group.append(other)
        taken.update(map(id, group))
        yield group


def _complaint(rewrite: Rewrite) -> str:
    reason = rewrite.reason.replace("_", " ")
    return f"{reason} ({rewrite.detail})" if rewrite.detail else reason


def _seed(seed: int, attempt: _Try) -> int:
    """A seed that depends on the segment, variant and try only, whatever else the run does."""
    segment = attempt.segment
    parts = (seed, segment.note_id, segment.start, segment.end, attempt.variant, attempt.tries)
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4]) >> 1
