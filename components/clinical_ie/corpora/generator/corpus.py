"""Writing a generated corpus to disk; its bytes do not depend on the number of processes."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...brat import Relation, Standoff, TextBound, write_note
from ...system.workers import WorkerPool, start_worker
from ..parallel import ended
from ..synthetic.folder import check_replaceable, replaced_folder, write_manifest
from .note import Generator
from .schema import SPLITS, Schema

# Notes sent to a process at once.
CHUNK = 8

Job = tuple[str, int]


@dataclass(slots=True)
class NoteCounts:
    """What a set of notes holds.

    words (list[int]): Length of each note.
    mentions, relations (Counter[str]): By type.
    lines (Counter[str]): Lines of the `.ann` files by their first character.
    """

    words: list[int] = field(default_factory=list)
    mentions: Counter[str] = field(default_factory=Counter)
    relations: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)

    def add(self, text: str, standoff: Standoff) -> None:
        """Count one note."""
        self.words.append(len(text.split()))
        self.mentions.update(mention.label for mention in standoff.records(TextBound))
        self.relations.update(relation.label for relation in standoff.records(Relation))
        self.lines.update(line.raw[0] for line in standoff.lines)

    def update(self, other: "NoteCounts") -> None:
        """Add the counts of further notes."""
        self.words += other.words
        self.mentions += other.mentions
        self.relations += other.relations
        self.lines += other.lines

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "notes": len(self.words),
            "words": sum(self.words),
            "median_words": statistics.median(self.words) if self.words else 0,
            "mentions": dict(sorted(self.mentions.items())),
            "relations": dict(sorted(self.relations.items())),
            "lines": dict(sorted(self.lines.items())),
        }


# Wraps the iteration over the notes; shows progress.
Track = Callable[[Sequence[Job], str], Iterable[Job]]


def write_generated_corpus(
    schema: Schema,
    folder: Path,
    seed: int,
    sizes: Mapping[str, int],
    *,
    n_process: int = 1,
    track: Track | None = None,
) -> NoteCounts:
    """Write `folder/<split>/<name>.txt` and `.ann` for every note, and `folder/generated.json`.

    The corpus appears complete or not at all: it is written beside the folder, then moved into
    place, so an interrupted run starts again. A corpus that this function wrote is replaced.

    seed (int): Another seed gives another corpus.
    sizes (Mapping[str, int]): Number of notes per split ("train", "dev", "test").
    n_process (int): Number of processes; it does not affect what is written.
    track (Track | None): Wraps the iteration over the notes, and shows progress.
    RETURNS (NoteCounts): What the corpus holds.
    RAISES (FileExistsError): The folder holds something that this function did not write.
    RAISES (ValueError): No such split, or fewer than one process.
    RAISES (BrokenProcessPool): A process was killed.
    """
    if odd := sizes.keys() - set(SPLITS):
        raise ValueError(f"split {min(odd)!r} is unknown; expected some of {', '.join(SPLITS)}")
    if n_process < 1:
        raise ValueError(f"{n_process} processes cannot write a note; expected 1 or more")
    check_replaceable(folder, "generated corpus")
    jobs = [(split, index) for split, size in sizes.items() for index in range(size)]
    total = NoteCounts()
    with replaced_folder(folder) as new:
        for split, size in sizes.items():
            # Readers of the corpus do not accept an empty split folder.
            if size:
                (new / split).mkdir()
        with _results(schema, seed, new, jobs, n_process) as results:
            tracked = track(jobs, "notes") if track else jobs
            with ended(tracked):
                for _, counts in zip(tracked, results, strict=True):
                    total.update(counts)
        write_manifest(new, {"seed": seed, "sizes": dict(sizes), "counts": total.as_dict()})
    return total


@contextmanager
def _results(
    schema: Schema, seed: int, folder: Path, jobs: list[Job], n_process: int
) -> Iterator[Iterator[NoteCounts]]:
    """The counts of each job, in order, as the notes are written."""
    if n_process == 1:
        yield map(partial(_write, Generator(schema, seed), folder), jobs)
        return
    pool = WorkerPool(n_process, _start, (schema, seed, folder))
    try:
        yield pool.map(_work, jobs, chunksize=CHUNK)
    finally:
        # No process may write into the folder any more when it is removed.
        pool.shutdown(cancel_futures=True)


def _write(generator: Generator, folder: Path, job: Job) -> NoteCounts:
    split, index = job
    note = generator.write(split, index)
    write_note(folder / split, note.name, note.text, note.standoff)
    counts = NoteCounts()
    counts.add(note.text, note.standoff)
    return counts


# What a worker process holds; set by `_start`.
_write_job: Callable[[Job], NoteCounts]


def _start(schema: Schema, seed: int, folder: Path) -> None:
    global _write_job
    _write_job = partial(_write, Generator(schema, seed), folder)
    start_worker()


def _work(job: Job) -> NoteCounts:
    return _write_job(job)
