"""Folders and files in which output is made, beside its place, until it is whole."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .locks import lock, open_folder
from .processes import is_running

# Those of this process.
_OPEN: set[str] = set()


@contextmanager
def workplace(parent: Path, purpose: str) -> Iterator[Path]:
    """A hidden folder for its owner alone, gone when the block ends.

    What runs that were killed have left there for the same purpose is removed first. Another run
    that is still at work, or that works on another machine, has its own beside this one.

    parent (Path): Made if it is missing. On its disk a file moves to its place in whole.
    purpose (str): Part of the folder's name.
    """
    parent.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().replace("-", "_").replace(os.sep, "_")
    prefix = f".{purpose}-{host}-"
    for path in parent.iterdir():
        if path.name.startswith(prefix) and not _is_at_work(path, prefix):
            shutil.rmtree(path, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=parent) as folder:
        _OPEN.add(folder)
        try:
            yield Path(folder)
        finally:
            _OPEN.remove(folder)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Have a folder, made if it is missing, for this process alone until the block ends.

    RAISES (BlockingIOError): Another process has it.
    """
    descriptor = _claim(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _claim(folder: Path) -> int | None:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = open_folder(folder)
    if descriptor is None:
        return None
    try:
        lock(descriptor)
    except BlockingIOError as error:
        os.close(descriptor)
        raise BlockingIOError(f"{folder}: another run is at work here; wait for its end") from error
    if folder.exists() and os.path.samestat(folder.stat(), os.fstat(descriptor)):
        return descriptor
    # Whoever had it has moved it away meanwhile.
    os.close(descriptor)
    return _claim(folder)


def replace_folder(new: Path, old: Path) -> None:
    """Put a whole folder in the place of one that may be there.

    A process that is killed here leaves the old one as it was, or `new` alone.
    """
    away = old.with_name(f"{old.name}.old")
    shutil.rmtree(away, ignore_errors=True)
    if old.exists():
        old.rename(away)
    new.rename(old)
    shutil.rmtree(away, ignore_errors=True)


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Write a file that is there as a whole or as it was before; its folder is made if missing.

    private (bool): Readable by its owner alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    # Made anew: what a killed run left may be readable by others.
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    with os.fdopen(descriptor, "w", encoding="utf8", newline="\n") as file:
        file.write(text)
    part.replace(path)


def _is_at_work(path: Path, prefix: str) -> bool:
    """Whether the process that made a folder still runs."""
    process = path.name.removeprefix(prefix).partition("-")[0]
    if not process.isdecimal():
        return False
    if int(process) == os.getpid():
        # In a container every run may have the same number.
        return str(path) in _OPEN
    return is_running(int(process))
