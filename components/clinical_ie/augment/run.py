"""The whole step: choose segments, have them rewritten, put them back, write the results."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..corpora.docbin import read_docs
from ..system.garbage import collect_rarely, made_to_stay
from ..system.workplace import check_folder, check_place, claimed
from .config import Settings, load
from .models.endpoint import EndpointError
from .outcome import Outcome
from .output import Output
from .quiet import quiet_logs
from .schedule import Accepted, Schedule
from .segment import Place, places_in, sentence_starts
from .source import LabelCounts, NewNote, Source, add_labels, sources_of
from .strategy import by_labels, errors_by_label, plan, rare_first, weak_first
from .terms import Terms, learn_terms, normal

# New notes that go through each step together: taken one by one, each step would find the
# processor's caches filled with the code of the others, which takes a tenth more time.
_TOGETHER = 64


@collect_rarely()
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
    """Make new notes from training notes; before the end, only the journal is written.

    If there is no new note, those of an earlier run stay, and only the summary is written. If a
    server takes no more requests, the notes are made of the answers so far, and `Outcome.ended`
    says why.

    train (Path): Annotated notes (`.spacy`).
    out (Path): The new notes (`.spacy`).
    out_dir (Path): Gets `brat/`, `provenance.jsonl`, `journal.sqlite`, `augment.json` and
        `augment.html`.
    n_augmented (int): Maximum number of new notes; there are fewer if the segments run out.
    seed (int): For the choice of segments and the model's sampling.
    model_path (Path | None): Overrides the config's `paths.model`.
    on_accepted (Callable[[], None]): Called for each new note, before it is written.
    RAISES (OSError): The notes cannot be written to `out`, or another run is at work in `out_dir`.
    RAISES (FileNotFoundError): The training notes, the config or the weights are missing.
    RAISES (ConfigError): The config does not parse, or has an unknown key or an invalid value.
    RAISES (ValueError): Two training notes have the same id, a label cannot be written in brat, a
        server takes no request at all, or `out` is `train`.
    """
    began = time.monotonic()
    if out.resolve() == train.resolve():
        raise ValueError(
            f"{out}: the new notes would replace the training notes; name another file"
        )
    check_place(out)
    for folder in (out.parent, out_dir):
        # Not when the first notes are written, since requests may cost money.
        check_folder(folder)
    paths = {"train": train, "journal": out_dir / "journal.sqlite"}
    if model_path is not None:
        paths["model"] = model_path
    with made_to_stay():
        docs = read_docs(train)
        sources = sources_of(docs, train)
        starts = [sentence_starts(doc) for doc in docs]
        # The rest needs little of what a Doc contains; free the memory.
        docs.clear()
        terms = learn_terms(train, ((note.text, note.annotations) for note in sources.values()))
        settings, nlp, model = load(config, paths)
        asked = {
            "config": str(config),
            "model": model,
            "seed": seed,
            "n_augmented": n_augmented,
            "strategy": settings.strategy,
            "segments_per_note": settings.segments_per_note,
            "max_requests": settings.max_requests,
            "give_up_after": settings.give_up_after,
        }
        outcome = Outcome(asked, settings.prices, _known_terms(terms), _counts(sources))
        places = _places(zip(sources.values(), starts, strict=True), settings, outcome)
        order = _order(places, seed, settings, outcome)
    copies: Counter[str] = Counter()
    # Two runs at a time would ask, and pay, for the same answers.
    alone = claimed(out_dir, mode=0o700)
    with quiet_logs(settings.log_text), alone, Output(out, out_dir) as output:
        schedule = Schedule(nlp, sources, order, settings, seed, outcome)
        made = _counted(schedule.notes(), on_accepted)
        while batch := list(islice(made, _TOGETHER)):
            notes = []
            for source, accepted in batch:
                copies[source.note_id] += 1
                notes.append(_new_note(source, accepted, copies[source.note_id], model))
            output.add(notes)
            for note, (_, accepted) in zip(notes, batch, strict=True):
                outcome.add(note.doc._.note_id, note.annotations, accepted)
        if outcome.ended and not outcome.accepted:
            raise EndpointError(outcome.ended)
        outcome.seconds = time.monotonic() - began
        output.finish(outcome)
    return outcome


def _counted(
    notes: Iterable[tuple[Source, Accepted]], on_accepted: Callable[[], None]
) -> Iterator[tuple[Source, Accepted]]:
    """The same; each is counted when it arrives, since a slow model takes long to fill a batch."""
    for note in notes:
        on_accepted()
        yield note


def _places(
    notes: Iterable[tuple[Source, list[int]]], settings: Settings, outcome: Outcome
) -> list[list[Place]]:
    """The places of the segments of each note.

    notes (Iterable[tuple[Source, list[int]]]): Each with the starts of its sentences.
    """
    places = []
    limits = settings.max_words, settings.nested, settings.max_term_words
    for note, starts in notes:
        found, skipped = places_in(note.note_id, note.text, note.annotations, starts, *limits)
        places.append(found)
        outcome.segments += len(found)
        outcome.skipped += skipped
    return places


def _order(
    places: Sequence[Sequence[Place]], seed: int, settings: Settings, outcome: Outcome
) -> list[Place]:
    order = list(plan(places, seed, (settings.min_mentions, settings.max_mentions)))
    if settings.strategy == "rare_labels":
        return list(by_labels(order, rare_first(outcome.before[0])))
    if settings.strategy == "weak_labels":
        assert settings.dev_metrics is not None
        return list(by_labels(order, weak_first(errors_by_label(settings.dev_metrics))))
    return order


def _new_note(source: Source, accepted: Accepted, copy: int, model: dict[str, Any]) -> NewNote:
    rewrites = [
        (segment, rewrite.text, rewrite.mentions(segment.annotations.mentions))
        for segment, rewrite in accepted
    ]
    provenance = {
        "source": source.note_id,
        "model": model,
        "segments": [
            {
                "start": segment.start,
                "end": segment.end,
                "prompt_sha256": rewrite.prompt_sha256,
                "seed": rewrite.seed,
                "variant": rewrite.variant,
            }
            for segment, rewrite in sorted(accepted, key=lambda pair: pair[0].start)
        ],
    }
    return source.with_rewrites(rewrites, f"{source.note_id}.aug{copy}", provenance)


def _counts(sources: Mapping[str, Source]) -> LabelCounts:
    counts: LabelCounts = (Counter(), Counter())
    for source in sources.values():
        add_labels(counts, source.annotations)
    return counts


def _known_terms(terms: Terms) -> dict[str, set[str]]:
    return {label: set(map(normal, spellings)) for label, spellings in terms.by_label.items()}
