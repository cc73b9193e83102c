"""Writing the demo corpus to disk."""

import re
from collections.abc import Mapping
from pathlib import Path

from ...brat import write_note
from .folder import files_below, replaced_folder
from .note import generate_note


def write_corpus(folder: Path, seed: int, sizes: Mapping[str, int]) -> None:
    """Write `folder/<split>/<name>.txt` and `.ann` for every note.

    The corpus appears complete or not at all: it is written beside the folder, then moved into
    place. An existing demo corpus is replaced.

    folder (Path): Where the corpus goes.
    seed (int): Another seed gives another corpus.
    sizes (Mapping[str, int]): Number of notes per split ("train", "dev", "test").
    RAISES (FileExistsError): The folder holds a file that is not part of a demo corpus.
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
                f"{path} is not part of a demo corpus; {folder} must be new, empty or a demo corpus"
            )
