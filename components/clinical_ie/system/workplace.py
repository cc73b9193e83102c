"""Temporary folders and files in which output is made, beside its final place, until complete."""

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .locks import lock, open_folder
from .processes import is_running

# Errors after which no other file can be written to the same disk either.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
# Folders that this process is using; resolved, because one folder can have several paths, and since
# Python 3.12, temporary folders have absolute ones.
_OPEN: set[str] = set()


@contextmanager
def workplace(parent: Path, purpose: str) -> Iterator[Path]:
    """A hidden folder that only its owner can read, removed at the end of the context.

    Folders that killed runs left for the same purpose are removed first; those of runs that are
    still at work, or of other machines, are not touched.

    parent (Path): Made if it is missing; on its disk, so that files can be moved atomically.
    purpose (str): Part of the folder's name.
    """
    with _named(parent):
        yield from _workplace(parent, purpose)


@contextmanager
def _named(place: Path) -> Iterator[None]:
    """Errors of a full disk name no file, and that of a folder in which nothing can be made names a
    hidden one: they name the place instead."""
    try:
        yield
    except OSError as error:
        is_refused = isinstance(error, PermissionError)
        is_hidden = str(error.filename).startswith(f"{place}{os.sep}.")
        if (is_refused and is_hidden) or (error.filename is None and error.errno in NO_ROOM):
            error.filename = str(place)
        raise


def _workplace(parent: Path, purpose: str) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname().replace("-", "_").replace(os.sep, "_")
    prefix = f".{purpose}-{host}-"
    for path in parent.iterdir():
        if path.name.startswith(prefix) and not _is_at_work(path, prefix):
            shutil.rmtree(path, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=parent) as folder:
        place = os.path.realpath(folder)
        _OPEN.add(place)
        try:
            yield Path(folder)
        finally:
            _OPEN.remove(place)


@contextmanager
def claimed(folder: Path, mode: int = 0o777, *, wait: bool = False) -> Iterator[None]:
    """Lock a folder for this process until the end of the context.

    If it is missing, it is made, with its parents; what is still empty at the end is removed.
    mode (int): Of a new folder.
    wait (bool): Wait until the lock is free.
    RAISES (BlockingIOError): Another process holds the lock.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    descriptor = _claim(folder, mode, wait)
    try:
        yield
    finally:
        # Before another process can have the lock, and not a folder that it has put in this place.
        with suppress(OSError):
            for path in missing if descriptor is None or _is_at(folder, descriptor) else ():
                path.rmdir()
        if descriptor is not None:
            os.close(descriptor)


def _claim(folder: Path, mode: int, wait: bool) -> int | None:
    folder.mkdir(parents=True, exist_ok=True, mode=mode)
    descriptor = open_folder(folder)
    if descriptor is None:
        return None
    try:
        lock(descriptor, wait=wait)
    except BlockingIOError as error:
        os.close(descriptor)
        raise BlockingIOError(f"{folder}: another run is at work here; wait for its end") from error
    if _is_at(folder, descriptor):
        return descriptor
    # The process that held the lock has moved the folder meanwhile.
    os.close(descriptor)
    return _claim(folder, mode, wait)


def _is_at(folder: Path, descriptor: int) -> bool:
    """Whether an open folder still has this path."""
    return folder.exists() and os.path.samestat(folder.stat(), os.fstat(descriptor))


def replace_folder(new: Path, old: Path) -> None:
    """Replace a folder, if it exists, by a complete new one.

    A process killed between the two renames leaves `new` complete and no `old`.
    """
    away = old.with_name(f"{old.name}.old")
    shutil.rmtree(away, ignore_errors=True)
    if old.exists():
        old.rename(away)
    new.rename(old)
    shutil.rmtree(away, ignore_errors=True)


def copy_folder(source: Path, target: Path, *leave_out: str) -> None:
    """Copy a folder, without the names that match patterns.

    RAISES (OSError): A file cannot be copied, for instance because the disk is full.
    """
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*leave_out))
    except shutil.Error as error:
        # Its message is the list of all files that were not copied, usually for one reason.
        (name, _, why), *others = error.args[0]
        more = f" (and {len(others)} more like it)" if others else ""
        raise OSError(f"{name} could not be copied: {why}{more}") from error


def check_folder(folder: Path) -> None:
    """Check that a folder can be written to, or made, before work that takes long.

    RAISES (OSError): It cannot.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        told = "cannot be written to" if there.is_dir() else "is a file; expected a folder"
        raise OSError(f"{there} {told}, for {folder}")


def check_place(path: Path) -> None:
    """Check that a file can take the place of what is at a path.

    RAISES (OSError): There is a folder, or a device, a pipe or a socket: to replace one of these
        would destroy it, where the user meant it to be written to.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected the name of a file")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is a device, a pipe or a socket; expected the name of a file")


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Write a file atomically; its folder is made if missing. Of several writers, the last wins.

    private (bool): Whether only its owner can read it.
    RAISES (OSError): It cannot be written; see also `check_place`.
    """
    check_place(path)
    with workplace(path.parent, path.name) as folder:
        part = folder / "whole"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "w", encoding="utf8", newline="\n") as file:
            file.write(text)
        part.replace(path)


def _is_at_work(path: Path, prefix: str) -> bool:
    """Whether the process that made a folder is still running."""
    process = path.name.removeprefix(prefix).partition("-")[0]
    if not process.isdecimal():
        return False
    if int(process) == os.getpid():
        # In containers, all runs may have the same process id.
        return os.path.realpath(path) in _OPEN
    return is_running(int(process))
