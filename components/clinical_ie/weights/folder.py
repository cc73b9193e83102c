"""One model's folder on disk: which files are right, and how files are put in place.

Hashing a gigabyte takes seconds, so a stamp file keeps size, modification time and SHA-256 of every
file; one that still matches its stamp is not read again. The stamp file is beside the folder, since
fingerprints of runs cover all files in the folder and must not depend on modification times.
"""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..system.workplace import write_whole
from .table import Model, WeightFile

STAMPS = ".verified"
SUMS = "SHA256SUMS"
WORK = ".parts"
# A part gets its final name after it was checked; everything else in the work folder was left by
# an interrupted run.
PART_SUFFIX = ".bin"
UNRECORDED = "has no recorded SHA-256"


class ModelFolder:
    """The files of one model, and a work folder inside it for files that are not checked yet.

    path (Path): The model's folder; it need not exist.
    model (Model): The model's entry in the table.
    """

    def __init__(self, path: Path, model: Model) -> None:
        self.path = path
        self.model = model
        self.work = path / WORK
        self._stamp_path = path.parent / STAMPS / f"{path.name}.json"
        self._stamp = _read_stamp(self._stamp_path)
        self._sums = _read_sums(path / SUMS)

    def expected(self, file: WeightFile) -> str | None:
        """The SHA-256 that a file must have.

        file (WeightFile): A file of the model.
        RETURNS (str | None): The table's, else the one recorded at the first download, else
            None.
        """
        return file.sha256 or self._sums.get(file.name)

    def problem(self, file: WeightFile) -> str | None:
        """What is wrong with a file on disk; an unchanged, stamped file is not read again.

        file (WeightFile): A file of the model.
        RETURNS (str | None): What to tell the user, or None if the file is right.
        """
        place = self.path / file.name
        if not place.exists():
            return "is missing"
        if not place.is_file():
            return "is not a file"
        status = place.stat()
        if file.size is not None and status.st_size != file.size:
            return f"has {status.st_size:,} bytes instead of {file.size:,}"
        expected = self.expected(file)
        if expected is None:
            return UNRECORDED
        known = self._stamp.get(file.name)
        if known is not None and (known["size"], known["mtime_ns"]) == (
            status.st_size,
            status.st_mtime_ns,
        ):
            digest = str(known["sha256"])
        else:
            digest = sha256_of(place)
            self._write_stamp(file.name, digest)
        return None if digest == expected else f"has SHA-256 {digest} instead of {expected}"

    def missing(self) -> dict[str, tuple[WeightFile, str]]:
        """The files that have to be fetched.

        RETURNS (dict[str, tuple[WeightFile, str]]): File and problem by name, in table order.
        """
        problems = ((file, self.problem(file)) for file in self.model.files)
        return {file.name: (file, problem) for file, problem in problems if problem is not None}

    def place(self, made: Path, file: WeightFile, digest: str) -> None:
        """Move a checked file to its place, atomically, and record its hash.

        made (Path): The file, on the same file system.
        file (WeightFile): Which file it is.
        digest (str): Its SHA-256, already compared with what was expected.
        """
        made.replace(self.path / file.name)
        self.record(file, digest)

    def record(self, file: WeightFile, digest: str) -> None:
        """Record the hash of a file that is in its place and right.

        file (WeightFile): Which file it is.
        digest (str): Its SHA-256. If the table has none, this one is expected from now on.
        """
        if file.sha256 is None:
            self._sums[file.name] = digest
            lines = [f"{digest}  {name}\n" for name, digest in sorted(self._sums.items())]
            write_whole(self.path / SUMS, "".join(lines))
        self._write_stamp(file.name, digest)

    def sweep(self) -> None:
        """Remove incomplete files of an interrupted run; checked parts stay."""
        if self.work.is_dir():
            for entry in self.work.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                elif entry.suffix != PART_SUFFIX:
                    entry.unlink()
            if not any(self.work.iterdir()):
                self.work.rmdir()

    def discard_work(self) -> None:
        """Remove the work folder, parts included."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _write_stamp(self, name: str, digest: str) -> None:
        status = (self.path / name).stat()
        entry = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}
        self._stamp[name] = entry
        # Without a stamp, as in a read-only folder, each run hashes the file again, nothing worse.
        with suppress(OSError):
            write_whole(self._stamp_path, json.dumps(self._stamp, indent=1, sort_keys=True))


def sha256_of(path: Path) -> str:
    """Hash a file.

    path (Path): The file.
    RETURNS (str): Its SHA-256 in lower-case hexadecimal.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_blob_of(path: Path) -> str:
    """Hash a file the way git names a blob, which is how the hub identifies its small files.

    path (Path): The file.
    RETURNS (str): The SHA-1 of git's blob header and the content, in lower-case hexadecimal.
    """
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _read_stamp(path: Path) -> dict[str, dict[str, Any]]:
    """RETURNS (dict[str, dict[str, Any]]): The stamps; none if the file is missing or damaged."""
    try:
        stamps = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError):
        return {}
    keys = {"size", "mtime_ns", "sha256"}
    if not isinstance(stamps, dict):
        return {}
    return {n: e for n, e in stamps.items() if isinstance(e, dict) and set(e) == keys}


def _read_sums(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[1].lstrip("*"): pair[0].lower() for pair in pairs if len(pair) == 2}
