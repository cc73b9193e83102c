"""Hashes of files, folders and pipelines, to tell whether anything has changed."""

import hashlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
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


def pipeline_fingerprint(name: str) -> str:
    """A hash of all files of a pipeline.

    RETURNS (str): The hash, or the name itself if there is no such pipeline.
    """
    folder = pipeline_folder(name)
    return name if folder is None else hash_of([folder])[:16]


def pipeline_folder(name: str) -> Path | None:
    """Where a pipeline is, a folder or an installed package; None if there is none."""
    if Path(name).is_dir():
        return Path(name)
    spec = find_spec(name) if name.isidentifier() else None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    elif root.is_dir():
        for path in sorted(root.rglob("*")):
            parts = path.relative_to(root).parts
            if path.is_file() and not any(p == "__pycache__" or p[0] == "." for p in parts):
                yield path
