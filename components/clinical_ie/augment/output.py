"""Writes the results of a run: new notes as `.spacy` and in brat, a JSON summary and a page."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.table import Column, Table
from rich.text import Text

from ..brat.files import file_below
from ..corpora.docbin import DocBinWriter
from ..system.workplace import NO_ROOM, workplace
from ..terminal.printable import printable
from .outcome import Outcome
from .page import render
from .source import NewNote

# `json.dumps` makes a new encoder for every call with these settings.
_JSON = json.JSONEncoder(ensure_ascii=False)


class Output:
    """Writes new notes as they come; they appear at their destination all together or not at all.

    Everything is readable by its owner only, from the first byte on: it is written in folders that
    are closed to others, and moved when complete. Nothing is created before the first note, or the
    end if there is none.

    out (Path): The new notes (`.spacy`).
    out_dir (Path): Gets `brat/`, `provenance.jsonl`, `augment.json` and `augment.html`.
    """

    def __init__(self, out: Path, out_dir: Path) -> None:
        self._out = out
        self._out_dir = out_dir
        self._stack = ExitStack()
        self._opened = False

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        self._stack.close()
        # Those of a disk that takes no more name no place.
        if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
            told = f"{error.strerror}, at {self._out} or in {self._out_dir}"
            raise OSError(error.errno, told) from error

    def add(self, notes: Iterable[NewNote]) -> None:
        """Write new notes; several together take less time."""
        self._open()
        notes = list(notes)
        for note in notes:
            self._docs.add_doc(note.doc)
        for note in notes:
            self._write_brat(note)
        for note in notes:
            line = _JSON.encode({"note": note.doc._.note_id, **note.doc._.provenance})
            self._provenance.write(f"{line}\n")

    def _write_brat(self, note: NewNote) -> None:
        path = file_below(self._folder / "brat", note.doc._.note_id, "")
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(path.parent)
        for ending, content in ((".txt", note.text.encode("utf8")), (".ann", note.ann)):
            # A buffer for content that is already whole takes as long as the write itself.
            with open(f"{path}{ending}", "wb", buffering=0, opener=_closed_to_others) as file:
                while content:
                    content = content[file.write(content) :]

    def finish(self, outcome: Outcome) -> None:
        """Write the summary, and replace the results of an earlier run; if there are no new notes,
        the earlier ones stay."""
        self._open()
        self._docs_stack.close()
        self._provenance.close()
        summary = outcome.as_dict()
        content = json.dumps(summary, indent=1, ensure_ascii=False)
        (self._folder / "augment.json").write_text(f"{content}\n", encoding="utf8", newline="\n")
        (self._folder / "augment.html").write_text(render(summary), encoding="utf8", newline="\n")
        for parent, _, _ in os.walk(self._folder):
            Path(parent).chmod(0o700)
        for name in ("provenance.jsonl", "augment.html", "augment.json"):
            (self._folder / name).chmod(0o600)
        if outcome.accepted:
            self._docs.path.chmod(0o600)
            # First the move that can fail: `out` may be on another disk.
            self._docs.path.replace(self._out)
            if (self._out_dir / "brat").exists():
                (self._out_dir / "brat").rename(self._folder / "brat-before")
            for name in ("brat", "provenance.jsonl"):
                (self._folder / name).replace(self._out_dir / name)
        for name in ("augment.html", "augment.json"):
            (self._folder / name).replace(self._out_dir / name)

    def _open(self) -> None:
        if self._opened:
            return
        self._opened = True
        self._out_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = self._stack.enter_context(workplace(self._out_dir, "augment"))
        self._made: set[Path] = set()
        self._provenance = (self._folder / "provenance.jsonl").open(
            "w", encoding="utf8", newline="\n"
        )
        self._stack.callback(self._provenance.close)
        beside_out = self._stack.enter_context(workplace(self._out.parent, "augment"))
        self._docs_stack = ExitStack()
        self._stack.push(self._docs_stack)
        self._docs = self._docs_stack.enter_context(DocBinWriter(beside_out / self._out.name))


def _closed_to_others(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def rewrites_table(pairs: Sequence[Mapping[str, str]], size: int) -> Table:
    """Some rewrites beside their sources, with the markers in colour.

    pairs (Sequence[Mapping[str, str]]): Each with `source` and `rewrite` in markup, as in
        `augment.json`.
    size (int): Maximum number of rewrites.
    """
    # Rich cuts lines with wide characters too late, and then leaves out their ends.
    columns = (Column(side, overflow="fold") for side in ("source", "rewrite"))
    table = Table(*columns, title="Rewrites", show_lines=True)
    for pair in pairs[:size]:
        table.add_row(*(_coloured(pair[side]) for side in ("source", "rewrite")))
    return table


def _coloured(markup: str) -> Text:
    text = Text("\n".join(map(printable, markup.split("\n"))))
    text.highlight_regex(r"\[\[[^\s:]+:|\]\]", "cyan")
    return text
