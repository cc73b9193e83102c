"""Folders of small, similar notes, and their conversion."""

from pathlib import Path

from clinical_ie.brat import Standoff, write_note
from clinical_ie.corpora.convert import ConvertSettings, convert_dataset
from clinical_ie.corpora.count import SplitCount

# One valid line and two invalid ones.
BROKEN = "T1\tDrug 0 7\taspirin\nT2\tDrug 9 99\tx\nR1\tX Arg1:T1\n"


def quiet(paths: list[Path], _: str) -> list[Path]:
    return paths


def convert(root: Path, out: Path, seed: int = 0) -> tuple[dict[str, SplitCount], list[str]]:
    return convert_dataset(root, out, ConvertSettings(), quiet, seed=seed)


def fill(folder: Path, n: int, ann: str = "T1\tDrug 0 7\taspirin\n") -> None:
    for i in range(n):
        write_note(folder, f"n{i}", "aspirin daily", Standoff.parse(ann))
