"""Replacement of a whole corpus folder: the new one appears complete or not at all."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...system.hashing import hash_of
from ...system.workplace import workplace

MANIFEST = "generated.json"
_SPLITS = ("train", "dev", "test")


class ChangedNotesError(FileExistsError):
    """A folder holds a corpus that may have been edited since it was generated."""


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which replaces `folder` when the block ends without an error.

    After an error, `folder` is as before.

    folder (Path): Where the corpus goes; the caller has checked that it may be replaced.
    """
    with workplace(folder.parent, folder.name) as stage:
        new = stage / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(stage / "old")
        new.rename(folder)


def check_replaceable(folder: Path, kind: str) -> None:
    """Check that a folder holds nothing, or just what an earlier run wrote.

    kind (str): Of the corpus, for messages.
    RAISES (FileExistsError): It holds something else.
    RAISES (ChangedNotesError): It holds what an earlier run wrote, but other notes or annotations.
    """
    found = sorted(path for path in folder.rglob("*") if not path.is_dir())
    pattern = rf"({'|'.join(_SPLITS)})/\1-\d+\.(txt|ann)|{re.escape(MANIFEST)}"
    odd = [p for p in found if not re.fullmatch(pattern, p.relative_to(folder).as_posix())]
    if odd:
        raise FileExistsError(
            f"{odd[0]} is not part of a {kind}; {folder} must be new, empty, or hold what an "
            "earlier run wrote"
        )
    known = _sum_in(folder / MANIFEST)
    if found and known != _sum_of(folder):
        told = (
            f"the notes in {folder} were changed since they were generated"
            if known
            else f"{folder} has no {MANIFEST} that tells whether its notes are as they were "
            "generated (earlier versions wrote none)"
        )
        raise ChangedNotesError(f"{told}; to have them generated anew, move that folder away")


def write_manifest(folder: Path, about: Mapping[str, Any]) -> None:
    """Write what a corpus was made from, and a sum of its notes, by which edits are noticed."""
    content = json.dumps({**about, "sha256": _sum_of(folder)}, indent=2)
    (folder / MANIFEST).write_text(f"{content}\n", encoding="utf8", newline="\n")


def _sum_of(folder: Path) -> str:
    return hash_of(folder / split for split in _SPLITS)


def _sum_in(manifest: Path) -> str:
    try:
        return str(json.loads(manifest.read_text(encoding="utf8"))["sha256"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
