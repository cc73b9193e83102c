"""Two brat folders, gold and predicted, made ready to be scored."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from ..brat import Note, Problem, Relation, TextBound, list_notes, read_note
from ..brat.model import BOM
from ..corpora.standoff_reading import note_to_annotations
from ..doc import Annotations


@dataclass(slots=True)
class FolderPair:
    """The notes of both folders by name, and what their owner should know about them.

    missing (list[str]): Notes that only the gold folder has.
    extra (list[str]): Notes that only the predicted folder has.
    without_ann (list[Path]): Notes that have no `.ann`, and so nothing in them.
    problems (list[Problem]): Lines that could not be taken over as they stand.
    first_met (dict[str, str]): Every label of a mention or relation, with file and line.
    """

    gold: dict[str, Annotations] = field(default_factory=dict)
    predicted: dict[str, Annotations] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    without_ann: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    first_met: dict[str, str] = field(default_factory=dict)


def read_pair(gold: Path, predicted: Path) -> FolderPair:
    """Read two brat folders whose notes go by the same names.

    RAISES (FileNotFoundError): A folder is missing or holds no note.
    RAISES (UnicodeDecodeError): A file is not UTF-8.
    RAISES (ValueError): A note's text differs between the folders, so that offsets into it mean
        different characters.
    """
    pair = FolderPair()
    paths = [
        {path.relative_to(folder).with_suffix("").as_posix(): path for path in list_notes(folder)}
        for folder in (gold, predicted)
    ]
    for name, path in paths[0].items():
        note = read_note(path, gold)
        pair.texts[name] = note.text
        pair.gold[name] = _annotations(note, path, pair)
        if name in paths[1]:
            other = read_note(paths[1][name], predicted)
            _check_texts(path, note, paths[1][name], other)
            pair.predicted[name] = _annotations(other, paths[1][name], pair)
    pair.missing = [name for name in paths[0] if name not in paths[1]]
    pair.extra = [name for name in paths[1] if name not in paths[0]]
    for name in pair.extra:
        note = read_note(paths[1][name], predicted)
        pair.texts[name] = note.text
        pair.predicted[name] = _annotations(note, paths[1][name], pair)
    return pair


def _annotations(note: Note, path: Path, pair: FolderPair) -> Annotations:
    if not path.with_suffix(".ann").is_file():
        pair.without_ann.append(path)
    for number, line in enumerate(note.standoff.lines, start=1):
        if isinstance(line.record, TextBound | Relation):
            place = f"{path.with_suffix('.ann')}:{number}"
            pair.first_met.setdefault(line.record.label, place)
    annotations, problems = note_to_annotations(note)
    for problem in problems:
        # The names are the same in both folders: only the whole path tells them apart.
        ann = str(path.with_suffix(".ann"))
        pair.problems.append(Problem(ann, problem.line, problem.message))
    return annotations


def _check_texts(gold_path: Path, gold: Note, predicted_path: Path, predicted: Note) -> None:
    texts = [gold.text, predicted.text]
    if gold.bom != predicted.bom:
        # Whether offsets count a byte order mark shows only where there are annotations.
        texts = [
            t if n.standoff.lines else t.removeprefix(BOM)
            for t, n in zip(texts, (gold, predicted), strict=True)
        ]
    if texts[0] == texts[1]:
        return
    position = next(
        (i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts))
    )
    raise ValueError(
        f"{predicted_path}: its text differs from {gold_path} from character {position} on, so "
        "offsets cannot be compared; expected the same text in both folders"
    )


def case_twins(pair: FolderPair) -> list[str]:
    """Labels that are one but for the case of letters, which no comparison takes for the same.

    RETURNS (list[str]): The spellings of each such label, with the line that each is first met on.
    """
    spellings: dict[str, dict[str, str]] = defaultdict(dict)
    for label, place in pair.first_met.items():
        spellings[label.casefold()][label] = place
    return [
        "; ".join(f"{label}, first in {place}" for label, place in sorted(found.items()))
        for _, found in sorted(spellings.items())
        if len(found) > 1
    ]
