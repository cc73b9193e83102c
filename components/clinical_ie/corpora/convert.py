"""A dataset of notes becomes `train.spacy`, `dev.spacy` and `test.spacy`, and a count of it all."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc
from spacy.util import filter_spans

from ..brat import Problem, list_notes, read_note
from ..doc import SPANS_KEY, annotations_of
from .docbin import write_docs
from .notes import corpus_nlp, note_to_doc

FORMATS = ("brat",)
SPLITS = ("train", "dev", "test")
# The paper's own share: 61 of n2c2-2018's 303 training notes.
DEV_SHARE = 0.2

Track = Callable[[list[Path], str], Iterable[Path]]


@dataclass(slots=True)
class SplitCount:
    """What became of one split.

    mentions, relations (Counter[str]): Kept on the Docs, by label.
    not_trainable (dict[str, Counter[str]]): Kept on the Docs, but out of reach of a flat tagger or
        of token borders, by reason and label.
    problems (list[Problem]): Lines that could not be taken over as they stand.
    """

    notes: int = 0
    tokens: int = 0
    mentions: Counter[str] = field(default_factory=Counter)
    relations: Counter[str] = field(default_factory=Counter)
    not_trainable: dict[str, Counter[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, doc: Doc, problems: list[Problem]) -> None:
        """Count one Doc."""
        self.notes += 1
        self.tokens += len(doc)
        self.problems += problems
        annotations = annotations_of(doc)
        self.mentions.update(mention.label for mention in annotations.mentions)
        self.relations.update(link.label for link in annotations.links)
        spans = list(doc.spans[SPANS_KEY])
        flat = set(map(id, filter_spans(spans)))
        for span, mention in zip(spans, annotations.mentions, strict=True):
            if id(span) not in flat:
                self._count("overlaps a longer or earlier mention", mention.label)
            if (span.start_char, span.end_char) != (mention.start, mention.end):
                self._count("cuts through a token", mention.label)
            gaps = zip(mention.fragments, mention.fragments[1:], strict=False)
            if any(doc.text[left[1] : right[0]].strip() for left, right in gaps):
                self._count("is in several pieces", mention.label)
        for link in annotations.links:
            if link.head == link.tail:
                self._count("relates a mention to itself", link.label)

    def _count(self, reason: str, label: str) -> None:
        self.not_trainable.setdefault(reason, Counter())[label] += 1

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "notes": self.notes,
            "tokens": self.tokens,
            "mentions": dict(self.mentions.most_common()),
            "relations": dict(self.relations.most_common()),
            "not_trainable": {k: dict(v.most_common()) for k, v in self.not_trainable.items()},
            "problems": [str(problem) for problem in self.problems],
        }


def convert_folder(folder: Path, out: Path, track: Track) -> SplitCount:
    """Convert every note below a folder into one `.spacy` file.

    track (Track): Wraps the iteration over the paths; shows progress.
    RAISES (FileNotFoundError): The folder is missing or holds no note.
    """
    return _convert(list_notes(folder), folder, out, track)


def convert_dataset(
    root: Path, out: Path, format_: str, seed: int, track: Track
) -> tuple[dict[str, SplitCount], list[str]]:
    """Convert `root/{train,dev,test}` into `out/{train,dev,test}.spacy`.

    A missing dev is a fifth of train, drawn by the seed; a missing test gives an empty
    `test.spacy`, and the remarks say what evaluation makes of it.
    RETURNS (tuple[dict[str, SplitCount], list[str]]): Counts by split, and remarks for the user.
    RAISES (FileNotFoundError): No `train`, or a split without notes.
    RAISES (ValueError): An unknown format, or too few notes to take a dev split from.
    """
    if format_ not in FORMATS:
        raise ValueError(f"unknown format {format_!r}; this version reads: {', '.join(FORMATS)}")
    if not (root / "train").is_dir():
        raise FileNotFoundError(
            f"{root / 'train'}: no such folder; put notes in brat (.txt and .ann) into "
            f"{root}/train, {root}/dev and {root}/test"
        )
    remarks = []
    paths = {"train": list_notes(root / "train"), "test": []}
    if (root / "dev").is_dir():
        paths["dev"] = list_notes(root / "dev")
    else:
        paths["train"], paths["dev"] = split_off_dev(paths["train"], seed)
        remarks.append(
            f"no {root / 'dev'}: {len(paths['dev'])} of the training notes are dev, by seed {seed}"
        )
    if (root / "test").is_dir():
        paths["test"] = list_notes(root / "test")
    else:
        remarks.append(f"no {root / 'test'}: evaluation will use dev, and say so")
    counts = {}
    for split in SPLITS:
        split_root = root / split if (root / split).is_dir() else root / "train"
        counts[split] = _convert(paths[split], split_root, out / f"{split}.spacy", track)
    return counts, remarks


def split_off_dev(paths: list[Path], seed: int) -> tuple[list[Path], list[Path]]:
    """Draw a fifth of the notes as dev.

    RETURNS (tuple[list[Path], list[Path]]): Train and dev, each in the order given.
    RAISES (ValueError): Fewer than two notes.
    """
    if len(paths) < 2:
        raise ValueError(f"{paths[0].parent}: one note cannot be split into train and dev")
    drawn = random.Random(seed).sample(sorted(paths), max(1, round(len(paths) * DEV_SHARE)))
    dev = set(drawn)
    return [p for p in paths if p not in dev], [p for p in paths if p in dev]


def write_counts(counts: dict[str, SplitCount], path: Path) -> None:
    """Write the counts as JSON."""
    values = {split: count.as_dict() for split, count in counts.items()}
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf8")


def _convert(paths: list[Path], root: Path, out: Path, track: Track) -> SplitCount:
    count = SplitCount()
    write_docs(_docs(paths, root, count, track, out.stem), out)
    return count


def _docs(
    paths: list[Path], root: Path, count: SplitCount, track: Track, name: str
) -> Iterator[Doc]:
    nlp = corpus_nlp()
    for path in track(paths, name):
        try:
            note = read_note(path, root)
        except UnicodeDecodeError as error:
            count.problems.append(Problem(str(path), 0, f"left out, the whole note: {error}"))
            continue
        doc, problems = note_to_doc(nlp, note)
        count.add(doc, problems)
        yield doc
