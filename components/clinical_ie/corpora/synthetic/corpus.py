"""Writing the demo corpus to disk."""

from collections.abc import Mapping
from pathlib import Path

from ...brat import write_note
from .folder import check_replaceable, replaced_folder, write_manifest
from .note import generate_note


def write_corpus(folder: Path, seed: int, sizes: Mapping[str, int]) -> None:
    """Write `folder/<split>/<name>.txt` and `.ann` for every note, and `folder/generated.json`.

    The corpus appears complete or not at all: it is written beside the folder, then moved into
    place. An existing demo corpus is replaced.

    folder (Path): Where the corpus goes.
    seed (int): Another seed gives another corpus.
    sizes (Mapping[str, int]): Number of notes per split ("train", "dev", "test").
    RAISES (FileExistsError): The folder holds something that this function did not write.
    RAISES (ValueError): No such split.
    """
    check_replaceable(folder, "demo corpus")
    with replaced_folder(folder) as new:
        for split, size in sizes.items():
            (new / split).mkdir()
            for index in range(size):
                note = generate_note(seed, split, index)
                write_note(new / split, note.name, note.text, note.standoff)
        write_manifest(new, {"seed": seed, "sizes": dict(sizes)})
