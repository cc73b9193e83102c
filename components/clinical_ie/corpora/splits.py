"""Which notes are train, dev and test."""

import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..brat import Problem
from ..brat.files import note_name
from .formats import FORMATS, Format

SPLITS = ("train", "dev", "test")
# The share in the paper: 61 of n2c2-2018's 303 training notes.
DEV_SHARE = 0.2


@dataclass(slots=True)
class Split:
    """The notes of one split, and the folder that their names are relative to."""

    root: Path
    paths: list[Path] = field(default_factory=list)
    strays: list[Problem] = field(default_factory=list)


def find_splits(
    root: Path, format_: Format, seed: int, dev_ids: Path | None = None
) -> tuple[dict[str, Split], list[str]]:
    """Find the notes of each split below a dataset's folder.

    A missing dev is taken from train: the notes that `dev_ids` lists, else a fifth, drawn with the
    seed. A missing test is an empty split.
    dev_ids (Path | None): A file with one note name per line.
    RETURNS (tuple[dict[str, Split], list[str]]): The splits, and remarks for the user.
    RAISES (FileNotFoundError): There is no train or no list, or a split has no notes.
    RAISES (ValueError): There are too few notes to split, or no training note has a dev id.
    """
    if dev_ids is not None and not dev_ids.is_file():
        raise FileNotFoundError(f"{dev_ids}: no such file; expected names of notes, one per line")
    folders = {name: split_folder(root, name, format_) for name in SPLITS}
    train_root = folders["train"]
    if train_root is None:
        called = format_.folders.get("train", ())[:1]
        raise FileNotFoundError(
            f"{root / 'train'}: no such folder; put notes into {root}/train, {root}/dev and "
            f"{root}/test, or name a .spacy file to convert a single folder"
            + "".join(f" (in this format, train may also be called {name})" for name in called)
            # Users of a release may not know that they must name its format.
            + "".join(
                f"; {folder} is from the release of {name}: use --format {name} (in the workflow "
                f"--vars.format {name})"
                for name, folder in releases(root, format_)
            )
        )
    splits = {
        name: Split(folder, format_.list_notes(folder), format_.strays(folder))
        if folder is not None
        else Split(train_root)
        for name, folder in folders.items()
    }
    remarks = _size_remarks(splits, folders, format_)
    train, dev = splits["train"], splits["dev"]
    train.strays += _unread(root, folders, format_, dev_ids)
    if folders["dev"] is None:
        if dev_ids is not None:
            train.paths, dev.paths = _by_ids(train, dev_ids)
            how = f"as listed in {dev_ids}"
        else:
            train.paths, dev.paths = split_off_dev(train.paths, seed)
            how = f"by seed {seed}"
        remarks.append(f"no {root / 'dev'}: {len(dev.paths)} of the training notes are dev, {how}")
    elif dev_ids is not None:
        raise ValueError(f"{dev_ids}: there already is a {folders['dev']}; use only one of them")
    if folders["test"] is None:
        remarks.append(f"no {root / 'test'}: evaluation will use dev, and say so")
    return splits, remarks


def releases(root: Path, format_: Format) -> Iterator[tuple[str, Path]]:
    """Other formats whose release is in the folder, with the folder of their training notes."""
    for name, other in FORMATS.items():
        if other.folders == format_.folders:
            continue
        for pattern in other.folders.get("train", ()):
            for folder in filter(Path.is_dir, root.glob(pattern)):
                try:
                    other.list_notes(folder)
                except OSError:
                    # The name matches, but there are no notes of that format.
                    continue
                yield name, folder
                return


def _unread(
    root: Path, folders: dict[str, Path | None], format_: Format, dev_ids: Path | None
) -> list[Problem]:
    """Problems for the notes outside the splits; the list of the dev notes is not a note."""
    problems = []
    used = [folder for folder in folders.values() if folder is not None]
    for path in sorted(root.iterdir()):
        if not path.is_dir() or any(folder.is_relative_to(path) for folder in used):
            continue
        try:
            found = len(format_.list_notes(path))
        except OSError:
            # No notes in it.
            continue
        told = f"holds {found} notes but is not a split: they are not read"
        problems.append(Problem(str(path), 0, told))
    # A broken link, which some editors create as a lock, is not a note.
    loose = [path for path in root.iterdir() if path.suffix in {".txt", ".xml"} and path.is_file()]
    if dev_ids is not None:
        loose = [path for path in loose if not path.samefile(dev_ids)]
    if loose:
        told = f"{len(loose)} notes are in the folder itself, not in a split: they are not read"
        problems.append(Problem(str(root), 0, told))
    return problems


def split_off_dev(paths: Sequence[Path], seed: int) -> tuple[list[Path], list[Path]]:
    """Draw a fifth of the notes as dev.

    RETURNS (tuple[list[Path], list[Path]]): Train and dev, each in the order given.
    RAISES (ValueError): Fewer than two notes.
    """
    if len(paths) < 2:
        folder = paths[0].parent
        raise ValueError(
            f"{folder}: one note cannot be split into train and dev: add notes, or make a "
            f"{folder.parent / 'dev'}"
        )
    drawn = random.Random(seed).sample(sorted(paths), max(1, round(len(paths) * DEV_SHARE)))
    dev = set(drawn)
    return [p for p in paths if p not in dev], [p for p in paths if p in dev]


def _by_ids(train: Split, file: Path) -> tuple[list[Path], list[Path]]:
    by_stem: dict[str, list[Path]] = {}
    by_name: dict[str, list[Path]] = {}
    for path in train.paths:
        by_stem.setdefault(_composed(path.stem), []).append(path)
        by_name.setdefault(_composed(note_name(path, train.root)), []).append(path)
    by_id = by_stem | by_name
    dev = set()
    # A name can hold blanks.
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: {error}; names must be UTF-8") from error
    for number, line in enumerate(lines, start=1):
        id_ = line.strip()
        found = by_id.get(_composed(id_), [])
        if len(found) > 1:
            raise ValueError(
                f"{file}:{number}: {id_!r} is the name of {len(found)} notes below {train.root}; "
                f"include their folders: {found[0].relative_to(train.root).with_suffix('')}"
            )
        if id_ and not found:
            raise ValueError(
                f"{file}:{number}: {id_!r} is not a note below {train.root}; expected names such "
                f"as {note_name(train.paths[0], train.root)!r}, one per line"
            )
        dev.update(found)
    rest = [path for path in train.paths if path not in dev]
    if not dev or not rest:
        raise ValueError(f"{file}: {len(dev)} dev notes leave {len(rest)} for training")
    return rest, [path for path in train.paths if path in dev]


def _composed(name: str) -> str:
    """A name with composed accents: lists and file systems differ in that, and look the same."""
    return unicodedata.normalize("NFC", name)


def split_folder(root: Path, split: str, format_: Format) -> Path | None:
    """The folder of a split in a dataset, under the project's name for it or the release's.

    RETURNS (Path | None): None if there is no such folder.
    """
    patterns = (split, *format_.folders.get(split, ()))
    for pattern in patterns:
        for folder in sorted(root.glob(pattern)):
            if folder.is_dir():
                return folder
    return None


def _size_remarks(
    splits: dict[str, Split], folders: dict[str, Path | None], format_: Format
) -> list[str]:
    remarks = []
    for name, expected in format_.sizes.items():
        found = len(splits[name].paths)
        if name == "train" and folders["dev"] is not None:
            found += len(splits["dev"].paths)
        if found != expected:
            remarks.append(
                f"{name} holds {found} notes, the release {expected}: scores are not comparable "
                "with published ones"
            )
    return remarks
