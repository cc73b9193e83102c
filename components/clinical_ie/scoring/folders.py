"""Reading of two brat folders, gold and predicted, for scoring."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..brat import Note, Problem, Relation, Standoff, TextBound, read_note
from ..brat.files import covered_text, covers, files_below, in_parts, misspelt, note_name
from ..brat.model import BOM, Line
from ..brat.records import Fragments, label_twins
from ..corpora.standoff_reading import read_lines
from ..doc import Annotations
from ..system.garbage import collect_rarely
from .protocols import DEFAULT_PROTOCOL, Protocol, get_protocol


@dataclass(slots=True)
class FolderPair:
    """The notes of both folders by name, and the problems found in them.

    texts (dict[str, str]): Texts of the notes with a `.txt` in at least one of the folders.
    missing (list[str]): Notes that only the gold folder has.
    extra (list[str]): Notes that only the predicted folder has.
    without_ann (tuple[list[Path], list[Path]]): The `.txt` without `.ann`, of gold and of
        predicted; the protocol decides whether they are notes.
    problems (list[Problem]): Problems in lines or files, and how they were handled.
    first_met (dict[str, dict[str, str]]): By `mention` and `relation`, which are never compared
        with each other: file and line of the first occurrence of each label.
    """

    gold: dict[str, Annotations] = field(default_factory=dict)
    predicted: dict[str, Annotations] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    without_ann: tuple[list[Path], list[Path]] = field(default_factory=lambda: ([], []))
    problems: list[Problem] = field(default_factory=list)
    first_met: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))


@collect_rarely()
def read_pair(gold: Path, predicted: Path, protocol: str = DEFAULT_PROTOCOL) -> FolderPair:
    """Read two brat folders whose notes have the same names.

    A note's `.txt` may be in only one of the folders: many systems write only `.ann` files.

    protocol (str): What counts as correct, and what as a note; see `PROTOCOLS`.
    RAISES (FileNotFoundError): A folder is missing or holds no note.
    RAISES (UnicodeDecodeError): A `.txt` is not UTF-8.
    RAISES (ValueError): The text of a note differs between the folders, so that its offsets cannot
        be compared.
    """
    rules = get_protocol(protocol)
    pair = FolderPair()
    paths = [
        _paths(folder, rules.needs_ann, without_ann, pair)
        for folder, without_ann in zip((gold, predicted), pair.without_ann, strict=True)
    ]
    different: list[str] = []
    for name in sorted(paths[0].keys() | paths[1].keys()):
        found = [of_side[name] for of_side in paths if name in of_side]
        texts = [path for path in found if path.is_file()]
        notes = {path: read_note(path) for path in texts}
        if len(notes) == 2:
            _settle_bom(*notes.values())
            if difference := _difference(notes):
                different.append(difference)
                continue
        text = notes[texts[0]].text if texts else None
        if text is not None:
            pair.texts[name] = text
        for of_side, side in zip(paths, (pair.gold, pair.predicted), strict=True):
            if name in of_side:
                path = of_side[name]
                note = notes.get(path) or _without_text(path, text)
                side[name] = _annotations(note, text is not None, rules, pair)
    if different:
        more = f" (and {len(different) - 1} more notes differ)" if len(different) > 1 else ""
        raise ValueError(different[0] + more)
    pair.missing = [name for name in pair.gold if name not in pair.predicted]
    pair.extra = [name for name in pair.predicted if name not in pair.gold]
    return pair


def _paths(
    folder: Path, needs_ann: bool, without_ann: list[Path], pair: FolderPair
) -> dict[str, Path]:
    """The path of every note's `.txt`, by note name, whether or not the file exists.

    needs_ann (bool): See `Protocol`.
    without_ann (list[Path]): Receives every `.txt` that has no `.ann`.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected brat notes in it")
    files = sorted(files_below(folder))
    texts = {note_name(p, folder): p for p in files if p.suffix == ".txt" and p.is_file()}
    # A dangling .ann link fails with a clear error when it is read. Without a .txt it is ignored:
    # editors leave such links as locks.
    paths = {
        name: path.with_suffix(".txt")
        for path in files
        if path.suffix == ".ann" and ((name := note_name(path, folder)) in texts or path.is_file())
    }
    without_ann += [path for name, path in texts.items() if name not in paths]
    if not needs_ann:
        paths |= texts
    endings = (".ann",) if needs_ann else (".txt", ".ann")
    odd = misspelt(files, endings) + in_parts(files)
    if not paths:
        expected = " and no ".join(endings)
        told = f"; {odd[0].message.removesuffix(': left out')} ({odd[0].file})" if odd else ""
        raise FileNotFoundError(f"{folder}: holds no {expected} file; expected brat notes{told}")
    pair.problems += odd
    return paths


def _without_text(path: Path, text: str | None) -> Note:
    """The note of an `.ann` without a `.txt` beside it."""
    ann = path.with_suffix(".ann")
    standoff = Standoff.from_bytes(ann.read_bytes())
    problems = [replace(problem, file=str(ann)) for problem in standoff.problems]
    if text is None:
        message = f"no {path.name} in either folder: only offsets are compared"
        problems.append(Problem(str(ann), 0, message, "warning"))
    return Note(path.stem, text or "", standoff, problems, ann=str(ann))


def _annotations(note: Note, has_text: bool, rules: Protocol, pair: FolderPair) -> Annotations:
    """The annotations of a note. Unlike in training, a mention is kept if its text differs from
    what its offsets cover, since only offsets are compared.

    has_text (bool): Whether the note's text is known.
    """
    fragments: dict[int, Fragments] = {}
    problems: list[Problem] = []
    lines: list[Line] = []
    of_file = note.standoff.lines
    numbers = list(range(len(of_file)))
    if rules.last_of_id:
        of_file, numbers = _last_of_id(note, problems)
    for place, (number, line) in enumerate(zip(numbers, of_file, strict=True)):
        record = line.record
        if isinstance(record, TextBound | Relation):
            kind = "mention" if isinstance(record, TextBound) else "relation"
            pair.first_met[kind].setdefault(record.label, f"{note.ann}:{number + 1}")
        if isinstance(record, TextBound):
            if has_text and not covers(note.text, record.fragments, record.text):
                problems.append(_disagreement(note, number, record))
            problems += (
                Problem(note.ann, number + 1, f"{record.id} {told}; scored by its offsets")
                for told in rules.misread(record)
            )
            # The reader leaves out mentions that do not fit the text, so it gets empty offsets.
            fragments[place] = record.fragments
            record = TextBound(record.id, record.label, ((0, 0),), "")
        elif isinstance(record, Relation) and rules.ends_as_listed:
            record = record._replace(args=tuple(("", id_) for _, id_ in record.args))
        lines.append(line._replace(record=record))
    reading = read_lines(replace(note, standoff=Standoff(lines)))
    problems += (
        replace(problem, line=numbers[problem.line - 1] + 1) if problem.line else problem
        for problem in reading.problems
    )
    pair.problems += sorted(problems, key=lambda problem: problem.line)
    mentions = [
        mention._replace(fragments=fragments[reading.mention_lines[mention.id]])
        for mention in reading.annotations.mentions
    ]
    return Annotations(mentions, reading.annotations.links)


def _last_of_id(note: Note, problems: list[Problem]) -> tuple[list[Line], list[int]]:
    """The note's lines, where a later mention or relation replaces an earlier one with the same id.

    problems (list[Problem]): Receives a warning for every line that is replaced.
    RETURNS (tuple[list[Line], list[int]]): As many lines as in the file, and for each its line
        number in the file, from 0.
    """
    lines = list(note.standoff.lines)
    numbers = list(range(len(lines)))
    places: dict[tuple[type, str], int] = {}
    for number, line in enumerate(lines):
        record = line.record
        if not isinstance(record, TextBound | Relation):
            continue
        place = places.setdefault((type(record), record.id), number)
        if place == number:
            continue
        told = f"the id {record.id} is used again in line {number + 1}: only that line is scored"
        problems.append(Problem(note.ann, numbers[place] + 1, told, "warning"))
        lines[place], numbers[place] = line, number
        lines[number] = Line("", None)
    return lines, numbers


def _disagreement(note: Note, number: int, bound: TextBound) -> Problem:
    end = max(end for _, end in bound.fragments)
    covered = (
        f"but its offsets end at {end}, and the note at {len(note.text)}"
        if end > len(note.text)
        else f"but its offsets cover {covered_text(note.text, bound.fragments)!r}"
    )
    message = f"{bound.id} says {bound.text!r}, {covered}: scored by its offsets"
    return Problem(note.ann, number + 1, message, "warning")


def _settle_bom(gold: Note, predicted: Note) -> None:
    """Give both notes the same text if their files are equal.

    Whether offsets count a byte order mark is inferred from the text columns, which can be wrong or
    missing on one side. Gold decides, unless it has no annotations.
    """
    raw = [BOM + note.text if note.bom else note.text for note in (gold, predicted)]
    if gold.bom != predicted.bom and raw[0] == raw[1]:
        known = gold if gold.standoff.lines else predicted
        gold.text = predicted.text = known.text
        gold.bom = predicted.bom = known.bom


def _difference(notes: Mapping[Path, Note]) -> str | None:
    """A message on where the texts of a note's two files differ; None if they are equal."""
    (gold_path, gold), (predicted_path, predicted) = notes.items()
    texts = [gold.text, predicted.text]
    if gold.bom != predicted.bom:
        # Without annotations, nothing shows whether offsets count a byte order mark.
        texts = [
            t if n.standoff.lines else t.removeprefix(BOM)
            for t, n in zip(texts, (gold, predicted), strict=True)
        ]
    if texts[0] == texts[1]:
        return None
    position = next(
        (i for i, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts))
    )
    line = texts[1].count("\n", 0, position) + 1
    return (
        f"{predicted_path}:{line}: its text differs from {gold_path} from character {position} on, "
        "so offsets cannot be compared; expected the same text in both folders, line ends included"
    )


def twins(pair: FolderPair) -> list[str]:
    """Labels that are compared as different but may be meant as the same; see `label_twins`.

    RETURNS (list[str]): The spellings of each such label, each with file and line of its first use.
    """
    return [
        "; ".join(f"{shown}, first in {met[label]}" for label, shown in found.items())
        for met in (pair.first_met["mention"], pair.first_met["relation"])
        for found in label_twins(met)
    ]
