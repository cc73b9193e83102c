"""JSON Lines; the file appears once it is complete."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...doc import Annotations
from ...terminal.printable import shown
from ..run_log import RunLog
from .base import make_folder


class JsonlWriter:
    """One line per note, in `path` + `.part`, which is renamed when all are written.

    An interrupted run leaves a hidden log beside the part, from which its next start continues.

    path (Path): The file, readable by its owner only.
    run (Mapping[str, str] | None): The settings of the run; see `RunLog`.
    RAISES (ValueError): There is an unfinished run with other settings.
    """

    def __init__(self, path: Path, run: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._log = RunLog(self.log_of(path), run or {})
        self._kept = 0
        self.done = {}
        if self._log.notes and self._part.exists():
            with self._part.open("rb") as part:
                # Lines that are incomplete or not in the log are written again.
                for (name, found), line in zip(self._log.notes.items(), part, strict=False):
                    if line.endswith(b"\n"):
                        self.done[name] = found
                        self._kept += len(line)

    @staticmethod
    def log_of(path: Path) -> Path:
        """The path of the log of an unfinished run."""
        return path.with_name(f".{path.name}-run")

    def __enter__(self) -> Self:
        make_folder(self.path.parent)
        # First, since its lock keeps other runs from the part.
        self._log.start(self.done)
        how = os.O_WRONLY | os.O_APPEND if self.done else os.O_WRONLY | os.O_CREAT | os.O_EXCL
        if not self.done:
            self._part.unlink(missing_ok=True)
        descriptor = os.open(self._part, how, 0o600)
        os.truncate(descriptor, self._kept)
        self._file = os.fdopen(descriptor, "a", encoding="utf8", newline="\n", buffering=1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        finished = False
        try:
            if kind is None:
                self._finish(self._part)
                finished = True
            elif not self._log.notes:
                self._part.unlink()
        finally:
            self._log.close(finished)

    def _finish(self, lines: Path) -> None:
        """Turn the lines into the final file."""
        lines.replace(self.path)

    def refusal(self, name: str) -> str | None:
        return None

    def others(self) -> list[Path]:
        return []

    def write(self, name: str, text: str, annotations: Annotations, *, bom: bool = False) -> None:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"its name {shown(name)} is not UTF-8, as all of {self.path.name} has to be; "
                "rename it (--format brat takes any file name)"
            ) from error
        # Before the log: a line that is in the log must exist.
        self._file.write(json.dumps(as_record(name, text, annotations, bom)) + "\n")
        self._log.add(name, text)


def as_record(name: str, text: str, annotations: Annotations, bom: bool = False) -> dict[str, Any]:
    """A note's annotations as plain values; offsets are characters of its file.

    bom (bool): Whether the file begins with a byte order mark that `text` lacks; it is counted.
    RETURNS (dict[str, Any]): `{"id", "entities": [{"id", "start", "end", "label", "text",
        "score"}], "relations": [{"label", "head", "tail", "score"}]}`.
    """
    return {
        "id": name,
        "entities": [
            {
                "id": mention.id,
                "start": mention.start + bom,
                "end": mention.end + bom,
                "label": mention.label,
                "text": text[mention.start : mention.end],
                "score": mention.score,
            }
            for mention in annotations.mentions
        ],
        "relations": [
            {"label": link.label, "head": link.head, "tail": link.tail, "score": link.score}
            for link in annotations.links
        ],
    }
