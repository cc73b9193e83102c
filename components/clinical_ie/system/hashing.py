"""Hashes of files and folders, to tell whether anything has changed."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path


def hash_of(roots: Iterable[Path], start: str = "") -> str:
    """Hash files, and all files below folders except `__pycache__` and hidden ones.

    roots (Iterable[Path]): Files and folders; missing ones are skipped.
    start (str): Text to hash before them.
    """
    digest = hashlib.sha256(start.encode())
    for root in roots:
        for file in _files(root):
            digest.update(f"\0{file.name}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    elif root.is_dir():
        for path in sorted(root.rglob("*")):
            parts = path.relative_to(root).parts
            if path.is_file() and not any(p == "__pycache__" or p[0] == "." for p in parts):
                yield path
