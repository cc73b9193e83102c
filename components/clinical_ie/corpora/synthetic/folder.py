"""Replacement of a whole corpus folder: the new one appears complete or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...system.workplace import workplace


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


def files_below(folder: Path) -> list[tuple[Path, str]]:
    """Every file below a folder that may be missing: its path, and its name below the folder."""
    found = sorted(folder.rglob("*")) if folder.exists() else []
    return [(path, path.relative_to(folder).as_posix()) for path in found if not path.is_dir()]
