"""Notes annotated by a trained pipeline, with its probabilities, for another to learn from."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from ..annotate.notes import Failure, InputNote
from ..annotate.run_log import text_sum
from ..annotate.texts import run_each
from ..corpora.docbin import DocBinWriter, PackedDoc, pack, read_docs
from ..doc import Link
from ..heads.taught import NEGLIGIBLE, keep_taught
from ..ner.component import ClinicalNER
from ..ner.tags import tag_probabilities
from ..relations.component import ClinicalRelations
from ..scoring.evaluation import MENTION_COMPONENT, RELATION_COMPONENT, names_of
from ..system.workplace import write_whole


class Teacher:
    """A trained pipeline whose probabilities are kept.

    nlp (Language): Has a `clinical_ner`; without a `clinical_relations`, no relations are taught.
    RAISES (ValueError): It has no `clinical_ner`.
    """

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp
        mentions = names_of(nlp, {MENTION_COMPONENT})
        if not mentions:
            raise ValueError(
                f"the pipeline has no {MENTION_COMPONENT} to learn from; its components are "
                f"{', '.join(nlp.pipe_names) or 'none'}"
            )
        self._mentions = cast(ClinicalNER, nlp.get_pipe(mentions[-1]))
        self._relations = [
            cast(ClinicalRelations, nlp.get_pipe(name))
            for name in names_of(nlp, {RELATION_COMPONENT})
        ]

    def teach(self, notes: Sequence[InputNote]) -> list[PackedDoc | str]:
        """Each note annotated, with the probabilities, or why the pipeline failed on it."""
        texts = [note.text for note in notes]
        return run_each(self._nlp, texts, lambda doc, at: self._packed(doc, notes[at]))

    def _packed(self, doc: Doc, note: InputNote) -> PackedDoc:
        doc._.note_id, doc._.bom = note.name, note.bom
        if len(doc):
            self._mentions.require_vectors([doc])
            ops = self._mentions.model.ops
            scores = ops.to_numpy(self._mentions.model.predict([doc])[0])
            competing, alone = (tag_probabilities(scores, [len(doc)], c)[1] for c in (True, False))
            keep_taught(doc, self._mentions.labels, competing, alone, self._links(doc))
        return pack(doc)

    def _links(self, doc: Doc) -> list[Link]:
        found = []
        for pipe in self._relations:
            [(candidates, probabilities)] = pipe.relate([doc])
            ids = [span.id_ for span in candidates.spans]
            for pair, label in np.argwhere(probabilities >= NEGLIGIBLE).tolist():
                ends = ids[candidates.heads[pair]], ids[candidates.tails[pair]]
                found.append(Link(pipe.labels[label], *ends, float(probabilities[pair, label])))
        return found


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
        """Write all notes to one file, and remove the folder."""
        with DocBinWriter(out) as writer:
            for path in self._files():
                for doc in read_docs(path):
                    writer.add_doc(doc)
        shutil.rmtree(self._folder)

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.spacy"))


def teach_batch(
    teacher: Teacher, batch: Iterable[InputNote | Failure], parts: Parts
) -> list[Failure]:
    """Annotate some notes, and write them.

    RETURNS (list[Failure]): Those that could not be read or processed.
    """
    failures: list[Failure] = []
    notes: list[InputNote] = []
    for note in batch:
        if isinstance(note, Failure):
            failures.append(note)
        else:
            notes.append(note)
    good, docs = [], []
    for note, doc in zip(notes, teacher.teach(notes), strict=True):
        if isinstance(doc, str):
            failures.append(Failure(note.place, doc))
        else:
            good.append(note)
            docs.append(doc)
    if docs:
        parts.add(good, docs)
    return failures
