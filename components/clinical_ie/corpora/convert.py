"""Conversion of a dataset of notes to `train.spacy`, `dev.spacy` and `test.spacy`, with counts."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Literal

from spacy.language import Language

from ..brat import Problem
from ..brat.records import label_twins
from ..system.garbage import collect_rarely
from ..system.workplace import write_whole
from ..terminal.printable import printable, some_of
from .count import SplitCount
from .docbin import DocBinWriter, PackedDoc, pack
from .formats import Format
from .notes import check_name, corpus_nlp, left_out, note_to_doc
from .parallel import ended, ordered_map
from .splits import SPLITS, Split, find_splits
from .standoff_reading import LinkSettings

OnError = Literal["stop", "skip-line", "skip-note"]
# Far larger than any clinical note. A Doc takes some 90 times the memory of its text, and if memory
# runs out, the system kills the process and the whole conversion is lost.
MAX_MB = 10
# Starting a process costs as much as converting this many notes.
NOTES_PER_PROCESS = 100
# Why each split needs mentions.
_WANTED_FOR = {
    "train": "there is nothing to learn",
    "dev": "training cannot choose its best step and thresholds with them",
    "test": "there is nothing to score against",
}
# Names listed in a remark; `convert.json` has them all.

# Wraps the iteration over the paths of a split; shows progress.
Track = Callable[[Sequence[Path], str], Iterable[Path]]


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """How notes are read; can be passed to other processes.

    on_error (OnError): What to give up on an error: the whole conversion, the line, or the note.
    links (LinkSettings): Which lines become relations.
    check (bool): Read and count only; nothing is written.
    processes (int): Maximum number of processes; it does not affect the result.
    max_mb (int): A note with a larger file is not read, and counts as an error.
    """

    format: Format = field(default_factory=Format)
    on_error: OnError = "skip-line"
    links: LinkSettings = field(default_factory=LinkSettings)
    check: bool = False
    processes: int = 1
    max_mb: int = MAX_MB


def convert_folder(folder: Path, out: Path, settings: ConvertSettings, track: Track) -> SplitCount:
    """Convert every note below a folder into one `.spacy` file.

    RAISES (FileNotFoundError): The folder is missing or holds no notes.
    RAISES (ValueError): A note has an error, and the settings say to stop.
    """
    split = Split(folder, settings.format.list_notes(folder), settings.format.strays(folder))
    with ExitStack() as outputs:
        return _convert(split, out, settings, track, outputs)


def convert_dataset(
    root: Path,
    out: Path,
    settings: ConvertSettings,
    track: Track,
    *,
    seed: int = 0,
    dev_ids: Path | None = None,
) -> tuple[dict[str, SplitCount], list[str]]:
    """Convert the splits of a dataset into `out/{train,dev,test}.spacy`, all of them or none.

    seed, dev_ids (int, Path | None): If there is no dev: seed for drawing it, or a list of its
        notes.
    RETURNS (tuple[dict[str, SplitCount], list[str]]): Counts by split, and remarks for the user.
    RAISES (FileNotFoundError): There is no train, or a split has no notes.
    RAISES (ValueError): A split cannot be made, or a note has an error and the settings say to
        stop.
    """
    splits, remarks = find_splits(root, settings.format, seed, dev_ids)
    with ExitStack() as outputs:
        counts = {
            name: _convert(splits[name], out / f"{name}.spacy", settings, track, outputs)
            for name in SPLITS
        }
    for told in (_no_mentions, _not_in_train, _alike, repeated, _in_two_splits):
        remarks += told(counts)
    return counts, remarks


def _no_mentions(counts: dict[str, SplitCount]) -> list[str]:
    return [
        f"none of the {count.notes} notes of {name} has a mention: {_WANTED_FOR[name]}"
        for name, count in counts.items()
        if count.notes and not count.mentions
    ]


def _not_in_train(counts: dict[str, SplitCount]) -> list[str]:
    """Types that no pipeline can find, which lowers recall."""
    remarks = []
    for name, what in product(SPLITS[1:], ("mention", "relation")):
        known, found = (getattr(counts[split], f"{what}s") for split in (SPLITS[0], name))
        if new := [label for label in found if label not in known]:
            number = sum(found[label] for label in new)
            remarks.append(
                f"{number} of the {found.total()} {what}s of {name} are of types that train does "
                f"not have ({some_of(new)}): no pipeline can find them"
            )
    return remarks


def _alike(counts: dict[str, SplitCount]) -> list[str]:
    """Types that may be meant to be the same; each would be learned from part of the examples."""
    return [
        f"{' and '.join(map(printable, found.values()))} are separate {what} types, which differ "
        "only in case, or in how their accents are encoded: if they are meant to be the same, "
        "rename all but one"
        for what in ("mention", "relation")
        for found in label_twins(
            label for count in counts.values() for label in getattr(count, f"{what}s")
        )
    ]


def repeated(counts: dict[str, SplitCount]) -> list[str]:
    """Remarks on notes that occur twice in one split or file."""
    return [
        f"{len(names)} of the {count.notes} notes of {name} repeat an earlier one, word for word "
        f"({some_of(names)}): every copy counts"
        for name, count in counts.items()
        if (names := count.repeated_texts(name))
    ]


def _in_two_splits(counts: dict[str, SplitCount]) -> list[str]:
    """Remarks on notes that occur in two splits, which rewards memorization."""
    remarks = []
    for earlier, later in combinations(SPLITS, 2):
        if names := counts[later].compare_texts(earlier, counts[earlier]):
            remarks.append(
                f"{len(names)} of the {counts[later].notes} notes of {later} are also in "
                f"{earlier}, word for word ({some_of(names)}): this makes scores on "
                f"{later} too good"
            )
    return remarks


def write_counts(counts: dict[str, SplitCount], path: Path) -> None:
    """Write the counts as JSON, readable by the owner only, because problems quote notes."""
    values = {split: count.as_dict() for split, count in counts.items()}
    write_whole(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n", private=True)


def _convert(
    split: Split, out: Path, settings: ConvertSettings, track: Track, outputs: ExitStack
) -> SplitCount:
    """Convert a split. Its file appears when `outputs` is closed without an error."""
    total = SplitCount(problems=list(split.strays))
    _stop_if_asked(total, settings)
    wanted = min(settings.processes, 1 + len(split.paths) // NOTES_PER_PROCESS)
    results = ordered_map(
        partial(_convert_note, root=split.root, settings=settings), split.paths, wanted
    )
    paths = track(split.paths, out.stem)
    tracked = zip(paths, results, strict=True)
    with ended(paths, results):
        if settings.check:
            for _, (_, count) in tracked:
                total.add(count)
            return total
        writer = outputs.enter_context(DocBinWriter(out))
        for _, (packed, count) in tracked:
            total.add(count)
            if packed is not None:
                writer.add(packed)
        writer.finish()
    return total


@collect_rarely()
def _convert_note(
    path: Path, root: Path, settings: ConvertSettings
) -> tuple[PackedDoc | None, SplitCount]:
    """Convert one note.

    RETURNS (tuple[PackedDoc | None, SplitCount]): None for a note that is left out.
    RAISES (ValueError): The note has an error, and the settings say to stop.
    """
    name = path.relative_to(root).as_posix()
    shown = name.encode("utf8", errors="backslashreplace").decode()
    # Outside the `try`: if this fails, the note is not at fault.
    nlp = corpus_nlp()
    try:
        check_name(name)
        packed, count = _read_and_pack(nlp, path, root, settings)
    except Exception as error:
        # A file can be damaged in unforeseen ways; this must not affect the other notes.
        packed, count = None, SplitCount(problems=[left_out(path, error)], left_out=[shown])
    _stop_if_asked(count, settings)
    return packed, count


def _read_and_pack(
    nlp: Language, path: Path, root: Path, settings: ConvertSettings
) -> tuple[PackedDoc | None, SplitCount]:
    count = SplitCount()
    _check_sizes(path, settings.format.endings[path.suffix], settings.max_mb)
    note = settings.format.read_note(path, root)
    doc, count.problems = note_to_doc(nlp, note, settings.links)
    if settings.format.check is not None:
        count.problems += settings.format.check(note)
    if settings.on_error == "skip-note" and _errors(count):
        count.left_out = [path.relative_to(root).as_posix()]
        return None, count
    count.without_annotations = int(not note.has_ann)
    count.add_doc(doc)
    count.add_text(note.name, note.text)
    return None if settings.check else pack(doc), count


def _check_sizes(path: Path, endings: Iterable[str], max_mb: int) -> None:
    """Check the sizes of a note's files before they are read.

    RAISES (ValueError): One of them is larger than the limit.
    """
    for file in map(path.with_suffix, endings):
        try:
            size = file.stat().st_size if file.is_file() else 0
        except OSError:
            # With this ending, the name is too long for a file.
            continue
        if size > max_mb * 1_000_000:
            raise ValueError(
                f"{file} has {size:,} bytes, more than the limit of {max_mb:,} MB: cut it into "
                f"several notes, or allow it with --max-mb {-(-size // 1_000_000)}"
            )


def _errors(count: SplitCount) -> list[Problem]:
    return [problem for problem in count.problems if problem.severity == "error"]


def _stop_if_asked(count: SplitCount, settings: ConvertSettings) -> None:
    if settings.on_error == "stop" and (errors := _errors(count)):
        # The message says what the other modes would leave out; this mode leaves nothing out.
        told = str(errors[0]).replace(": whole note left out:", ":", 1)
        found = re.sub(r":[\w ]* (left out|not read)$", "", told)
        raise ValueError(f"{found}; stopped there, nothing was written (--on-error stop)")
