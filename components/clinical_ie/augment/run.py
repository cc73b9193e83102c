"""The whole step: choose segments, have them rewritten, put them back, write what came of it."""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.docbin import read_docs
from ..corpora.notes import corpus_nlp, make_doc
from ..corpora.standoff_writing import edit_standoff
from ..doc import annotations_of, has_standoff
from .config import Settings, load
from .output import Outcome, write_outcome
from .segment import Segment, plan, segment_to_doc, segments_of
from .splice import splice
from .task import Rewrite, rewrite_of, set_attempt


@dataclass(slots=True)
class _Attempt:
    """A segment on its way: the Doc that goes through the model, and how often it has."""

    segment: Segment
    doc: Doc
    variant: int
    tries: int = 0


def augment(
    train: Path,
    out: Path,
    out_dir: Path,
    config: Path,
    n_augmented: int,
    seed: int,
    model_path: Path | None = None,
    on_accepted: Callable[[], None] = lambda: None,
) -> Outcome:
    """Make new notes from training notes; nothing but the journal is written before the end.

    train (Path): Annotated notes (`.spacy`).
    out (Path): The new notes (`.spacy`).
    out_dir (Path): Gets `brat/`, `journal.sqlite` and `augment.json`.
    n_augmented (int): So many new notes are asked for; there are fewer where segments run out.
    seed (int): Draws segments, and the model's samples.
    model_path (Path | None): In place of the config's `paths.model`.
    on_accepted (Callable[[], None]): Called after each new note.
    RAISES (FileNotFoundError): No training notes, no config, or no weights.
    RAISES (ConfigError): The config does not parse, or holds a key that nothing knows.
    RAISES (ValueError): Two training notes have one id.
    """
    began = time.monotonic()
    paths = {"train": train, "journal": out_dir / "journal.sqlite"}
    if model_path is not None:
        paths["model"] = model_path
    notes = _by_id(read_docs(train), train)
    settings, nlp, model = load(config, paths)
    found = [segments_of(doc, settings.max_words, settings.nested) for doc in notes.values()]
    outcome = Outcome(str(config), model, seed, n_augmented)
    outcome.segments = sum(len(segments) for segments, _ in found)
    for _, skipped in found:
        outcome.skipped += skipped
    order = plan(
        [segments for segments, _ in found], seed, (settings.min_mentions, settings.max_mentions)
    )
    copies: Counter[str] = Counter()
    rewrites = _rewrites(nlp, order, settings, seed, n_augmented, outcome)
    for segment, rewrite in islice(rewrites, n_augmented):
        copies[segment.note_id] += 1
        new_id = f"{segment.note_id}.aug{copies[segment.note_id]}"
        outcome.add(
            segment, rewrite, _new_note(notes[segment.note_id], segment, rewrite, new_id, model)
        )
        on_accepted()
    outcome.seconds = time.monotonic() - began
    write_outcome(outcome, list(notes.values()), out, out_dir)
    return outcome


def _by_id(docs: list[Doc], path: Path) -> dict[str, Doc]:
    notes: dict[str, Doc] = {}
    for doc in docs:
        if doc._.note_id in notes:
            raise ValueError(f"{path}: two notes with the id {doc._.note_id!r}")
        notes[doc._.note_id] = doc
    return notes


def _rewrites(
    nlp: Language,
    order: Iterator[Segment],
    settings: Settings,
    seed: int,
    wanted: int,
    outcome: Outcome,
) -> Iterator[tuple[Segment, Rewrite]]:
    """Rewrites that every filter let pass, as they come."""
    blank = corpus_nlp()
    fresh = _with_variants(order, settings.variants)
    waiting: deque[_Attempt] = deque()
    accepted = 0
    while accepted < wanted:
        # Never more under way than are still wanted: each answer has its price.
        size = min(settings.batch_size, wanted - accepted)
        for segment, variant in islice(fresh, max(size - len(waiting), 0)):
            waiting.append(_Attempt(segment, segment_to_doc(blank, segment), variant))
            outcome.tried += 1
        batch = [waiting.popleft() for _ in range(min(size, len(waiting)))]
        if not batch:
            return
        for attempt in batch:
            set_attempt(attempt.doc, _seed(seed, attempt), attempt.variant)
            attempt.tries += 1
        docs = nlp.pipe([attempt.doc for attempt in batch], batch_size=len(batch))
        for attempt, doc in zip(batch, docs, strict=True):
            rewrite = rewrite_of(doc)
            outcome.count(rewrite)
            if not rewrite.reason:
                accepted += 1
                yield attempt.segment, rewrite
                continue
            last = attempt.tries == settings.tries
            outcome.drop(attempt.segment, rewrite, last)
            if not last:
                waiting.append(attempt)


def _with_variants(order: Iterator[Segment], variants: int) -> Iterator[tuple[Segment, int]]:
    """Every segment once, then every segment again as the next variant."""
    segments = []
    for segment in order:
        segments.append(segment)
        yield segment, 0
    for variant in range(1, variants):
        yield from zip(segments, repeat(variant))


def _seed(seed: int, attempt: _Attempt) -> int:
    """The same for the same try at the same segment, whatever else the run does."""
    segment = attempt.segment
    parts = (seed, segment.note_id, segment.start, segment.end, attempt.variant, attempt.tries)
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4]) >> 1


def _new_note(
    note: Doc, segment: Segment, rewrite: Rewrite, new_id: str, model: dict[str, Any]
) -> Doc:
    text, annotations = splice(
        note.text,
        annotations_of(note),
        segment,
        rewrite.text,
        rewrite.mentions(segment.annotations.mentions),
    )
    new = make_doc(corpus_nlp(), text, annotations, new_id)
    if has_standoff(note):
        # Events, attributes and whatever else the file holds go along.
        standoff = note._.standoff
        edit_standoff(standoff, annotations, note.text, text)
        new._.standoff = standoff
    new._.provenance = {
        "source": segment.note_id,
        "start": segment.start,
        "end": segment.end,
        "model": model,
        "prompt_sha256": rewrite.prompt_sha256,
        "seed": rewrite.seed,
        "variant": rewrite.variant,
    }
    return new
