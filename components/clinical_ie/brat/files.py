"""Pairs of `.txt` and `.ann` on disk."""

from dataclasses import dataclass
from pathlib import Path

from .model import Problem, Standoff, TextBound

BOM = "\ufeff"


@dataclass(slots=True)
class Note:
    """One note and its annotations.

    name (str): File name without its ending, with the folders below the corpus' root.
    text (str): What the offsets count into; newlines are untouched.
    standoff (Standoff): The `.ann`, empty where there is none.
    problems (list[Problem]): What could not be read as it stands.
    bom (bool): The `.txt` began with a byte order mark that the offsets do not count.
    """

    name: str
    text: str
    standoff: Standoff
    problems: list[Problem]
    bom: bool = False


def list_notes(folder: Path) -> list[Path]:
    """Every `.txt` below a folder, sorted by name.

    RAISES (FileNotFoundError): No such folder, or it holds no `.txt` at all.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: no such folder; expected brat notes (.txt with .ann) in it"
        )
    paths = sorted(path for path in folder.rglob("*.txt") if path.is_file())
    if not paths:
        raise FileNotFoundError(
            f"{folder}: holds no .txt file; expected brat notes (.txt with .ann)"
        )
    return paths


def read_note(path: Path, root: Path | None = None) -> Note:
    """Read a `.txt` and the `.ann` beside it.

    path (Path): The `.txt`. A missing `.ann` is a note without annotations, and no problem.
    root (Path | None): The folder that note names are relative to; default: the file's own.
    RAISES (UnicodeDecodeError): A file is not UTF-8; the message names it.
    """
    name = path.relative_to(root or path.parent).with_suffix("").as_posix()
    text = _decode(path)
    ann_path = path.with_suffix(".ann")
    standoff = Standoff.parse(_decode(ann_path)) if ann_path.is_file() else Standoff()
    mentions = list(standoff.records(TextBound))
    bom = text.startswith(BOM) and _mismatches(text[1:], mentions) < _mismatches(text, mentions)
    if bom:
        text = text[1:]
    problems = [Problem(str(ann_path), line, message) for line, message in standoff.problems]
    return Note(name, text, standoff, problems, bom)


def write_note(
    folder: Path, name: str, text: str, standoff: Standoff, *, bom: bool = False
) -> None:
    """Write `name.txt` and `name.ann` below a folder, as UTF-8 with newlines untouched."""
    path = folder / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(((BOM if bom else "") + text).encode("utf8"))
    path.with_suffix(".ann").write_bytes(str(standoff).encode("utf8"))


def covered_text(text: str, fragments: tuple[tuple[int, int], ...]) -> str:
    """What brat puts into the text column: the pieces, joined by one blank, on one line."""
    return " ".join(text[start:end] for start, end in fragments).replace("\n", " ")


def _mismatches(text: str, mentions: list[TextBound]) -> int:
    return sum(covered_text(text, m.fragments) != m.text for m in mentions)


def _decode(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf8")
    except UnicodeDecodeError as error:
        error.reason = f"{error.reason}, in {path}; notes must be UTF-8"
        raise
