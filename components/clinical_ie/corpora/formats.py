"""Input formats; notes of each are read as brat notes, and so give the same Docs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..brat import Note, Problem, list_notes, read_note
from ..brat.files import strays
from . import i2b2, n2c2


@dataclass(frozen=True, slots=True)
class Format:
    """How notes of one format are found, read and checked; can be passed to other processes.

    list_notes (Callable[[Path], list[Path]]): The notes below a folder; raises FileNotFoundError
        if there are none.
    read_note (Callable[[Path, Path], Note]): Reads one, given the folder its name is relative to.
    endings (Mapping[str, tuple[str, ...]]): By the ending of the path from `list_notes`, the
        endings of all files of the note.
    strays (Callable[[Path], list[Problem]]): Files below a folder that belong to no note, and a
        warning about hidden folders, which are not searched.
    check (Callable[[Note], list[Problem]]): Warnings that are specific to this format.
    folders (Mapping[str, tuple[str, ...]]): By split, glob patterns for its folder in the release.
    sizes (Mapping[str, int]): By split, the number of notes in the release.
    """

    list_notes: Callable[[Path], list[Path]] = list_notes
    read_note: Callable[[Path, Path], Note] = read_note
    endings: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {".txt": (".txt", ".ann")}
    )
    strays: Callable[[Path], list[Problem]] = strays
    check: Callable[[Note], list[Problem]] | None = None
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


FORMATS = {
    "brat": Format(),
    "n2c2-2018": Format(
        check=n2c2.official_script_warnings, folders=n2c2.FOLDERS, sizes=n2c2.SIZES
    ),
    "i2b2-2012": Format(
        list_notes=i2b2.list_notes,
        endings={".xml": (".xml",), ".extent": (".extent", ".txt", ".tlink")},
        strays=i2b2.strays,
        folders=i2b2.FOLDERS,
        sizes=i2b2.SIZES,
    ),
}


def format_named(name: str, i2b2_settings: i2b2.I2b2Settings | None = None) -> Format:
    """The format with this name.

    i2b2_settings (I2b2Settings | None): What to read from i2b2-2012 besides its EVENTs; default:
        nothing.
    RAISES (ValueError): There is no such format, or it is another and there is something to read.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}; this version reads: {', '.join(FORMATS)}")
    if name != "i2b2-2012" and i2b2_settings not in {None, i2b2.I2b2Settings()}:
        raise ValueError(
            f"--timex, --sectime and --tlinks are for --format i2b2-2012, and the format is {name}"
        )
    if name == "i2b2-2012":
        reader = partial(i2b2.read_note, settings=i2b2_settings)
        return replace(FORMATS[name], read_note=reader)
    return FORMATS[name]
