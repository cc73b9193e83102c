"""The demo corpus on disk."""

import re
from collections.abc import Mapping
from pathlib import Path

from ...brat import write_note
from .folder import files_below, replaced_folder
from .note import generate_note


def write_corpus(folder: Path, seed: int, sizes: Mapping[str, int]) -> None:
    """Write `folder/<split>/<name>.txt` and `.ann` for every note.

    The corpus is complete or not there: it is written beside the folder and moved into its place.
    A demo corpus that is already there is replaced.

    folder (Path): Where the corpus goes.
    seed (int): Another seed gives another corpus.
    sizes (Mapping[str, int]): Number of notes per split ("train", "dev", "test").
    RAISES (FileExistsError): The folder holds a file that is no part of a demo corpus.
    RAISES (ValueError): No such split.
    """
    _check_replaceable(folder)
    with replaced_folder(folder) as new:
        for split, size in sizes.items():
            (new / split).mkdir()
            for index in range(size):
                note = generate_note(seed, split, index)
                write_note(new / split, note.name, note.text, note.standoff)


def _check_replaceable(folder: Path) -> None:
    for path, name in files_below(folder):
        if not re.fullmatch(r"(train|dev|test)/\1-\d+\.(txt|ann)", name):
            raise FileExistsError(
                f"{path} is no part of a demo corpus; {folder} must be new, empty, or a demo corpus"
            )
