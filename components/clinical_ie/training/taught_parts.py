"""What a run that annotates notes for another pipeline has done, if it is interrupted."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..annotate.notes import InputNote
from ..annotate.run_log import text_sum
from ..corpora.docbin import DocBinWriter, PackedDoc, read_docs
from ..system.workplace import write_whole


class Parts:
    """The notes that are done, in small files of a folder, from which a later run goes on.

    folder (Path): Exists; what an earlier run has left there is read.
    made_from (str): What must be the same for a run to be continued.
    overwrite (bool): Begin anew instead.
    done (dict[str, int]): The `text_sum` of each note, by name.
    RAISES (ValueError): The folder is from a run that was made from something else.
    """

    def __init__(self, folder: Path, made_from: str, overwrite: bool) -> None:
        self._folder = folder
        stamp = folder / "made_from.txt"
        if overwrite:
            for path in (*self._files(), stamp):
                path.unlink(missing_ok=True)
        if stamp.exists() and stamp.read_text("utf8") != made_from:
            raise ValueError(
                f"{folder} is left from a run with another pipeline, precision or notes: repeat "
                "that one, or start over with --overwrite"
            )
        write_whole(stamp, made_from, private=True)
        docs = (doc for path in self._files() for doc in read_docs(path))
        self.done = {doc._.note_id: text_sum(doc.text) for doc in docs}

    def add(self, notes: Sequence[InputNote], docs: Sequence[PackedDoc]) -> None:
        """Write the Docs of some notes: all of them, or none if it fails."""
        with DocBinWriter(self._folder / f"{len(self._files()):06d}.spacy") as writer:
            for doc in docs:
                writer.add(doc)
        self.done.update((note.name, text_sum(note.text)) for note in notes)

    def join(self, out: Path) -> None:
        """Write all notes to one file, if there are any, and remove the folder."""
        if self.done:
            with DocBinWriter(out) as writer:
                for path in self._files():
                    for doc in read_docs(path):
                        writer.add_doc(doc)
        shutil.rmtree(self._folder)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.spacy"))
