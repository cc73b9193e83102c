"""Pairs of `.txt` and `.ann` on disk."""

import os
import shlex
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path, PurePath
from typing import NoReturn

from ..system.garbage import collect_rarely
from ..system.names import suits_system
from ..system.packed import PACKED_ENDINGS, packed_as
from .model import BOM, Standoff
from .parse import wide_encoding
from .problem import Problem
from .records import Fragments, TextBound

# Shared tasks spread annotations over such files; brat reads them if there is no `.ann`.
PARTS = (".a1", ".a2", ".co", ".rel")
# So many letters with NULs between them are not chance.
_LEAST_LETTERS = 8


@dataclass(slots=True)
class Note:
    """One note and its annotations.

    name (str): Path of the file below the root of the corpus, without its ending.
    text (str): The text that offsets refer to; newlines are untouched.
    standoff (Standoff): The content of the `.ann`; empty if there is none.
    problems (list[Problem]): What could not be read as it is.
    bom (bool): Whether the `.txt` began with a byte order mark that the offsets do not count.
    has_ann (bool): Whether there is an `.ann`, even an empty one.
    ann (str): Name of the annotation file in messages; default: the name with `.ann`.
    """

    name: str
    text: str
    standoff: Standoff
    problems: list[Problem]
    bom: bool = False
    has_ann: bool = True
    ann: str = ""

    def __post_init__(self) -> None:
        self.ann = self.ann or f"{self.name}.ann"


def files_below(folder: Path) -> Iterator[Path]:
    """Every file and every broken link below a folder; links to folders are followed.

    Hidden folders are skipped: editors keep copies of notes there.

    RAISES (OSError): A folder cannot be read.
    """
    for here, _, files in _walk(folder):
        # macOS puts a file `._NAME` beside a file NAME.
        yield from (here / each for each in files if not each.startswith("._"))


def hidden_folders(folder: Path) -> list[Problem]:
    """One warning for all hidden folders below a folder, if there are any."""
    hidden = sorted(here / each for here, names, _ in _walk(folder) for each in names)
    if not hidden:
        return []
    others = f" (and {len(hidden) - 1} more like it)" if len(hidden) > 1 else ""
    told = f"its name begins with a dot: not looked into{others}"
    return [Problem(str(hidden[0]), 0, told, "warning")]


def _walk(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder, with the names of the hidden folders and of the files in it."""
    for name, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        here = Path(name)
        hidden = [each for each in folders if each.startswith(".")]
        # A link to a folder that contains it, even through other links, would never end.
        around = [path.resolve() for path in (here, *here.parents) if path.is_relative_to(folder)]
        circles = {
            each
            for each in folders
            if (here / each).is_symlink()
            and any(path.is_relative_to((here / each).resolve()) for path in around)
        }
        folders[:] = [each for each in folders if each not in hidden and each not in circles]
        yield here, hidden, files


def list_notes(folder: Path) -> list[Path]:
    """Every `.txt` below a folder, sorted by name.

    RAISES (FileNotFoundError): No such folder, or it holds no `.txt` at all.
    """
    if not folder.is_dir():
        told = "is a file" if folder.exists() else "no such folder"
        raise FileNotFoundError(
            f"{folder}: {told}; expected a folder of notes (.txt, with an .ann if annotated)"
        )
    files = list(files_below(folder))
    paths = sorted(path for path in files if path.suffix == ".txt")
    if not paths:
        odd = misspelt(files, (".txt",))
        told = f"; {odd[0].message.removesuffix(': left out')} ({odd[0].file})" if odd else ""
        raise FileNotFoundError(
            f"{folder}: holds no .txt file; expected notes (.txt, with an .ann if annotated){told}"
        )
    return paths


def strays(folder: Path) -> list[Problem]:
    """Problems for the files below a folder that look like part of a note but belong to none."""
    files = list(files_below(folder))
    problems = hidden_folders(folder) + misspelt(files) + in_parts(files)
    names = list(map(str, files))
    # Few are left to sort, and to look at as paths, which takes longer than all else here.
    there = {f"{name[:-4]}.ann" for name in names if name.endswith(".txt")}
    lonely = [name.endswith(".ann") and name not in there for name in names]
    for path in sorted(compress(files, lonely)):
        if path.suffix == ".ann":
            told = f"no {path.stem}.txt beside it, so it annotates nothing"
            note = path.with_suffix("")
            if note.suffix == ".txt" and note in files:
                told += f"; if it belongs to {note.name}, name it {note.with_suffix('.ann').name}"
            problems.append(Problem(str(path), 0, f"{told}: left out"))
    return problems


def misspelt(files: Iterable[Path], endings: Collection[str] = (".txt", ".ann")) -> list[Problem]:
    """Problems for files whose endings differ from one of these only in case, are all there is of
    their names, or are followed by that of a compressed file."""
    rest = [path for path in files if path.suffix not in endings]
    odd = {
        path: f"its name ends in {path.suffix}; expected {ending}"
        for path in rest
        if (ending := path.suffix.lower()) in endings
    }
    odd |= {
        path: f"its name is {path.name} alone; expected a name before it"
        for path in rest
        if path.name in endings
    }
    odd |= {
        path: f"is compressed; unpack it to {path.stem}"
        for path in rest
        if path.suffix.lower() in PACKED_ENDINGS and path.stem.lower().endswith(tuple(endings))
    }
    return [Problem(str(path), 0, f"{told}: left out") for path, told in sorted(odd.items())]


def in_parts(files: Iterable[Path]) -> list[Problem]:
    """Problems for notes without `.ann` whose annotations are in several files (shared tasks)."""
    known = set(files)
    problems: list[Problem] = []
    if not any(each.suffix in PARTS for each in known):
        return problems
    for path in sorted(each for each in known if each.suffix == ".txt"):
        if path.with_suffix(".ann") in known:
            continue
        if parts := [part for part in map(path.with_suffix, PARTS) if part in known]:
            *names, joined = (shlex.quote(each.name) for each in (*parts, path.with_suffix(".ann")))
            # Unlike `cat`, awk adds the newline that a last line may lack.
            remedy = f"`awk 1 {' '.join(names)} > {joined}` in that folder joins them"
            endings = " and ".join(part.suffix for part in parts)
            told = f"its annotations are in {endings}, which are not read; {remedy}: left out"
            problems.append(Problem(str(path), 0, told))
    return problems


def note_name(path: Path, root: Path) -> str:
    """The name of a note: its path below the root, without the ending of its file."""
    return path.relative_to(root).with_suffix("").as_posix()


@collect_rarely()
def read_note(path: Path, root: Path | None = None) -> Note:
    """Read a `.txt` and the `.ann` beside it.

    path (Path): The `.txt`. Without an `.ann`, the note has no annotations; this is not a problem.
    root (Path | None): The folder that note names are relative to; default: the file's own.
    RAISES (UnicodeDecodeError): The `.txt` is not UTF-8; the message names file and line.
    RAISES (OSError): A file cannot be read, or is a broken link.
    """
    name = note_name(path, root or path.parent)
    text = _decode(path)
    ann_path = path.with_suffix(".ann")
    if not os.path.lexists(ann_path):
        return Note(name, text, Standoff(), [], has_ann=False, ann=str(ann_path))
    standoff = Standoff.from_bytes(content_of(ann_path))
    bom = text.startswith(BOM) and _bom_is_not_counted(text, standoff)
    problems = [replace(problem, file=str(ann_path)) for problem in standoff.problems]
    return Note(name, text[1:] if bom else text, standoff, problems, bom, ann=str(ann_path))


def write_note(
    folder: Path,
    name: str,
    text: str,
    standoff: Standoff | None,
    *,
    bom: bool = False,
    mode: int = 0o666,
) -> None:
    """Write `name.txt` and `name.ann` below a folder, as UTF-8 with newlines untouched.

    standoff (Standoff | None): None writes no `.ann`.
    mode (int): Mode of new files, before the umask.
    RAISES (ValueError): The name leads out of the folder, or an existing `.ann` would be taken for
        this note's.
    """
    path = file_below(folder, name, ".txt")
    make_parent(folder, path)
    if standoff is None and path.with_suffix(".ann").exists():
        raise ValueError(
            f"{path.with_suffix('.ann')} exists, but the note has no annotations: remove it, or "
            "write into an empty folder"
        )
    contents = {path: ((BOM if bom else "") + text).encode("utf8")}
    if standoff is not None:
        contents[path.with_suffix(".ann")] = standoff.to_bytes()
    for place, content in contents.items():
        with open(place, "wb", opener=lambda file, flags: os.open(file, flags, mode)) as file:
            file.write(content)


def content_of(path: Path) -> bytes:
    """The bytes of a file.

    RAISES (OSError): It cannot be read, or is a pipe or a device, which may never end.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(f"{path}: is a pipe, a socket or a device; expected a file")
    return path.read_bytes()


def file_below(folder: Path, name: str, ending: str) -> Path:
    """The path at which to write a note.

    RAISES (ValueError): The name, which came from a file, leads out of the folder, or is not a
        possible file name on Windows.
    """
    # On Windows, neither `/a` nor `c:a` counts as absolute.
    if PurePath(name).anchor or ".." in PurePath(name).parts:
        raise ValueError(f"{name!r} cannot be the name of a note: it leads out of {folder}")
    if "\0" in name:
        raise ValueError(f"{name!r} cannot be the name of a note: no file name has a NUL in it")
    if not suits_system(name):
        raise ValueError(f"{name!r} is not a valid file name on Windows: rename the note")
    return folder / f"{name}{ending}"


def make_parent(folder: Path, path: Path) -> None:
    """Make the folder of a file below another folder.

    RAISES (ValueError): A link in that folder leads out of it.
    """
    whole = folder.resolve()
    for ending in {path.suffix, ".ann"}:
        place = path.with_suffix(ending)
        if not place.resolve().is_relative_to(whole):
            raise ValueError(f"{place} is a link, or behind one, that leads out of {folder}")
    path.parent.mkdir(parents=True, exist_ok=True)


def covered_text(text: str, fragments: Fragments) -> str:
    """The content of brat's text column: the pieces, joined by one blank, on one line."""
    return " ".join(text[start:end] for start, end in fragments).replace("\n", " ")


def line_fragments(text: str, span: tuple[int, int]) -> Fragments:
    """The pieces of a span, one per line, as brat stores a span that crosses a line break."""
    pieces, start = [], span[0]
    for line in text[span[0] : span[1]].split("\n"):
        body = line.strip()
        if body:
            first = start + len(line) - len(line.lstrip())
            pieces.append((first, first + len(body)))
        start += len(line) + 1
    return tuple(pieces)


def covers(text: str, fragments: Fragments, said: str) -> bool:
    """Whether a mention's offsets cover exactly the text in its text column."""
    start, end = fragments[0]
    if end - start == len(said) and text[start:end] == said:
        # Nearly all mentions: one piece on one line.
        return len(fragments) == 1
    # Lengths are compared first: a short line can have offsets that cover a whole book.
    return _length(fragments) == len(said) and covered_text(text, fragments) == said


def _length(fragments: Fragments) -> int:
    return sum(end - start for start, end in fragments) + len(fragments) - 1


def _bom_is_not_counted(text: str, standoff: Standoff) -> bool:
    # White space at the end of a line may belong to the mention, or be part of the line end.
    wanted = [
        (bound.fragments, bound.text.rstrip())
        for bound in standoff.records(TextBound)
        if _length(bound.fragments) <= len(bound.text) + 1
    ]

    def agreeing(text: str) -> int:
        return sum(covered_text(text, pieces).rstrip() == said for pieces, said in wanted)

    return agreeing(text[1:]) > agreeing(text)


def _decode(path: Path) -> str:
    content = content_of(path)
    looks, packed = wide_encoding(content), packed_as(content)
    try:
        text = content.decode("utf8")
        if looks and _is_text_in(looks, content):
            raise UnicodeDecodeError("utf-8", content, 0, 1, "there are NULs between the letters")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        remedy = (
            f"{looks or 'another encoding'}: convert it with "
            f"iconv -f {looks or '<its encoding>'} -t UTF-8"
        )
        if packed:
            remedy = f"a compressed file ({packed}): unpack it"
        error.reason = (
            f"{error.reason}, in {path}, line {line}; notes must be UTF-8, this looks like {remedy}"
        )
        raise
    return text


def _is_text_in(encoding: str, content: bytes) -> bool:
    """Whether a file without a byte order mark is text in UTF-16 or UTF-32.

    Letters of UTF-8 with NULs among them can be that too, by chance, if there are only a few.
    """
    for order in ("LE", "BE"):
        text = content.decode(f"{encoding}-{order}", errors="replace")
        # In the wrong order, each letter is one of another script.
        latin = len(text.encode("latin1", errors="ignore"))
        if latin >= max(_LEAST_LETTERS, len(text) / 2) and "".join(text.split()).isprintable():
            return True
    return False


def _raise(error: OSError) -> NoReturn:
    raise error
